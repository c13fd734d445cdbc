"""The reconciler: asks what changed since the last look, and so finds what a webhook never told.

Promises: a look that fails leaves its place as it was; two processes never look at one branch at once; a booking
found here is applied as any telling is. It only repairs: with all webhooks coming it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from server.accounts.model import Branch
from server.bookings import catching_up_store as store
from server.bookings.source import BookingSource, SourceAway, SourceRefused, Take
from server.platform import metrics
from server.platform.log import logger
from server.platform.postgres import Pool

_log = logger(__name__)
#: The vendor's clock is not ours, and its list may lag behind its journal.
_OVERLAP = timedelta(minutes=15)
_FIRST_LOOK_BACK = timedelta(days=2)
#: A webhook younger than this may still be under way: its booking is not yet missed.
_UNDER_WAY = timedelta(minutes=2)
LEASE = timedelta(minutes=10)
_LONGEST = 4  # × the period of the settings


@dataclass(frozen=True, slots=True)
class Look:
    """What one look at a branch found. `missed`: bookings no webhook had told of in that state."""

    read: int
    missed: int


async def look(pool: Pool, source: BookingSource, take: Take, branch: Branch, due: store.Due, *, now: datetime) -> Look:
    """One whole look: every page of what changed since. Raises what `source` raises."""
    since = (due.looked_until or now - _FIRST_LOOK_BACK) - _OVERLAP
    read = missed = 0
    number = 1
    while True:
        page = await source.changed(branch, since, number)
        for item in page.items:
            async with pool.acquire() as conn, conn.transaction():
                told = await take(conn, branch, item, now)
                if told == "stored" and await store.is_missed(conn, branch, item, before=now - _UNDER_WAY):
                    missed += 1
        read += len(page.items)
        if page.last:
            return Look(read, missed)
        number += 1


async def reconcile_branch(
    pool: Pool, source: BookingSource, take: Take, branch: Branch, due: store.Due, *, now: datetime, period_s: float
) -> Look | None:
    """One due branch: looks, and says when to look again. None when the vendor could not be asked."""
    try:
        found = await look(pool, source, take, branch, due, now=now)
    except SourceAway as away:
        await store.failed(pool, due, next_at=now + timedelta(seconds=max(30.0, away.retry_after_s)), error=str(away))
        return None
    except SourceRefused as refused:
        await store.failed(pool, due, next_at=now + timedelta(seconds=period_s * _LONGEST), error=str(refused))
        return None
    period = next_period_s(due.period_s, found.missed, period_s)
    await store.looked(pool, due, looked_until=now, period_s=period, read=found.read, missed=found.missed)
    if found.missed:
        _log.warning("reconcile.missed", account_id=str(due.account_id), missed=found.missed)
        metrics.RECONCILED.inc(found.missed)
    return found


def next_period_s(current_s: float, missed: int, usual_s: float) -> float:
    """The pause until the next look: the usual one after a miss, else longer by half, up to four times the usual."""
    return usual_s if missed else min(usual_s * _LONGEST, max(usual_s, current_s * 1.5))
