"""Which visit brought a booking: a ladder of evidence, L0 … L5, with probability, margin and alternatives.

Pure: the same result for any order and any doubling of the inputs. Exact evidence first (the form itself named the
record, or our mark stands inside it), then contacts and calls, then probable evidence weighed after Fellegi and
Sunter: each agreement counts log2(m/u) bits, where m is how often it holds for true pairs and u by chance.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum

ENGINE_VERSION = "1"
#: An exact mark decides; as a weight it is shown as this many bits (a chance of error under one in a thousand).
EXACT_BITS = 10.0
_EARLY, _LATE = timedelta(minutes=10), timedelta(hours=24)
_WINDOW_BEFORE, _WINDOW_AFTER = timedelta(minutes=60), timedelta(minutes=2)
_BOOKED_BEFORE = timedelta(minutes=10)
_CONTACT_WINDOW = timedelta(days=30)
_IMPORTED_AFTER = timedelta(hours=24)
ACCEPT_PROBABILITY = 0.90
ACCEPT_MARGIN_BITS = 4.0
_POSSIBLE = 0.5
_FORM_KINDS = frozenset({"open", "form", "step", "booked"})


class Level(StrEnum):
    L0 = "L0"
    L1 = "L1"
    L2 = "L2"
    L3 = "L3"
    L4 = "L4"
    L5 = "L5"
    NONE = "none"


_RANK = {level: rank for rank, level in enumerate(reversed(Level))}


class Method(StrEnum):
    RECORD = "record"
    MARK = "mark"
    PHONE = "phone"
    CALL = "call"
    EMAIL = "email"
    PROBABLE = "probable"
    NONE = "none"


class Origin(StrEnum):
    WIDGET_DESKTOP = "widget_desktop"
    WIDGET_MOBILE = "widget_mobile"
    MOBILE_APP = "mobile_app"
    STAFF = "staff"
    API = "api"
    IMPORT = "import"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class BookingFacts:
    """What is known of a booking. Times are aware; `starts_at_local` is the branch's wall clock, to the minute."""

    booking_id: str
    company_id: int
    record_id: int
    created_at: datetime
    received_at: datetime
    origin: Origin
    online: bool
    bookform_id: int | None = None
    is_mobile: int | None = None  # 1 phone, 2 desktop
    from_host: str | None = None
    service_ids: frozenset[int] = frozenset()
    staff_id: int | None = None
    starts_at_local: str | None = None
    phone_hash: bytes | None = None
    email_hash: bytes | None = None
    mark: str | None = None
    deleted: bool = False


@dataclass(frozen=True, slots=True)
class Evidence:
    """One fact of one visit: `record`, `mark`, `booked`, `open`, `form`, `step`, `contact_phone`, `contact_email`, `call`."""

    kind: str
    event_id: str
    visit_id: str
    at: datetime
    company_id: int | None = None
    record_id: int | None = None
    form_id: int | None = None
    service_ids: frozenset[int] = frozenset()
    staff_id: int | None = None
    slot: str | None = None
    is_mobile: bool | None = None
    phone_hash: bytes | None = None
    email_hash: bytes | None = None
    mark: str | None = None
    mark_state: str | None = None  # bound, expired
    site_host: str | None = None
    step: str | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """A visit's booking that is explained exactly: what it did with the form about then is spent."""

    visit_id: str
    company_id: int
    record_id: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Alternative:
    visit_id: str
    probability: float
    bits: float


@dataclass(frozen=True, slots=True)
class Weighed:
    """One piece of evidence as shown: for (+) or against (−) a visit, in bits."""

    kind: str
    at: datetime
    weight_bits: float
    detail_code: str
    detail_params: Mapping[str, str]
    visit_id: str


@dataclass(frozen=True, slots=True)
class Match:
    level: Level
    method: Method
    probability: float
    visit_id: str | None
    reason_code: str
    reason_params: Mapping[str, str] = field(default_factory=dict)
    evidence: tuple[Weighed, ...] = ()
    alternatives: tuple[Alternative, ...] = ()
    margin_bits: float | None = None
    engine_version: str = ENGINE_VERSION


@dataclass(frozen=True, slots=True)
class Pair:
    """How often a field agrees for true pairs (m) and by chance (u)."""

    m: float
    u: float

    @property
    def agree(self) -> float:
        return math.log2(self.m / self.u)

    @property
    def differ(self) -> float:
        return math.log2((1 - self.m) / (1 - self.u))


