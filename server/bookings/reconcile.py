"""The reconciler: asks what changed since the last look, and so finds what a webhook never told.

Promises: a look that fails leaves its place as it was; of two processes that look at one branch because the first
took too long, the later alone writes down what it found; a booking found here is applied as any telling is; one that
cannot be read is named and stops no other. It only repairs: with all webhooks coming it changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from server.accounts.model import Branch
from server.bookings import catching_up_store as store
from server.bookings.source import BookingSource, SourceAway, SourceRefused, Take, id_as_told, passing_over
from server.platform import metrics
from server.platform.clock import utc_now
from server.platform.log import logger
from server.platform.postgres import Pool

_log = logger(__name__)
#: The vendor's clock is not ours, and its list may lag behind its journal.
_OVERLAP = timedelta(minutes=15)
_FIRST_LOOK_BACK = timedelta(days=2)
#: A webhook younger than this may still be under way: its booking is not yet missed.
_UNDER_WAY = timedelta(minutes=2)
#: Renewed with every page: longer than a call waits for the vendor and its page takes.
LEASE = timedelta(minutes=10)
_LONGEST = 4  # × the period of the settings
_NAMED = 100  # records that cannot be read; beyond that the number says nothing more


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a branch found. `missed`: bookings no webhook had told of in that state.

    `unreadable`: ids of records that could not be read, in this look or before, and have not been read since.
    """

    read: int
    missed: int
    unreadable: tuple[str, ...]


async def look(
    pool: Pool,
    source: BookingSource,
    take: Take,
    branch: Branch,
    due: store.Due,
    *,
    now: datetime,
    clock: Callable[[], datetime] = utc_now,
) -> Look:
    """One whole look: every page of what changed since. Raises what `source` raises, and `store.LeaseLost`."""
    since = (due.looked_until or now - _FIRST_LOOK_BACK) - _OVERLAP
    read = missed = 0
    unreadable = dict.fromkeys(due.unreadable)
    number = 1
    while True:
        page = await source.changed(branch, since, number)
        await store.renew_due(pool, due, lease_until=clock() + LEASE)
        for item in page.items:
            unreadable.pop(id_as_told(item), None)
            with passing_over(branch, item, unreadable):
                async with pool.acquire() as conn, conn.transaction():
                    told = await take(conn, branch, item, now)
                    is_new = told == "stored" and await store.is_missed(conn, branch, item, before=now - _UNDER_WAY)
                missed += is_new
        read += len(page.items)
        if page.last:
            return Look(read, missed, tuple(unreadable)[-_NAMED:])
        number += 1


async def reconcile_branch(
    pool: Pool,
    source: BookingSource,
    take: Take,
    branch: Branch,
    due: store.Due,
    *,
    now: datetime,
    period_s: float,
    clock: Callable[[], datetime] = utc_now,
) -> Look | None:
    """One due branch: looks, and says when to look again. None: the vendor could not be asked, or another looks now."""
    try:
        found = await look(pool, source, take, branch, due, now=now, clock=clock)
    except store.LeaseLost:
        return None
    except SourceAway as away:
        await store.failed(pool, due, next_at=now + timedelta(seconds=max(30.0, away.retry_after_s)), error=str(away))
        return None
    except SourceRefused as refused:
        await store.failed(pool, due, next_at=now + timedelta(seconds=period_s * _LONGEST), error=str(refused))
        return None
    period = next_period_s(due.period_s, found.missed, period_s)
    if not await store.looked(
        pool, due, looked_until=now, period_s=period, read=found.read, missed=found.missed, unreadable=found.unreadable
    ):
        return None
    if found.missed:
        _log.warning("reconcile.missed", account_id=str(due.account_id), missed=found.missed)
        metrics.RECONCILED.inc(found.missed)
    return found


def next_period_s(current_s: float, missed: int, usual_s: float) -> float:
    """The pause until the next look: the usual one after a miss, else longer by half, up to four times the usual."""
    return usual_s if missed else min(usual_s * _LONGEST, max(usual_s, current_s * 1.5))
