"""Which telling of a booking is newer, what it speaks of, and what the history shows."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bookings.model import (
    AT,
    CONTACT,
    FIELDS,
    BookingStatus,
    Place,
    Told,
    booking_status,
    changes,
    content_hash,
    in_order,
    tell_client,
    told_fields,
    twin_of,
)
from server.platform.ids import new_id
from server.yclients.records import RecordFacts, record_facts

NIL = UUID(int=0)
NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def _at(
    second: float = 0,
    kind: str = "update",
    content: bytes = b"a",
    *,
    received: float | None = None,
    read: float | None = None,
) -> Told:
    """A telling with the vendor's time."""
    came = NOON + timedelta(seconds=second if received is None else received)
    asked = None if read is None else NOON + timedelta(seconds=read)
    return Told(new_id(), content, True, NOON + timedelta(seconds=second), kind, came, asked)  # type: ignore[arg-type]


def _undated(received: float, kind: str = "update", content: bytes = b"u", *, read: bool = False) -> Told:
    came = NOON + timedelta(seconds=received)
    return Told(new_id(), content, False, came, kind, came, came if read else None)  # type: ignore[arg-type]


def _told(**data: Any) -> RecordFacts:
    return record_facts(data, company_id=1, record_id=2, status="update", timezone=ZoneInfo("Europe/Moscow"))


# --- order


@pytest.mark.parametrize(
    ("older", "newer"),
    [
        (_at(0), _at(1)),
        (_at(0, "delete"), _at(1, "create")),
        (_at(0, "create"), _at(0, "update")),
        (_at(0, "update"), _at(0, "delete")),
        (_at(0, "delete"), _at(0, "read", read=5)),
        (_at(0, received=3), _at(0, content=b"b", received=4)),
        (_at(0, "update", b"b", received=9), _at(0, "create", received=1, read=20)),
        (_at(0, "read", b"b", read=5), _at(0, "read", b"a", read=6)),
        # Without the vendor's time: after what was here before it, and after the creation.
        (_at(0, received=1), _undated(1)),
        (_at(300, received=1), _undated(2)),
        (_at(0, "create", received=60), _undated(2, "delete")),
        (_at(0, received=60), _undated(20)),
        (_undated(2), _at(0, received=3)),
        (_undated(20), _at(30, received=60)),
        (_undated(1), _undated(2)),
        (_undated(2, "create"), _undated(2, "delete")),
        (_at(0, received=1), _undated(5, "read", read=True)),
        (_at(4, received=60), _undated(5, "read", read=True)),
    ],
)
def test_which_of_two_tellings_is_newer(older: Told, newer: Told) -> None:
    for told in ([older, newer], [newer, older]):
        assert in_order(told) == [Place(older, False), Place(newer, False)]


def test_what_the_api_answers_outdates_all_that_was_told_without_a_time_before_it_was_asked() -> None:
    before, gone, after = _undated(5, "delete"), _undated(6, "read", read=True), _undated(9)
    read = _at(-3600, "read", read=8)
    places = {place.told.key: place.outdated for place in in_order([after, read, gone, before])}
    assert places == {before.key: True, gone.key: True, after.key: False, read.key: False}


_TELLINGS = st.lists(
    st.builds(
        _at, st.integers(-2, 2), st.sampled_from(["create", "update", "delete"]), st.sampled_from([b"a", b"b", b"c"]),
        received=st.integers(-2, 20), read=st.none() | st.integers(-2, 20),
    )
    | st.builds(_undated, st.integers(-2, 20), read=st.booleans()),
    max_size=6,
)  # fmt: skip


@given(_TELLINGS, st.randoms())
def test_the_order_depends_on_the_tellings_alone(told: list[Told], chance: Any) -> None:
    shuffled = list(told)
    chance.shuffle(shuffled)
    places = [(place.told, place.outdated) for place in in_order(told)]
    again = [(place.told, place.outdated) for place in in_order(shuffled)]
    keyless = [[(replace(one, key=NIL), outdated) for one, outdated in found] for found in (places, again)]
    assert keyless[0] == keyless[1]
    dated = [one.changed_at for one, _ in places if one.dated]
    assert dated == sorted(dated)


