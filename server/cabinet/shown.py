"""How facts are shown: dates by the branch's clock, money, phones, links that are safe to follow."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_currency


def moment(at: datetime | str | None, zone: str, locale: str) -> str:
    if at is None:
        return ""
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    return format_datetime(at, "d MMM y, HH:mm", tzinfo=ZoneInfo(zone), locale=locale)


def clock(at: datetime | str, zone: str) -> str:
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    return f"{at.astimezone(ZoneInfo(zone)):%H:%M:%S}"


def money(amount: Decimal | str | None, currency: str, locale: str) -> str:
    if amount is None:
        return ""
    amount = Decimal(amount)
    whole = amount == amount.to_integral_value()
    return format_currency(amount, currency, "#,##0 ¤" if whole else None, locale=locale, currency_digits=not whole)


def phone(number: str | None) -> str:
    """+79161234567 → +7 916 123-45-67; other countries are left as they are."""
    if number and len(number) == 12 and number.startswith("+7") and number[1:].isdigit():
        return f"{number[:2]} {number[2:5]} {number[5:8]}-{number[8:10]}-{number[10:]}"
    return number or ""


def web_link(url: str | None) -> str | None:
    """The address if it may become a link: http and https only, never `javascript:` and its kin."""
    try:
        return url if url and urlsplit(url).scheme in ("http", "https") else None
    except ValueError:
        return None


def pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def percent(share: float) -> str:
    """Whole percent; only an exact match is shown as 100."""
    return "100 %" if share >= 1 else f"{min(99, int(share * 100))} %"
