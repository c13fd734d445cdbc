"""Reading past months in: by weeks of creation, newest first, one page a step.

Promises: every booking is applied in a transaction of its own and the place is kept after the whole page, so a crash
repeats one page at most and that changes nothing; a step whose lease went to another keeps no place; a booking that
cannot be read is counted and stops no other; webhooks go on meanwhile and win, for nothing newer is overwritten;
memory holds one page; a branch that may not be read keeps no other waiting. What is read is settled at the start: a
branch or a zone that changes later moves no place.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

from server.accounts.model import Branch
from server.bookings import catching_up_store as store
from server.bookings.source import BookingSource, SourceAway, SourceRefused, Take, passing_over
from server.platform.clock import utc_now
from server.platform.ids import new_id
from server.platform.postgres import Conn, Pool

_WEEK, _SIX_DAYS = timedelta(days=7), timedelta(days=6)
#: Renewed when the vendor has answered: longer than a call waits for that, and than a page takes.
LEASE = timedelta(minutes=5)
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
    parts = _kept(slices(branches, since, now))
    if not await store.insert_backfill(conn, account_id, backfill_id, since=since, until=now, parts=parts, now=now):
        raise AlreadyRunning
    return backfill_id


def worth_reading(branches: tuple[Branch, ...], readable: Collection[int]) -> tuple[Branch, ...]:
    """The branches that can be read by API; all of them while there is none, for then the account is to be connected."""
    return tuple(branch for branch in branches if branch.company_id in readable) or branches


def _kept(parts: list[Slice]) -> list[list[str]]:
    return [[str(part.branch.branch_id), part.first.isoformat(), part.last.isoformat()] for part in parts]


async def step(
    pool: Pool,
    source: BookingSource,
    take: Take,
    branches: tuple[Branch, ...],
    job: store.Backfill,
    *,
    now: datetime,
    clock: Callable[[], datetime] = utc_now,
) -> store.Backfill | None:
    """Reads one page and keeps the place; answers the backfill as it stands then. None: another has it now."""
    if not job.settled:  # begun by a release that did not keep the list
        settled = await store.settle(pool, job, _kept(slices(branches, job.since, job.until)))
        if settled is None:
            return None
        job = settled
    if job.slice >= job.slices:
        return await store.end_backfill(pool, job, now=now)
    part = await _part(pool, job, branches)
    if part is None:  # the branch is gone
        return await store.keep_place(pool, job, (job.slice + 1, 1), store.Counts(), now=now)
    try:
        page = await source.created(part.branch, part.first, part.last, job.page)
    except SourceAway as away:
        return await store.put_off(pool, job, next_at=now + timedelta(seconds=away.retry_after_s), error=str(away))
    except SourceRefused as refused:
        return await store.set_aside(pool, job, next_at=now, else_at=now + _REFUSED_PAUSE, error=str(refused))
    held = await store.renew_backfill(pool, job, lease_until=clock() + LEASE)
    if held is None:
        return None
    stored = 0
    unreadable: dict[str, None] = {}
    for item in page.items:
        with passing_over(part.branch, item, unreadable):
            async with pool.acquire() as conn, conn.transaction():
                told = await take(conn, part.branch, item, now)
            stored += told == "stored"
    place = (job.slice + 1, 1) if page.last else (job.slice, job.page + 1)
    counts = store.Counts(len(page.items), stored, len(unreadable))
    return await store.keep_place(pool, held, place, counts, now=now)


async def _part(pool: Pool, job: store.Backfill, branches: tuple[Branch, ...]) -> Slice | None:
    branch_id, first, last = await store.part(pool, job)
    branch = next((one for one in branches if str(one.branch_id) == branch_id), None)
    return Slice(branch, date.fromisoformat(first), date.fromisoformat(last)) if branch else None
