"""What a deal needs of a record of YCLIENTS beyond what a booking keeps: lines with categories, payment, labels, fields.

The same doubt as in `records`: every field is optional, and one of a wrong shape is absent, never an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from typing import Any, Literal
from zoneinfo import ZoneInfo

from server.yclients.records import flag, record_facts
from server.yclients.webhooks import whole_id

_LINES_MOST = 200
_TEXT_MOST = 500
_MONEY_MOST = Decimal(10) ** 11


@dataclass(frozen=True, slots=True)
class DealLine:
    kind: Literal["service", "good"]
    title: str
    to_pay: Decimal
    category: str | None


@dataclass(frozen=True, slots=True)
class DealFacts:
    """`lines` None: the record told of no services. `paid`: what came in, where the API told of payments."""

    lines: tuple[DealLine, ...] | None
    paid_full: bool | None
    paid: Decimal | None
    labels: tuple[str, ...]
    custom: Mapping[str, str] = field(default_factory=dict)
    creator: int | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """One telling of a record, as far as stages go by it. None: it did not speak of it."""

    deleted: bool
    attendance: int | None
    amount: Decimal | None


def deal_facts(data: Mapping[str, Any]) -> DealFacts:
    services, goods = data.get("services"), data.get("goods_transactions")
    lines = None
    if isinstance(services, list):
        lines = (*_lines(services, "service"), *_lines(goods if isinstance(goods, list) else [], "good"))
    return DealFacts(
        lines=lines,
        paid_full=flag(data.get("paid_full")),
        paid=_paid(data.get("finance_transactions")),
        labels=_labels(data.get("record_labels")),
        custom=_custom(data.get("custom_fields")),
        creator=whole_id(data.get("created_user_id")),
    )


def told_of(data: Mapping[str, Any], *, status: str, timezone: ZoneInfo) -> Told:
    facts = record_facts(data, company_id=0, record_id=0, status=status, timezone=timezone)
    return Told(facts.deleted, facts.attendance, facts.amount)


def _lines(items: list[Any], kind: Literal["service", "good"]) -> tuple[DealLine, ...]:
    return tuple(
        DealLine(kind, _text(item.get("title")), _cost(item), _category(item))
        for item in items[:_LINES_MOST]
        if isinstance(item, dict)
    )


def _cost(item: Mapping[str, Any]) -> Decimal:
    """As a booking reads it: `cost_to_pay` where it exists, else `cost`."""
    amounts = (_money(item.get(name)) for name in ("cost_to_pay", "cost", "price"))
    return next((amount for amount in amounts if amount is not None), Decimal(0))


def _category(item: Mapping[str, Any]) -> str | None:
    """Records name it seldom; under which of these is not documented."""
    category = item.get("category")
    named = category.get("title") if isinstance(category, dict) else category
    return _text(named) or _text(item.get("category_title")) or None


def _paid(transactions: Any) -> Decimal | None:
    """Money that came in, less what went back; None where the record tells of no payments at all."""
    if not isinstance(transactions, list) or not transactions:
        return None
    rows = [
        item for item in transactions[:_LINES_MOST] if isinstance(item, dict) and flag(item.get("deleted")) is not True
    ]
    amounts = [amount for item in rows if (amount := _money(item.get("amount"))) is not None]
    return sum(amounts, Decimal(0)) if amounts else None


def _labels(items: Any) -> tuple[str, ...]:
    rows = items[:_LINES_MOST] if isinstance(items, list) else []
    return tuple(title for item in rows if isinstance(item, dict) and (title := _text(item.get("title"))))


def _custom(fields: Any) -> dict[str, str]:
    """`{code: value}`, or `[]` when there are none; a list of chosen values becomes one text."""
    if not isinstance(fields, dict):
        return {}
    told = {str(code): _value(value) for code, value in list(fields.items())[:_LINES_MOST]}
    return {code: text for code, text in told.items() if text}


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(text for item in value[:_LINES_MOST] if (text := _value(item)))
    if isinstance(value, dict):
        return _text(value.get("title")) or _text(value.get("value"))
    return (
        _text(value) if isinstance(value, str) else str(value)[:_TEXT_MOST] if isinstance(value, (int, float)) else ""
    )


def _text(value: Any) -> str:
    return value.strip()[:_TEXT_MOST] if isinstance(value, str) else ""


def _money(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        amount = Decimal(str(value).replace(",", ".").replace(" ", "")[:32])
        inside = amount.is_finite() and -_MONEY_MOST < amount < _MONEY_MOST
        return amount.quantize(Decimal("0.01")) if inside else None
    except InvalidOperation:
        return None
