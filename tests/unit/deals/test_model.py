"""The deal as it should be: sum, title, contact, responsible, link, additional fields, key."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.deals.history import Telling
from server.deals.model import (
    Booking,
    Client,
    Contact,
    Lead,
    Line,
    Link,
    Person,
    Responsible,
    deal_key,
    money,
    paid_share,
    shortest,
    total,
)
from tests.unit.deals.salon import LIVES, NOON, VENDOR_RULES, at, booking, deal, stored

# --- the whole


@given(LIVES, VENDOR_RULES, st.randoms(use_true_random=False))
def test_any_order_and_doubling_of_tellings_makes_the_same_deal(life, rules, random) -> None:
    told = stored(life)
    again = [*life, *random.choices(life, k=3)]
    random.shuffle(again)
    one, other = (deal(told, *tellings, vendor_rules=rules) for tellings in (life, again))
    assert one == other
    assert one.content == other.content


@pytest.mark.parametrize(
    "changed",
    [
        {"starts_at": at(900_000)},
        {"client": Client(78, "Анна", "+79000000001")},
        {"client": None},
        {"staff": Person(10, "Ольга"), "creator": Person(5)},
        {"deleted": True},
        {"branch_name": "Центр на Тверской"},
        {"created_at": None},
    ],
)
def test_a_booking_moved_merged_or_renamed_keeps_its_deal(changed) -> None:
    assert deal(booking(changed_at=at(5), **changed)).key == deal().key == "yclick_4564_123"


def test_a_copy_is_a_deal_of_its_own_and_the_original_keeps_its_own() -> None:
    copy = booking(number=124)
    assert deal(copy).key != deal().key
    assert deal(copy).content == deal().content


@given(st.tuples(*[st.integers(1, 10**12)] * 2), st.tuples(*[st.integers(1, 10**12)] * 2))
def test_two_bookings_never_share_a_deal(one: tuple[int, int], other: tuple[int, int]) -> None:
    assert (deal_key(*one) == deal_key(*other)) is (one == other)


def test_a_deal_is_closed_when_it_entered_the_stage_it_is_closed_in() -> None:
    came = booking(changed_at=at(60), attendance=1)
    assert deal(came).closed_at == at(60)
    assert deal(replace(came, changed_at=at(90)), Telling(at(60), 1, attendance=1)).closed_at == at(60)
    assert deal().closed_at is None


# --- money

_MONEY = st.decimals("-99999999.99", "99999999.99", places=2)


@given(st.lists(_MONEY, max_size=200))
def test_the_sum_is_exact(amounts: list[Decimal]) -> None:
    lines = [Line("service", "", amount) for amount in amounts]
    assert Fraction(total(lines)) == sum((Fraction(amount) for amount in amounts), Fraction(0))


@given(st.lists(_MONEY, max_size=20), st.randoms(use_true_random=False))
def test_the_sum_does_not_hang_on_the_order_of_lines(amounts: list[Decimal], random) -> None:
    shuffled = random.sample(amounts, len(amounts))
    one, other = (total([Line("good", "", amount) for amount in told]) for told in (amounts, shuffled))
    assert (one, money(one)) == (other, money(other))


def test_services_and_goods_are_paid_for() -> None:
    assert deal().amount == Decimal("1999.90")


def test_a_sum_of_ten_tenths_is_one() -> None:
    assert total([Line("service", "", Decimal("0.1"))] * 10) == Decimal(1)


def test_no_services_are_a_sum_of_nothing_and_untold_ones_are_no_sum() -> None:
    assert deal(booking(lines=())).amount == Decimal(0)
    assert deal(booking(lines=None)).amount is None
    assert deal(booking(lines=None), Telling(at(-1), 0, amount=Decimal("7.50"))).amount == Decimal("7.50")


@pytest.mark.parametrize(
    ("to_pay", "paid", "full", "share"),
    [
        ("100", "25", None, "0.25"),
        ("300", "100", None, "0.3333"),
        ("10000000", "9999999.99", None, "0.9999"),
        ("100", "100", None, "1"),
        ("100", "150", None, "1"),
        ("100", "-5", None, "0"),
        ("100", None, True, "1"),
        ("0", None, True, "1"),
        ("0", "0", False, None),
        ("100", None, False, None),
        (None, "5", None, None),
    ],
)
def test_the_paid_share_is_one_only_when_all_is_paid(to_pay, paid, full, share) -> None:
    told = [None if text is None else Decimal(text) for text in (to_pay, paid, share)]
    assert paid_share(told[0], paid=told[1], paid_full=full) == told[2]


@given(_MONEY, st.integers(0, 6))
def test_a_number_has_one_spelling(amount: Decimal, places: int) -> None:
    padded = amount.quantize(Decimal(1).scaleb(-2 - places))
    assert shortest(padded) == shortest(amount)
    assert Decimal(shortest(amount)) == amount


# --- title


def test_the_title_speaks_of_the_booking_by_the_clock_of_its_branch() -> None:
    every = "{number}|{client}|{services}|{category}|{branch}|{staff}|{date} {time}|{sum} {currency}"
    expected = "123|Анна|Стрижка|Волосы|Центр|Мария|25.11.2026 15:00|1999.90 RUB"
    assert deal(title=every).title == expected


def test_a_deal_always_has_a_title() -> None:
    assert deal(booking(client=None), title="{client}").title == "№ 123"


# --- contact


@pytest.mark.parametrize(
    ("client", "expected"),
    [
        (None, None),
        (Client(None), None),
        (Client(77, "Анна", "+79000000001", "a@b.c"), ("yclick_4564_client_77", "Анна", "+79000000001", "a@b.c")),
        (Client(77), ("yclick_4564_client_77", "№ 77", None, None)),
        (Client(77, "\n", "+79000000001"), ("yclick_4564_client_77", "+79000000001", "+79000000001", None)),
        (Client(None, "Анна", "+79000000001"), ("yclick_4564_phone_79000000001", "Анна", "+79000000001", None)),
        (Client(77, "Анна", "", ""), ("yclick_4564_client_77", "Анна", None, None)),
    ],
)
def test_the_contact_is_known_by_number_else_by_phone(client: Client | None, expected) -> None:
    found = deal(booking(client=client)).contact
    assert (found and (found.key, found.name, found.phone, found.email)) == expected


def test_a_contact_known_by_e_mail_alone_does_not_hang_on_its_case() -> None:
    one, other = (deal(booking(client=Client(None, email=email))).contact for email in ("A@b.c", "a@B.c"))
    assert one is not None
    assert other is not None
    assert one.key == other.key


def test_a_contact_is_no_other_for_the_booking_it_was_first_seen_with() -> None:
    assert deal(booking(created_at=at(-99))).contact == deal().contact
    since = deal(booking(client=Client(77, since=at(-500)))).contact
    assert since is not None
    assert since.created_at == at(-500)


def test_a_phone_is_not_printed() -> None:
    assert "79000000001" not in f"{booking()!r} {deal().contact!r}"
    assert isinstance(deal().contact, Contact)


# --- responsible


@pytest.mark.parametrize(
    ("changed", "rule", "expected"),
    [
        ({}, {}, ("yclick_staff_9", "Мария")),
        ({}, {"staff": [{"id": 9, "name": "Мария Петровна"}]}, ("yclick_staff_9", "Мария Петровна")),
        ({}, {"staff": [{"id": 9, "name": "М", "key": "EID_7"}]}, ("EID_7", "М")),
        ({}, {"make_missing": False}, None),
        ({}, {"make_missing": False, "fallback": {"name": "Салон"}}, ("yclick_default", "Салон")),
        ({"staff": None}, {"fallback": {"name": "Салон", "key": "EID_1"}}, ("EID_1", "Салон")),
        ({"staff": Person(0, "Любой")}, {"fallback": {"name": "Салон"}}, ("yclick_default", "Салон")),
        ({"staff": Person(9)}, {}, None),
        ({}, {"by": "creator", "creators": [{"id": 1001, "name": "Админ"}]}, ("yclick_creator_1001", "Админ")),
        ({}, {"by": "creator", "staff": [{"id": 1001, "name": "Не он"}]}, None),
        ({"creator": Person(0)}, {"by": "creator", "fallback": {"name": "Салон"}}, ("yclick_default", "Салон")),
    ],
)
def test_responsible_is_who_the_table_says_else_the_person_else_the_fallback(changed, rule, expected) -> None:
    found = deal(booking(**changed), responsible=rule).responsible
    assert found == (Responsible(*expected) if expected else None)


# --- link


@pytest.mark.parametrize(
    ("lead", "client", "expected"),
    [
        (Lead(5, NOON), Client(77, "А", "+79000000001"), Link("lead", 5)),
        (Lead(5, NOON - timedelta(days=30)), None, Link("lead", 5)),
        (Lead(5, NOON - timedelta(days=30, seconds=1)), None, Link("none")),
        (
            Lead(5, NOON - timedelta(days=31)),
            Client(77, email="a@b.c"),
            Link("contact", since=NOON - timedelta(days=30)),
        ),
        (None, Client(77, "А", "+79000000001"), Link("contact", since=NOON - timedelta(days=30))),
        (None, Client(77, "А"), Link("none")),
        (None, None, Link("none")),
    ],
)
def test_a_deal_is_linked_by_its_lead_else_by_contact_within_thirty_days(lead, client, expected) -> None:
    assert deal(booking(client=client), lead=lead).link == expected


# --- additional fields

_RICH = booking(
    changed_at=at(60), attendance=1, paid=Decimal("500"), labels=("VIP", "новый", "VIP"),
    custom={"source": "друзья\nи родные", "other": "x"},
)  # fmt: skip


def test_additional_fields_say_what_the_booking_says() -> None:
    found = deal(_RICH, fields={"custom": [{"code": "source", "name": "Откуда узнали"}]}).fields
    assert dict(found) == {
        "yclick_services": "Стрижка", "yclick_goods": "Шампунь", "yclick_category": "Волосы",
        "yclick_branch": "Центр", "yclick_online": "да", "yclick_origin": "форма записи, телефон",
        "yclick_labels": "VIP, новый", "yclick_status": "клиент пришёл", "yclick_paid_share": "0.25",
        "yclick_currency": "RUB", "yclick_custom_source": "друзья и родные",
    }  # fmt: skip


def test_a_field_that_is_off_is_not_sent() -> None:
    off = dict.fromkeys(("services", "goods", "category", "branch", "online", "origin", "labels", "status"), False)
    assert [key for key, _ in deal(_RICH, fields=off).fields] == ["yclick_paid_share", "yclick_currency"]


def test_a_field_without_a_value_is_left_out_or_sent_empty() -> None:
    bare: Booking = booking(online=None, labels=())
    assert {"yclick_online", "yclick_labels"}.isdisjoint(dict(deal(bare).fields))
    told = dict(deal(bare, vendor_rules={"empty_fields": "send"}).fields)
    assert (told["yclick_online"], told["yclick_labels"]) == ("", "")


def test_the_order_of_labels_changes_nothing() -> None:
    assert deal(booking(labels=("b", "a"))).content == deal(booking(labels=("a", "b", "a"))).content


def test_the_status_field_tells_a_deletion_from_a_no_show() -> None:
    lost = (booking(changed_at=at(5), deleted=True), booking(changed_at=at(5), attendance=-1))
    assert [dict(deal(one).fields)["yclick_status"] for one in lost] == ["удалена", "клиент не пришёл"]
