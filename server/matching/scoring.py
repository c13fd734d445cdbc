"""Probable evidence (L5), weighed after Fellegi and Sunter. Pure: no I/O, no clock.

A field that agrees counts log2(m/u) bits, one that differs log2((1-m)/(1-u)): m is how often it agrees for the visit
that truly brought a booking, u how often for another one. Against the candidates stands "somebody no script saw":
as likely beforehand as all n visits of the window together, so that a visit without any evidence begins at 1/(n+1)
against it (the more visits about, the easier one is there by chance). The shares never sum above 1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from server.matching.facts import BookingFacts, Claim, DetailCode, Evidence, Weighed

#: Events of a visit older or newer than this, seen from the booking's creation, are not weighed.
WINDOW_BEFORE, WINDOW_AFTER = timedelta(minutes=60), timedelta(minutes=2)
#: The form says `booked` at once; an older message is about something else.
BOOKED_BEFORE = timedelta(minutes=10)
FORM_KINDS = frozenset({"open", "form", "step", "booked"})
_PLAIN = frozenset({"open", "form"})  # they carry no content
#: Clocks of browser, vendor and server agree no better than this after correction.
_SKEW = timedelta(seconds=30)
_SKEW_S = 29  # from here on it is looked at exactly
_REPEAT = timedelta(seconds=120)
#: In place of a record's number: a form's message says that the visit booked in another branch.
ELSEWHERE = 0


@dataclass(frozen=True, slots=True)
class Pair:
    """How often a field agrees for true pairs (m) and by chance (u)."""

    m: float
    u: float

    def bits(self, same: bool, share: float | None = None) -> float:
        """`share`: how common the booking's own value is in its company; replaces u, never above m."""
        u = self.u if share is None else min(share, self.m)
        return math.log2(self.m / u) if same else math.log2((1 - self.m) / (1 - u))


#: (longest gap in seconds, m, u); the last gap is infinite; each column sums to 1.
Bins = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True, slots=True)
class FieldTable:
    """Weights of all fields. The defaults are for a company without pairs of its own.

    Services, master, slot and the first bin after `booked` follow the worked example of the design; the bins of form
    activity are set so that a lone opener of this form up to ten minutes before comes out just above acceptance.
    Both are to be replaced by counts from exact pairs. `*_seen`: bookings of the company by service and by master;
    a rare value then says more than a popular one.
    """

    services: Pair = Pair(0.97, 0.15)
    master: Pair = Pair(0.90, 0.20)
    #: What `booked` says of the slot is final: another slot means another booking, or one moved within seconds.
    slot_booked: Pair = Pair(0.9995, 0.01)
    #: In a step a visitor may still change their mind.
    slot_step: Pair = Pair(0.90, 0.01)
    form: Pair = Pair(0.98, 0.35)
    branch: Pair = Pair(0.98, 0.35)
    device: Pair = Pair(0.97, 0.50)
    from_site: Pair = Pair(0.90, 0.45)
    #: The furthest step of the form that was seen.
    step_chosen: Pair = Pair(0.90, 0.60)
    step_time: Pair = Pair(0.75, 0.25)
    step_contacts: Pair = Pair(0.60, 0.08)
    booked_gap: Bins = (
        (10, 0.90, 0.004), (60, 0.07, 0.02), (180, 0.02, 0.05), (600, 0.008, 0.15), (math.inf, 0.002, 0.776),
    )  # fmt: skip
    activity_gap: Bins = (
        (60, 0.15, 0.012), (300, 0.50, 0.04), (600, 0.25, 0.04), (1800, 0.08, 0.30), (math.inf, 0.02, 0.608),
    )  # fmt: skip
    #: Activity that began after the booking was made cannot have brought it; only a wrong clock makes it seem so.
    activity_after: Pair = Pair(0.01, 0.05)
    #: Weight of "somebody no script saw", for each visit of the window; 1 is the common prior 1/(n+1).
    unseen: float = 1.0
    #: Another booking explains this activity exactly.
    spent_bits: float = -20.0
    #: Probable stays probable: the model itself may be wrong.
    ceiling: float = 0.999
    #: Chance that the same phone, caller or e-mail means the same visit (L2, L3, L4); `shared` when two visitors had it.
    phone: float = 0.97
    call: float = 0.95
    email: float = 0.95
    shared: float = 0.75
    services_seen: Mapping[int, int] = field(default_factory=dict)
    masters_seen: Mapping[int, int] = field(default_factory=dict)


COMMON_TABLE = FieldTable()

#: Names of the form's steps → how far the visitor came. Others (`widget_loaded`, …) say nothing.
_STAGES: Mapping[str, int] = {
    "individual_booking_selected": 1, "group_activity_selected": 1, "service_selected": 1, "master_selected": 1,
    "date_selected": 2, "time_selected": 2, "group_events_date_clicked": 2,
    "send_contacts": 3, "phone_approved": 3, "group_personal_data_filled": 3, "group_sms_code_confirmed": 3,
}  # fmt: skip


