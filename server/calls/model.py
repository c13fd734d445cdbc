"""A call as its signals tell it, and what is to be done about it. Pure; no I/O.

`call_of` is a function of the set of signals: order and repetition change nothing. What a report says wins over what
notifications say, and both over a guess made because nothing more came.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar

from server.calls.settings import CallFacts, NetworkSettings, TelephonyIntegration, clean_or_empty

Event = Literal[
    "ring", "leg", "out", "answer", "talk_over", "over", "lost", "record", "voice", "tag", "untag", "report", "silence",
    "other",
]  # fmt: skip
Direction = Literal["in", "out", "internal"]
State = Literal["ringing", "talking", "over"]
Outcome = Literal["", "answered", "missed", "voice_mail"]
Named = tuple[int | None, str | None]
NOBODY: Named = (None, None)

#: A ringing call of which nothing is heard for so long rings no more.
RINGS_MOST = timedelta(seconds=55)
TALKS_MOST = timedelta(hours=4)
_SECONDS_MOST = 10**7  # what claims to be longer is no length of a call
#: How long the report is waited for where notifications did not tell how a call ended, or what a filter asks for.
REPORT_WAIT = timedelta(minutes=30)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Signal:
    """One thing told of a call. `record` stands for a link to the recording without being it."""

    key: str
    event: Event
    at: datetime
    direction: Direction | None = None
    contact: str | None = None
    number: str | None = None
    employee: Named = NOBODY
    talked: bool | None = None  # of a report: whether somebody talked
    transferred: bool = False
    started_at: datetime | None = None
    ended_at: datetime | None = None
    talk_s: int | None = None
    wait_s: int | None = None
    site: Named = NOBODY
    source: Named = NOBODY
    scenario: Named = NOBODY
    tags: tuple[Named, ...] = ()
    record: str | None = None
    phase: State | None = None  # of a silence: in which it was noted
    external_id: str | None = None  # of a call that was ordered from here


@dataclass(frozen=True, slots=True)
class Call:
    """`told`: how it ended was told; else `over` is a guess. `phase` is the state without any guess."""

    state: State
    outcome: Outcome
    told: bool
    reported: bool
    phase: State
    direction: Direction
    started_at: datetime
    heard_at: datetime
    ended_at: datetime | None
    contact: str
    number: str
    employee: Named
    transferred: bool
    talk_s: int
    wait_s: int
    record: str | None
    site: Named
    source: Named
    scenario: Named
    tags: tuple[Named, ...]
    external_id: str = ""

    @property
    def facts(self) -> CallFacts:
        missed = None if self.state != "over" else self.outcome != "answered"
        return CallFacts(self.direction, missed, self.site, self.source, self.scenario, self.tags)


def call_of(signals: Iterable[Signal]) -> Call:
    """What a set of signals, at least one, says."""
    told = sorted({signal.key: signal for signal in sorted(signals, key=_order)}.values(), key=_order)
    heard = [one for one in told if one.event != "silence"] or told
    report = next((one for one in reversed(told) if one.event == "report"), None)
    ends = [one for one in heard if one.event in ("over", "lost")]
    # The strongest first: the report, then the ends, then the others from the last to the first.
    by_rank = [*([report] if report else []), *reversed(ends), *(one for one in reversed(heard) if one not in ends)]
    talks = [one for one in heard if one.event in ("answer", "talk_over", "record")]
    over = next((one for one in ends if one.event == "over"), None)
    phase: State = "over" if ends or report else "talking" if talks else "ringing"
    last = max(one.at for one in heard)
    silent = any(one.event == "silence" and one.phase == phase and one.at >= last for one in told)
    state: State = "over" if phase == "over" or silent else phase
    started = _first(by_rank, lambda one: one.started_at) or min(one.at for one in heard)
    ended = _first(by_rank, lambda one: one.ended_at) or min((one.at for one in ends), default=last if silent else None)
    outcome: Outcome = ""
    if state == "over":
        outcome = _outcome(report, heard, talks, over)
    return Call(
        state, outcome, phase == "over", report is not None, phase, _direction(heard, by_rank), started, last, ended,
        _first(by_rank, lambda one: one.contact) or "", _virtual(_first(by_rank, lambda one: one.number) or ""),
        _named(by_rank, lambda one: one.employee), _transferred(report, talks),
        _talked_s(report, over, talks) if outcome != "missed" else 0,
        _seconds(_first(by_rank, lambda one: one.wait_s) or 0), _first(by_rank, lambda one: one.record),
        _named(by_rank, lambda one: one.site), _named(by_rank, lambda one: one.source),
        _named(by_rank, lambda one: one.scenario), _tags(told, report),
        _first(by_rank, lambda one: one.external_id) or "",
    )  # fmt: skip


def _order(signal: Signal) -> tuple[datetime, str, str]:
    return signal.at, signal.key, repr(signal)


def _outcome(report: Signal | None, heard: Sequence[Signal], talks: Sequence[Signal], over: Signal | None) -> Outcome:
    if report and report.talked is not None:
        answered = report.talked
    else:
        lost = any(one.event == "lost" for one in heard)
        # A machine that says its text also "talks" for some seconds: a lost call is lost all the same.
        answered = bool(talks) or bool(over and over.talk_s and not lost)
    if answered:
        return "answered"
    return "voice_mail" if any(one.event == "voice" for one in heard) else "missed"


def _direction(heard: Sequence[Signal], by_rank: Sequence[Signal]) -> Direction:
    if any(one.direction == "internal" for one in heard):
        return "internal"
    told: Direction | None = _first(by_rank, lambda one: one.direction)
    if told is not None:
        return told
    return "out" if any(one.event == "out" for one in heard) else "in"


def _transferred(report: Signal | None, talks: Sequence[Signal]) -> bool:
    """More than one person talked."""
    people = {one.employee for one in talks if one.employee != NOBODY and one.event != "record"}
    return bool(report and report.transferred) or len(people) > 1


def _talked_s(report: Signal | None, over: Signal | None, talks: Sequence[Signal]) -> int:
    for one in (report, over):
        if one and one.talk_s is not None:
            return _seconds(one.talk_s)
    parts = [one.talk_s for one in talks if one.event == "talk_over" and one.talk_s is not None]
    return _seconds(sum(parts) if parts else max((one.talk_s or 0 for one in talks), default=0))


def _seconds(told: int) -> int:
    return min(max(told, 0), _SECONDS_MOST)


def _tags(told: Sequence[Signal], report: Signal | None) -> tuple[Named, ...]:
    """Those set and not taken away again; a report lists all that stood when it was read."""
    standing: dict[Named, None] = {}
    for one in told:
        if report and one.at <= report.at and one is not report:
            continue
        for tag in one.tags:
            if one.event == "untag":
                standing = {other: None for other in standing if not _same_tag(other, tag)}
            elif not any(_same_tag(other, tag) for other in standing):
                standing[tag] = None
    return tuple(standing)


def _same_tag(one: Named, other: Named) -> bool:
    return one[0] == other[0] if one[0] is not None and other[0] is not None else one[1] == other[1]


def _first(signals: Iterable[Signal], read: Callable[[Signal], T | None]) -> T | None:
    return next((value for one in signals if (value := read(one)) not in (None, "")), None)


def _named(signals: Iterable[Signal], read: Callable[[Signal], Named]) -> Named:
    return next((value for one in signals if (value := read(one)) != NOBODY), NOBODY)


def _virtual(text: str) -> str:
    """One of our numbers as the settings, and the routing of the other system, keep it, however it was written."""
    return clean_or_empty(text) or _digits(text)


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text, flags=re.ASCII)


# --- kept form of a signal


def kept(signal: Signal) -> dict[str, Any]:
    """A signal as JSON, without its key, event and time, which have columns of their own."""
    found: dict[str, Any] = {}
    for one in fields(signal):
        value = getattr(signal, one.name)
        if one.name in ("key", "event", "at") or value == one.default:
            continue
        found[one.name] = value.isoformat() if isinstance(value, datetime) else value
    return found


def signal_of(key: str, event: Event, at: datetime, facts: dict[str, Any]) -> Signal:
    told = dict(facts)
    for name in ("employee", "site", "source", "scenario"):
        if name in told:
            told[name] = tuple(told[name])
    for name in ("started_at", "ended_at"):
        if name in told:
            told[name] = datetime.fromisoformat(told[name])
    if "tags" in told:
        told["tags"] = tuple(tuple(tag) for tag in told["tags"])
    return Signal(key, event, at, **told)


# --- what is to be done

#: Why nothing is done about a call.
Why = Literal[
    "", "off", "before", "not_incoming", "internal", "ended", "hidden", "no_number", "no_branch", "not_connected",
    "filter_site", "filter_source", "filter_scenario", "filter_type", "no_phone", "service_phone", "not_wanted",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """What the owner set, and of it what this call falls under."""

    settings: TelephonyIntegration
    enabled_at: datetime | None
    network: NetworkSettings | None
    connected: bool  # whether the network's token is here and works


def why_nothing(call: Call, rules: Rules, *, asked: bool = False) -> Why:
    """Why a call is nothing to the other system at all; empty: it may be, as far as its filter lets it."""
    if not rules.settings.enabled or rules.enabled_at is None:
        return "off"
    if call.started_at < rules.enabled_at - timedelta(minutes=1) and not asked:
        return "before"
    if not phone_digits(call.contact):
        return "hidden"
    if not call.number:
        return "no_number"
    return "no_branch" if rules.network is None or rules.network.branch_of(call.number) is None else ""


def why_no_popup(call: Call, rules: Rules) -> Why:
    if call.direction != "in":
        return "not_incoming"
    if call.state == "over":
        return "ended"
    return why_nothing(call, rules) or _filtered(call, rules, ringing=True) or _unconnected(rules)


def why_no_history(call: Call, rules: Rules, *, asked: bool = False) -> Why:
    if call.direction == "internal" and not rules.settings.internal_calls:
        return "internal"
    return why_nothing(call, rules, asked=asked) or _filtered(call, rules, ringing=False) or _unconnected(rules)


def _unconnected(rules: Rules) -> Why:
    """Comes last: what waits for the network to be connected is told once it is."""
    return "" if rules.connected else "not_connected"


def _filtered(call: Call, rules: Rules, *, ringing: bool) -> Why:
    assert rules.network is not None
    condition = rules.network.filter.why_not(call.facts, ringing=ringing)
    return f"filter_{condition}" if condition else ""  # type: ignore[return-value]


def needs_report(call: Call, rules: Rules) -> bool:
    """Whether only the report can tell what is to be done: no end was told, or a filter asks what nobody said."""
    if call.reported:
        return False
    if not call.told or not call.number:
        return True
    chosen = rules.network.filter if rules.network else None
    return bool(
        chosen
        and (
            (chosen.sites and call.site == NOBODY)
            or (chosen.sources and call.source == NOBODY)
            or (chosen.scenarios and call.scenario == NOBODY)
        )
    )


def phone_digits(contact: str) -> str:
    """A number as YCLIENTS wants it: digits alone, 7 before a number of Russia. Empty for a hidden one."""
    digits = _digits(contact)
    if len(digits) == 11 and digits.startswith("8") and not contact.strip().startswith("+"):
        return "7" + digits[1:]
    if re.search(r"[*xX•]{2}|[A-WYZa-wyzА-Яа-я]", contact) or not 3 <= len(digits) <= 15:
        return ""
    return "7" + digits if len(digits) == 10 and not contact.strip().startswith("+") else digits


@dataclass(frozen=True, slots=True)
class Entry:
    """A call as it stands in the other system's history. The link is a secret."""

    session_id: str
    kind: Literal["incoming", "outgoing", "internal"]
    missed: bool
    phone: str
    number: str
    duration_s: int
    at: datetime
    link: str = field(repr=False, default="")


def entry_of(session_id: str, call: Call, link: str) -> Entry:
    """Voice mail is a missed call with something to listen to."""
    kinds: dict[Direction, Literal["incoming", "outgoing", "internal"]] = {
        "in": "incoming", "out": "outgoing", "internal": "internal",
    }  # fmt: skip
    missed = call.outcome != "answered"
    return Entry(
        session_id, kinds[call.direction], missed, phone_digits(call.contact), call.number,
        0 if missed else call.talk_s, call.started_at, link,
    )  # fmt: skip