def test_a_repeat_is_the_same_telling_by_its_earliest_arrival_lowest_kind_and_latest_read() -> None:
    first = _at(0, "update", received=5)
    again = _at(0, "create", received=3, read=9)
    assert twin_of(again, [_at(0, content=b"b"), first]) is first
    assert first.also(again) == replace(first, kind="create", received_at=again.received_at, read_at=again.read_at)
    assert first.also(replace(first, received_at=first.received_at + timedelta(days=1))) == first


def test_without_a_time_the_same_words_at_another_moment_are_another_telling() -> None:
    first = _undated(1, "delete")
    assert twin_of(_undated(1, "delete"), [first]) is first
    assert twin_of(_undated(2, "delete"), [first]) is None
    assert twin_of(_at(1, content=b"u"), [first]) is None


# --- the client


def _booking(**values: Any) -> dict[str, Any]:
    return dict.fromkeys(("client_id", *CONTACT, *AT.values())) | values


def test_another_client_replaces_all_of_the_contact() -> None:
    booking = _booking(
        client_id=1, client_name="Анна", client_name_at=NOON, client_email="a@b.ru", client_email_at=NOON
    )
    tell_client(booking, _told(client={"id": 2, "name": "Яна"}), NOON)
    assert booking == _booking(client_id=2, client_name="Яна", client_name_at=NOON)
    tell_client(booking, _told(client=None), NOON)
    assert booking == _booking()


def test_of_the_same_client_what_is_newer_and_not_empty_is_taken() -> None:
    booking = _booking()
    hour = timedelta(hours=1)
    tell_client(booking, _told(client={"id": 1, "name": "Анна", "phone": "+7916", "email": "a@b.ru"}), NOON)
    tell_client(booking, _told(client={"id": 1, "name": "Яна", "phone": "+7 *** 33", "email": ""}), NOON + hour)
    tell_client(booking, _told(client={"name": "Старое", "phone": "+7999"}), NOON - hour)
    assert booking == _booking(
        client_id=1, client_name="Яна", client_name_at=NOON + hour, client_phone_raw="+7916", client_phone_at=NOON,
        client_email="a@b.ru", client_email_at=NOON,
    )  # fmt: skip


def test_a_telling_that_says_nothing_of_the_client_leaves_them() -> None:
    booking = _booking(client_id=1, client_name="Анна", client_name_at=NOON)
    before = dict(booking)
    tell_client(booking, _told(comment="x"), NOON + timedelta(hours=1))
    assert booking == before


# --- the fingerprint

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.text(max_size=8), _JSON, max_size=6))
def test_equal_contents_have_one_fingerprint_whatever_the_order_of_keys(data: dict[str, Any]) -> None:
    turned = dict(reversed(data.items()))
    assert content_hash(data, deleted=False) == content_hash(turned, deleted=False)
    assert content_hash(json.loads(json.dumps(data)), deleted=False) == content_hash(data, deleted=False)
    assert content_hash(data, deleted=True) != content_hash(data, deleted=False)
    assert content_hash(data | {"\0": 1}, deleted=False) != content_hash(data, deleted=False)


