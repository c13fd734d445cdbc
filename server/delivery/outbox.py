"""Jobs: inserted in the transaction that causes them, run at least once, in order per key.

Claim = due, not leased, no other job of its key running; `FOR UPDATE SKIP LOCKED`. A lease is renewed for as long as
its job runs; a dead worker's ends and the job is taken again. Whoever has lost a lease stops, and settles nothing: the
number of the attempt is the fence. A job that keeps failing ends as `dead` with its reason and is kept.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any
from uuid import UUID

import asyncpg

from server.platform import metrics
from server.platform.bus import Subscription
from server.platform.ids import new_id
from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY, Conn, Pool

_log = logger(__name__)
_LEASE_S = 30.0
_RENEW_S = 8.0
#: A job ends this long before a lease that could not be renewed: nobody else may have it yet.
_MARGIN_S = 3.0
#: Signal on the bus: a job may be due now.
JOBS_TOPIC = "jobs"
_chance = SystemRandom()


@dataclass(frozen=True, slots=True)
class Job:
    account_id: UUID
    job_id: UUID
    kind: str
    key: str
    payload: Mapping[str, Any]
    attempts: int


class Later(Exception):
    """A handler's wish to be called again at a moment, without counting as a failure."""

    def __init__(self, run_at: datetime, reason: str = "") -> None:
        super().__init__(reason)
        self.run_at = run_at


Run = Callable[[Job], Awaitable[None]]


async def enqueue(
    conn: Conn, account_id: UUID, kind: str, key: str, *, run_at: datetime, payload: Mapping[str, Any] | None = None
) -> None:
    """One waiting job per (kind, key): a second wish moves it to the earlier moment, so that wishes coalesce."""
    await conn.execute(
        "insert into job (account_id, job_id, kind, key, payload, run_at) values ($1, $2, $3, $4, $5, $6)"
        " on conflict (account_id, kind, key) where state = 'waiting'"
        " do update set run_at = least(job.run_at, excluded.run_at), payload = job.payload || excluded.payload",
        account_id, new_id(), kind, key, dict(payload or {}), run_at,
    )  # fmt: skip


async def claim(pool: Pool, kinds: Sequence[str], *, now: datetime, limit: int) -> list[Job]:
    async with pool.acquire() as conn:
        # Kind by kind, so that a heap of one kind is not read through to find the few of another.
        rows = await conn.fetch(
            "update job j set state = 'running', attempts = attempts + 1,"
            " lease_until = $1::timestamptz + $4 * interval '1 second'"
            " from (select w.account_id, w.job_id from unnest($2::text[]) wanted(kind) cross join lateral ("
            "  select account_id, job_id, run_at from job w where state = 'waiting' and run_at <= $1"
            "   and kind = wanted.kind and not exists (select 1 from job r where r.account_id = w.account_id"
            "    and r.kind = w.kind and r.key = w.key and r.state = 'running')"
            "   order by run_at limit $3 for update skip locked) w order by w.run_at limit $3) due"
            " where j.account_id = due.account_id and j.job_id = due.job_id"
            " returning j.account_id, j.job_id, j.kind, j.key, j.payload, j.attempts",
            now, list(kinds), limit, _LEASE_S,
        )  # fmt: skip
    return [Job(*row.values()) for row in rows]


async def reap(pool: Pool, *, now: datetime) -> int:
    """Takes back what a dead worker held. A newer waiting job of the same key makes the old one needless."""
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "delete from job r where r.state = 'running' and r.lease_until < $1 and exists (select 1 from job w"
            " where w.account_id = r.account_id and w.kind = r.kind and w.key = r.key and w.state = 'waiting')",
            now,
        )
        done = await conn.execute(
            "update job set state = 'waiting', lease_until = null where state = 'running' and lease_until < $1", now
        )
    return int(done.split()[-1])


# --- running


async def run(pool: Pool, job: Job, handler: Run, schedule_s: Sequence[float], *, now: Callable[[], datetime]) -> None:
    """Runs one claimed job and settles it: done (deleted), later, again by the schedule, or dead.

    Raises what `DATABASE_AWAY` names; the lease then ends by itself.
    """
    try:
        held = await _run_held(pool, job, handler, now=now)
    except Later as later:
        await _settle(pool, job, run_at=later.run_at, error=str(later), counts=False)
        metrics.JOBS.labels(job.kind, "later").inc()
    except DATABASE_AWAY:
        raise
    except Exception as error:
        _log.exception("job.failed", kind=job.kind, job_id=str(job.job_id), attempts=job.attempts)
        text = f"{type(error).__name__}: {error}"[:500]
        if job.attempts > len(schedule_s):
            await _bury(pool, job, text)
            metrics.JOBS.labels(job.kind, "dead").inc()
        else:
            pause_s = schedule_s[job.attempts - 1] * (0.5 + _chance.random() / 2)
            await _settle(pool, job, run_at=now() + timedelta(seconds=pause_s), error=text, counts=True)
            metrics.JOBS.labels(job.kind, "retry").inc()
    else:
        if held:
            await pool.execute(f"delete from job {_FENCE}", job.account_id, job.job_id, job.attempts)
        else:
            _log.warning("job.lease_lost", kind=job.kind, job_id=str(job.job_id), attempts=job.attempts)
        metrics.JOBS.labels(job.kind, "done" if held else "lease_lost").inc()


