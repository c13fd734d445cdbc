"""What the scripts report: read strictly, refused alone or whole, and always fit to be stored."""

from __future__ import annotations

import json
import reprlib
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.tracking.model import KINDS, BadBody, Batch, Event, occurred_at, parse_batch

ID, VISIT, VISITOR, MARK = "event-0123456789", "visit-0123456789", "visitor-01234567", "k3v9Qw2LmN7xYz0aBcDeFg"
SENT = 1_764_000_000_000


def _event(**changes: Any) -> dict[str, Any]:
    return {"id": ID, "kind": "hit", "at": SENT - 1000, "visit": VISIT, "url": "https://salon.ru/"} | changes


def _body(*events: Any, **changes: Any) -> bytes:
    visits = {VISIT: {"visitor": VISITOR, "started_at": SENT - 5000, "landing": "https://salon.ru/", "referrer": ""}}
    document = {"v": 1, "script": "site/1", "sent_at": SENT, "visits": visits, "events": list(events)} | changes
    return json.dumps(document).encode()


def _only(body: bytes) -> Event:
    batch = parse_batch(body)
    assert batch.refused == ()
    (event,) = batch.events
    return event


def _why_not(event: Any) -> str:
    batch = parse_batch(_body(event))
    assert batch.events == ()
    ((reason, detail),) = batch.refused
    assert reason == "bad_event"
    return detail


def _texts(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, dict):
        return [text for item in value.items() for text in _texts(list(item))]
    if isinstance(value, (list, tuple)):
        return [text for item in value for text in _texts(item)]
    return []


def _assert_storable(batch: Batch) -> None:
    kept: list[Any] = [batch.script, list(batch.refused)]
    for visit_id, visit in batch.visits.items():
        kept += [visit_id, visit.visitor_id, visit.landing, visit.referrer]
    for event in batch.events:
        kept += [event.event_id, event.kind, event.visit_id, event.payload]
    for text in _texts(kept):
        text.encode()
        assert "\0" not in text
        assert len(text) <= 2048
    for event in batch.events:
        json.dumps(event.payload, allow_nan=False)
        assert timedelta(0) <= event.age <= timedelta(days=7)


# --- a batch


def test_a_batch_is_read() -> None:
    batch = parse_batch(_body(_event(title="Салон", referrer="https://ya.ru/")))
    assert (batch.script, batch.sent_at_ms, batch.refused) == ("site/1", SENT, ())
    visit = batch.visits[VISIT]
    assert (visit.visitor_id, visit.started_at_ms, visit.landing) == (VISITOR, SENT - 5000, "https://salon.ru/")
    (event,) = batch.events
    assert (event.event_id, event.kind, event.visit_id, event.age) == (ID, "hit", VISIT, timedelta(seconds=1))
    assert event.payload == {"url": "https://salon.ru/", "title": "Салон", "referrer": "https://ya.ru/"}


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "not_json"),
        (b"{", "not_json"),
        (_body(_event())[:-1], "not_json"),
        (b"\xff\xff\xff", "not_json"),
        (b'{"v": 1, "sent_at": NaN, "events": []}', "not_json"),
        (b'{"v": 1, "sent_at": Infinity, "events": []}', "not_json"),
        (b"[" * 60_000, "not_json"),
        (b'{"a":' * 10_000, "not_json"),
        (b"null", "not_a_batch"),
        (b"[]", "not_a_batch"),
        (b'"hello"', "not_a_batch"),
        (_body(v=2), "not_a_batch"),
        (_body(v="1"), "not_a_batch"),
        (_body(v=None), "not_a_batch"),
        (_body(events=None), "not_a_batch"),
        (_body(events={}), "not_a_batch"),
        (_body(visits=[1]), "not_a_batch"),
        (_body(visits="x"), "not_a_batch"),
        (_body(sent_at=None), "not_a_batch"),
        (_body(sent_at="1764000000000"), "not_a_batch"),
        (_body(sent_at=True), "not_a_batch"),
        (_body(sent_at=-1), "not_a_batch"),
        (_body(sent_at=1 << 53), "not_a_batch"),
        (_body(sent_at=10**400), "not_a_batch"),
        (_body(*[_event()] * 51), "too_large"),
        (_body(visits={f"{VISIT}-{n}": {} for n in range(51)}), "too_large"),
        (b" " * 65_537, "too_large"),
    ],
    ids=reprlib.repr,
)  # fmt: skip
def test_a_body_that_is_no_batch_is_refused_whole(body: bytes, reason: str) -> None:
    with pytest.raises(BadBody) as refusal:
        parse_batch(body)
    assert refusal.value.reason == reason


