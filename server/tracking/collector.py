"""The collector's writer: events of many requests, one statement, the answer after the commit.

While one flush runs the next one gathers; no timer. The queue is bounded: a full one is refused, for a queue
without a limit only moves the loss.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from server.platform import metrics
from server.platform.bus import Bus
from server.platform.ids import new_id
from server.platform.postgres import Conn, Pool
from server.tracking.refusals import Refusals

HITS_TOPIC = "hits"
#: One statement, so one round trip and one commit: the events, what is to be worked on, and their count.
_STORE = """
    with flushed as (select now() as at),
    batch as (
        insert into hit_batch (account_id, batch_id, received_at, events, run_at)
        select a, b, at, e, at from unnest($1::uuid[], $2::uuid[], $3::int[]) t (a, b, e), flushed
    ),
    counted as (
        insert into ledger (account_id, hour, door, outcome, count)
        select a, date_trunc('hour', at), 'collector', 'accepted', e
            from unnest($1::uuid[], $3::int[]) t (a, e), flushed order by a
        on conflict (account_id, hour, door, outcome) do update set count = ledger.count + excluded.count
    )
    insert into hit (account_id, received_at, batch_id, event_id, kind, occurred_at, visit_id, site_id, place, bot,
        visit, payload)
    select a, at, b, event_id, kind, occurred_at, visit_id, site_id, place, bot, visit::jsonb, payload::jsonb
        from unnest($4::uuid[], $5::uuid[], $6::text[], $7::text[], $8::timestamptz[], $9::text[], $10::uuid[],
            $11::text[], $12::boolean[], $13::text[], $14::text[])
            t (a, b, event_id, kind, occurred_at, visit_id, site_id, place, bot, visit, payload), flushed
"""
_as_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


class Full(RuntimeError):
    """More events wait than the database takes; the sender is asked to come back."""


@dataclass(frozen=True, slots=True)
class NewHit:
    """One event on its way into `hit`. `visit`: description as stored, on the first event of a visit."""

    account_id: UUID
    event_id: str
    kind: str
    occurred_at: datetime
    visit_id: str | None
    site_id: UUID
    place: str
    bot: bool
    visit: dict[str, Any] | None
    payload: dict[str, Any]


class Collector:
    """Gathers events and stores them; `store` returns when they are durable. `refusals`: what the door turned away."""

    def __init__(self, pool: Pool, bus: Bus, *, limit: int = 20_000, patience_s: float = 5.0) -> None:
        self.refusals = Refusals(pool)
        self._pool = pool
        self._bus = bus
        self._limit = limit
        self._patience_s = patience_s
        self._rows: list[NewHit] = []
        self._done: asyncio.Future[None] | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="collector")
        self.refusals.start()

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        self._fail(self._take()[1], ConnectionError("the server stops"))
        await self.refusals.stop()

    async def store(self, hits: list[NewHit]) -> None:
        """Durable when it returns; raises `Full`, or the database's error when nothing was kept."""
        if len(self._rows) + len(hits) > self._limit:
            raise Full
        if self._done is None:
            self._done = asyncio.get_running_loop().create_future()
        done = self._done
        self._rows.extend(hits)
        self._wake.set()
        # Shielded: one caller that goes away must not cancel what the others wait for. The flush has its time limits.
        await asyncio.shield(done)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                async with self._pool.acquire(timeout=self._patience_s) as conn:
                    # Kept while events keep coming: giving it back and taking it again costs round trips.
                    while self._rows and await self._flushed(conn):
                        pass
            except Exception as error:
                self._fail(self._take()[1], error)
            if self._rows:
                self._wake.set()

    def _take(self) -> tuple[list[NewHit], asyncio.Future[None] | None]:
        taken = self._rows, self._done
        self._rows, self._done = [], None
        return taken

    @staticmethod
    def _fail(done: asyncio.Future[None] | None, error: Exception) -> None:
        if done is not None and not done.done():
            done.set_exception(error)
            done.exception()  # the waiters may be gone

    async def _flushed(self, conn: Conn) -> bool:
        """Whether what was waiting is stored now; those who wait for it are told either way."""
        rows, done = self._take()
        try:
            await self._flush(conn, rows)
        except BaseException as error:
            self._fail(done, error if isinstance(error, Exception) else ConnectionError("the server stops"))
            if not isinstance(error, Exception):
                raise
            return False
        assert done is not None
        done.set_result(None)
        await self._bus.publish(HITS_TOPIC)
        return True

    async def _flush(self, conn: Conn, rows: list[NewHit]) -> None:
        batches: dict[UUID, tuple[UUID, int]] = {}
        for row in rows:
            batch_id, number = batches.get(row.account_id) or (new_id(), 0)
            batches[row.account_id] = (batch_id, number + 1)
        await conn.execute(
            _STORE,
            list(batches),
            [batch_id for batch_id, _ in batches.values()],
            [number for _, number in batches.values()],
            [row.account_id for row in rows],
            [batches[row.account_id][0] for row in rows],
            [row.event_id for row in rows],
            [row.kind for row in rows],
            [row.occurred_at for row in rows],
            [row.visit_id for row in rows],
            [row.site_id for row in rows],
            [row.place for row in rows],
            [row.bot for row in rows],
            [None if row.visit is None else _as_text(row.visit) for row in rows],
            [_as_text(row.payload) for row in rows],
            timeout=self._patience_s,
        )
        metrics.FLUSH_ROWS.observe(len(rows))
