"""A salon's days played from a seed, with the truth kept aside.

Fifty online bookings a day; of four in ten the mark is lost, and of these some show the form's message, some only that
the form was opened, and some nothing. Beside them: visitors who look and leave, and bookings written down by staff.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from server.matching.model import BookingFacts, Claim, Evidence, Origin

BRANCH, FORM = 4564, 781
_OPENING = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
_HOURS = 12
_STEPS = ("service_selected", "master_selected", "time_selected", "send_contacts")


@dataclass(slots=True)
class Day:
    bookings: list[BookingFacts] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    #: booking -> visit that brought it; none for staff and for visitors whom no script saw
    truth: dict[str, str | None] = field(default_factory=dict)
    exact: set[str] = field(default_factory=set)


def play(seed: int, *, bookings: int = 50, lookers: int = 80, by_staff: int = 25, lost: float = 0.4) -> Day:
    chance, day = random.Random(seed), Day()
    for number in range(bookings):
        _book(day, chance, f"{seed}-{number}", lost=lost)
    for number in range(lookers):
        at = _OPENING + timedelta(seconds=chance.uniform(0, _HOURS * 3600))
        mobile = chance.random() < 0.6
        _open(day, chance, f"look-{seed}-{number}", at, mobile)
        if not mobile:
            _walk(day, chance, f"look-{seed}-{number}", at, at + timedelta(minutes=5), steps=chance.randint(0, 3))
    for number in range(by_staff):
        _write_down(day, chance, f"staff-{seed}-{number}")
    return day


@dataclass(frozen=True, slots=True)
class _Wish:
    service_ids: frozenset[int]
    staff_id: int
    slot: str


def _wish(chance: random.Random) -> _Wish:
    """A few services are popular; the slot is one of the coming week, by half hours."""
    service = min(chance.randint(1, 12), chance.randint(1, 12))
    day, half = chance.randint(0, 6), chance.randint(0, 23)
    slot = f"2026-03-{3 + day:02}T{10 + half // 2:02}:{30 * (half % 2):02}"
    return _Wish(frozenset({service}), chance.randint(1, 6), slot)


def _book(day: Day, chance: random.Random, name: str, *, lost: float) -> None:
    created = (_OPENING + timedelta(seconds=chance.uniform(0, _HOURS * 3600))).replace(microsecond=0)
    wish, visit_id, record_id = _wish(chance), f"visit-{name}", len(day.bookings) + 1
    mobile = chance.random() < 0.6
    booking = BookingFacts(
        booking_id=name, company_id=BRANCH, record_id=record_id, created_at=created,
        received_at=created + timedelta(seconds=chance.uniform(1, 20)),
        origin=Origin.WIDGET_MOBILE if mobile else Origin.WIDGET_DESKTOP, online=True, bookform_id=FORM,
        is_mobile=1 if mobile else 2, service_ids=wish.service_ids, staff_id=wish.staff_id, starts_at_local=wish.slot,
    )  # fmt: skip
    day.bookings.append(booking)
    day.truth[name] = visit_id
    opened = created - timedelta(seconds=min(1500.0, max(20.0, chance.lognormvariate(5.1, 0.6))))
    marked = chance.random() >= lost
    seen = "message" if marked else chance.choices(["message", "open", "nothing"], [45, 40, 15])[0]
    if seen == "nothing":
        day.truth[name] = None
        return
    _open(day, chance, visit_id, opened, mobile)
    told_at = created + timedelta(seconds=chance.gauss(0.5, 1.5))
    if seen == "message":
        _walk(day, chance, visit_id, opened, created, steps=4, wish=wish)
        _tell(day, "booked", visit_id, told_at, mobile, wish)
    if marked:
        day.exact.add(name)
        at = told_at + timedelta(seconds=1)
        day.evidence.append(_event(day, "record", visit_id, at, company_id=BRANCH, record_id=record_id))
        day.claims.append(Claim(visit_id, BRANCH, record_id, created))


def _write_down(day: Day, chance: random.Random, name: str) -> None:
    """By staff, in three of ten cases in the very second of an online booking and alike."""
    model = chance.choice(day.bookings)
    created = model.created_at
    if chance.random() > 0.3:
        created = (_OPENING + timedelta(seconds=chance.uniform(0, _HOURS * 3600))).replace(microsecond=0)
    day.bookings.append(
        BookingFacts(
            booking_id=name, company_id=BRANCH, record_id=10_000 + len(day.bookings), created_at=created,
            received_at=created + timedelta(seconds=3), origin=Origin.STAFF, online=False,
            service_ids=model.service_ids, staff_id=model.staff_id, starts_at_local=model.starts_at_local,
        )
    )  # fmt: skip
    day.truth[name] = None


def _open(day: Day, chance: random.Random, visit_id: str, at: datetime, mobile: bool) -> None:
    jitter = timedelta(seconds=chance.gauss(0, 0.5))
    day.evidence.append(_event(day, "open", visit_id, at + jitter, form_id=FORM, is_mobile=mobile))


def _walk(
    day: Day,
    chance: random.Random,
    visit_id: str,
    start: datetime,
    end: datetime,
    *,
    steps: int,
    wish: _Wish | None = None,
) -> None:
    wish = wish or _wish(chance)
    for number, name in enumerate(_STEPS[:steps], 1):
        at = start + (end - start) * (number / 5)
        day.evidence.append(
            _event(
                day, "step", visit_id, at, form_id=FORM, step=name,
                service_ids=wish.service_ids if number >= 1 else frozenset(),
                staff_id=wish.staff_id if number >= 2 else None, slot=wish.slot if number >= 3 else None,
            )
        )  # fmt: skip


def _tell(day: Day, kind: str, visit_id: str, at: datetime, mobile: bool, wish: _Wish) -> None:
    day.evidence.append(
        _event(
            day, kind, visit_id, at, company_id=BRANCH, form_id=FORM, is_mobile=mobile, service_ids=wish.service_ids,
            staff_id=wish.staff_id, slot=wish.slot,
        )
    )  # fmt: skip


def _event(day: Day, kind: str, visit_id: str, at: datetime, **more: object) -> Evidence:
    return Evidence(kind=kind, event_id=f"event-{len(day.evidence)}-{visit_id}", visit_id=visit_id, at=at, **more)  # type: ignore[arg-type]


def nearest_in_time(booking: BookingFacts, evidence: list[Evidence]) -> str | None:
    """The baseline to beat: the visit whose form event is nearest, within ten minutes before the booking."""
    reach = [
        item for item in evidence
        if item.kind != "record" and timedelta(0) <= booking.created_at - item.at <= timedelta(minutes=10)
    ]  # fmt: skip
    return min(reach, key=lambda item: booking.created_at - item.at).visit_id if reach and booking.online else None
