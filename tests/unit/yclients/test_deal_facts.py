"""What a deal reads of a record: real shapes, and any shape at all."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.yclients.deal_facts import DealFacts, DealLine, deal_facts, told_of

SAMPLES = Path(__file__).parents[2] / "contract" / "samples"
MOSCOW = ZoneInfo("Europe/Moscow")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
NAMES = (
    "services", "goods_transactions", "paid_full", "finance_transactions", "record_labels", "custom_fields",
    "created_user_id", "attendance", "deleted", "title", "cost", "cost_to_pay", "category", "amount",
)  # fmt: skip


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / name).read_text("utf-8"))["data"]
    return found


def test_a_real_record_of_2019_has_its_line_without_cost_to_pay() -> None:
    facts = deal_facts(sample("webhook-record-update-full-yclients-2019.json"))
    assert facts == DealFacts(
        lines=(DealLine("service", "маникюр+снятие+гель лак", Decimal("1700.00"), None),), paid_full=True, paid=None,
        labels=(), custom={}, creator=4875640,
    )  # fmt: skip


def test_services_goods_labels_fields_and_payments_are_read() -> None:
    facts = deal_facts(
        {
            "services": [
                {"title": " Стрижка ", "cost": 2000, "cost_to_pay": "1 500,5", "category": {"title": "Волосы"}}
            ],
            "goods_transactions": [{"title": "Шампунь", "cost": 499.9, "category_title": "Уход"}],
            "record_labels": [{"id": "1", "title": "VIP"}, {"id": 2}, "x"],
            "custom_fields": {"source": "друзья", "many": ["a", {"title": "b"}], "none": None, "number": 5},
            "finance_transactions": [{"amount": 1000}, {"amount": -200}, {"amount": 77, "deleted": True}],
            "paid_full": 0,
            "created_user_id": "12",
        }
    )
    assert facts.lines == (
        DealLine("service", "Стрижка", Decimal("1500.50"), "Волосы"), DealLine("good", "Шампунь", Decimal("499.90"), "Уход"),
    )  # fmt: skip
    assert facts.labels == ("VIP",)
    assert facts.custom == {"source": "друзья", "many": "a, b", "number": "5"}
    assert (facts.paid, facts.paid_full, facts.creator) == (Decimal("800.00"), False, 12)


@pytest.mark.parametrize("empty", [None, [], {}, ""])
def test_every_kind_of_nothing_is_nothing(empty: Any) -> None:
    facts = deal_facts(dict.fromkeys(NAMES, empty))
    assert (facts.paid_full, facts.paid, facts.labels, facts.custom, facts.creator) == (None, None, (), {}, None)
    assert facts.lines in ((), None)


def test_a_record_that_tells_of_no_services_has_no_lines_rather_than_none_to_pay() -> None:
    assert deal_facts({"goods_transactions": [{"title": "Шампунь", "cost": 5}]}).lines is None


def test_a_deletion_is_told_by_the_kind_of_telling_or_by_the_record() -> None:
    assert told_of({}, status="delete", timezone=MOSCOW).deleted
    assert told_of({"deleted": 1}, status="update", timezone=MOSCOW).deleted
    told = told_of({"attendance": "2", "services": [{"cost": 5}]}, status="update", timezone=MOSCOW)
    assert (told.deleted, told.attendance, told.amount) == (False, 2, Decimal("5.00"))


@given(
    st.dictionaries(
        st.sampled_from(NAMES) | st.text(max_size=5),
        JSON | st.lists(st.dictionaries(st.sampled_from(NAMES), JSON)),
        max_size=8,
    )
)
def test_any_record_is_read_without_an_error(record: dict[str, Any]) -> None:
    facts = deal_facts(record)
    for line in facts.lines or ():
        assert line.to_pay.is_finite()
    told_of(record, status="update", timezone=MOSCOW)