def test_fifty_events_and_a_full_body_are_taken() -> None:
    batch = parse_batch(_body(*[_event(url="x" * 800)] * 50))
    assert len(batch.events) == 50
    padded = _body(_event())
    assert parse_batch(padded + b" " * (64 * 1024 - len(padded))).events


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_byte_order_mark_is_no_obstacle(encoding: str) -> None:
    assert parse_batch(_body(_event()).decode().encode(encoding)).events


def test_one_bad_event_is_refused_alone() -> None:
    batch = parse_batch(_body(_event(), 5, _event(id="short"), _event(kind="step", name="time")))
    assert [event.kind for event in batch.events] == ["hit", "step"]
    assert len(batch.refused) == 2


@pytest.mark.parametrize(
    ("event", "detail"),
    [
        (None, "not an object"),
        ([], "not an object"),
        (_event(id=None), "id"),
        (_event(id=5), "id"),
        (_event(id="x" * 15), "id"),
        (_event(id="x" * 65), "id"),
        (_event(id="ключ-0123456789абв"), "id"),
        (_event(id="' or 1=1 --01234567"), "id"),
        (_event(id=ID + "\n"), "id"),
        (_event(kind=None), "kind"),
        (_event(kind="hits"), "kind"),
        (_event(kind=["hit"]), "kind"),
        (_event(kind={}), "kind"),
        (_event(at=None), "at"),
        (_event(at="now"), "at"),
        (_event(at=-1), "at"),
        (_event(at=10**400), "at"),
        (_event(at=1e308), "at"),
        (_event(at=True), "at"),
        (_event(visit=5), "visit"),
        (_event(visit=""), "visit"),
        (_event(visit="short"), "visit"),
        (_event(visit=None), "mark"),
        (_event(url=5), "url"),
        (_event(title={}), "title"),
        (_event(kind="open"), "mark"),
        (_event(kind="open", mark=""), "mark"),
        (_event(kind="open", mark=MARK + "x"), "mark"),
        (_event(kind="open", mark=MARK, form_host=5), "form_host"),
        (_event(kind="step", mark="-" * 22), "mark"),
        (_event(kind="step", client="me"), "client"),
        (_event(kind="booked", company_id="many"), "company_id"),
        (_event(kind="booked", company_id=-1), "company_id"),
        (_event(kind="booked", company_id=1.5), "company_id"),
        (_event(kind="booked", company_id=1 << 63), "company_id"),
        (_event(kind="booked", company_id=True), "company_id"),
        (_event(kind="booked", company_id="٤"), "company_id"),
        (_event(kind="booked", appointments={}), "appointments"),
        (_event(kind="record", company_id=1), "record_id"),
        (_event(kind="record", record_id=1), "company_id"),
        (_event(kind="record", company_id=1, record_id=0), "record_id"),
        (_event(kind="record", company_id=1, record_id=10**400), "record_id"),
        (_event(kind="contact", phone=79161234567), "phone"),
    ],
    ids=reprlib.repr,
)  # fmt: skip
def test_an_event_of_a_wrong_shape_is_refused_and_told_why(event: Any, detail: str) -> None:
    assert detail in _why_not(event)


@pytest.mark.parametrize("kind", ["form", "step", "booked", "record"])
def test_the_form_may_speak_without_a_visit_when_it_has_a_mark(kind: str) -> None:
    event = _only(_body(_event(kind=kind, visit=None, mark=MARK, company_id=1, record_id=2)))
    assert (event.visit_id, event.payload["mark"]) == (None, MARK)
    assert "mark" in _why_not(_event(kind=kind, visit=None, company_id=1, record_id=2))


@pytest.mark.parametrize("kind", ["hit", "open", "uis", "contact", "consent"])
def test_the_site_never_speaks_without_a_visit(kind: str) -> None:
    assert "visit" in _why_not(_event(kind=kind, visit=None, mark=MARK))


def test_unknown_fields_are_dropped_and_missing_ones_are_empty() -> None:
    event = _only(_body({"id": ID, "kind": "hit", "at": SENT, "visit": VISIT, "surprise": "x"}))
    assert event.payload == {"url": "", "title": "", "referrer": ""}


def test_a_record_is_read_with_its_ids_as_numbers_or_digits() -> None:
    for number in (1561921428, "1561921428"):
        event = _only(
            _body(_event(kind="record", company_id="4564", record_id=number, record_hash="h" * 90, via="url"))
        )
        assert (event.payload["company_id"], event.payload["record_id"]) == (4564, 1561921428)
        assert event.payload["record_hash"] == "h" * 64