#: Holds only for the run that claimed the job: one that outlived its lease touches nothing of the next.
_FENCE = "where account_id = $1 and job_id = $2 and state = 'running' and attempts = $3"


async def _run_held(pool: Pool, job: Job, handler: Run, *, now: Callable[[], datetime]) -> bool:
    """Runs the handler under a lease that is renewed; answers False when the lease was lost and the handler stopped."""
    work = asyncio.ensure_future(handler(job))
    lease = asyncio.create_task(_renew_while_held(pool, job, now=now))
    try:
        await asyncio.wait((work, lease), return_when=asyncio.FIRST_COMPLETED)
        if not work.done():
            return False
        await work  # raises what the handler raised
        return True
    finally:
        for task in (work, lease):
            task.cancel()
        await asyncio.gather(work, lease, return_exceptions=True)


async def _renew_while_held(pool: Pool, job: Job, *, now: Callable[[], datetime]) -> None:
    """Returns when the lease is lost: another has taken the job, or the database could not be asked in time."""
    held_until = time.monotonic() + _LEASE_S - _MARGIN_S
    while True:
        await asyncio.sleep(_RENEW_S)
        asked_at = time.monotonic()
        asked = asyncio.create_task(
            pool.execute(
                f"update job set lease_until = $4::timestamptz + $5 * interval '1 second' {_FENCE}",
                job.account_id, job.job_id, job.attempts, now(), _LEASE_S,
            )
        )  # fmt: skip
        asked.add_done_callback(lambda task: task.cancelled() or task.exception())
        await asyncio.wait((asked,), timeout=max(0.0, held_until - asked_at))
        if not asked.done():
            asked.cancel()  # and left to end by itself: a database that hangs takes its time for that, too
            return
        if asked.exception() is None:
            if asked.result().endswith(" 0"):
                return
            held_until = asked_at + _LEASE_S - _MARGIN_S
        elif time.monotonic() + _RENEW_S > held_until:
            return


async def _settle(pool: Pool, job: Job, *, run_at: datetime, error: str, counts: bool) -> None:
    """Lets the job wait until `run_at`. A newer wish of its key that came meanwhile stays, and this one goes."""
    attempts = job.attempts if counts else job.attempts - 1
    while True:
        async with pool.acquire() as conn, conn.transaction():
            ours = await conn.fetchval(
                f"select 1 from job {_FENCE} for update", job.account_id, job.job_id, job.attempts
            )
            if ours is None:
                return
            newer = await conn.execute(
                "update job set run_at = least(run_at, $4) where account_id = $1 and kind = $2 and key = $3"
                " and state = 'waiting'",
                job.account_id, job.kind, job.key, run_at,
            )  # fmt: skip
            if not newer.endswith(" 0"):
                await conn.execute("delete from job where account_id = $1 and job_id = $2", job.account_id, job.job_id)
                return
            # The wish may come between these two statements: then the whole is looked at once more.
            with contextlib.suppress(asyncpg.UniqueViolationError):
                async with conn.transaction():
                    await conn.execute(
                        "update job set state = 'waiting', lease_until = null, run_at = $3, last_error = $4, attempts = $5"
                        " where account_id = $1 and job_id = $2",
                        job.account_id, job.job_id, run_at, error, attempts,
                    )  # fmt: skip
                return


async def _bury(pool: Pool, job: Job, error: str) -> None:
    await pool.execute(
        f"update job set state = 'dead', lease_until = null, last_error = $4 {_FENCE}",
        job.account_id, job.job_id, job.attempts, error,
    )  # fmt: skip


class Crew:
    """Runs the due jobs of a family of kinds, some at once. One that waits long holds its own place and nothing else."""

    def __init__(self, pool: Pool, family: Mapping[str, Run], schedule_s: Sequence[float], *, places: int) -> None:
        self._pool, self._family, self._schedule_s, self._places = pool, family, schedule_s, places
        self._running: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()

    async def step(self, *, now: Callable[[], datetime]) -> bool:
        """Takes what is due into the free places; answers whether more may be due. Waits while no place is free."""
        if len(self._running) >= self._places:
            await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        free = self._places - len(self._running)
        self._ended.clear()
        jobs = await claim(self._pool, list(self._family), now=now(), limit=free)
        for job in jobs:
            task = asyncio.create_task(self._run(job, now), name=f"job-{job.kind}")
            self._running.add(task)
            task.add_done_callback(self._end)
        return len(jobs) == free

    async def pause(self, signal: Subscription, every_s: float) -> None:
        """Until there may be something to do: a signal, the end of a job that another of its key waits for, or time."""
        told = asyncio.ensure_future(signal.next(every_s))
        ended = asyncio.ensure_future(self._ended.wait())
        try:
            await asyncio.wait((told, ended), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (told, ended):
                one.cancel()
            await asyncio.gather(told, ended, return_exceptions=True)

    async def stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def _end(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        self._ended.set()

    async def _run(self, job: Job, now: Callable[[], datetime]) -> None:
        try:
            await run(self._pool, job, self._family[job.kind], self._schedule_s, now=now)
        except DATABASE_AWAY as error:
            _log.warning("job.database_away", kind=job.kind, error=type(error).__name__)
        except Exception:
            _log.exception("job.not_settled", kind=job.kind, job_id=str(job.job_id))
