"""Bodies of webhooks: any bytes give an answer, what cannot be read says why, what can is read fully."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.yclients.webhooks import Event, Status, Unreadable, parse_body, storable, whole_id

SAMPLES = sorted((Path(__file__).parents[2] / "contract" / "samples").glob("*.json"))
REASONS = {"empty", "encoding", "too_deep", "not_json", "too_many_items", "not_an_event", "bad_id", "missing_company",
    "missing_resource", "bad_status", "contradiction", "no_data"}  # fmt: skip


def _item(**changes: Any) -> dict[str, Any]:
    usual = {"company_id": 4564, "resource": "record", "resource_id": 9001, "status": "update", "data": {"id": 9001}}
    return usual | changes


def _body(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _event(body: bytes) -> Event:
    (event,) = parse_body(body)
    assert isinstance(event, Event), event
    return event


def _why_not(body: bytes) -> str:
    (item,) = parse_body(body)
    assert isinstance(item, Unreadable), item
    return item.reason


def _assert_storable(value: Any) -> None:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    text.encode()
    assert "\\u0000" not in text


@pytest.mark.parametrize(
    "path", [path for path in SAMPLES if path.name.startswith(("webhook", "record"))], ids=lambda path: path.stem
)
def test_every_sample_of_a_webhook_is_read(path: Path) -> None:
    document = json.loads(path.read_bytes())
    event = _event(path.read_bytes())
    assert (event.company_id, event.resource, event.resource_id, event.status) == (
        document["company_id"], document["resource"], document["resource_id"], document["status"],
    )  # fmt: skip
    assert event.data == (document["data"] or None)
    assert event.raw == document


def test_there_are_samples() -> None:
    assert len(SAMPLES) >= 13


def test_an_array_is_read_in_order_and_one_bad_item_spoils_no_other() -> None:
    items = parse_body(_body([_item(), 5, _item(resource_id=9002, data={}), _item(status="gone")]))
    assert [type(item) for item in items] == [Event, Unreadable, Event, Unreadable]
    assert [item.reason for item in items if isinstance(item, Unreadable)] == ["not_an_event", "bad_status"]


REFUSED: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "empty"),
    "blanks": (b" \r\n\t\0 ", "empty"),
    "windows-1251": (json.dumps(_item(data={"name": "Анна"}), ensure_ascii=False).encode("cp1251"), "encoding"),
    "torn": (_body(_item())[:-3], "not_json"),
    "a word": (b"hello", "not_json"),
    "a page": (b"<html></html>", "not_json"),
    "a form": (b"company_id=1&resource=record", "not_json"),
    "NaN": (b'{"company_id": NaN}', "not_json"),
    "two documents": (_body(_item()) * 2, "not_json"),
    "a number": (b"5", "not_an_event"),
    "null": (b"null", "not_an_event"),
    "a text": (b'"record"', "not_an_event"),
    "an empty array": (b"[]", "not_an_event"),
    "an array in an array": (_body([[_item()]]), "not_an_event"),
    "an empty object": (b"{}", "missing_company"),
    "501 items": (_body([_item()] * 501), "too_many_items"),
    "41 levels": (b'{"a":' * 41 + b"1" + b"}" * 41, "too_deep"),
    "60,000 levels": (b"[" * 60_000, "too_deep"),
    "company missing": (_body({**_item(), "company_id": None}), "bad_id"),
    "company 0": (_body(_item(company_id=0)), "bad_id"),
    "company empty": (_body(_item(company_id="")), "bad_id"),
    "company an array": (_body(_item(company_id=[])), "bad_id"),
    "company true": (_body(_item(company_id=True)), "bad_id"),
    "company negative": (_body(_item(company_id=-4564)), "bad_id"),
    "company with a fraction": (_body(_item(company_id=4564.5)), "bad_id"),
    "company of 2^63": (_body(_item(company_id=1 << 63)), "bad_id"),
    "company of 5,000 digits": (b'{"company_id": ' + b"9" * 5000 + b"}", "bad_id"),
    "resource missing": (_body(_item(resource=None)), "missing_resource"),
    "resource empty": (_body(_item(resource="")), "missing_resource"),
    "resource a number": (_body(_item(resource=5)), "missing_resource"),
    "resource with signs": (_body(_item(resource="rec'ord")), "missing_resource"),
    "resource with a line end": (_body(_item(resource="record\n")), "missing_resource"),
    "id missing": (_body(_item(resource_id=None)), "bad_id"),
    "id in words": (_body(_item(resource_id="nine")), "bad_id"),
    "id in other digits": (_body(_item(resource_id="٩")), "bad_id"),
    "status missing": (_body(_item(status=None)), "bad_status"),
    "status in capitals": (_body(_item(status="CREATE")), "bad_status"),
    "status an array": (_body(_item(status=["create"])), "bad_status"),
    "another id inside": (_body(_item(data={"id": 1})), "contradiction"),
    "another company inside": (_body(_item(data={"id": 9001, "company_id": "1"})), "contradiction"),
    "data a text": (_body(_item(data="x")), "not_an_event"),
    "data a full array": (_body(_item(data=[1])), "not_an_event"),
    "data 0": (_body(_item(data=0)), "not_an_event"),
    "record without data": (_body(_item(data=None)), "no_data"),
    "record with an empty array": (_body(_item(data=[])), "no_data"),
    "client without data": (_body(_item(resource="client", status="create", data=None)), "no_data"),
}  # fmt: skip


@pytest.mark.parametrize(("body", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_event_says_why(body: bytes, reason: str) -> None:
    assert _why_not(body) == reason


def test_the_reasons_here_are_all_there_are() -> None:
    assert {reason for _, reason in REFUSED.values()} == REASONS


@pytest.mark.parametrize(
    "changes",
    [
        {"company_id": "4564", "resource_id": " 9001 "},
        {"company_id": 4564.0, "resource_id": 9001.0},
        {"data": {"id": "9001", "company_id": "4564"}},
        {"data": {"id": None, "company_id": ""}},
        {"data": {}},
        {"unknown": [1, 2]},
    ],
    ids=repr,
)
def test_ids_come_as_numbers_or_digits(changes: dict[str, Any]) -> None:
    event = _event(_body(_item(**changes)))
    assert (event.company_id, event.resource_id) == (4564, 9001)


@pytest.mark.parametrize("data", [None, []], ids=repr)
@pytest.mark.parametrize(
    ("resource", "status"), [("record", "delete"), ("client", "delete"), ("schedule", "update"), ("staff", "create")]
)
def test_no_data_comes_as_null_or_as_an_empty_array(resource: str, status: str, data: Any) -> None:
    assert _event(_body(_item(resource=resource, status=status, data=data))).data is None


def test_a_body_may_come_with_a_mark_of_byte_order_or_in_utf_16() -> None:
    text = json.dumps(_item(data={"comment": "Привет"}), ensure_ascii=False)
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        event = _event(text.encode(encoding))
        assert event.data == {"comment": "Привет"}


def test_a_full_array_of_five_hundred_is_read() -> None:
    assert all(isinstance(item, Event) for item in parse_body(_body([_item()] * 500)))


def test_brackets_inside_texts_are_no_levels() -> None:
    comment = "[[[{{{" * 100 + '"\\'
    assert _event(_body(_item(data={"id": 9001, "comment": comment}))).data == {"id": 9001, "comment": comment}


# --- nothing breaks it


@pytest.mark.parametrize("level", ["[ ", '[{"a":', "[\n"])
@pytest.mark.parametrize("levels", [100, 400, 600, 900, 5000])
def test_deep_bodies_are_refused_however_they_are_spelt(level: str, levels: int) -> None:
    closing = "".join({"[": "]", "{": "}"}[sign] for sign in reversed(level) if sign in "[{")
    body = (level * levels + "1" + closing * levels).encode()
    assert _why_not(body) in ("too_deep", "not_json", "not_an_event")


@pytest.mark.parametrize("inside", ['\\"', "\\\\", "\\u0041", "[", "{", '"', "\\"], ids=repr)
@pytest.mark.parametrize("around", ['{{"a": "{}', '{{"a": "{}"}}', "[{{{}"])
def test_a_megabyte_of_quotes_and_brackets_is_read_in_one_pass(around: str, inside: str) -> None:
    """A whole megabyte: were it read in a square of its length, this test would never end."""
    body = around.format(inside * (1_048_576 // len(inside))).encode()
    assert len(parse_body(body)) == 1


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
    | st.sampled_from(["", "0", "0000-00-00", 10**400, "\0", "\ud800", 1e308]),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8) | st.just("\0\udfff"), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
_ITEMS = st.fixed_dictionaries(
    {},
    optional={
        "company_id": st.integers(1, 10**10) | _JSON,
        "resource": st.sampled_from(["record", "client", "salon"]) | _JSON,
        "resource_id": st.integers(1, 10**10) | _JSON,
        "status": st.sampled_from(get_args(Status)) | _JSON,
        "data": _JSON | st.dictionaries(st.sampled_from(["id", "company_id", "x"]), _JSON),
    },
)


@settings(max_examples=200)
@given(_JSON | _ITEMS | st.lists(_ITEMS | _JSON, max_size=3), st.booleans())
def test_any_json_gives_events_and_reasons_that_can_be_stored(document: Any, plain: bool) -> None:
    body = json.dumps(document, ensure_ascii=plain).encode("utf-8", "surrogatepass")
    items = parse_body(body)
    assert items
    for item in items:
        if isinstance(item, Event):
            assert 0 < item.company_id < 1 << 63
            assert 0 < item.resource_id < 1 << 63
            assert item.status in get_args(Status)
            _assert_storable([item.data, item.raw])
        else:
            assert item.reason in REASONS
            _assert_storable(item.raw)


@given(st.binary(max_size=300))
@example(b"\xff\xfe")
@example(b"\xff\xfe\x00")
@example(b"\xfe\xff\xd8\x00")
@example(b"\xef\xbb\xbf")
def test_any_bytes_give_an_answer(body: bytes) -> None:
    assert parse_body(body)


@given(st.data())
def test_a_torn_or_damaged_sample_gives_an_answer(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from(SAMPLES)).read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    assert parse_body(bytes(body[: data.draw(st.integers(0, len(body)))]))


@given(_JSON)
def test_what_is_storable_is_so_and_stays_the_same(value: Any) -> None:
    once = storable(value)
    _assert_storable(once)
    assert storable(once) == once


@pytest.mark.parametrize(
    ("value", "number"),
    [(5, 5), ("5", 5), (" 5\n", 5), (5.0, 5), ((1 << 63) - 1, (1 << 63) - 1), (str((1 << 63) - 1), (1 << 63) - 1)],
)
def test_an_id_is_a_number_or_digits(value: Any, number: int) -> None:
    assert whole_id(value) == number


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        0,
        "0",
        -5,
        "-5",
        "5.0",
        5.5,
        True,
        False,
        [],
        {},
        [5],
        1 << 63,
        str(1 << 63),
        "9" * 40,
        1e30,
        float("nan"),
        float("inf"),
        "²",
        "٥",
        "5x",
    ],
    ids=repr,
)
def test_anything_else_is_no_id(value: Any) -> None:
    assert whole_id(value) is None