class Point(NamedTuple):
    """One reason for or against a candidate, before it is put into words."""

    code: DetailCode
    bits: float
    source: Evidence
    seconds: int | None = None  # from the event to the booking's creation; below zero: the event came later
    record_id: int | None = None
    crowd: int | None = None


class Candidate:
    """A visit and its weight. What the weight is made of is worked out when asked: of a crowd only a few are shown."""

    __slots__ = ("_claims", "_items", "_scale", "bits", "crowd", "spent", "visit_id")

    def __init__(
        self, scale: _Scale, visit_id: str, items: Sequence[Evidence], claims: Sequence[Claim], bits: float, spent: bool
    ) -> None:
        self._scale, self._items, self._claims = scale, items, claims
        self.visit_id, self.bits, self.spent = visit_id, bits, spent
        self.crowd: tuple[int, float] | None = None  # how many visits could have brought the booking, and its bits

    @property
    def points(self) -> tuple[Point, ...]:
        points = self._scale.points(self._items, self._claims)
        if self.crowd is not None:
            free, bits = self.crowd
            points = [*points, Point("crowd", bits, points[0].source, crowd=free)]
        return tuple(points)

    @property
    def told(self) -> bool:
        """Whether it rests on the form's own message that a booking was made."""
        return any(point.code == "booked_gap" for point in self.points)


def candidates(
    booking: BookingFacts, visits: Mapping[str, Sequence[Evidence]], claims: Iterable[Claim], table: FieldTable
) -> list[Candidate]:
    """The visits with their weights, heaviest first. `visits`: form events, each within reach of the booking."""
    spent = _by_visit(claim for claim in claims if abs(claim.at - booking.created_at) <= WINDOW_BEFORE)
    scale = _Scale(booking, table)
    found = [scale.weigh(visit_id, items, spent.get(visit_id, ())) for visit_id, items in visits.items()]
    free = max(1, sum([not candidate.spent for candidate in found]))
    prior = -math.log2(table.unseen * free)
    if prior:
        crowd = free, prior
        for candidate in found:
            candidate.bits += prior
            candidate.crowd = crowd
    found.sort(key=lambda candidate: candidate.visit_id)
    found.sort(key=lambda candidate: -candidate.bits)  # keeps the order by id among equals
    return found


def _by_visit(claims: Iterable[Claim]) -> dict[str, list[Claim]]:
    """Each record once, at the earliest moment it is told of; in order of time."""
    ordered = sorted(set(claims), key=lambda claim: (claim.at, claim.company_id, claim.record_id))
    found: dict[str, list[Claim]] = {}
    told = set()
    for claim in ordered:
        record = (claim.visit_id, claim.company_id, claim.record_id)
        if claim.record_id == ELSEWHERE or record not in told:
            told.add(record)
            found.setdefault(claim.visit_id, []).append(claim)
    return found


def shares(candidates: Sequence[Candidate], ceiling: float) -> list[float]:
    """Probability of each candidate; what is left to 1 belongs to somebody no script saw."""
    # In a crowd many weigh the same.
    odds = {bits: 2.0 ** max(-60.0, min(60.0, bits)) for bits in {candidate.bits for candidate in candidates}}
    whole = 1.0 + sum([odds[candidate.bits] for candidate in candidates])
    chances = {bits: min(ceiling, share / whole) for bits, share in odds.items()}
    return [chances[candidate.bits] for candidate in candidates]


def concerns(booking: BookingFacts, item: Evidence) -> bool:
    """Whether a form event may belong to this booking's branch: it names the branch, its form, or no branch."""
    if item.company_id is None or item.company_id == booking.company_id:
        return True
    # A form of a chain: the visitor may have changed the branch inside it, but a message of success is final.
    return item.kind != "booked" and bool(item.form_id) and item.form_id == booking.bookform_id


