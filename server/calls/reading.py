"""Reads the telephony's report: what notifications missed, every few minutes, and past months where the owner asks.

What is read goes the same way as notifications; a call that was told of whole is passed over.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from server.accounts import store as accounts
from server.calls import store
from server.calls.flow import Told
from server.platform.postgres import Conn, Pool

PERIOD = timedelta(minutes=5)
LEASE = timedelta(minutes=5)
#: A call stands in the report after its end, at the time of its beginning.
_OVERLAP = timedelta(hours=1)
_WEEK = timedelta(days=7)
_REFUSED_PAUSE = timedelta(minutes=15)
MONTHS_MOST = 36
_MONTH = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class Reported:
    session_id: str
    told: Sequence[Told] = field(repr=False)


class SourceAway(Exception):
    """No answer; again after `after_s`, or when the refusal was mended."""

    def __init__(self, detail: str, after_s: float | None = None) -> None:
        super().__init__(detail)
        self.after_s = after_s


class CallSource(Protocol):
    """The telephony's report. May raise `SourceAway`."""

    async def begun(self, since: datetime, till: datetime) -> Sequence[Reported]: ...


Take = Callable[[Conn, Reported, bool], Awaitable[str]]


class NotOn(Exception):
    """Calls are passed nowhere while telephony is off."""


@dataclass(frozen=True, slots=True)
class Past:
    """How far past months were read, newest first."""

    since: datetime
    looked_until: datetime
    share: float
    read: int
    missed: int
    last_error: str

    @property
    def done(self) -> bool:
        return self.looked_until <= self.since


async def ask_past(conn: Conn, account_id: UUID, *, months: int, now: datetime) -> bool:
    """Past months are to be read and passed by the settings as they are; False while a reading of them goes on."""
    return await ask_past_since(conn, account_id, since=now - _MONTH * min(months, MONTHS_MOST), now=now)


async def ask_past_since(conn: Conn, account_id: UUID, *, since: datetime, now: datetime) -> bool:
    if await accounts.integration_enabled_at(conn, account_id, "telephony") is None:
        raise NotOn
    return await store.ask_past(conn, account_id, since=max(since, now - _MONTH * MONTHS_MOST), now=now)


async def past(conn: Conn, account_id: UUID) -> Past | None:
    """None: nobody has asked for past months."""
    row = next((one for one in await store.readings(conn, account_id) if one["what"] == "past"), None)
    if row is None:
        return None
    whole, left = row["until"] - row["since"], row["looked_until"] - row["since"]
    share = 1.0 - left / whole if whole else 1.0
    return Past(row["since"], row["looked_until"], share, row["read"], row["missed"], row["last_error"])


async def count(source: CallSource, *, since: datetime, now: datetime) -> int:
    """How many calls the report has since then."""
    till, seen = now, set[str]()
    while till > since:
        first = max(since, till - _WEEK)
        seen.update(row.session_id for row in await source.begun(first, till))
        till = first
    return len(seen)


async def step(pool: Pool, source: CallSource | None, reading: store.Reading, take: Take, *, now: datetime) -> int:
    """One part of a reading; answers how many calls were new, or newly known to have ended."""
    past = reading.what == "past"
    if past:
        till = reading.looked_until or now
        since = max(reading.since or till, till - _WEEK)
    else:
        till = now
        since = (reading.looked_until or now) - _OVERLAP
        async with pool.acquire() as conn:
            since = min(
                since, await store.first_unsettled(conn, reading.account_id, since=now - timedelta(days=1)) or since
            )
    try:
        if source is None:
            raise SourceAway("UIS is not connected")
        rows = await source.begun(since - timedelta(minutes=1), till)
    except SourceAway as away:
        pause = timedelta(seconds=away.after_s) if away.after_s is not None else _REFUSED_PAUSE
        await store.keep_reading(
            pool, reading, looked_until=None, read=0, missed=0, next_at=now + pause, error=str(away)
        )
        return 0
    async with pool.acquire() as conn:
        settled = await store.settled(conn, reading.account_id, [row.session_id for row in rows])
    missed = 0
    for row in rows:
        if row.session_id not in settled:
            async with pool.acquire() as conn, conn.transaction():
                missed += await take(conn, row, past) == "stored"
    await store.keep_reading(
        pool, reading, looked_until=since if past else till, read=len(rows), missed=missed,
        next_at=now if past else now + PERIOD, error="",
    )  # fmt: skip
    return missed