@dataclass(frozen=True, slots=True)
class FieldTable:
    """Common weights, until a company has its own pairs. Sources: the worked example of the design note (services,
    master, slot, time after `booked`); the bins of form activity are ours and to be calibrated on exact pairs."""

    services: Pair = Pair(0.97, 0.15)
    master: Pair = Pair(0.90, 0.20)
    slot: Pair = Pair(0.98, 0.01)
    form: Pair = Pair(0.98, 0.55)
    device: Pair = Pair(0.97, 0.50)
    from_site: Pair = Pair(0.90, 0.45)
    #: Gap between the form's `booked` and the vendor's creation time, seconds → (m, u).
    booked_gap: tuple[tuple[float, float, float], ...] = (
        (10, 0.90, 0.004), (60, 0.07, 0.02), (180, 0.02, 0.05), (600, 0.008, 0.15), (math.inf, 0.002, 0.776),
    )  # fmt: skip
    #: Gap between the last activity in the form and the creation time, seconds → (m, u).
    activity_gap: tuple[tuple[float, float, float], ...] = (
        (60, 0.40, 0.02), (300, 0.35, 0.07), (600, 0.15, 0.08), (1800, 0.08, 0.33), (math.inf, 0.02, 0.50),
    )  # fmt: skip
    #: The form told a booking elsewhere in time or content, or another record explains it.
    spent_bits: float = -8.0


COMMON_TABLE = FieldTable()


def decide(
    booking: BookingFacts,
    evidence: Iterable[Evidence],
    claims: Iterable[Claim] = (),
    *,
    table: FieldTable = COMMON_TABLE,
) -> Match:
    """The best supported answer, or `none` with the reason. Deterministic in the set of its inputs."""
    facts = sorted(
        {item.event_id: item for item in sorted(evidence, key=repr)}.values(), key=lambda item: (item.at, item.event_id)
    )
    shut = _shut_out(booking)
    if shut is None:
        exact = _by_record(booking, facts) or _by_mark(booking, facts)
        if exact:
            return exact
    strong = _by_contact(booking, facts, web=shut is None)
    if strong:
        return strong
    if shut is not None:
        return Match(Level.NONE, Method.NONE, 0.0, None, shut)
    if booking.origin is Origin.MOBILE_APP:
        return Match(Level.NONE, Method.NONE, 0.0, None, "mobile_app")
    return _probable(booking, facts, tuple(claims), table)


def _shut_out(booking: BookingFacts) -> str | None:
    """Why no visit to the site can have brought this booking; None when one can."""
    if booking.origin in (Origin.STAFF, Origin.API, Origin.IMPORT):
        return booking.origin.value
    if not booking.online:
        return "not_online"
    if booking.received_at - booking.created_at > _IMPORTED_AFTER and booking.origin is Origin.UNKNOWN:
        return "import"
    return None


# --- exact: L0, L1


def _by_record(booking: BookingFacts, facts: list[Evidence]) -> Match | None:
    told = [
        item for item in facts
        if item.kind == "record" and (item.company_id, item.record_id) == (booking.company_id, booking.record_id)
    ]  # fmt: skip
    near = [item for item in told if -_EARLY <= item.at - booking.created_at <= _LATE]
    if not near:
        return None
    first = near[0]
    others = sorted({item.visit_id for item in near} - {first.visit_id})
    weighed = [
        _weighed(item, EXACT_BITS if item.visit_id == first.visit_id else -EXACT_BITS, "record", booking)
        for item in near
    ]
    weighed += [_weighed(item, -EXACT_BITS, "record_absurd", booking) for item in told if item not in near]
    return Match(
        Level.L0, Method.RECORD, 1.0, first.visit_id, "record_contested" if others else "record",
        {"record_id": str(booking.record_id), "at": first.at.isoformat()},
        _ordered(weighed), tuple(Alternative(visit_id, 0.0, -EXACT_BITS) for visit_id in others), None,
    )  # fmt: skip


def _by_mark(booking: BookingFacts, facts: list[Evidence]) -> Match | None:
    if not booking.mark:
        return None
    found = [
        item for item in facts if item.kind == "mark" and item.mark == booking.mark and item.mark_state != "expired"
    ]
    if not found:
        return None
    first = found[0]
    return Match(
        Level.L1, Method.MARK, 1.0, first.visit_id, "mark", {"at": first.at.isoformat()},
        _ordered([_weighed(first, EXACT_BITS, "mark", booking)]),
    )  # fmt: skip


# --- strong: L2 phone, L3 call, L4 e-mail

_CONTACTS = (
    ("contact_phone", Level.L2, Method.PHONE, 0.97, "phone"),
    ("call", Level.L3, Method.CALL, 0.95, "call"),
    ("contact_email", Level.L4, Method.EMAIL, 0.95, "email"),
)


