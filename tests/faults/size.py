"""How large the fault tests are: as in CI, or as before a release (`make faults SIZE=release`)."""

from __future__ import annotations

import os
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Size:
    """`bookings` go the whole way; `past` are read in by a backfill that is killed `kills` times.

    As many tries as by default, in `schedule_s` a little apart. `open_pace`: at which vendors our own limit is lifted;
    of UIS the stand's own goes with it (`uis_minute_limit` calls in `uis_minute_s`). Each of `hangs` takes as long as a
    call may.
    """

    bookings: int
    past: int
    kills: int
    within_s: float
    reconcile_period_s: float
    schedule_s: str
    open_pace: str
    uis_minute_s: int
    uis_minute_limit: int
    texts: int
    people: int
    hangs: tuple[tuple[str, str], ...]


_LATE = (("late_hang", "upload.offline_messages"), ("late_hang", "upload.deals_history"))
SIZES = {
    "ci": Size(
        bookings=120, past=400, kills=3, within_s=90, reconcile_period_s=2,
        schedule_s="0.2,0.4,0.5,1,1,1,1,1,1,1", open_pace="yclients,uis", uis_minute_s=2, uis_minute_limit=100_000,
        texts=200, people=50,
        hangs=_LATE,
    ),
    "release": Size(
        bookings=5000, past=20_000, kills=12, within_s=3600, reconcile_period_s=60,
        schedule_s="1,2,5,10,10,10,10,10,10,10", open_pace="yclients", uis_minute_s=60, uis_minute_limit=200,
        texts=2000, people=500,
        hangs=(*_LATE, ("hang", "get.deal_contacts")),
    ),
}  # fmt: skip
SIZE = SIZES[os.environ.get("FAULTS_SIZE") or "ci"]