class _Scale:
    """Weighs visits against one booking. What depends on the booking alone is worked out once."""

    def __init__(self, booking: BookingFacts, table: FieldTable) -> None:
        self._booking = booking
        self._table = table
        self._form = booking.bookform_id or None
        self._mobile = {1: True, 2: False}.get(booking.is_mobile or 0)
        self._slot = _slot(booking.starts_at_local)
        self._host = _host(booking.from_host)
        self._own_hosts: dict[str | None, bool] = {None: False}
        services = table.services_seen and [
            _share(table.services_seen, item, table.services.u) for item in booking.service_ids
        ]
        self._services_share = min(services) if services else None
        staffed = table.masters_seen and booking.staff_id
        self._master_share = _share(table.masters_seen, booking.staff_id or 0, table.master.u) if staffed else None
        self._form_bits = table.form.bits(False), table.form.bits(True)
        self._device_bits = table.device.bits(False), table.device.bits(True)
        self._branch_bits, self._site_bits = table.branch.bits(True), table.from_site.bits(True)
        self._booked_gap = _in_bits(table.booked_gap)
        self._activity_gap = _in_bits(table.activity_gap)
        self._alike: dict[tuple[object, ...], float] = {}

    def weigh(self, visit_id: str, items: Sequence[Evidence], claims: Sequence[Claim]) -> Candidate:
        """The likeliest way in which this visit could have brought the booking."""
        if len(items) == 1 and not claims and items[0].kind in _PLAIN:
            return self._plain(visit_id, items)
        points = self.points(items, claims)
        spent = any(point.code in ("spent", "booked_elsewhere") for point in points)
        return Candidate(self, visit_id, items, claims, sum([point.bits for point in points]), spent)

    def _plain(self, visit_id: str, items: Sequence[Evidence]) -> Candidate:
        """A visit of which only one opening of the form is known: most of a crowd, and many are alike."""
        item = items[0]
        seconds = self._seconds(item)
        gap_s = abs(seconds)
        near = 0.0
        for near, _ in self._activity_gap:
            if gap_s <= near:
                break
        late = seconds < -_SKEW_S and item.at - self._booking.created_at > _SKEW
        key = (late, near, item.form_id, item.company_id, item.is_mobile, item.site_host)
        bits = self._alike.get(key)
        if bits is None:
            bits = self._alike[key] = sum([point.bits for point in self.points(items, ())])
        return Candidate(self, visit_id, items, (), bits, False)

    def points(self, items: Sequence[Evidence], claims: Sequence[Claim]) -> list[Point]:
        """The reasons for and against it."""
        booked = [item for item in items if item.kind == "booked"]
        if not booked:
            best = self._by_activity(items, claims)
        else:
            paths = [self._by_message(item, booked, claims) for item in booked]
            done = max(item.at for item in booked) + _REPEAT
            again = [item for item in items if item.at > done]
            if again:
                paths.append(self._by_activity(again, claims))
            best = max(paths, key=_weight)
        return best + self._surroundings(items)

    def _by_message(self, told: Evidence, booked: Sequence[Evidence], claims: Sequence[Claim]) -> list[Point]:
        """The form said `booked`: time and content of that message."""
        points = [self._gap(told, self._booked_gap, "booked_gap")]
        near = [item for item in claims if item.record_id != ELSEWHERE and abs(item.at - told.at) <= _REPEAT]
        # One message per booking (a group booking has several): spent once every message near it is accounted for.
        if near and len(near) >= len({_content(item) for item in booked if abs(item.at - told.at) <= _REPEAT}):
            points.append(self._spent(told, near[-1]))  # its content speaks of that booking, however alike
        else:
            self._contents(points, told, told, told, self._table.slot_booked)
        return points

    def _by_activity(self, items: Sequence[Evidence], claims: Sequence[Claim]) -> list[Point]:
        """No such message: how fresh the activity is, how far it came, and what was chosen on the way."""
        created_at = self._booking.created_at
        before = [item for item in items if item.at - created_at <= _SKEW]
        if not before:
            first = min(items, key=_moment)
            return [Point("activity_gap", self._table.activity_after.bits(True), first, self._seconds(first))]
        last = before[0] if len(before) == 1 else max(before, key=_moment)
        points = [self._gap(last, self._activity_gap, "activity_gap")]
        later = [claim for claim in claims if last.at <= claim.at + _REPEAT]
        steps = [item for item in before if item.kind == "step"]
        if later:
            points.append(self._spent(last, later[-1]))
        elif steps:
            self._steps(points, sorted(steps, key=_order))
        return points

    def _steps(self, points: list[Point], steps: Sequence[Evidence]) -> None:
        """How far the form was filled in, and the last choice of each kind."""
        table = self._table
        reached = max(steps, key=lambda item: _STAGES.get(item.step or "", 0))
        stage = _STAGES.get(reached.step or "", 0)
        if stage == 3:
            points.append(Point("step_contacts", table.step_contacts.bits(True), reached))
        elif stage == 2:
            points.append(Point("step_time", table.step_time.bits(True), reached))
        elif stage == 1:
            points.append(Point("step_chosen", table.step_chosen.bits(True), reached))
        services = next((item for item in reversed(steps) if item.service_ids), None)
        master = next((item for item in reversed(steps) if item.staff_id), None)
        slot = next((item for item in reversed(steps) if item.slot), None)
        self._contents(points, services, master, slot, table.slot_step)

    def _contents(
        self,
        points: list[Point],
        services: Evidence | None,
        master: Evidence | None,
        slot: Evidence | None,
        slots: Pair,
    ) -> None:
        """Services, master and slot, as far as both sides name them."""
        booking, table = self._booking, self._table
        if services is not None and services.service_ids and booking.service_ids:
            same = services.service_ids <= booking.service_ids  # staff may add a service at once
            bits = table.services.bits(same, self._services_share)
            points.append(Point("services_same" if same else "services_other", bits, services))
        if master is not None and master.staff_id and booking.staff_id:
            same = master.staff_id == booking.staff_id
            bits = table.master.bits(same, self._master_share)
            points.append(Point("master_same" if same else "master_other", bits, master))
        if slot is not None and slot.slot and self._slot:
            same = _slot(slot.slot) == self._slot
            points.append(Point("slot_same" if same else "slot_other", slots.bits(same), slot))

    def _surroundings(self, items: Sequence[Evidence]) -> list[Point]:
        """Form or branch, device, site: of the visit as a whole, one event that agrees is enough."""
        first = items[0] if len(items) == 1 else min(items, key=_moment)
        points = []
        forms = {item.form_id for item in items}
        if self._form is not None and forms != {None}:
            same = self._form in forms
            points.append(Point("form_same" if same else "form_other", self._form_bits[same], first))
        elif self._booking.company_id in {item.company_id for item in items}:
            points.append(Point("branch_same", self._branch_bits, first))
        devices = {item.is_mobile for item in items}
        if self._mobile is not None and devices != {None}:
            same = self._mobile in devices
            points.append(Point("device_same" if same else "device_other", self._device_bits[same], first))
        # Another host proves nothing: what the vendor keeps as the page of origin is not settled.
        if self._host and True in {self._own(item.site_host) for item in items}:
            points.append(Point("from_site_same", self._site_bits, first))
        return points

    def _own(self, site_host: str | None) -> bool:
        known = self._own_hosts.get(site_host)
        if known is None:
            known = self._own_hosts[site_host] = _same_host(_host(site_host), self._host)
        return known

    def _gap(self, item: Evidence, bins: Sequence[tuple[float, float]], code: DetailCode) -> Point:
        seconds = self._seconds(item)
        gap_s = abs(seconds)
        for longest, bits in bins:
            if gap_s <= longest:
                return Point(code, bits, item, seconds)
        raise ValueError("the last gap of a table must be infinite")

    def _seconds(self, item: Evidence) -> int:
        """Whole seconds: the vendor's clock has no finer ones."""
        return round((self._booking.created_at - item.at).total_seconds())

    def _spent(self, item: Evidence, claim: Claim) -> Point:
        if claim.record_id == ELSEWHERE:
            return Point("booked_elsewhere", self._table.spent_bits, item)
        return Point("spent", self._table.spent_bits, item, record_id=claim.record_id)


