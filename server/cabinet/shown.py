"""How facts are shown: dates by the branch's clock, money, phones, links that are safe to follow."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import unquote, urlsplit
from zoneinfo import ZoneInfo

import idna
from babel.dates import format_datetime
from babel.numbers import format_currency, format_decimal

from server.bookings.model import booking_status
from server.cabinet import words
from server.platform.notes import spoken
from server.platform.postgres import Row


def moment(at: datetime | str | None, zone: str, locale: str) -> str:
    if at is None:
        return ""
    at = datetime.fromisoformat(at) if isinstance(at, str) else at
    return format_datetime(at, "d MMM y, HH:mm", tzinfo=ZoneInfo(zone), locale=locale)


def clock(at: datetime | str, zone: str, day: datetime | None, locale: str) -> str:
    """The time of the day, with the date where it is not the day of what is looked at."""
    local = (datetime.fromisoformat(at) if isinstance(at, str) else at).astimezone(ZoneInfo(zone))
    if day is None or local.date() == day.astimezone(ZoneInfo(zone)).date():
        return f"{local:%H:%M:%S}"
    return format_datetime(local, "d MMM y, HH:mm:ss", tzinfo=ZoneInfo(zone), locale=locale)


def money(amount: Decimal | str | None, currency: str, locale: str) -> str:
    if amount is None:
        return ""
    amount = Decimal(amount)
    whole = amount == amount.to_integral_value()
    pattern = "#,##0\u00a0¤" if whole else "#,##0.00\u00a0¤"
    return format_currency(amount, currency, pattern, locale=locale, currency_digits=False)


def bits(weight: float, locale: str) -> str:
    """«+20,0», "+20.0"."""
    return format_decimal(weight, "+#,##0.0;-#,##0.0", locale=locale)


def host(name: str) -> str:
    """A host as its owner writes it: `xn--80aqecdr1a.xn--p1ai` → «салон.рф»."""
    bare, _, port = name.partition(":")
    with contextlib.suppress(idna.IDNAError):
        bare = idna.decode(bare) if "xn--" in bare else bare
    return f"{bare}:{port}" if port else bare


#: Of a long address the eye needs the beginning.
_SHOWN_OF_ADDRESS = 160


def address_text(url: str) -> str:
    """An address for reading: percent signs resolved, the end of a long one cut off. Not to be followed."""
    read = unquote(url)
    return read if len(read) <= _SHOWN_OF_ADDRESS else f"{read[:_SHOWN_OF_ADDRESS]}…"


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


#: Two scripts see the same step of the form: the site's by its message, the form's by its own event.
_SAME_STEP_WITHIN_S = 3


def steps_once(events: Sequence[Row]) -> list[Row]:
    """A visit's events without the second telling of the same step; `events` are in time order."""
    last: dict[tuple[str, Any], datetime] = {}
    kept = []
    for item in events:
        what = (item["kind"], item["payload"].get("name"))
        before = last.get(what)
        last[what] = item["occurred_at"]
        doubled = before is not None and (item["occurred_at"] - before).total_seconds() <= _SAME_STEP_WITHIN_S
        if not (doubled and item["kind"] in ("step", "booked")):
            kept.append(item)
    return kept


#: What webhooks speak of by name; other kinds are shown as YCLIENTS calls them.
RESOURCES = ("record", "client", "good")
ACTIONS = ("create", "update", "delete")


def about_webhook(body: bytes, locale: str) -> str:
    """What a webhook speaks of, in a few words: «Запись № 123 изменена»; of several the first and how many."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    items = document if isinstance(document, list) else [document]
    first = items[0] if items and isinstance(items[0], dict) else {}
    what, number, action = (str(first.get(name) or "")[:40] for name in ("resource", "resource_id", "status"))
    if what in RESOURCES and action in ACTIONS:
        told = words.text(f"w_{what}_{action}", locale, number=number or "…")
    else:
        told = ", ".join(part for part in (f"{what} № {number}" if number else what, action) if part)
    return told + (f" (+{len(items) - 1})" if len(items) > 1 else "")


def change(field: str, value: Any, zone: str, currency: str, locale: str) -> str:
    """One side of a change in a booking's history."""
    if value in (None, "", []):
        return "—"
    if field == "starts_at":
        return moment(value, zone, locale)
    if field == "amount":
        return money(value, currency, locale)
    if field == "services":
        return ", ".join(str(line.get("title") or line.get("id")) for line in value)
    if field == "attendance":
        return words.text(f"s_{booking_status(value, False).value}", locale)
    if field == "origin":
        return words.text(f"o_{value}", locale)
    if isinstance(value, bool):
        return words.text("yes" if value else "no", locale)
    return str(value)


#: What either system may do; said of YCLIENTS where it was that one.
_OF_EITHER = ("unavailable", "limit", "not_connected")


def delivery_error(code: str, error: str | None, locale: str, over: str = "uis") -> str:
    """Why something has not arrived there: our words where we have them, else those that were noted."""
    if over == "yclients" and code in _OF_EITHER:
        return words.text(f"why_{code}", locale)
    return words.text(f"de_{code}", locale) if f"de_{code}" in words.TEXTS else spoken(error or "", locale)


def pretty(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def percent(share: float) -> str:
    """Whole percent; only an exact match is shown as 100."""
    return "100 %" if share >= 1 else f"{min(99, int(share * 100))} %"