def test_a_booked_message_keeps_what_matching_needs() -> None:
    appointments = [
        {"services": [1, "2", {"id": 3}, None, "x", 0, {"id": "4"}], "staff_id": {"id": 7}, "datetime": "2026-11-25T15:00:00+03:00"},
        "noise", {"services": 5, "staff_id": "anyone", "datetime": 5},
    ]  # fmt: skip
    event = _only(_body(_event(kind="booked", company_id=1, appointments=appointments, group=True)))
    assert event.payload["appointments"] == [
        {"services": [1, 2, 3, 4], "staff_id": 7, "datetime": "2026-11-25T15:00:00+03:00"},
        {"services": [], "staff_id": None, "datetime": None},
    ]
    assert event.payload["group"] is True
    assert _only(_body(_event(kind="booked", appointments=[{}] * 40))).payload["appointments"][20:] == []


@pytest.mark.parametrize("value", [1, "true", "1", None, []])
def test_only_true_is_true(value: Any) -> None:
    assert _only(_body(_event(kind="form", framed=value))).payload["framed"] is False


def test_the_host_of_a_form_is_in_lower_case_and_bounded() -> None:
    event = _only(_body(_event(kind="form", form_host="N781.YCLIENTS.com" + "x" * 400)))
    assert event.payload["form_host"].startswith("n781.yclients.com")
    assert len(event.payload["form_host"]) == 253


def test_what_the_form_says_of_a_step_is_kept_when_small() -> None:
    params = {"service": {"id": 5, "title": "Стрижка"}, "list": [1, None, True, 2.5]}
    assert _only(_body(_event(kind="step", params=params))).payload["params"] == params
    assert _only(_body(_event(kind="step", params={"a": "x" * 3000}))).payload["params"] == {"cut": True}
    deep = {"a": {"b": {"c": {"d": {"e": {"f": 1}}}}}}
    assert _only(_body(_event(kind="step", params=deep))).payload["params"] == {"a": {"b": {"c": {"d": {"e": None}}}}}


@pytest.mark.parametrize("number", [10**400, -(10**400), 1 << 63, 1e308])
def test_a_number_that_no_column_holds_is_left_out_of_a_step(number: float) -> None:
    body = _body(_event(kind="step", params={"a": number}))
    assert _only(body).payload["params"] == {"a": None}


# --- visits


@pytest.mark.parametrize(
    "raw",
    [None, [], {}, {"visitor": VISITOR}, {"visitor": "short", "started_at": SENT}, {"visitor": 5, "started_at": SENT},
     {"visitor": VISITOR, "started_at": "now"}, {"visitor": VISITOR, "started_at": 10**400}, {"started_at": SENT}],
    ids=reprlib.repr,
)  # fmt: skip
def test_a_visit_of_a_wrong_shape_is_left_out_and_its_events_stay(raw: Any) -> None:
    batch = parse_batch(_body(_event(), visits={VISIT: raw}))
    assert dict(batch.visits) == {}
    assert len(batch.events) == 1


def test_an_event_may_describe_its_visit_itself() -> None:
    about = {"id": VISIT, "visitor": VISITOR, "started_at": SENT - 9, "landing": "https://salon.ru/a", "referrer": ""}
    later = about | {"landing": "https://salon.ru/b"}
    batch = parse_batch(_body(_event(visit=about), _event(id=ID + "2", visit=later), visits={}))
    assert [event.visit_id for event in batch.events] == [VISIT, VISIT]
    assert batch.visits[VISIT].landing == "https://salon.ru/a"


@pytest.mark.parametrize("broken", [{}, {"id": "short"}, {"id": [VISIT]}, {"id": None, "visitor": VISITOR}])
def test_a_visit_described_without_its_id_is_refused(broken: Any) -> None:
    batch = parse_batch(_body(_event(visit=broken), visits={}))
    assert (batch.events, batch.visits) == ((), {})
    assert len(batch.refused) == 1


def test_a_refused_event_describes_nothing() -> None:
    about = {"id": VISIT, "visitor": VISITOR, "started_at": SENT}
    assert parse_batch(_body(_event(kind="nonsense", visit=about), visits={})).visits == {}


def test_a_visit_under_a_bad_name_is_left_out() -> None:
    good = {"visitor": VISITOR, "started_at": SENT}
    assert list(parse_batch(_body(visits={"short": good, VISIT: good})).visits) == [VISIT]


def test_a_visit_without_addresses_is_a_visit() -> None:
    visit = parse_batch(_body(visits={VISIT: {"visitor": VISITOR, "started_at": SENT, "landing": 5}})).visits[VISIT]
    assert (visit.landing, visit.referrer) == ("", "")


# --- time


