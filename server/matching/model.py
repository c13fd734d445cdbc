"""Which visit brought a booking: a ladder of evidence, L0 … L5, with probability, margin and alternatives.

Pure, and the same answer for any order and any doubling of the inputs. Exact evidence comes first (the form itself
named the record, or our mark stands inside it), then contacts and calls, then probable evidence. A higher rung wins;
what a lower one says is kept beside it. Two visits that cannot be told apart are never decided between.
A booking has at most one visit; a visit may have several bookings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from server.matching.facts import (
    ENGINE_VERSION,
    Alternative,
    BookingFacts,
    Claim,
    DetailCode,
    Evidence,
    Level,
    Match,
    Method,
    NoteCode,
    Origin,
    ReasonCode,
    Weighed,
)
from server.matching.scoring import (
    BOOKED_BEFORE,
    COMMON_TABLE,
    ELSEWHERE,
    FORM_KINDS,
    WINDOW_AFTER,
    WINDOW_BEFORE,
    Candidate,
    FieldTable,
    candidates,
    concerns,
    shares,
    weighed,
)

__all__ = [
    "ACCEPT_MARGIN_BITS", "ACCEPT_PROBABILITY", "COMMON_TABLE", "ENGINE_VERSION", "EXACT_BITS", "Alternative",
    "BookingFacts", "Claim", "Evidence", "FieldTable", "Level", "Match", "Method", "Origin", "Weighed", "better",
    "decide", "grace_until",
]  # fmt: skip

#: An exact mark decides by itself. As a weight it is shown as this: above any sum of probable evidence.
EXACT_BITS = 20.0
ACCEPT_PROBABILITY = 0.90
ACCEPT_MARGIN_BITS = 4.0
_POSSIBLE = 0.5
#: The form may name a record this long before (wrong vendor clock) or after (slow network) its creation.
_EARLY, _LATE = timedelta(minutes=10), timedelta(hours=24)
_MARK_LIFE = timedelta(hours=24)
_CONTACT_WINDOW = timedelta(days=30)
#: First heard of later than this: an old booking, brought over or read afterwards.
_IMPORTED_AFTER = timedelta(hours=24)
_SHOWN = 5
_EXACT_LEVELS = (Level.L0, Level.L1)
#: When two visits name the same record or carry the same mark, the first is still nearly certain.
_CONTESTED = 0.99


def decide(
    booking: BookingFacts,
    evidence: Iterable[Evidence],
    claims: Iterable[Claim] = (),
    *,
    table: FieldTable = COMMON_TABLE,
) -> Match:
    """The best supported answer, or level `none` with the reason. A function of the set of its inputs.

    `evidence` may hold anything of the account; what does not concern this booking changes nothing.
    """
    facts = _gather(booking, evidence, claims)
    closed = _closed(booking)
    rungs = _rungs(booking, facts, table, closed=closed is not None)
    open_to_guess = closed is None and booking.origin is not Origin.MOBILE_APP
    weighted = candidates(booking, facts.visits, facts.claims, table) if open_to_guess else []
    standing = next((rung for rung in rungs if rung.visit_id is not None), None)
    if standing is not None:
        return _standing(standing, rungs, weighted, table)
    looked_at = [item for rung in rungs for item in rung.weighed]
    note = next((rung.note for rung in rungs if rung.note is not None), None)
    if not open_to_guess:
        return _nothing(closed or "mobile_app", looked_at, note)
    if not weighted:
        old = booking.received_at - booking.created_at > _IMPORTED_AFTER
        return _nothing("import" if old and not looked_at else "nobody", looked_at, note)
    return _probable(weighted, looked_at, note, table)


def _closed(booking: BookingFacts) -> ReasonCode | None:
    """Why no visit to the site can have brought this booking; None when one can."""
    match booking.origin:
        case Origin.STAFF:
            return "staff"
        case Origin.API:
            return "api"
        case Origin.IMPORT:
            return "import"
    return None if booking.online else "not_online"


# --- what concerns the booking


@dataclass(slots=True)
class _Facts:
    records: list[Evidence] = field(default_factory=list)
    marks: list[Evidence] = field(default_factory=list)
    contacts: dict[str, list[Evidence]] = field(default_factory=dict)
    visits: dict[str, list[Evidence]] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)


def _gather(booking: BookingFacts, evidence: Iterable[Evidence], claims: Iterable[Claim]) -> _Facts:
    """Each fact once, sorted into what it can say about this booking; the rest is left out."""
    facts = _Facts(claims=[item for item in claims if (item.company_id, item.record_id) != _record(booking)])
    earliest, latest = booking.created_at - WINDOW_BEFORE, booking.created_at + WINDOW_AFTER
    booked_from = booking.created_at - BOOKED_BEFORE
    for item in _once(evidence):
        kind = item.kind
        if kind in FORM_KINDS:
            if not (booked_from if kind == "booked" else earliest) <= item.at <= latest:
                continue
            if concerns(booking, item):
                facts.visits.setdefault(item.visit_id, []).append(item)
            elif kind == "booked":
                facts.claims.append(Claim(item.visit_id, item.company_id or 0, ELSEWHERE, item.at))
        elif kind == "record":
            if (item.company_id, item.record_id) == _record(booking):
                facts.records.append(item)
            elif item.company_id is not None and item.record_id:
                facts.claims.append(Claim(item.visit_id, item.company_id, item.record_id, item.at))
        elif kind == "mark":
            if booking.mark and item.mark == booking.mark:
                facts.marks.append(item)
        elif _same_contact(booking, item) and -WINDOW_AFTER <= booking.created_at - item.at <= _CONTACT_WINDOW:
            facts.contacts.setdefault(kind, []).append(item)
    return facts


def _record(booking: BookingFacts) -> tuple[int, int]:
    return booking.company_id, booking.record_id


def _once(evidence: Iterable[Evidence]) -> Iterable[Evidence]:
    """One fact per event; two tellings of one event that differ are settled without regard to their order."""
    kept: dict[str, Evidence] = {}
    for item in evidence:
        known = kept.setdefault(item.event_id, item)
        if known is not item and known != item:
            kept[item.event_id] = min(known, item, key=_telling)
    return kept.values()


def _telling(item: Evidence) -> str:
    # A set has no order of its own; sorted it has.
    return f"{replace(item, service_ids=frozenset())!r}{sorted(item.service_ids)}"


def _same_contact(booking: BookingFacts, item: Evidence) -> bool:
    if item.kind == "contact_email":
        return booking.email_hash is not None and item.email_hash == booking.email_hash
    if item.kind in ("contact_phone", "chat_phone", "call"):
        return booking.phone_hash is not None and item.phone_hash == booking.phone_hash
    return False


# --- the rungs above the probable one


@dataclass(frozen=True, slots=True)
class _Rung:
    """What one kind of evidence says: the visit it points at, if any, and all that was looked at."""

    level: Level
    method: Method
    code: ReasonCode
    probability: float = 0.0
    visit_id: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    others: tuple[str, ...] = ()
    weighed: tuple[Weighed, ...] = ()
    note: NoteCode | None = None


def _rungs(booking: BookingFacts, facts: _Facts, table: FieldTable, *, closed: bool) -> list[_Rung]:
    """The rungs that this booking may stand on, best first."""
    rungs = []
    if not closed:
        # Also for a booking that looks like the app's: the form itself knows better.
        rungs += [_by_record(booking, facts.records), _by_mark(booking, facts.marks)]
    if booking.origin is Origin.MOBILE_APP:
        return rungs
    if not closed:
        rungs.append(_by_contact(booking, facts, _PHONE, table.phone, table))
    # Staff write down what a caller or a chat asked for: these may point at a visit even then.
    rungs.append(_by_contact(booking, facts, _CHAT, table.phone, table))
    rungs.append(_by_contact(booking, facts, _CALL, table.call, table))
    if not closed:
        rungs.append(_by_contact(booking, facts, _EMAIL, table.email, table))
    return rungs


@dataclass(frozen=True, slots=True)
class _Exact:
    """The words of an exact rung: alone or contested; for the visit that said it first and for later ones."""

    level: Level
    method: Method
    alone: ReasonCode
    contested: ReasonCode
    first: DetailCode
    later: DetailCode


_RECORD = _Exact(Level.L0, Method.RECORD, "record", "record_contested", "record", "record_later")
_MARK = _Exact(Level.L1, Method.MARK, "mark", "mark_contested", "mark", "mark_other")


def _by_record(booking: BookingFacts, told: Sequence[Evidence]) -> _Rung:
    """L0. The first visit that named the record, if it did so at a possible time."""
    params = {"record_id": str(booking.record_id)}
    near = [item for item in told if -_EARLY <= item.at - booking.created_at <= _LATE]
    absurd = [_shown(item, -EXACT_BITS, "record_absurd", params) for item in told if item not in near]
    rung = _first(near, _RECORD, params)
    return replace(rung, weighed=(*rung.weighed, *absurd), note=rung.note or ("record_absurd" if absurd else None))


def _by_mark(booking: BookingFacts, found: Sequence[Evidence]) -> _Rung:
    """L1. The visit that was given the mark standing in the booking, if the mark was still its own and alive."""
    by_state: dict[str, list[Evidence]] = {}
    for item in found:
        by_state.setdefault(_mark_state(booking, item), []).append(item)
    strange, expired = by_state.get("stranger", ()), by_state.get("expired", ())
    rung = _first(by_state.get("bound", ()), _MARK, {})
    refused = [
        *(_shown(item, -EXACT_BITS, "mark_stranger", {}) for item in strange),
        *(_shown(item, -EXACT_BITS, "mark_expired", {}) for item in expired),
    ]
    note = rung.note
    if note is None and rung.visit_id is None and refused:
        note = "mark_stranger" if strange else "mark_expired"
    return replace(rung, weighed=(*rung.weighed, *refused), note=note)


def _mark_state(booking: BookingFacts, item: Evidence) -> str:
    """`bound`, `expired`, or `stranger`, which also stands for any state that is not known here."""
    if item.mark_state not in (None, "bound"):
        return "expired" if item.mark_state == "expired" else "stranger"
    return "bound" if -_EARLY <= booking.created_at - item.at <= _MARK_LIFE else "expired"


def _first(items: Sequence[Evidence], words: _Exact, params: Mapping[str, str]) -> _Rung:
    """The visit that said it first. Two that said it at the same moment cannot be told apart."""
    by_visit = _one_each(items, lambda item: item.at.timestamp())
    if not by_visit:
        return _Rung(words.level, words.method, words.alone)
    first, *others = by_visit
    if others and others[0].at == first.at:
        equal = tuple(_shown(item, 0.0, words.first, params) for item in by_visit)
        return _Rung(words.level, words.method, words.contested, weighed=equal, note="tie")
    shown = (
        _shown(first, EXACT_BITS, words.first, params),
        *(_shown(item, -EXACT_BITS, words.later, params) for item in others),
    )
    return _Rung(
        words.level, words.method, words.contested if others else words.alone, _CONTESTED if others else 1.0,
        first.visit_id, {"at": first.at.isoformat(), **params}, tuple(item.visit_id for item in others), shown,
    )  # fmt: skip


def _shown(item: Evidence, bits: float, code: DetailCode, params: Mapping[str, str]) -> Weighed:
    return Weighed(item.kind, item.at, bits, code, params, item.visit_id)


@dataclass(frozen=True, slots=True)
class _Contact:
    kind: str
    level: Level
    method: Method
    alone: ReasonCode
    shared: ReasonCode
    nearest: DetailCode
    earlier: DetailCode


_PHONE = _Contact("contact_phone", Level.L2, Method.PHONE, "phone", "phone_shared", "phone", "phone_earlier")
_CHAT = _Contact("chat_phone", Level.L2, Method.PHONE, "chat", "chat_shared", "chat", "chat_earlier")
_CALL = _Contact("call", Level.L3, Method.CALL, "call", "call_shared", "call", "call_earlier")
_EMAIL = _Contact("contact_email", Level.L4, Method.EMAIL, "email", "email_shared", "email", "email_earlier")


def _by_contact(booking: BookingFacts, facts: _Facts, words: _Contact, probability: float, table: FieldTable) -> _Rung:
    """L2, L3, L4. The same phone or e-mail as in the booking; the visit nearest to its creation wins."""

    def distance_s(item: Evidence) -> float:
        return abs((booking.created_at - item.at).total_seconds())

    by_visit = _one_each(facts.contacts.get(words.kind, ()), distance_s)
    if not by_visit:
        return _Rung(words.level, words.method, words.alone)
    nearest, *others = by_visit
    tie = bool(others) and distance_s(others[0]) == distance_s(nearest)
    strangers = any(item.visitor_id and nearest.visitor_id and item.visitor_id != nearest.visitor_id for item in others)
    chance = probability * (table.shared if strangers else 1.0)
    bits = math.log2(chance / (1 - chance))
    shown = tuple(_shown(item, bits, words.nearest if item is nearest else words.earlier, {}) for item in by_visit)
    code = words.shared if strangers else words.alone
    if tie:
        return _Rung(words.level, words.method, code, weighed=shown, note="tie")
    return _Rung(
        words.level, words.method, code, chance, nearest.visit_id, {"at": nearest.at.isoformat()},
        tuple(item.visit_id for item in others), shown,
    )  # fmt: skip


def _one_each(items: Iterable[Evidence], rank: Callable[[Evidence], float]) -> list[Evidence]:
    """The best event of each visit, best visit first."""
    best: dict[str, Evidence] = {}
    for item in sorted(items, key=lambda item: (rank(item), item.at)):
        best.setdefault(item.visit_id, item)
    return sorted(best.values(), key=lambda item: (rank(item), item.visit_id))


# --- the answer


def _standing(rung: _Rung, rungs: Sequence[_Rung], weighted: Sequence[Candidate], table: FieldTable) -> Match:
    """The answer of one rung, with what the others say for it and against it."""
    assert rung.visit_id is not None
    leader = _accepted(weighted, table)
    # An older contact in another visit is no contradiction: clients come back. Another mark or message is.
    pointed = [other.visit_id for other in rungs if other.level in _EXACT_LEVELS and other.visit_id is not None]
    pointed += [leader.visit_id] if leader is not None else []
    rivals = [visit_id for visit_id in dict.fromkeys([*rung.others, *pointed]) if visit_id != rung.visit_id][:_SHOWN]
    bits = {candidate.visit_id: candidate.bits for candidate in weighted}
    rest = (1.0 - rung.probability) / (len(rivals) + 1)
    shown = [item for other in rungs for item in other.weighed]
    for candidate in weighted:
        if candidate.visit_id == rung.visit_id or candidate is leader:
            shown += [weighed(point, candidate.visit_id) for point in candidate.points]
    note = rung.note or ("contradicted" if any(visit_id != rung.visit_id for visit_id in pointed) else None)
    return Match(
        rung.level, rung.method, rung.probability, rung.visit_id, rung.code,
        {**rung.params, "note": note} if note is not None else rung.params, _ordered(shown),
        tuple(Alternative(visit_id, rest, bits.get(visit_id, 0.0)) for visit_id in rivals),
    )  # fmt: skip


def _accepted(weighted: Sequence[Candidate], table: FieldTable) -> Candidate | None:
    if not weighted:
        return None
    clear = _margin(weighted) >= ACCEPT_MARGIN_BITS
    return weighted[0] if clear and shares(weighted, table.ceiling)[0] >= ACCEPT_PROBABILITY else None


def _margin(weighted: Sequence[Candidate]) -> float:
    """The lead over the second visit, or over nobody (0 bits), whichever is heavier."""
    return weighted[0].bits - max(0.0, weighted[1].bits if len(weighted) > 1 else 0.0)


def _probable(
    weighted: Sequence[Candidate], looked_at: Sequence[Weighed], note: NoteCode | None, table: FieldTable
) -> Match:
    chances = shares(weighted, table.ceiling)
    best, margin = weighted[0], _margin(weighted)
    shown = [*looked_at, *(weighed(point, item.visit_id) for item in weighted[:_SHOWN] for point in item.points)]
    options = tuple(
        Alternative(item.visit_id, chance, item.bits)
        for item, chance in list(zip(weighted, chances, strict=True))[: _SHOWN + 1]
    )
    params = {"note": note} if note is not None else {}
    if _accepted(weighted, table) is best:
        code: ReasonCode = "probable_booked" if best.told else "probable_best" if len(weighted) > 1 else "probable"
        return Match(
            Level.L5, Method.PROBABLE, chances[0], best.visit_id, code, {"percent": _percent(chances[0]), **params},
            _ordered(shown), options[1:], margin,
        )  # fmt: skip
    code, more = _refused(weighted, chances)
    return Match(
        Level.NONE, Method.NONE, 0.0, None, code, {**more, **params}, _ordered(shown), options[:_SHOWN], margin
    )


def _refused(weighted: Sequence[Candidate], chances: Sequence[float]) -> tuple[ReasonCode, dict[str, str]]:
    """Why the best candidate is not good enough."""
    best = weighted[0]
    equal = sum(best.bits - item.bits < 1.0 for item in weighted)
    if equal > 1 and sum(chances[:equal]) >= _POSSIBLE:
        return "equal", {"count": str(equal)}
    if chances[0] >= _POSSIBLE:
        return "possible", {"percent": _percent(chances[0])}
    return ("spent" if best.spent else "too_weak"), {}


def _nothing(code: ReasonCode, looked_at: Sequence[Weighed], note: NoteCode | None) -> Match:
    return Match(
        Level.NONE, Method.NONE, 0.0, None, code, {"note": note} if note is not None else {}, _ordered(looked_at)
    )


def _percent(chance: float) -> str:
    """A share as whole percent, never rounded up: what is probable is not shown as certain."""
    return str(min(99, math.floor(chance * 100)))


def _ordered(items: Iterable[Weighed]) -> tuple[Weighed, ...]:
    return tuple(sorted(items, key=lambda item: (-item.weight_bits, item.at, item.visit_id, item.detail_code)))


# --- deciding over time

_HEIGHT = {level: height for height, level in enumerate(reversed(Level))}


def grace_until(booking: BookingFacts, match: Match, *, grace_s: float) -> datetime | None:
    """Until when the browser's report is waited for; None when none can come that would change the answer."""
    if match.level in _EXACT_LEVELS or _closed(booking) is not None:
        return None
    if booking.received_at - booking.created_at > _IMPORTED_AFTER:
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
    """Whether a new answer replaces the kept one.

    A higher level wins; on the same level the newer answer, made from more facts, if it says something else. Two ways
    lead down: a probable answer is withdrawn when its visit is now contested, or explains another booking; an exact one,
    when what it stands on turns out to say nothing. That facts are missing never withdraws anything. A person's
    correction stays, and after the window nothing changes.
    """
    if old is None:
        return True
    if hand_corrected or (now - booking.received_at).total_seconds() > improvement_window_s:
        return False
    if old.level is Level.L5 and new.level is Level.NONE:
        return old.visit_id in {item.visit_id for item in new.alternatives}
    if _HEIGHT[new.level] < _HEIGHT[old.level] and _withdrawn(old, new):
        return True
    if _HEIGHT[new.level] != _HEIGHT[old.level]:
        return _HEIGHT[new.level] > _HEIGHT[old.level]
    said = (new.visit_id, new.reason_code) != (old.visit_id, old.reason_code)
    return said or abs(new.probability - old.probability) > 0.001


def _withdrawn(old: Match, new: Match) -> bool:
    """Whether an exact answer's ground is refused now: a stranger's or old mark, a record two named at one moment."""
    for item in new.evidence:
        if item.visit_id != old.visit_id:
            continue
        if old.level is Level.L1 and item.detail_code in ("mark_stranger", "mark_expired"):
            return True
        if old.level is Level.L0 and item.detail_code == "record" and item.weight_bits == 0.0:
            return True
    return False
