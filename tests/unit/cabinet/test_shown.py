"""How facts are shown to the owner: numbers, money, times, hosts and addresses, what a webhook speaks of."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.accounts import flow
from server.cabinet import shown

DAY = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("amount", "russian", "english"),
    [
        ("2500", "2\u00a0500\u00a0₽", "2,500\u00a0RUB"),
        ("2500.50", "2\u00a0500,50\u00a0₽", "2,500.50\u00a0RUB"),
        ("0", "0\u00a0₽", "0\u00a0RUB"),
    ],
)
def test_money_has_one_form_in_a_language(amount: str, russian: str, english: str) -> None:
    assert shown.money(amount, "RUB", "ru") == russian
    assert shown.money(amount, "RUB", "en") == english


@pytest.mark.parametrize(("weight", "russian", "english"), [(20, "+20,0", "+20.0"), (-1.25, "-1,2", "-1.2")])
def test_weights_have_their_sign(weight: float, russian: str, english: str) -> None:
    assert shown.bits(weight, "ru") == russian
    assert shown.bits(weight, "en") == english


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("2026-11-24T20:59:59+00:00", "23:59:59"),
        ("2026-11-24T21:00:00+00:00", "25 нояб. 2026, 00:00:00"),  # the next day by the branch's clock
        ("2026-11-23T09:00:00+00:00", "23 нояб. 2026, 12:00:00"),
    ],
)
def test_a_time_of_another_day_has_its_date(at: str, told: str) -> None:
    assert shown.clock(at, "Europe/Moscow", DAY, "ru") == told


@pytest.mark.parametrize(
    ("typed", "read"),
    [("Запись.рф", "запись.рф"), ("zapis.salon.ru", "zapis.salon.ru"), ("салон.рф:8443", "салон.рф:8443")],
)
def test_a_host_is_read_as_it_was_written(typed: str, read: str) -> None:
    assert shown.host(flow.clean_domain(typed)) == read


@given(st.text(max_size=40))
def test_any_kept_host_can_be_read(text: str) -> None:
    shown.host(text)
    shown.host(f"xn--{text}")


def test_a_long_address_is_read_by_its_beginning() -> None:
    assert shown.address_text("https://a.ru/?q=%D0%9C%D0%B0%D1%80%D0%B8%D1%8F") == "https://a.ru/?q=Мария"
    told = shown.address_text("https://a.ru/" + "%D1%8F" * 1000)
    assert told.startswith("https://a.ru/яяя")
    assert told.endswith("я…")
    assert len(told) < 200


@pytest.mark.parametrize(
    ("event", "russian", "english"),
    [
        ({"resource": "record", "resource_id": 7, "status": "update"}, "Запись № 7 изменена", "Booking 7 changed"),
        ({"resource": "client", "resource_id": "8", "status": "delete"}, "Клиент № 8 удалён", "Client 8 deleted"),
        ({"resource": "salon", "resource_id": 9, "status": "update"}, "salon № 9, update", "salon № 9, update"),
        ({"resource": "record", "status": "burn"}, "record, burn", "record, burn"),
        ({"status": ["x"]}, "['x']", "['x']"),
        ({}, "", ""),
    ],
)
def test_a_webhook_is_told_in_words(event: dict[str, object], russian: str, english: str) -> None:
    assert shown.about_webhook(json.dumps(event).encode(), "ru") == russian
    assert shown.about_webhook(json.dumps(event).encode(), "en") == english


@given(st.binary(max_size=60) | st.recursive(st.none() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["resource", "resource_id", "status"]), inner),
    max_leaves=6).map(lambda value: json.dumps(value).encode()))  # fmt: skip
def test_any_body_can_be_told_of(body: bytes) -> None:
    shown.about_webhook(body, "ru")
