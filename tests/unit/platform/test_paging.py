"""Queries of lists: what was given out is read back, all else is refused with a sentence."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.platform import paging
from server.platform.web import Problem

NOON = datetime(2026, 11, 24, 12, 0, 0, 123456, tzinfo=UTC)
ROW = UUID("018f3c1e-7b2a-7c3d-8e4f-1234567890ab")


def _as_cursor(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


# --- cursors


@given(st.floats(31_536_000, 2e11), st.uuids())
def test_a_cursor_given_out_is_read_back(second: float, row: UUID) -> None:
    at = datetime.fromtimestamp(second, UTC)
    cursor = paging.write_cursor(at, row)
    assert paging.read_cursor({"cursor": cursor}) == (at, str(row))
    assert paging.read_uuid_cursor({"cursor": cursor}) == (at, row)


@given(st.text("0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-", max_size=64))
def test_a_cursor_of_a_text_key_is_read_back(row: str) -> None:
    assert paging.read_cursor({"cursor": paging.write_cursor(NOON, row)}) == (NOON, row)


def test_a_cursor_goes_into_an_address_as_it_is() -> None:
    assert set(paging.write_cursor(NOON, ROW)) <= set(
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-"
    )


def test_the_zone_of_a_cursor_does_not_matter() -> None:
    moscow = NOON.astimezone(timezone(timedelta(hours=3)))
    assert paging.read_cursor({"cursor": paging.write_cursor(moscow, ROW)}) == (NOON, str(ROW))


@pytest.mark.parametrize("query", [{}, {"cursor": ""}])
def test_no_cursor_means_the_first_page(query: dict[str, str]) -> None:
    assert paging.read_cursor(query) is None
    assert paging.read_uuid_cursor(query) is None


FOREIGN = {
    "a word": "first",
    "not base64": "!!!!",
    "not ASCII": "ключ",
    "no JSON": base64.urlsafe_b64encode(b"hello").decode(),
    "a number": _as_cursor(5),
    "nothing": _as_cursor(None),
    "one thing": _as_cursor([NOON.isoformat()]),
    "three things": _as_cursor([NOON.isoformat(), "a", "b"]),
    "no time": _as_cursor(["yesterday", "a"]),
    "a time that is a number": _as_cursor([1764000000, "a"]),
    "a time without zone": _as_cursor(["2026-11-24T12:00:00", "a"]),
    "a key that is a number": _as_cursor([NOON.isoformat(), 5]),
    "a key with NUL": _as_cursor([NOON.isoformat(), "a\0b"]),
    "a key that is half a letter": _as_cursor([NOON.isoformat(), "a\ud800"]),
    "a time before all times": _as_cursor(["0001-01-01T00:00:00+23:00", "a"]),
    "a time after all times": _as_cursor(["9999-12-31T23:59:59-23:00", "a"]),
    "deep": base64.urlsafe_b64encode(b"[" * 370).decode(),
    "half of a good one": paging.write_cursor(NOON, ROW)[:30],
    "a long one": "A" * 100_000,
}


@pytest.mark.parametrize("cursor", FOREIGN.values(), ids=FOREIGN)
def test_a_cursor_that_no_list_gave_out_is_refused(cursor: str) -> None:
    with pytest.raises(Problem) as refusal:
        paging.read_cursor({"cursor": cursor})
    assert (refusal.value.status, refusal.value.code) == (400, "bad_cursor")


def test_a_cursor_of_another_kind_of_list_is_refused() -> None:
    with pytest.raises(Problem) as refusal:
        paging.read_uuid_cursor({"cursor": paging.write_cursor(NOON, "v1_text-key")})
    assert (refusal.value.status, refusal.value.code) == (400, "bad_cursor")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20) | st.datetimes().map(datetime.isoformat)
    | st.datetimes(timezones=st.timezones()).map(datetime.isoformat),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3), max_leaves=5,
)  # fmt: skip


_CURSORS = st.one_of(
    st.text(max_size=200),
    st.binary(max_size=100).map(lambda raw: base64.urlsafe_b64encode(raw).decode()),
    _JSON.map(_as_cursor),
    st.tuples(_JSON, _JSON).map(_as_cursor),
)


@given(_CURSORS)
def test_whatever_stands_in_a_cursor_is_read_or_refused_and_can_be_asked_of_the_database(cursor: str) -> None:
    found = None
    with suppress(Problem):
        found = paging.read_cursor({"cursor": cursor})
    if found is not None:
        found[0].astimezone(UTC)
        found[1].encode()
        assert "\0" not in found[1]


# --- the rest of a query


@pytest.mark.parametrize(("text", "limit"), [("", 50), ("1", 1), ("200", 200), ("007", 7)])
def test_a_limit_is_read(text: str, limit: int) -> None:
    assert paging.read_limit({"limit": text}) == limit


@pytest.mark.parametrize(
    "text", ["0", "201", "-1", "+5", "5.0", "1e2", "many", " 5", "٥", "²", "99999999999999999999", "00000110000", "0x10"]
)  # fmt: skip
def test_a_limit_out_of_bounds_is_refused(text: str) -> None:
    with pytest.raises(Problem) as refusal:
        paging.read_limit({"limit": text})
    assert (refusal.value.status, refusal.value.code) == (400, "bad_limit")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24", datetime(2026, 11, 24, tzinfo=UTC)),
        ("2026-11-24T12:00:00", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("2026-11-24T12:00:00Z", datetime(2026, 11, 24, 12, tzinfo=UTC)),
        ("2026-11-24T12:00:00+03:00", datetime(2026, 11, 24, 9, tzinfo=UTC)),
        ("2026-11-24T12:00:00 03:00", datetime(2026, 11, 24, 9, tzinfo=UTC)),  # a plus that an address turned to a space
        ("2026-11-24T12:00:00.5+0300", datetime(2026, 11, 24, 9, 0, 0, 500000, tzinfo=UTC)),
        ("2026-11-24 12:00", datetime(2026, 11, 24, 12, tzinfo=UTC)),
    ],
)  # fmt: skip
def test_a_time_is_read_and_has_a_zone(text: str, moment: datetime) -> None:
    found = paging.read_time({"from": text}, "from")
    assert found == moment
    assert found is not None
    assert found.tzinfo is not None


@pytest.mark.parametrize(
    "text", ["yesterday", "24.11.2026", "2026-13-01", "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "1969-12-31", "٢٠٢٦-11-24"]
)  # fmt: skip
def test_a_time_out_of_sense_is_refused(text: str) -> None:
    with pytest.raises(Problem) as refusal:
        paging.read_time({"from": text}, "from")
    assert (refusal.value.status, refusal.value.code) == (400, "bad_time")


@pytest.mark.parametrize(("text", "flag"), [("true", True), ("TRUE", True), ("1", True), ("false", False), ("0", False), ("", None)])  # fmt: skip
def test_a_flag_is_read(text: str, flag: bool | None) -> None:
    assert paging.read_bool({"online": text}, "online") is flag


@pytest.mark.parametrize("text", ["yes", "да", "2", " true"])
def test_a_flag_of_another_word_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="online is true or false"):
        paging.read_bool({"online": text}, "online")


@pytest.mark.parametrize(("text", "number"), [("0", 0), (" 42 ", 42), ("9" * 18, 10**18 - 1), ("", None), ("  ", None)])
def test_a_number_is_read(text: str, number: int | None) -> None:
    assert paging.read_number({"n": text}, "n") == number


@pytest.mark.parametrize("text", ["-1", "1.5", "9" * 19, "²", "٥", "1e3", "one"])
def test_a_number_that_no_column_holds_is_refused(text: str) -> None:
    with pytest.raises(Problem, match="whole number"):
        paging.read_number({"n": text}, "n")


@pytest.mark.parametrize("text", ["", "x", "018f3c1e-7b2a-7c3d-8e4f", "'; drop table"])
def test_an_address_of_no_row_is_a_plain_not_found(text: str) -> None:
    with pytest.raises(Problem) as refusal:
        paging.read_uuid(text)
    assert (refusal.value.status, refusal.value.code) == (404, "not_found")


@given(st.text(max_size=400))
@example("a\0\ud800")
@example("\0")
def test_a_text_can_be_asked_of_the_database(text: str) -> None:
    found = paging.read_text({"q": text}, "q")
    assert found is None or (found.encode() and "\0" not in found and len(found) <= 200)


_READERS: dict[str, Callable[[dict[str, str], str], Any]] = {
    "limit": lambda query, _: paging.read_limit(query), "time": paging.read_time, "bool": paging.read_bool,
    "number": paging.read_number,
}  # fmt: skip


@pytest.mark.parametrize("reader", _READERS.values(), ids=_READERS)
@given(text=st.text(max_size=40) | st.text("0123456789-:TZ+. ²٥", max_size=40))
def test_any_query_is_read_or_refused(reader: Callable[[dict[str, str], str], Any], text: str) -> None:
    with suppress(Problem):
        reader({"limit": text}, "limit")
