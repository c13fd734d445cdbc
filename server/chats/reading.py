"""Reads chats and forms from UIS: what a notification pointed at, who is talking now, and what nobody told of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from server.accounts import store as accounts
from server.chats import flow, store
from server.chats.model import Telling
from server.chats.settings import read_settings
from server.chats.source import Sought, SourceAway, TextSource
from server.platform.postgres import Pool, Row

_GROUP = 50
#: Longer than any look: a page of a report and the people in it wait for the account's pace.
LEASE = timedelta(minutes=15)
#: A chat may go on for long, in a messenger for weeks. All of this time is asked about where few can be meant;
#: where everything is compared, only the last day.
_LONGEST = timedelta(days=60)
_LATELY = timedelta(days=1)
_CLOCKS = timedelta(minutes=10)
_QUICK_MOST_S = 120.0
_QUICK_S = 20.0
_STEP = timedelta(days=7)  # of a backfill, at a time
_FIRST_LOOK_BACK = timedelta(days=60)


async def read_due(pool: Pool, source: TextSource | None, account_id: UUID, *, now: datetime) -> datetime | None:
    """Asks about what is due, one group; answers when something is due next."""
    async with pool.acquire() as conn:
        rows = await store.to_read(conn, account_id, now=now, limit=_GROUP)
        sought = await store.lookups(conn, account_id, now=now, limit=_GROUP)
    found: list[Telling] = []
    if source is not None and (rows or sought):
        heard = [row["started_at"] for row in rows] + [row["created_at"] for row in sought]
        since, till = min(heard) - _LONGEST, min(max(heard) + _LATELY, now + _CLOCKS)
        try:
            found = await source.read(
                Sought(
                    [row["vendor_id"] for row in rows if row["kind"] == "chat"],
                    [row["vendor_id"] for row in rows if row["kind"] == "form"],
                    [row["communication_id"] for row in sought],
                ),
                since, till,
            )  # fmt: skip
        except SourceAway as away:
            # Where UIS does not let us ask, what was told must do in the end; where it only does not answer, we wait.
            if not away.refused:
                async with pool.acquire() as conn:
                    await store.put_off_reads(conn, account_id, now + timedelta(seconds=away.after_s))
                    return await store.next_read(conn, account_id)
    for row in rows:
        async with pool.acquire() as conn, conn.transaction():
            # Where nobody can be asked there is nothing to wait for.
            await store.count_read(conn, account_id, row["text_id"], times=1 if source else len(flow.READ_PAUSES_S))
            for told in found:
                if (told.kind, told.vendor_id) == (row["kind"], row["vendor_id"]):
                    await flow.take(conn, account_id, told, now=now)
            await flow.settle(conn, account_id, row["text_id"], now=now)
    for row in sought:
        await _looked_up(pool, account_id, row, found, now=now, lost=source is None)
    async with pool.acquire() as conn:
        return await store.next_read(conn, account_id)


async def _looked_up(
    pool: Pool, account_id: UUID, row: Row, found: Sequence[Telling], *, now: datetime, lost: bool
) -> None:
    """A chat that was sought by its communication: what was told of it is told to it now, or sought again later."""
    communication_id = row["communication_id"]
    told = [one for one in found if one.facts.get("communication_id") == communication_id]
    async with pool.acquire() as conn, conn.transaction():
        for one in told:
            await flow.take(conn, account_id, one, now=now)
        if told or lost or row["tries"] + 1 >= len(flow.READ_PAUSES_S):
            kept = await store.take_lookup(conn, account_id, communication_id)
            for tag in kept if told else ():
                await flow.take_of_communication(conn, account_id, communication_id, tag, now=now)
        else:
            at = now + timedelta(seconds=flow.READ_PAUSES_S[row["tries"] + 1])
            await store.seek_again(conn, account_id, communication_id, at)


async def look(pool: Pool, source: TextSource | None, watch: Row, *, now: datetime, period_s: float) -> int:
    """One look at an account's reports: chats going on, where their start counts; now and then all that was missed.

    Answers how many chats and forms nobody had told of. `period_s`: how often the past is compared.
    """
    account_id, quick_s = watch["account_id"], min(_QUICK_S, period_s)
    async with pool.acquire() as conn:
        settings = read_settings(await accounts.integration_settings(conn, account_id, "texts"))
    if source is None:
        return await _note(pool, watch, now + timedelta(minutes=5), error="UIS is not connected")
    starts = settings.chats.enabled and settings.chats.create_client and settings.chats.create_on == "start"
    compared_at = watch["compared_at"]
    compares = compared_at is None or compared_at + timedelta(seconds=period_s) <= now
    going_on, missed = 0, 0
    try:
        if starts:
            told = await source.going_on(now - _LONGEST, now + _CLOCKS)
            going_on = len(told)
            await _take(pool, account_id, told, now=now)
        if compares and (settings.chats.enabled or settings.forms.enabled):
            since = max(compared_at - _LATELY if compared_at else watch["enabled_at"] - _CLOCKS, now - _FIRST_LOOK_BACK)
            missed = await _take(pool, account_id, await source.begun(since, now + _CLOCKS), now=now)
            await flow.ask_about_long_ones(pool, account_id, before=since, after=now - _LONGEST, now=now)
        asking = await _backfill(pool, source, watch, now=now)
    except SourceAway as away:
        pause = timedelta(seconds=max(away.after_s, 300.0 if away.refused else 0.0))
        return await _note(pool, watch, now + pause, error=str(away))
    quiet_s = quick_s if going_on else min(_QUICK_MOST_S, max(watch["period_s"] * 2, quick_s))
    next_s = max(quiet_s if starts else period_s, source.may_look_every_s())
    at = now if asking else now + timedelta(seconds=next_s)
    await _note(pool, watch, at, period_s=quiet_s, compared_at=now if compares else None, missed=missed)
    return missed


async def count(source: TextSource | None, since: datetime, *, now: datetime) -> int:
    """How many chats and forms of a past time there are to look at."""
    if source is None:
        raise SourceAway("UIS is not connected")
    number = 0
    while since < now:
        number += len(await source.begun(since, min(now, since + _STEP)))
        since += _STEP
    return number


async def _take(pool: Pool, account_id: UUID, told: Sequence[Telling], *, now: datetime, asked: bool = False) -> int:
    """Each in a transaction of its own; answers how many nobody had told of."""
    new = 0
    for one in told:
        async with pool.acquire() as conn, conn.transaction():
            new += await flow.take(conn, account_id, one, now=now, asked=asked) == "new"
    return new


async def _backfill(pool: Pool, source: TextSource, watch: Row, *, now: datetime) -> bool:
    """A week of what the owner asked for by hand; answers whether more is left."""
    done, till = watch["asked_done"], watch["asked_till"]
    if done is None or till is None or done >= till:
        return False
    end = min(till, done + _STEP)
    new = await _take(pool, watch["account_id"], await source.begun(done, end), now=now, asked=True)
    async with pool.acquire() as conn:
        await store.keep_asked(conn, watch["account_id"], watch["asked_at"], end, new)
    return bool(end < till)


async def _note(
    pool: Pool,
    watch: Row,
    next_look_at: datetime,
    *,
    period_s: float = 0.0,
    compared_at: datetime | None = None,
    missed: int = 0,
    error: str = "",
) -> int:
    async with pool.acquire() as conn:
        await store.keep_watch(
            conn, watch["account_id"], watch["lease_until"], next_look_at=next_look_at,
            period_s=period_s or watch["period_s"], compared_at=compared_at, missed=missed, error=error,
        )  # fmt: skip
    return missed
