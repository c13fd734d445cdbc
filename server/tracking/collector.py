"""The collector's writer: events of many requests, one COPY, the answer after the commit.

While one flush runs the next one gathers; no timer. The queue is bounded: a full one is refused, for a queue
without a limit only moves the loss.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from server.delivery import ledger
from server.platform import metrics
from server.platform.bus import Bus
from server.platform.ids import new_id
from server.platform.postgres import Pool

HITS_TOPIC = "hits"
_COLUMNS = (
    "account_id", "received_at", "batch_id", "event_id", "kind", "occurred_at", "visit_id", "site_id", "place", "bot",
    "visit", "payload",
)  # fmt: skip


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
    """Gathers events and stores them; `store` returns when they are durable."""

    def __init__(self, pool: Pool, bus: Bus, *, limit: int = 20_000, patience_s: float = 5.0) -> None:
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

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def store(self, hits: list[NewHit]) -> None:
        """Durable when it returns; raises `Full`, or the database's error when nothing was kept."""
        if len(self._rows) + len(hits) > self._limit:
            raise Full
        if self._done is None:
            self._done = asyncio.get_running_loop().create_future()
        done = self._done
        self._rows.extend(hits)
        self._wake.set()
        # Shielded: one impatient caller must not cancel what the others wait for.
        await asyncio.wait_for(asyncio.shield(done), self._patience_s)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            rows, done = self._rows, self._done
            self._rows, self._done = [], None
            if not rows or done is None:
                continue
            try:
                await self._flush(rows)
            except Exception as error:
                done.set_exception(error)
                done.exception()
            else:
                done.set_result(None)
                await self._bus.publish(HITS_TOPIC)

    async def _flush(self, rows: list[NewHit]) -> None:
        batches: dict[UUID, tuple[UUID, int]] = {}
        for row in rows:
            batch_id, number = batches.get(row.account_id) or (new_id(), 0)
            batches[row.account_id] = (batch_id, number + 1)
        async with self._pool.acquire(timeout=self._patience_s) as conn, conn.transaction():
            now: datetime = await conn.fetchval(
                "insert into hit_batch (account_id, batch_id, received_at, events, run_at)"
                " select a, b, now(), e, now() from unnest($1::uuid[], $2::uuid[], $3::int[]) t (a, b, e)"
                " returning received_at",
                list(batches),
                [batch_id for batch_id, _ in batches.values()],
                [number for _, number in batches.values()],
            )
            await conn.copy_records_to_table(
                "hit",
                columns=_COLUMNS,
                records=[
                    (
                        row.account_id, now, batches[row.account_id][0], row.event_id, row.kind, row.occurred_at,
                        row.visit_id, row.site_id, row.place, row.bot, row.visit, row.payload,
                    )
                    for row in rows
                ],
            )  # fmt: skip
            for account_id in sorted(batches):
                await ledger.count(conn, account_id, "collector", "accepted", now, batches[account_id][1])
        metrics.FLUSH_ROWS.observe(len(rows))