def _by_contact(booking: BookingFacts, facts: list[Evidence], *, web: bool) -> Match | None:
    """The same phone or e-mail as in the booking, within 30 days before it; the nearest visit wins."""
    for kind, level, method, probability, code in _CONTACTS:
        if kind != "call" and not web:
            continue
        if web and booking.origin is Origin.MOBILE_APP and kind != "call":
            continue
        same = [item for item in facts if item.kind == kind and _same_contact(booking, item)]
        same = [item for item in same if -_CONTACT_WINDOW <= item.at - booking.created_at <= _WINDOW_AFTER]
        if not same:
            continue
        nearest = max(same, key=lambda item: (item.at, item.event_id))
        others = sorted({item.visit_id for item in same} - {nearest.visit_id})
        share = probability / (1 + 0.1 * len(others))
        bits = math.log2(probability / (1 - probability))
        rest = (1 - share) / (len(others) + 1)
        return Match(
            level, method, share, nearest.visit_id, code, {"at": nearest.at.isoformat()},
            _ordered(_weighed(item, bits, code, booking) for item in same),
            tuple(Alternative(visit_id, round(rest, 6), 0.0) for visit_id in others), None,
        )  # fmt: skip
    return None


def _same_contact(booking: BookingFacts, item: Evidence) -> bool:
    if item.kind == "contact_email":
        return booking.email_hash is not None and item.email_hash == booking.email_hash
    return booking.phone_hash is not None and item.phone_hash == booking.phone_hash


# --- probable: L5


@dataclass(slots=True)
class _Candidate:
    visit_id: str
    bits: float
    weighed: list[Weighed]


def _probable(booking: BookingFacts, facts: list[Evidence], claims: tuple[Claim, ...], table: FieldTable) -> Match:
    by_visit: dict[str, list[Evidence]] = {}
    for item in facts:
        if item.kind in _FORM_KINDS and _concerns(booking, item):
            by_visit.setdefault(item.visit_id, []).append(item)
    candidates = [
        _weigh(booking, visit_id, items, [claim for claim in claims if claim.visit_id == visit_id], table)
        for visit_id, items in sorted(by_visit.items())
    ]
    if not candidates:
        return Match(Level.NONE, Method.NONE, 0.0, None, "nobody")
    candidates.sort(key=lambda candidate: (-candidate.bits, candidate.visit_id))
    # One more possibility is always there: somebody whom no script saw.
    odds = [2.0 ** min(60.0, max(-60.0, candidate.bits)) for candidate in candidates]
    whole = 1.0 + sum(odds)
    best, chance = candidates[0], odds[0] / whole
    margin = best.bits - (candidates[1].bits if len(candidates) > 1 else 0.0)
    others = tuple(
        Alternative(candidate.visit_id, share / whole, candidate.bits)
        for candidate, share in list(zip(candidates, odds, strict=True))[1:4]
    )
    shown = _ordered([item for candidate in candidates[:3] for item in candidate.weighed])
    if chance >= ACCEPT_PROBABILITY and margin >= ACCEPT_MARGIN_BITS:
        code = "probable_booked" if any(item.kind == "booked" for item in by_visit[best.visit_id]) else "probable"
        params = {"percent": _percent(chance), "candidates": str(len(candidates))}
        return Match(Level.L5, Method.PROBABLE, chance, best.visit_id, code, params, shown, others, margin)
    mentioned = (Alternative(best.visit_id, chance, best.bits), *others)[:4]
    if len(candidates) > 1 and margin < 1.0 and odds[0] > 1.0:
        return Match(
            Level.NONE, Method.NONE, 0.0, None, "equal", {"count": str(len(candidates))}, shown, mentioned, margin
        )
    code = "possible" if chance >= _POSSIBLE else "too_weak"
    return Match(Level.NONE, Method.NONE, 0.0, None, code, {"percent": _percent(chance)}, shown, mentioned, margin)


def _percent(chance: float) -> str:
    """A share as whole percent; a probable answer is never shown as certain."""
    return str(min(99, math.floor(chance * 100)))


def _concerns(booking: BookingFacts, item: Evidence) -> bool:
    """Whether an event may belong to this booking: its company or form is not another's, its time is near."""
    if item.company_id is not None and item.company_id != booking.company_id:
        return False
    gap = booking.created_at - item.at
    before = _BOOKED_BEFORE if item.kind == "booked" else _WINDOW_BEFORE
    return -_WINDOW_AFTER <= gap <= before