@pytest.mark.parametrize(
    ("one", "other"),
    [({"a": 1}, {"a": "1"}), ({"a": None}, {}), ({"a": [1, 2]}, {"a": [2, 1]}), ({"a": ""}, {"a": None}), ({"a": 0}, {"a": False})],
    ids=repr,
)  # fmt: skip
def test_contents_that_differ_have_two(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert content_hash(one, deleted=False) != content_hash(other, deleted=False)


def test_a_half_letter_has_a_fingerprint() -> None:
    assert len(content_hash({"comment": "\ud800"}, deleted=False)) == 32


# --- what a telling speaks of


def test_a_full_telling_speaks_of_every_field() -> None:
    facts = _told(
        date="2026-11-25 15:00:00", attendance=2, services=[{"id": 11, "title": "Стрижка", "cost": 1500}], comment="", staff_id=7,
        staff={"name": "Ольга"}, seance_length=3600, visit_id=5, activity_id=0,
        client={"id": 3, "name": "Анна", "phone": "+79161234567", "email": ""},
    )  # fmt: skip
    assert told_fields(facts) == {
        "starts_at": datetime(2026, 11, 25, 12, 0, tzinfo=UTC), "starts_at_local": "2026-11-25T15:00", "attendance": 2,
        "services": [{"id": 11, "title": "Стрижка", "cost": "1500.00"}], "amount": Decimal("1500.00"), "comment": "",
        "staff_id": 7, "staff_name": "Ольга", "length_s": 3600, "vendor_visit_id": 5, "activity_id": None,
    }  # fmt: skip


def test_a_short_telling_leaves_the_rest_alone() -> None:
    assert told_fields(_told()) == {}
    assert told_fields(_told(comment="x")) == {"comment": "x"}
    assert told_fields(_told(staff_id=None)) == {"staff_id": None}


def test_a_deletion_is_told_by_its_kind_or_by_the_record_and_else_not_at_all() -> None:
    assert told_fields(_told(deleted=True)) == {"deleted": True}
    assert told_fields(_told(deleted=False)) == {"deleted": False}
    gone = record_facts({}, company_id=1, record_id=2, status="delete", timezone=ZoneInfo("Europe/Moscow"))
    assert told_fields(gone) == {"deleted": True}


def test_every_field_is_an_attribute_of_a_telling() -> None:
    assert set(FIELDS.values()) <= set(RecordFacts.__dataclass_fields__)
    names = ["date", "attendance", "services", "comment", "staff_id", "staff", "length", "visit_id", "activity_id"]
    full = _told(**dict.fromkeys(names, "x") | {"date": "2026-11-25 15:00", "attendance": 1, "services": []})
    assert set(FIELDS.values()) <= full.present


def test_what_is_told_can_be_kept_as_json() -> None:
    assert json.dumps(told_fields(_told(services=[{"cost": "0.1"}, {"title": None}]))["services"])


# --- the history


def test_the_history_shows_what_changed_as_text() -> None:
    before = {"comment": "a", "amount": Decimal("1.00"), "starts_at": NOON, "staff_id": 7, "services": [1]}
    after = {
        "comment": "b",
        "amount": Decimal("2.50"),
        "starts_at": NOON + timedelta(hours=1),
        "staff_id": 7,
        "services": [2],
        "new": 1,
    }
    shown = changes(before, after)
    assert shown == {
        "comment": ["a", "b"], "amount": ["1.00", "2.50"], "services": [[1], [2]], "new": [None, 1],
        "starts_at": ["2026-11-24T12:00:00+00:00", "2026-11-24T13:00:00+00:00"],
    }  # fmt: skip
    assert json.dumps(shown)


def test_the_first_telling_and_the_same_one_change_nothing() -> None:
    assert changes(None, {"comment": "a"}) == {}
    assert changes({"comment": "a", "other": 1}, {"comment": "a"}) == {}


def test_the_history_holds_no_phone_and_no_mail() -> None:
    before = {"client_phone_raw": "+7916", "client_phone": "+7916", "client_email": "a@b.ru", "client_name": "Анна"}
    shown = changes(before, {"client_phone_raw": "8", "client_phone": None, "client_email": None, "client_name": "Яна"})
    assert shown == {"client_name": ["Анна", "Яна"]}


@pytest.mark.parametrize(
    ("attendance", "deleted", "status"),
    [(0, False, "waiting"), (None, False, "waiting"), (2, False, "confirmed"), (1, False, "came"), (-1, False, "no_show"),
     (1, True, "deleted"), (None, True, "deleted"), (7, False, "waiting")],
)  # fmt: skip
def test_a_state_is_told_by_attendance_and_deletion(attendance: int | None, deleted: bool, status: str) -> None:
    assert booking_status(attendance, deleted) is BookingStatus(status)