@pytest.mark.parametrize(
    ("ago", "age"),
    [(0, timedelta(0)), (1500, timedelta(seconds=1.5)), (-60_000, timedelta(0)), (30 * 86_400_000, timedelta(days=7))],
    ids=["now", "before", "in the future", "a month before"],
)
def test_only_the_difference_of_the_senders_clock_counts(ago: int, age: timedelta) -> None:
    received = datetime(2026, 11, 24, 12, tzinfo=UTC)
    for clock in (SENT, SENT - 10**11, SENT + 10**11):
        event = _only(_body(_event(at=clock - ago), sent_at=clock))
        assert event.age == age
        assert occurred_at(event, received) == received - age


# --- texts that PostgreSQL refuses


@pytest.mark.parametrize(
    "inside",
    [b"a\\u0000b", b"a\\U0000b".lower(), b"a\\ud800b", b"a\\uDFFFb", b"a\\uD800\\uD800b", b"a\xed\xa0\x80b", b"a\xed\xbf\xbfb"],
    ids=reprlib.repr,
)  # fmt: skip
@pytest.mark.parametrize("place", ["title", "script", "landing", "param", "key", "datetime"])
def test_no_text_leaves_that_the_database_refuses(inside: bytes, place: str) -> None:
    hole = "HOLE" if place == "title" else ""
    event = _event(title=hole) if place != "param" else _event(kind="step", params={"a": "HOLE"})
    event = _event(kind="step", params={"HOLE": 1}) if place == "key" else event
    event = _event(kind="booked", appointments=[{"datetime": "HOLE"}]) if place == "datetime" else event
    changes: dict[str, Any] = {"script": "HOLE"} if place == "script" else {}
    if place == "landing":
        changes["visits"] = {VISIT: {"visitor": VISITOR, "started_at": SENT, "landing": "HOLE", "referrer": "HOLE"}}
    _assert_storable(parse_batch(_body(event, **changes).replace(b"HOLE", inside)))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_refused_or_as_clean(encoding: str) -> None:
    body = _body(_event(title="a\0b\ud800c")).decode().encode(encoding)
    with suppress(BadBody):
        _assert_storable(parse_batch(body))


def test_letters_outside_the_basic_plane_stay() -> None:
    assert _only(_body(_event(title="Стрижка 💇 𝒳"))).payload["title"] == "Стрижка 💇 𝒳"


def test_a_long_text_is_cut() -> None:
    assert _only(_body(_event(title="ю" * 5000))).payload["title"] == "ю" * 2048


# --- any JSON at all

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30)
    | st.sampled_from([ID, VISIT, MARK, SENT, 10**400, "\0", "\ud800", "hit", "1", ""]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4), max_leaves=12,
)  # fmt: skip
_FIELDS = ["url", "title", "referrer", "mark", "form_host", "how", "client", "framed", "name", "params", "company_id",
    "appointments", "group", "record_id", "record_hash", "via", "session_id", "visitor_id", "phone", "email", "state"]  # fmt: skip
_EVENTS = st.fixed_dictionaries(
    {"id": st.just(ID) | _JSON, "kind": st.sampled_from(KINDS) | _JSON, "at": st.integers(0, 1 << 54) | _JSON},
    optional={"visit": st.just(VISIT) | _JSON} | dict.fromkeys(_FIELDS, _JSON),
)
_DESCRIBED = st.fixed_dictionaries(
    {"visitor": st.just(VISITOR) | _JSON, "started_at": st.just(SENT) | _JSON},
    optional={"landing": _JSON, "referrer": _JSON},
)
_DOCUMENTS = st.fixed_dictionaries(
    {"v": st.just(1) | _JSON, "sent_at": st.just(SENT) | _JSON, "events": st.lists(_EVENTS | _JSON, max_size=4) | _JSON},
    optional={"visits": st.dictionaries(st.just(VISIT) | st.text(), _DESCRIBED | _JSON, max_size=3) | _JSON, "script": _JSON},
)  # fmt: skip


def _holds(body: bytes) -> None:
    with suppress(BadBody):
        batch = parse_batch(body)
        _assert_storable(batch)


@settings(max_examples=300)
@given(_DOCUMENTS | _JSON, st.booleans())
@example({"v": 1, "sent_at": 10**400, "events": []}, True)
def test_any_json_is_a_batch_or_refused(document: Any, plain: bool) -> None:
    text = json.dumps(document, ensure_ascii=plain)
    _holds(text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=300))
@example(b"")
@example(b"\xef\xbb\xbf")
def test_any_bytes_are_a_batch_or_refused(body: bytes) -> None:
    _holds(body)


@given(st.data())
def test_a_torn_or_damaged_body_is_a_batch_or_refused(data: st.DataObject) -> None:
    body = bytearray(_body(_event(title="Привет"), _event(kind="booked", appointments=[{"services": [1]}])))
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    _holds(bytes(body[: data.draw(st.integers(0, len(body)))]))
