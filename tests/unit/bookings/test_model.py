"""Which telling of a booking is newer, what it speaks of, and what the history shows."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import permutations
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bookings.model import (
    FIELDS,
    RANK,
    BookingStatus,
    Order,
    Version,
    booking_status,
    changes,
    content_hash,
    order,
    told_fields,
)
from server.yclients.records import RecordFacts, record_facts

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def _version(second: int = 0, kind: str = "update", content: bytes = b"a") -> Version:
    return Version(NOON + timedelta(seconds=second), RANK[kind], content)  # type: ignore[index]


def _told(**data: Any) -> RecordFacts:
    return record_facts(data, company_id=1, record_id=2, status="update", timezone=ZoneInfo("Europe/Moscow"))


# --- order


def test_the_first_telling_is_new() -> None:
    assert order(None, _version()) is Order.NEW


@pytest.mark.parametrize(
    ("stored", "incoming", "expected"),
    [
        (_version(0), _version(1, content=b"b"), Order.NEWER),
        (_version(1), _version(0, content=b"b"), Order.OLDER),
        (_version(0, "delete"), _version(1, "create", b"b"), Order.NEWER),
        (_version(1, "create"), _version(0, "delete", b"b"), Order.OLDER),
        (_version(0, "create"), _version(0, "update", b"b"), Order.NEWER),
        (_version(0, "update"), _version(0, "delete", b"b"), Order.NEWER),
        (_version(0, "delete"), _version(0, "update", b"b"), Order.OLDER),
        (_version(0, "delete"), _version(0, "read", b"b"), Order.NEWER),
        (_version(0, "read"), _version(0, "delete", b"b"), Order.OLDER),
        (_version(0), _version(0, content=b"b"), Order.TIE),
        (_version(0), _version(0), Order.SAME),
        (_version(0, "create"), _version(5, "read"), Order.SAME),
    ],
)
def test_a_later_second_wins_then_the_kind_and_the_rest_is_a_tie(
    stored: Version, incoming: Version, expected: Order
) -> None:
    assert order(stored, incoming) is expected


_VERSIONS = st.builds(_version, st.integers(-2, 2), st.sampled_from(list(RANK)), st.sampled_from([b"a", b"b", b"c"]))


@given(_VERSIONS, _VERSIONS)
def test_two_tellings_agree_on_which_is_newer(one: Version, other: Version) -> None:
    opposite = {Order.NEWER: Order.OLDER, Order.OLDER: Order.NEWER, Order.SAME: Order.SAME, Order.TIE: Order.TIE}
    assert order(other, one) is opposite[order(one, other)]


@given(st.lists(_VERSIONS, min_size=1, max_size=4, unique_by=lambda version: version.content_hash))
def test_whatever_the_order_and_the_doubles_the_same_telling_stands_at_the_end(told: list[Version]) -> None:
    ends = set()
    for arrival in permutations([*told, told[0]]):
        stored: Version | None = None
        for incoming in arrival:
            if order(stored, incoming) in (Order.NEW, Order.NEWER):
                stored = incoming
        assert stored is not None
        ends.add((stored.changed_at, stored.rank))
    assert ends == {max((version.changed_at, version.rank) for version in told)}


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
        "client_id": 3, "client_name": "Анна", "client_phone_raw": "+79161234567", "client_email": None,
    }  # fmt: skip


def test_a_short_telling_leaves_the_rest_alone() -> None:
    assert told_fields(_told()) == {}
    assert told_fields(_told(comment="x")) == {"comment": "x"}
    assert told_fields(_told(staff_id=None)) == {"staff_id": None}


def test_a_client_that_was_taken_off_is_emptied() -> None:
    told = told_fields(_told(client=None))
    assert told == {"client_id": None, "client_name": None, "client_phone_raw": None, "client_email": None}


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
