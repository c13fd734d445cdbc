"""Reading past months in: by weeks of creation, newest first, one page a step.

Promises: each step keeps its place in the transaction that applied it, so a crash repeats one page at most and that
changes nothing; webhooks go on meanwhile and win, for nothing newer is overwritten; memory holds one page.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from server.accounts.model import Branch
from server.bookings import catching_up_store as store
from server.bookings.source import BookingSource, SourceAway, SourceRefused, Take
from server.platform.ids import new_id
from server.platform.postgres import Conn, Pool

_WEEK, _SIX_DAYS = timedelta(days=7), timedelta(days=6)
LEASE = timedelta(minutes=2)
_REFUSED_PAUSE = timedelta(hours=1)
MONTHS_MOST = 36


class AlreadyRunning(Exception):
    """The account has a backfill that has not ended."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Bookings made in one branch from `first` to `last`, both days included, by the branch's clock."""

    branch: Branch
    first: date
    last: date


def slices(branches: tuple[Branch, ...], since: datetime, until: datetime) -> list[Slice]:
    """The parts of a backfill in the order they are read: the newest week of every branch first, each day once."""
    weeks: list[list[Slice]] = []
    for branch in sorted(branches, key=lambda branch: branch.company_id):
        zone = ZoneInfo(branch.timezone)
        start, end = since.astimezone(zone).date(), until.astimezone(zone).date()
        number = 0
        while end >= start:
            if number == len(weeks):
                weeks.append([])
            weeks[number].append(Slice(branch, max(start, end - _SIX_DAYS), end))
            end -= _WEEK
            number += 1
    return [part for week in weeks for part in week]


async def start(conn: Conn, account_id: UUID, branches: tuple[Branch, ...], *, since: datetime, now: datetime) -> UUID:
    """Begins a backfill; raises `AlreadyRunning`."""
    backfill_id = new_id()
    parts = len(slices(branches, since, now))
    if not await store.insert_backfill(conn, account_id, backfill_id, since=since, until=now, slices=parts, now=now):
        raise AlreadyRunning
    return backfill_id


async def step(
    pool: Pool, source: BookingSource, take: Take, branches: tuple[Branch, ...], job: store.Backfill, *, now: datetime
) -> store.Backfill:
    """Reads one page and keeps the place; answers the backfill as it stands then."""
    parts = slices(branches, job.since, job.until)
    if job.slice >= len(parts):
        return await store.end_backfill(pool, job, now=now)
    part = parts[job.slice]
    try:
        page = await source.created(part.branch, part.first, part.last, job.page)
    except SourceAway as away:
        return await store.put_off(pool, job, next_at=now + timedelta(seconds=away.retry_after_s), error=str(away))
    except SourceRefused as refused:
        return await store.put_off(pool, job, next_at=now + _REFUSED_PAUSE, error=str(refused))
    stored = 0
    for item in page.items:
        async with pool.acquire() as conn, conn.transaction():
            stored += await take(conn, part.branch, item, now) == "stored"
    place = (job.slice + 1, 1) if page.last else (job.slice, job.page + 1)
    return await store.keep_place(pool, job, place, read=len(page.items), stored=stored, parts=len(parts), now=now)
