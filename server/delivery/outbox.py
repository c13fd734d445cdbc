"""Jobs: inserted in the transaction that causes them, run at least once, in order per key.

Claim = due, not leased, no other job of its key running; `FOR UPDATE SKIP LOCKED`. A dead worker's lease ends and
the job is taken again. A job that keeps failing ends as `dead` with its reason and is kept.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import SystemRandom
from typing import Any
from uuid import UUID

from server.platform import metrics
from server.platform.ids import new_id
from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY, Conn, Pool

_log = logger(__name__)
_LEASE_S = 30.0
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
        rows = await conn.fetch(
            "update job j set state = 'running', attempts = attempts + 1,"
            " lease_until = $1::timestamptz + $4 * interval '1 second'"
            " from (select account_id, job_id from job w where state = 'waiting' and run_at <= $1 and kind = any($2)"
            "  and not exists (select 1 from job r where r.account_id = w.account_id and r.kind = w.kind"
            "   and r.key = w.key and r.state = 'running')"
            "  order by run_at limit $3 for update skip locked) due"
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


async def run(pool: Pool, job: Job, handler: Run, schedule_s: Sequence[float], *, now: Callable[[], datetime]) -> None:
    """Runs one claimed job and settles it: done (deleted), later, again by the schedule, or dead."""
    try:
        await handler(job)
    except Later as later:
        await _settle(pool, job, run_at=later.run_at, error=str(later), counts=False)
        metrics.JOBS.labels(job.kind, "later").inc()
    except DATABASE_AWAY:
        raise  # the lease ends by itself
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
        async with pool.acquire() as conn:
            await conn.execute("delete from job where account_id = $1 and job_id = $2", job.account_id, job.job_id)
        metrics.JOBS.labels(job.kind, "done").inc()


async def _settle(pool: Pool, job: Job, *, run_at: datetime, error: str, counts: bool) -> None:
    async with pool.acquire() as conn, conn.transaction():
        # While it ran, a newer wish for the same key may have come: that one stays, this one goes.
        newer = await conn.execute(
            "update job set run_at = least(run_at, $4) where account_id = $1 and kind = $2 and key = $3"
            " and state = 'waiting'",
            job.account_id, job.kind, job.key, run_at,
        )  # fmt: skip
        if not newer.endswith(" 0"):
            await conn.execute("delete from job where account_id = $1 and job_id = $2", job.account_id, job.job_id)
            return
        await conn.execute(
            "update job set state = 'waiting', lease_until = null, run_at = $3, last_error = $4, attempts = $5"
            " where account_id = $1 and job_id = $2",
            job.account_id, job.job_id, run_at, error, job.attempts if counts else job.attempts - 1,
        )  # fmt: skip


async def _bury(pool: Pool, job: Job, error: str) -> None:
    async with pool.acquire() as conn:
        await conn.execute(
            "update job set state = 'dead', lease_until = null, last_error = $3 where account_id = $1 and job_id = $2",
            job.account_id, job.job_id, error,
        )  # fmt: skip
