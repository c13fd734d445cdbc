"""What the scripts report, read strictly: docs/collector.md as types. Pure; no I/O, no clock.

An event of a wrong shape is refused alone; a body of a wrong shape is refused whole. Nothing here raises on any
bytes but `BadBody`, and every text that leaves can be stored (no NUL, no lone surrogate).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

BODY_LIMIT = 64 * 1024  # bytes
EVENTS_LIMIT = 50
TEXT_LIMIT = 2048  # characters
_OLDEST = timedelta(days=7)
_ID = re.compile(r"[0-9A-Za-z_-]{16,64}", re.ASCII)
_MARK = re.compile(r"[0-9A-Za-z]{22}", re.ASCII)
_SUSPECT = re.compile(rb"\\u(?:0000|d[89a-f])", re.I)

Payload = dict[str, Any]


class BadBody(ValueError):
    """The whole body is refused. `reason` is a code of docs/collector.md."""

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(reason)
        self.reason, self.detail = reason, detail


class _BadField(ValueError):
    pass


@dataclass(frozen=True, slots=True)
class VisitDescription:
    visitor_id: str
    started_at_ms: int
    landing: str
    referrer: str


@dataclass(frozen=True, slots=True)
class Event:
    event_id: str
    kind: str
    age: timedelta  # how long before sending it happened, by the sender's own clock
    visit_id: str | None
    payload: Payload


@dataclass(frozen=True, slots=True)
class Batch:
    script: str
    sent_at_ms: int
    visits: Mapping[str, VisitDescription]
    events: tuple[Event, ...]
    refused: tuple[tuple[str, str], ...]  # (reason, detail) of each event that was refused alone


def parse_batch(body: bytes) -> Batch:
    """The batch in `body`. Raises `BadBody` when it cannot be read as one."""
    if len(body) > BODY_LIMIT:
        raise BadBody("too_large")
    try:
        # Decoded here, for the parser would also take UTF-16 and let halves of letters through.
        document = json.loads(body.decode("utf-8-sig", "replace"), parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise BadBody("not_json") from None
    if not isinstance(document, dict) or document.get("v") != 1:
        raise BadBody("not_a_batch", "the body is not an object with v = 1")
    raw_events = document.get("events")
    raw_visits = {} if document.get("visits") is None else document["visits"]
    sent_at = _milliseconds(document.get("sent_at"))
    if not isinstance(raw_events, list) or not isinstance(raw_visits, dict) or sent_at is None:
        raise BadBody("not_a_batch", "events, visits or sent_at are missing")
    if len(raw_events) > EVENTS_LIMIT or len(raw_visits) > EVENTS_LIMIT:
        raise BadBody("too_large", f"more than {EVENTS_LIMIT} events")
    clean = _storable if _SUSPECT.search(body) else _bounded
    visits = {}
    for visit_id, raw in raw_visits.items():
        described = _visit(raw, clean)
        if _ID.fullmatch(visit_id) and described:
            visits[visit_id] = described
    events, refused = [], []
    for raw in raw_events:
        try:
            events.append(_event(raw, sent_at, clean, visits))
        except _BadField as error:
            refused.append(("bad_event", str(error)))
    script = document.get("script")
    return Batch(clean(script)[:40] if isinstance(script, str) else "", sent_at, visits, tuple(events), tuple(refused))


def _no_constant(name: str) -> None:
    raise ValueError(name)


def _milliseconds(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return int(value) if 0 <= value < 1 << 53 else None  # no comparison holds for NaN


Clean = Callable[[str], str]


def _bounded(text: str) -> str:
    return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT]


def _storable(text: str) -> str:
    """As `_bounded`, without what PostgreSQL or UTF-8 cannot hold."""
    return text[:TEXT_LIMIT].replace("\0", "").encode("utf-8", "replace").decode()


def _visit(raw: Any, clean: Clean) -> VisitDescription | None:
    if not isinstance(raw, dict):
        return None
    visitor, started = raw.get("visitor"), _milliseconds(raw.get("started_at"))
    if not isinstance(visitor, str) or not _ID.fullmatch(visitor) or started is None:
        return None
    landing, referrer = raw.get("landing"), raw.get("referrer")
    return VisitDescription(
        visitor,
        started,
        clean(landing) if isinstance(landing, str) else "",
        clean(referrer) if isinstance(referrer, str) else "",
    )


def _event(raw: Any, sent_at_ms: int, clean: Clean, visits: dict[str, VisitDescription]) -> Event:
    """One event; a visit that it describes itself joins `visits`, where the first description of a visit stays."""
    if not isinstance(raw, dict):
        raise _BadField("an event is not an object")
    event_id, kind, visit_id = raw.get("id"), raw.get("kind"), raw.get("visit")
    described = _visit(visit_id, clean)
    if isinstance(visit_id, dict):
        visit_id = visit_id.get("id")
    if not isinstance(event_id, str) or not _ID.fullmatch(event_id):
        raise _BadField("id is missing or malformed")
    fields = _FIELDS.get(kind) if isinstance(kind, str) else None
    if fields is None:
        raise _BadField("the kind is unknown")
    at = _milliseconds(raw.get("at"))
    if at is None:
        raise _BadField("at is not a time in milliseconds")
    if visit_id is not None and (not isinstance(visit_id, str) or not _ID.fullmatch(visit_id)):
        raise _BadField("visit is malformed")
    payload = {name: read(raw.get(name), name, clean) for name, read in fields}
    if visit_id is None and not (kind in _WITHOUT_VISIT and payload.get("mark")):
        raise _BadField("an event without a visit needs a mark")
    if described and visit_id:
        visits.setdefault(visit_id, described)
    age = timedelta(milliseconds=min(max(0, sent_at_ms - at), _OLDEST // timedelta(milliseconds=1)))
    return Event(event_id, str(kind), age, visit_id, payload)


# --- readers of fields: (value, name, clean) -> value to keep, or _BadField

Read = Callable[[Any, str, Clean], Any]


def _text(value: Any, name: str, clean: Clean) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise _BadField(f"{name} is not a text")
    return clean(value)


def _short(value: Any, name: str, clean: Clean) -> str:
    return _text(value, name, clean)[:64]


def _host(value: Any, name: str, clean: Clean) -> str:
    return _text(value, name, clean)[:253].lower()


def _mark(value: Any, name: str, _: Clean) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _MARK.fullmatch(value):
        raise _BadField(f"{name} is not a mark")
    return value


def _needed_mark(value: Any, name: str, clean: Clean) -> str:
    mark = _mark(value, name, clean)
    if mark is None:
        raise _BadField(f"{name} is missing")
    return mark


def _client(value: Any, name: str, _: Clean) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise _BadField(f"{name} is malformed")
    return value


def _number(value: Any, name: str, _: Clean) -> int | None:
    """A vendor's id: a whole number below 2^63, also written as digits."""
    if value is None:
        return None
    if isinstance(value, str) and re.fullmatch(r"[0-9]{1,18}", value, re.ASCII):
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 63:
        raise _BadField(f"{name} is not a number")
    return value


