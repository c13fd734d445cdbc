"""A notification of UIS is read whichever way its template sends it; what cannot be told is said to be unknown."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.uis.notifications import (
    EVENTS,
    Notification,
    Unreadable,
    parse_notification,
    right_secret,
    secret_of,
)

NOW = datetime(2025, 3, 1, 7, 15, 4, tzinfo=UTC)
MOSCOW = ZoneInfo("Europe/Moscow")
SAMPLES = Path(__file__).parents[2] / "contract" / "samples" / "uis"


def read(body: object, now: datetime = NOW) -> Notification:
    raw = (
        body if isinstance(body, bytes) else json.dumps(body).encode() if isinstance(body, dict) else str(body).encode()
    )
    told = parse_notification(raw, received_at=now, zone=MOSCOW)
    assert isinstance(told, Notification), told
    return told


def sample(name: str) -> dict[str, object]:
    loaded: dict[str, object] = json.loads((SAMPLES / f"notification_{name}.json").read_text())
    return loaded


@pytest.mark.parametrize(
    "event",
    [
        "in_call_session", "call_session_finished", "lost_call_session", "talk_record_file", "chat_finished",
        "offline_message", "set_mark",
    ],
)  # fmt: skip
def test_default_templates_are_told_by_their_name_and_without_it_by_their_shape(event: str) -> None:
    body = sample(event)
    assert read(body).event == event
    if event != "set_mark":  # a tag looks like any other event of a call: it needs its name
        assert read({**body, "notification_name": "Моё уведомление"}).event == event


def test_a_named_event_wins_over_the_name_the_owner_gave() -> None:
    for event in EVENTS:
        assert read({"event": event, "notification_name": "Завершение звонка", "call_session_id": 1}).event == event
    assert read({"event": "mine", "notification_mnemonic": "lost_call_session", "call_session_id": 1}).event == (
        "lost_call_session"
    )


def test_every_field_of_a_call_is_read() -> None:
    told = read(sample("call_session_finished"))
    assert (told.call_id, told.virtual_phone, told.contact_phone) == ("3173444634", "74950000001", "79000000001")
    assert (told.direction, told.talk_s, told.total_s, told.wait_s) == ("in", 120, 150, 30)
    assert (told.scenario, told.employee_id, told.tag_names) == ("Основной", 391018, ("Целевой",))
    record = read(sample("talk_record_file"))
    assert record.file_link
    assert record.file_link.startswith("https://app.uiscom.ru/system/media/talk/3173444634/")
    assert (record.file_s, record.tag_ids) == (120, (515114,))


def test_json_form_and_query_tell_the_same() -> None:
    flat = {
        "event": "call_session_finished", "call_session_id": 3173444634, "virtual_phone_number": "74950000001",
        "contact_phone_number": "79000000001", "direction": "in", "talk_time_duration": 120, "tag_ids": [1, 2],
        "notification_time": "2025-03-01 10:15:02", "external_id": None, "scenario_name": 'Салон "Лето" & Ко',
    }  # fmt: skip
    bare = {k: ",".join(map(str, v)) if isinstance(v, list) else "" if v is None else v for k, v in flat.items()}
    literal = {name: json.dumps(value, ensure_ascii=False) for name, value in flat.items()}
    quoted = {name: str(value) for name, value in flat.items() if value is not None}
    told = [read(body) for body in (flat, urlencode(bare), urlencode(literal), quoted, {"body": {"call_info": flat}})]
    for other in told:
        assert other.key == told[0].key
        for name in ("event", "call_id", "virtual_phone", "contact_phone", "direction", "talk_s", "scenario", "at"):
            assert getattr(other, name) == getattr(told[0], name), name
    assert [one.tag_ids for one in told[:3]] == [(1, 2)] * 3


@pytest.mark.parametrize("nothing", ["null", '""', '"null"', "", "{{visitor_name}}", '"{{visitor_name}}"', "[]"])
def test_a_variable_that_is_not_filled_is_nothing(nothing: str) -> None:
    told = read(f'{{"event": "chat_finished", "chat_id": 5, "visitor_name": {nothing}, "tag_ids": [7]}}')
    assert (told.visitor_name, told.chat_id, told.tag_ids) == (None, "5", (7,))


def test_quotes_about_a_variable_are_forgiven() -> None:
    told = read(
        '{"event": "in_call_session", "call_session_id": "12", "contact_phone_number": ""79000000001"", "a": ""}'
    )
    assert (told.call_id, told.contact_phone) == ("12", "79000000001")


def test_when_it_happened_is_by_its_stamp_or_its_clock_unless_that_shows_another_zone() -> None:
    body = {"event": "in_call_session", "call_session_id": 1}
    assert read({**body, "notification_time": "2025-03-01 10:15:02"}).at == NOW - timedelta(seconds=2)
    assert read({**body, "notification_time": "2025-03-01 12:15:02"}).at == NOW  # the account lives by another clock
    assert read({**body, "notification_time": "2025-03-01 10:20:00"}).at == NOW, "a clock that is fast"
    assert read({**body, "notification_timestamp": "9999999999"}).at == NOW
    stamp = int(NOW.timestamp()) - 3
    assert read({**body, "notification_time": "x", "notification_timestamp": str(stamp)}).at == NOW - timedelta(
        seconds=3
    )
    assert read(body).at == NOW


def test_one_event_told_twice_has_one_key_and_another_leg_or_record_has_its_own() -> None:
    ringing = {
        "event": "call_proceeding",
        "call_session_id": 1,
        "leg_id": 7,
        "notification_time": "2025-03-01 10:15:02",
    }
    assert read(ringing).key == read({**ringing, "notification_time": "2025-03-01 10:15:04"}).key
    assert read(ringing).key != read({**ringing, "leg_id": 8}).key
    record = sample("talk_record_file")
    other = json.loads(json.dumps(record).replace("0123456789abcdef0123456789abcdef", "f" * 32))
    assert read(record).key != read(other).key
    tag = {"event": "set_mark", "chat_id": 1, "tag_id": 5, "notification_time": "2025-03-01 10:15:02"}
    assert read(tag).key != read({**tag, "notification_time": "2025-03-01 10:16:02"}).key


def test_a_secret_word_is_right_wrong_or_absent() -> None:
    key = b"k" * 32
    body = {"event": "in_call_session", "call_session_id": 1}
    assert right_secret(read(body), key)
    assert right_secret(read({**body, "secret": secret_of(key)}), key)
    assert not right_secret(read({**body, "secret": secret_of(b"o" * 32)}), key)
    assert not right_secret(read({**body, "secret": "слово"}), key)


def test_no_phone_name_or_link_stands_in_the_representation() -> None:
    told = repr(read({**sample("talk_record_file"), "visitor_email": "user1@example.com", "secret": "canary"}))
    assert not [secret for secret in ("79000000001", "media/talk", "user1@", "canary") if secret in told]


@pytest.mark.parametrize(
    ("body", "reason"), [(b"", "empty"), (b"{", "not_json"), (b"\xff\xfe1", "encoding"), (b"[1,2]", "no_object"), (b"x", "empty")]
)  # fmt: skip
def test_what_is_no_notification_says_why(body: bytes, reason: str) -> None:
    told = parse_notification(body, received_at=NOW, zone=MOSCOW)
    assert isinstance(told, Unreadable)
    assert told.reason == reason


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["event", "call_session_id", "file_link", "tag_ids", "x"]), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.binary(max_size=200) | JSON.map(lambda document: json.dumps(document).encode()))
def test_any_bytes_give_an_answer(body: bytes) -> None:
    told = parse_notification(body, received_at=NOW, zone=MOSCOW)
    assert isinstance(told, (Notification, Unreadable))
    if isinstance(told, Notification):
        json.dumps(told.key).encode("utf-8")
        assert len(told.key) <= 500