def _weigh(
    booking: BookingFacts, visit_id: str, items: list[Evidence], claims: list[Claim], table: FieldTable
) -> _Candidate:
    booked = [item for item in items if item.kind == "booked"]
    if booked:
        told = max(
            booked, key=lambda item: (_content_bits(booking, item, table), -abs(_gap_s(booking, item)), item.event_id)
        )
        weighed = [_binned(booking, told, table.booked_gap, "booked_gap")]
    else:
        # A step with ids of the service, master or slot says more than the last click; else the last one counts.
        told = max(items, key=lambda item: (_content_bits(booking, item, table), item.at, item.event_id))
        last = max(items, key=lambda item: (item.at, item.event_id))
        weighed = [_binned(booking, last, table.activity_gap, "activity_gap")]
    weighed += _contents(booking, told, table)
    form = next((item for item in items if item.form_id is not None), None)
    if form is not None and booking.bookform_id is not None:
        weighed.append(_compared(form, booking, table.form, "form", same=form.form_id == booking.bookform_id))
    device = next((item for item in items if item.is_mobile is not None), None)
    if device is not None and booking.is_mobile in (1, 2):
        weighed.append(
            _compared(device, booking, table.device, "device", same=device.is_mobile == (booking.is_mobile == 1))
        )
    hosted = next((item for item in items if item.site_host), None)
    if hosted is not None and booking.from_host and hosted.site_host:
        same = _same_host(hosted.site_host, booking.from_host)
        if same:  # another host proves nothing: what the vendor keeps there is not settled
            weighed.append(_compared(hosted, booking, table.from_site, "from_site", same=True))
    for claim in claims:
        if abs((claim.at - booking.created_at).total_seconds()) <= _WINDOW_BEFORE.total_seconds():
            item = replace(told, kind="claim")
            weighed.append(_weighed(item, table.spent_bits, "spent", booking, record_id=str(claim.record_id)))
    return _Candidate(visit_id, sum(item.weight_bits for item in weighed), weighed)


def _gap_s(booking: BookingFacts, item: Evidence) -> float:
    return (booking.created_at - item.at).total_seconds()


def _binned(booking: BookingFacts, item: Evidence, bins: tuple[tuple[float, float, float], ...], code: str) -> Weighed:
    gap = abs(_gap_s(booking, item))
    for most, m, u in bins:
        if gap <= most:
            return _weighed(item, math.log2(m / u), code, booking, seconds=str(int(gap)))
    raise AssertionError("the last bin has no end")


def _content_bits(booking: BookingFacts, item: Evidence, table: FieldTable) -> float:
    return sum(weighed.weight_bits for weighed in _contents(booking, item, table))


def _contents(booking: BookingFacts, item: Evidence, table: FieldTable) -> list[Weighed]:
    """Services, master and slot, as far as both sides name them."""
    found = []
    if item.service_ids and booking.service_ids:
        same = item.service_ids <= booking.service_ids
        found.append(_compared(item, booking, table.services, "services", same=same))
    if item.staff_id and booking.staff_id:
        found.append(_compared(item, booking, table.master, "master", same=item.staff_id == booking.staff_id))
    if item.slot and booking.starts_at_local:
        found.append(_compared(item, booking, table.slot, "slot", same=item.slot == booking.starts_at_local[:16]))
    return found


def _compared(item: Evidence, booking: BookingFacts, pair: Pair, code: str, *, same: bool) -> Weighed:
    return _weighed(item, pair.agree if same else pair.differ, f"{code}_{'same' if same else 'other'}", booking)


def _same_host(one: str, other: str) -> bool:
    one, other = (host.lower().removeprefix("www.").split(":")[0] for host in (one, other))
    return one == other or one.endswith("." + other) or other.endswith("." + one)


def _weighed(item: Evidence, bits: float, code: str, booking: BookingFacts, **params: str) -> Weighed:
    base = {"record_id": str(booking.record_id)} if code.startswith("record") else {}
    return Weighed(item.kind, item.at, bits, code, {**base, **params}, item.visit_id)


def _ordered(items: Iterable[Weighed]) -> tuple[Weighed, ...]:
    return tuple(sorted(items, key=lambda item: (-item.weight_bits, item.at, item.visit_id, item.detail_code)))


# --- deciding over time


def grace_until(booking: BookingFacts, match: Match, *, grace_s: float) -> datetime | None:
    """Until when the browser's report is waited for; None when nothing it says could change the answer."""
    if match.level in (Level.L0, Level.L1) or _shut_out(booking) is not None:
        return None
    return booking.received_at + timedelta(seconds=grace_s)


def better(
    old: Match | None,
    new: Match,
    *,
    booking: BookingFacts,
    now: datetime,
    improvement_window_s: float = 86_400,
    hand_corrected: bool = False,
) -> bool:
    """Whether a new answer replaces the kept one: a higher level, or the same level with other facts, within a day."""
    if old is None:
        return True
    if hand_corrected or (now - booking.received_at).total_seconds() > improvement_window_s:
        return False
    if _RANK[new.level] != _RANK[old.level]:
        return _RANK[new.level] > _RANK[old.level]
    if new.level in (Level.L0, Level.L1):
        return new.visit_id != old.visit_id  # an earlier claim of the same record came late
    return (new.visit_id, new.reason_code) != (old.visit_id, old.reason_code) or abs(
        new.probability - old.probability
    ) > 0.001
