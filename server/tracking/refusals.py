"""What the collector turned away, counted for the owner at the cost of a write a second, however much comes.

The first refusal of a kind is written at once, so that the owner sees it; what follows within a second is added up
and written together. While the database is away the sums wait: how many kinds there are is bounded by our own texts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.delivery import ledger
from server.platform import metrics
from server.platform.log import logger
from server.platform.postgres import Pool

_log = logger(__name__)
_DOOR = "collector"

Kind = tuple[UUID, str, str]  # account, reason, detail


@dataclass(slots=True)
class _Sum:
    at: datetime  # of the last one
    number: int = 0


class Refusals:
    """`add` counts; `start` and `stop` once."""

    def __init__(self, pool: Pool, *, every_s: float = 1.0) -> None:
        self._pool = pool
        self._every_s = every_s
        self._sums: dict[Kind, _Sum] = {}  # a kind stands here for the second after its last write
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="refusals")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._flush()

    async def add(self, account_id: UUID, told: Mapping[tuple[str, str], int], at: datetime) -> None:
        """`told`: how many of each (reason, detail). Returns when what the owner has not seen yet is written."""
        metrics.EVENTS.labels("refused").inc(sum(told.values()))
        news: dict[Kind, _Sum] = {}
        for (reason, detail), number in told.items():
            kind = account_id, reason, detail
            known = self._sums.get(kind)
            if known is None:
                self._sums[kind], news[kind] = _Sum(at), _Sum(at, number)
            else:
                known.number, known.at = known.number + number, at
        self._wake.set()
        if news:
            await self._write(news)

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._every_s)
            await self._flush()
            if not self._sums:
                self._wake.clear()

    async def _flush(self) -> None:
        due = {kind: one for kind, one in self._sums.items() if one.number}
        self._sums = {kind: _Sum(one.at) for kind, one in due.items()}
        if due:
            await self._write(due)

    async def _write(self, due: Mapping[Kind, _Sum]) -> None:
        """All or nothing; what could not be written is written with the next."""
        try:
            async with self._pool.acquire(timeout=1) as conn, conn.transaction():
                for kind in sorted(due):  # in one order, so that two servers cannot wait for each other
                    account_id, reason, detail = kind
                    one = due[kind]
                    await ledger.refuse(
                        conn, account_id, _DOOR, reason, at=one.at, detail=detail, number=one.number
                    )  # fmt: skip
        except Exception as error:
            _log.warning("refusals.put_off", error=type(error).__name__)
            metrics.EVENTS.labels("refusal_put_off").inc(sum(one.number for one in due.values()))
            for kind, one in due.items():
                self._sums.setdefault(kind, _Sum(one.at)).number += one.number
            self._wake.set()