def _needed_number(value: Any, name: str, clean: Clean) -> int:
    number = _number(value, name, clean)
    if not number:
        raise _BadField(f"{name} is missing")
    return number


def _flag(value: Any, _name: str, _clean: Clean) -> bool:
    return value is True


def _params(value: Any, _name: str, clean: Clean) -> Any:
    """What the form said of a step, as sent, if it is small: ≤ 2 KB and five levels."""
    kept = _plain(value, clean, 5)
    if len(json.dumps(kept, ensure_ascii=False)) > TEXT_LIMIT:
        return {"cut": True}
    return kept


def _plain(value: Any, clean: Clean, depth: int) -> Any:
    if isinstance(value, str):
        return clean(value)
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, (int, float)):
        return value if abs(value) < 1 << 63 else None
    if depth and isinstance(value, list):
        return [_plain(item, clean, depth - 1) for item in value[:50]]
    if depth and isinstance(value, dict):
        return {clean(key)[:64]: _plain(item, clean, depth - 1) for key, item in list(value.items())[:100]}
    return None


def _appointments(value: Any, name: str, clean: Clean) -> list[Payload]:
    if value is None:
        return []
    if not isinstance(value, list):
        raise _BadField(f"{name} is not a list")
    kept = []
    for item in value[:20]:
        if isinstance(item, dict):
            kept.append(
                {
                    "services": [number for number in map(_loose_number, _as_list(item.get("services"))) if number],
                    "staff_id": _loose_number(item.get("staff_id")),
                    "datetime": clean(item["datetime"])[:40] if isinstance(item.get("datetime"), str) else None,
                }
            )
    return kept


def _as_list(value: Any) -> list[Any]:
    return value[:50] if isinstance(value, list) else []


def _loose_number(value: Any) -> int | None:
    """An id the form may also wrap in an object; anything else is absent, not wrong."""
    if isinstance(value, dict):
        value = value.get("id")
    try:
        return _number(value, "", _bounded)
    except _BadField:
        return None


_FORM = (("mark", _mark), ("client", _client), ("form_host", _host))
_FIELDS: dict[str, tuple[tuple[str, Read], ...]] = {
    "hit": (("url", _text), ("title", _text), ("referrer", _text)),
    "open": (("mark", _needed_mark), ("form_host", _host), ("url", _text), ("how", _short)),
    "form": (*_FORM, ("url", _text), ("referrer", _text), ("framed", _flag)),
    "step": (*_FORM, ("name", _short), ("params", _params)),
    "booked": (*_FORM, ("company_id", _number), ("appointments", _appointments), ("group", _flag)),
    "record": (
        *_FORM,
        ("company_id", _needed_number),
        ("record_id", _needed_number),
        ("record_hash", _short),
        ("via", _short),
    ),
    "uis": (("session_id", _short), ("visitor_id", _short)),
    "contact": (("phone", _short), ("email", _text)),
    "consent": (("state", _short),),
}
_WITHOUT_VISIT = frozenset({"form", "step", "booked", "record"})
KINDS = tuple(_FIELDS)


def occurred_at(event: Event, received_at: datetime) -> datetime:
    """When it happened, by our clock: the sender's clock is used for differences only."""
    return received_at - event.age
