"""A record as typed facts: every way the vendor has of writing "empty", every syntax of its times."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from server.yclients.records import (
    Origin,
    OriginFacts,
    RecordFacts,
    classify_origin,
    client_facts,
    flag,
    moment,
    origin_facts,
    record_facts,
)

URALS, NEW_YORK = ZoneInfo("Asia/Yekaterinburg"), ZoneInfo("America/New_York")
SAMPLES = Path(__file__).parents[2] / "contract" / "samples"
MARK = "k3v9Qw2LmN7xYz0aBcDeFg"
EMPTY: list[Any] = ["", 0, [], {}, None, "0000-00-00", "0000-00-00 00:00:00", False, "null", " "]


def _told(*, zone: ZoneInfo = URALS, status: str = "update", **data: Any) -> RecordFacts:
    return record_facts(data, company_id=4564, record_id=9001, status=status, timezone=zone)


def _sample(name: str, *, zone: ZoneInfo = URALS) -> RecordFacts:
    body = json.loads((SAMPLES / f"{name}.json").read_bytes())
    data = body["data"]
    return record_facts(
        data, company_id=data.get("company_id", 1), record_id=data["id"], status=body.get("status"), timezone=zone
    )


# --- samples


def test_an_online_booking_is_read_in_full() -> None:
    facts = _sample("record-online-widget")
    assert facts.created_at == datetime(2025, 7, 12, 6, 49, 8, tzinfo=UTC)
    assert facts.changed_at == datetime(2025, 7, 12, 19, 15, 24, tzinfo=UTC)
    assert (facts.starts_at, facts.starts_at_local) == (datetime(2025, 7, 12, 7, 10, tzinfo=UTC), "2025-07-12T12:10")
    assert (facts.online, facts.attendance, facts.deleted, facts.comment) == (True, 0, False, "")
    assert facts.services is not None
    assert [(line.id, line.cost) for line in facts.services] == [(5034676, Decimal("4000.00"))]
    assert facts.amount == Decimal("4000.00")
    assert (facts.staff_id, facts.staff_name, facts.seance_length_s) == (2835418, "Сотрудник Тестовый", 1500)
    assert (facts.vendor_visit_id, facts.activity_id, facts.mark) == (508928359, None, None)
    assert facts.client is not None
    assert (facts.client.client_id, facts.client.name) == (169711586, "Клиент Тестовый")
    assert (facts.client.phone_raw, facts.client.email) == ("+77000000001", None)
    assert facts.origin == OriginFacts(
        online=True, is_mobile=1, bookform_id=395937, record_from="Основная форма", from_url="https://yandex.ru/maps/",
        api_id=None, created_user_id=None,
    )  # fmt: skip
    assert classify_origin(facts.origin) == "widget_mobile"


def test_a_booking_of_2019_is_read_without_what_did_not_exist_then() -> None:
    facts = _sample("webhook-record-update-full-yclients-2019", zone=ZoneInfo("Europe/Moscow"))
    assert facts.starts_at == datetime(2019, 7, 21, 9, 0, tzinfo=UTC)
    assert facts.amount == Decimal("1700.00")
    assert (facts.online, facts.attendance, facts.seance_length_s) == (False, 1, 7200)
    assert (facts.origin.is_mobile, facts.origin.bookform_id) == (None, None)
    assert classify_origin(facts.origin) == "staff"


def test_an_answer_of_the_api_has_the_phone_as_a_number() -> None:
    facts = _sample("api-record-get-200", zone=ZoneInfo("Asia/Yakutsk"))
    assert facts.client is not None
    assert facts.client.phone_raw == "70001234567"
    assert facts.client.name == "Иванов Иванович Иван"
    assert facts.starts_at == datetime(2019, 1, 1, 3, 0, tzinfo=UTC)


@pytest.mark.parametrize("name", ["webhook-record-delete-abridged", "webhook-record-delete-yclients-2026-abridged"])
def test_a_short_deletion_tells_that_and_nothing_else(name: str) -> None:
    facts = _sample(name)
    assert facts.deleted
    assert facts.present == {"deleted"}


def test_a_short_creation_tells_what_it_has() -> None:
    facts = _sample("webhook-record-create-abridged", zone=ZoneInfo("Europe/Samara"))
    assert facts.starts_at == datetime(2026, 3, 7, 14, 0, tzinfo=UTC)
    assert facts.present == {"starts_at", "starts_at_local", "attendance", "services", "amount", "staff_id"}
    assert facts.amount == Decimal("1300.00")
    assert (facts.changed_at, facts.client) == (None, None)


@pytest.mark.parametrize("path", sorted(SAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_no_sample_breaks_the_reader(path: Path) -> None:
    data = json.loads(path.read_bytes())["data"] or {}
    facts = record_facts(data, company_id=1, record_id=1, status=None, timezone=NEW_YORK)
    assert facts.present <= set(RecordFacts.__dataclass_fields__)
    client_facts(data)


# --- times


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("2025-07-12T12:10:00+05:00", 7),
        ("2025-07-12T12:10:00+0500", 7),
        ("2025-07-12T12:10:00.000+05:00", 7),
        ("2025-07-12 12:10:00", 7),
        ("2025-07-12 12:10", 7),
        ("2025-07-12T12:10:00", 7),
        ("2025-07-12T07:10:00Z", 7),
        ("2025-07-12T07:10:00.000Z", 7),
        (" 2025-07-12T12:10:00+05:00 ", 7),
        ("2025-07-12T12:10:00-0400", 16),
        (1752304200, 7),
        ("1752304200", 7),
    ],
)
def test_an_instant_is_read_in_every_syntax_seen(text: Any, hours: int) -> None:
    assert moment(text, URALS) == datetime(2025, 7, 12, hours, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [*EMPTY, True, "0", -5, "yesterday", "12.07.2025 12:10", "2025-13-01", "2025-02-30 10:00:00", "2025-07-12T25:00:00",
     "0001-01-01T00:00:00+23:00", "9999-12-31T23:59:59-23:00", "-0001-11-30 00:00:00", "1970-01-01 00:00:00", 10**400, 1e30,
     float("nan"), "2025-07-12T12:10:00+99:00", "²", "x" * 10_000, ["2025-07-12"], {"date": "2025-07-12"}],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
def test_what_is_no_time_is_none(value: Any) -> None:
    assert moment(value, URALS) is None


def test_an_instant_without_zone_is_by_the_clock_of_the_branch() -> None:
    assert moment("2025-07-12 12:10:00", NEW_YORK) == datetime(2025, 7, 12, 16, 10, tzinfo=UTC)
    assert moment("2025-01-12 12:10:00", NEW_YORK) == datetime(2025, 1, 12, 17, 10, tzinfo=UTC)


@given(st.integers(32_000_000, 7_000_000_000), st.integers(-14 * 4, 14 * 4))
def test_any_time_written_with_its_offset_is_read_back(second: int, quarters: int) -> None:
    at = datetime.fromtimestamp(second, timezone(timedelta(minutes=15 * quarters)))
    assert moment(at.isoformat(), URALS) == at
    assert moment(at.strftime("%Y-%m-%dT%H:%M:%S%z"), URALS) == at
    assert moment(second, URALS) == moment(str(second), URALS) == at


@pytest.mark.parametrize(
    ("date", "with_offset"),
    [
        ("2025-07-12 12:10:00", "2025-07-12T12:10:00+05:00"),
        ("2025-07-12 12:10:00", "2025-07-12T12:10:00+02:00"),
        ("2025-07-12 12:10:00", "2025-07-12T09:10:00+02:00"),
        ("2025-07-12 12:10:00", None),
        ("2025-07-12 12:10", ""),
        ("2025-07-12T12:10:00", []),
        (None, "2025-07-12T12:10:00+05:00"),
        ("", "2025-07-12T12:10:00+0500"),
        ("0000-00-00 00:00:00", "2025-07-12T12:10:00.000+05:00"),
        ("2025-07-12", "2025-07-12T12:10:00+02:00"),
        (0, 1752304200),
        ([], "1752304200"),
    ],
)
def test_the_wall_clock_of_the_branch_is_trusted_over_an_offset(date: Any, with_offset: Any) -> None:
    facts = _told(date=date, datetime=with_offset)
    assert (facts.starts_at, facts.starts_at_local) == (datetime(2025, 7, 12, 7, 10, tzinfo=UTC), "2025-07-12T12:10")


def test_a_branch_of_altegio_has_its_own_summer_time() -> None:
    summer, winter = (_told(zone=NEW_YORK, date=f"2025-{month}-12 12:10:00") for month in ("07", "01"))
    assert summer.starts_at == datetime(2025, 7, 12, 16, 10, tzinfo=UTC)
    assert winter.starts_at == datetime(2025, 1, 12, 17, 10, tzinfo=UTC)
    assert (summer.starts_at_local, winter.starts_at_local) == ("2025-07-12T12:10", "2025-01-12T12:10")


def test_the_hour_that_comes_twice_is_told_by_its_wall_clock() -> None:
    assert _told(zone=NEW_YORK, date="2025-11-02 01:30:00").starts_at_local == "2025-11-02T01:30"
    assert _told(zone=NEW_YORK, date="2025-03-09 02:30:00").starts_at_local == "2025-03-09T02:30"


# --- empty values


@pytest.mark.parametrize("empty", EMPTY, ids=repr)
def test_an_empty_value_is_an_absent_fact_and_never_an_error(empty: Any) -> None:
    names = ["date", "datetime", "create_date", "last_change_date", "services", "goods_transactions", "staff", "client",
        "staff_id", "seance_length", "length", "visit_id", "activity_id", "from_url", "api_id", "record_from", "bookform_id",
        "created_user_id", "custom_fields", "referrer"]  # fmt: skip
    facts = _told(**dict.fromkeys(names, empty))
    for name in (
        "changed_at",
        "created_at",
        "starts_at",
        "starts_at_local",
        "client",
        "staff_id",
        "vendor_visit_id",
        "activity_id",
        "mark",
    ):
        assert getattr(facts, name) is None, name
    assert not facts.staff_name
    assert not facts.seance_length_s
    assert facts.amount in (None, Decimal(0))
    assert (facts.origin.bookform_id, facts.origin.created_user_id) == (None, None)


@pytest.mark.parametrize("empty", [None, {}, [], "", 0, False], ids=repr)
def test_a_record_without_a_client_says_so(empty: Any) -> None:
    facts = _told(client=empty)
    assert facts.client is None
    assert "client" in facts.present


def test_what_is_not_in_the_payload_is_not_present() -> None:
    assert _told().present == frozenset()
    assert _told(comment="").present == {"comment"}
    assert _told(services=[]).present == {"services", "amount"}
    assert _told(services=None).present == frozenset()
    assert _told(attendance=None).present == frozenset()
    assert _told(is_mobile=0).present == {"origin"}
    assert _told(deleted=0).present == {"deleted"}
    assert _told(deleted=None).present == frozenset()


@pytest.mark.parametrize(
    "cost", ["1e999999999", "-1e999999999", "1e-999999999", "9" * 40, "1e12", "-1e12", "sNaN", "Infinity"]
)
def test_an_absurd_amount_is_none_and_never_an_error(cost: str) -> None:
    facts = _told(services=[{"id": 1, "title": "x", "cost": cost}, {"id": 2, "title": "y", "cost": 5}])
    assert facts.amount in (Decimal(5), Decimal("5.00"))


@pytest.mark.parametrize("sign", [1, -1])
def test_the_sum_of_many_huge_lines_still_fits_where_it_is_kept(sign: int) -> None:
    lines = [{"id": 1, "title": "x", "cost": sign * 99_999_999_999}] * 200
    facts = _told(services=lines, goods_transactions=lines)
    assert facts.amount == sign * Decimal("999999999999.99")


def test_a_record_the_api_shows_is_there() -> None:
    shown = record_facts({}, company_id=1, record_id=2, status="read", timezone=ZoneInfo("Europe/Moscow"))
    assert (shown.deleted, shown.present) == (False, frozenset({"deleted"}))


def test_the_other_name_of_a_field_stands_in_for_one_that_is_missing() -> None:
    assert _told(visit_attendance=1).attendance == 1
    assert _told(attendance=-1, visit_attendance=1).attendance == -1
    assert _told(length=3600).seance_length_s == 3600


def test_the_other_name_of_a_field_stands_in_for_one_that_is_null() -> None:
    assert _told(attendance=None, visit_attendance=1).attendance == 1
    assert _told(seance_length=None, length=3600).seance_length_s == 3600


@pytest.mark.parametrize(
    ("value", "told"),
    [(True, True), (1, True), ("1", True), ("true", True), (False, False), (0, False), ("0", False), ("false", False),
     (None, None), ("", None), ([], None), ({}, None), (2, None), ("да", None), (1.0, None), (float("nan"), None)],
)  # fmt: skip
def test_a_flag_is_a_bool_a_number_or_a_text(value: Any, told: bool | None) -> None:
    assert flag(value) is told


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (2, 2),
        ("2", 2),
        (1, 1),
        (0, 0),
        (-1, -1),
        ("-1", -1),
        (3, None),
        ("", None),
        ([], None),
        (None, None),
        ("²", None),
    ],
)
def test_an_attendance_is_one_of_four(value: Any, told: int | None) -> None:
    assert _told(attendance=value).attendance == told


@pytest.mark.parametrize(
    ("status", "value", "deleted"),
    [("delete", None, True), ("delete", False, True), ("update", True, True), ("update", 1, True), ("update", "1", True),
     ("update", 0, False), ("update", "", False), ("create", None, False)],
)  # fmt: skip
def test_a_record_is_deleted_by_the_event_or_by_its_flag(status: str, value: Any, deleted: bool) -> None:
    assert _told(status=status, deleted=value).deleted is deleted


# --- money


@pytest.mark.parametrize(
    ("line", "cost"),
    [
        ({"cost": 1700}, "1700.00"),
        ({"cost": 1700, "cost_to_pay": 1500}, "1500.00"),
        ({"cost": 1700, "cost_to_pay": 0}, "0.00"),
        ({"cost": 1700, "cost_to_pay": ""}, "1700.00"),
        ({"cost": 1700, "cost_to_pay": None}, "1700.00"),
        ({"cost": "1 300,50"}, "1300.50"),
        ({"cost": 0.1}, "0.10"),
        ({"price": "99.999"}, "100.00"),
        ({"cost": -5}, "-5.00"),
        ({"cost": []}, "0"),
        ({"cost": True}, "0"),
        ({"cost": "free"}, "0"),
        ({"cost": "NaN"}, "0"),
        ({"cost": "Infinity"}, "0"),
        ({"cost": float("nan")}, "0"),
        ({"cost": 1e300}, "0"),
        ({}, "0"),
    ],
    ids=repr,
)
def test_a_service_costs_what_is_to_be_paid(line: dict[str, Any], cost: str) -> None:
    facts = _told(services=[line])
    assert facts.services is not None
    assert facts.services[0].cost == facts.amount == Decimal(cost)


def test_the_amount_is_services_and_goods_and_of_none_it_is_nothing() -> None:
    assert _told(
        services=[{"cost": 1}, None, {"cost": "2.5"}], goods_transactions=[{"cost": 10}, "x"]
    ).amount == Decimal("13.50")
    assert _told(services=[]).amount == Decimal(0)
    assert _told(goods_transactions=[{"cost": 10}]).amount is None


# --- clients


def test_a_client_is_read_with_a_name_of_its_parts() -> None:
    assert client_facts({"name": "Анна", "surname": "Ким", "patronymic": ""}).name == "Анна Ким"
    assert client_facts({"display_name": " Анна К. "}).name == "Анна К."
    assert client_facts({"name": "", "surname": None}).name is None
    assert client_facts({"id": "5"}, client_id=7).client_id == 7
    assert client_facts({"id": "5"}).client_id == 5


@pytest.mark.parametrize(
    ("value", "raw"),
    [
        ("+79161234567", "+79161234567"),
        (79161234567, "79161234567"),
        (" 8 916 ", "8 916"),
        ("", None),
        (None, None),
        ([], None),
        ({}, None),
        (True, None),
        (0, None),
    ],
)
def test_a_phone_stays_as_it_was_written(value: Any, raw: str | None) -> None:
    assert client_facts({"phone": value}).phone_raw == raw


def test_a_client_shown_in_a_log_has_no_phone_and_no_mail() -> None:
    shown = repr(client_facts({"name": "Анна", "phone": "+79161234567", "email": "a@b.ru"}))
    assert "4567" not in shown
    assert "a@b.ru" not in shown


# --- our mark


@pytest.mark.parametrize(
    "data",
    [
        {"from_url": f"https://salon.ru/?yclick={MARK}"},
        {"from_url": f"https://salon.ru/?a=1&yclick={MARK}&b=2#x"},
        {"from_url": f"https://n1.yclients.com/#/book?yclick={MARK}"},
        {"from_url": json.dumps({"yextrafield_yclick": MARK, "referrer": "https://ya.ru"})},
        {"referrer": f"https://salon.ru/?yclick={MARK}"},
        {"custom_fields": {"yclick": MARK}},
        {"custom_fields": {"aextrafield_yclick": MARK}},
        {"custom_fields": [], "client": {"custom_fields": {"yclick": MARK}}},
        {"from_url": "https://salon.ru/?yclick=short", "custom_fields": {"yclick": MARK}},
    ],
    ids=repr,
)
def test_our_mark_is_found_wherever_the_vendor_kept_it(data: dict[str, Any]) -> None:
    assert _told(**data).mark == MARK


@pytest.mark.parametrize(
    "data",
    [
        {"from_url": ""},
        {"from_url": f"https://salon.ru/?yclick={MARK}x"},
        {"from_url": f"https://salon.ru/yclick/{MARK}"},
        {"from_url": "https://salon.ru/?yclick=" + "й" * 22},
        {"from_url": "http://[bad?yclick=" + MARK},
        {"from_url": "{" * 5000 + "yclick"},
        {"from_url": '{"yclick": ["' + MARK + '"]}'},
        {"from_url": "https://salon.ru/?" + "a=1&" * 1000 + f"yclick={MARK}"},
        {"custom_fields": [MARK]},
        {"custom_fields": {"yclick": 5}},
        {"comment": MARK},
    ],
    ids=lambda data: repr(data)[:50],
)
def test_what_is_not_quite_a_mark_is_none(data: dict[str, Any]) -> None:
    assert _told(**data).mark is None


# --- origin


@pytest.mark.parametrize(
    ("facts", "origin"),
    [
        ({"online": True, "is_mobile": 1, "bookform_id": 5}, "widget_mobile"),
        ({"online": True, "is_mobile": 2, "bookform_id": 5}, "widget_desktop"),
        ({"online": None, "is_mobile": 1}, "widget_mobile"),
        ({"online": True, "is_mobile": 0, "bookform_id": 5}, "widget_desktop"),
        ({"online": True, "is_mobile": 0}, "mobile_app"),
        ({"online": True, "record_from": "YPlaces"}, "mobile_app"),
        ({"online": True, "record_from": "Форма на сайте"}, "unknown"),
        ({"online": False, "is_mobile": 0}, "staff"),
        ({"online": False, "is_mobile": 1, "bookform_id": 5}, "staff"),
        ({"online": False, "api_id": "01effc9e"}, "api"),
        ({"online": True, "is_mobile": 1, "api_id": "01effc9e"}, "widget_mobile"),
        ({"online": True, "api_id": "yclick:7"}, "api"),
        ({}, "unknown"),
    ],
    ids=repr,
)
def test_an_origin_is_told_by_its_fields(facts: dict[str, Any], origin: str) -> None:
    assert classify_origin(OriginFacts(**facts)) == origin


# --- nothing breaks it

_VALUES = st.recursive(
    st.sampled_from(EMPTY)
    | st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(
        [
            "2025-07-12 12:10:00",
            "2025-07-12T12:10:00+0500",
            1752304200,
            10**30,
            "-0",
            "1e5",
            "\0",
            "\ud800",
            MARK,
            "https://a/?yclick=" + MARK,
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "title", "cost", "cost_to_pay", "name", "phone", "email", "custom_fields", "yclick"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=8,
)
_NAMES = [
    "last_change_date",
    "create_date",
    "date",
    "datetime",
    "online",
    "attendance",
    "visit_attendance",
    "deleted",
    "services",
    "goods_transactions",
    "staff",
    "client",
    "comment",
    "staff_id",
    "seance_length",
    "length",
    "visit_id",
    "activity_id",
    "is_mobile",
    "bookform_id",
    "record_from",
    "from_url",
    "referrer",
    "api_id",
    "created_user_id",
    "custom_fields",
]


@settings(max_examples=300)
@given(
    st.dictionaries(st.sampled_from(_NAMES), _VALUES, max_size=12), st.sampled_from([URALS, NEW_YORK, ZoneInfo("UTC")])
)
@example({"date": "2199-12-31 23:59:59"}, NEW_YORK)
@example({"services": [{"cost": "1e-999999"}]}, URALS)
@example({"services": [{"cost": "sNaN"}]}, URALS)
def test_any_payload_gives_facts(data: dict[str, Any], zone: ZoneInfo) -> None:
    facts = record_facts(data, company_id=1, record_id=2, status="update", timezone=zone)
    for at in (facts.changed_at, facts.created_at, facts.starts_at):
        assert at is None or (at.tzinfo is UTC and 1970 <= at.year <= 2200)
    assert (facts.starts_at is None) is (facts.starts_at_local is None)
    assert facts.amount is None or facts.amount.is_finite()
    assert facts.attendance in (None, -1, 0, 1, 2)
    for number in (facts.staff_id, facts.vendor_visit_id, facts.activity_id):
        assert number is None or 0 < number < 1 << 63
    assert facts.mark is None or len(facts.mark) == 22
    assert classify_origin(facts.origin) in get_args(Origin)
    assert facts.origin == origin_facts(data)


@given(st.dictionaries(st.text(max_size=8) | st.sampled_from(["id", "name", "phone", "email"]), _VALUES, max_size=6))
def test_any_client_gives_facts(data: dict[str, Any]) -> None:
    facts = client_facts(data)
    assert facts.name != ""
    assert facts.phone_raw != ""
    assert facts.email != ""