def _in_bits(bins: Bins) -> list[tuple[float, float]]:
    return [(longest, math.log2(m / u)) for longest, m, u in bins]


def weighed(point: Point, visit_id: str) -> Weighed:
    params = {"seconds": point.seconds, "record_id": point.record_id, "count": point.crowd}
    shown = {name: str(value) for name, value in params.items() if value is not None}
    return Weighed(point.source.kind, point.source.at, point.bits, point.code, shown, visit_id)


def _weight(points: Sequence[Point]) -> tuple[float, datetime, list[str]]:
    """Order among the ways of one visit; the last parts only settle which of equal messages is shown."""
    return sum([point.bits for point in points]), points[0].source.at, [point.code for point in points]


def _moment(item: Evidence) -> tuple[datetime, str]:
    return item.at, item.kind


def _order(step: Evidence) -> tuple[object, ...]:
    """Steps of one instant: by how far they lead, then by content. Never by their ids, which mean nothing."""
    services = sorted(step.service_ids)
    return step.at, _STAGES.get(step.step or "", 0), services, step.staff_id or 0, step.slot or ""


def _content(item: Evidence) -> tuple[object, ...]:
    """The site script and the form script tell the same booking twice."""
    return item.company_id, item.service_ids, item.staff_id, item.slot


def _share(seen: Mapping[int, int], value: int, common: float) -> float:
    """How common a value is among the company's bookings; few counts are drawn towards the common table's u."""
    whole, drawn = sum(seen.values()), 20
    return (seen.get(value, 0) + drawn * common) / (whole + drawn)


def _slot(text: str | None) -> str | None:
    """To the minute; the form writes "T" or a blank between date and time."""
    return text[:16].replace(" ", "T") if text else None


def _host(text: str | None) -> str:
    return text.lower().removeprefix("www.").split(":")[0] if text else ""


def _same_host(one: str, other: str) -> bool:
    return one == other or one.endswith("." + other) or other.endswith("." + one)
