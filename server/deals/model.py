"""Deals: what a booking is in the other system's sales funnel. Pure; no I/O, no clock, no vendor words.

`deal_of` tells the deal as it should be; `sending` tells what of it is still to be sent. One booking is one deal: its
key hangs on the branch and number of the booking alone, so a booking that was moved in time, whose client was merged
with another or whose staff changed keeps its deal, and a copy, being another booking, gets its own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Context, Decimal, localcontext
from typing import Literal
from zoneinfo import ZoneInfo

from server.deals.funnel import Funnel
from server.deals.history import History, Rules, Step, Telling, Withheld, stage_history
from server.deals.titles import Title, one_line, write_title

#: A call, chat or lead longer before the deal's creation is not put down to it.
LINK_WINDOW = timedelta(days=30)
_KEY = "yclick"


# --- what is told of a booking


@dataclass(frozen=True, slots=True)
class Line:
    """A service or a good of a booking: what is to be paid for it as a whole, after discounts."""

    kind: Literal["service", "good"]
    title: str
    to_pay: Decimal
    category: str | None = None


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody of the salon, by the number the booking calls them; a creator often has no name."""

    number: int
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    number: int | None
    name: str | None = None
    phone: str | None = field(default=None, repr=False)  # E.164
    email: str | None = field(default=None, repr=False)
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Booking:
    """A booking as it stands. None: nobody told."""

    branch: int
    number: int
    branch_name: str
    changed_at: datetime
    created_at: datetime | None
    deleted: bool
    attendance: int | None
    currency: str  # ISO 4217
    timezone: ZoneInfo
    starts_at: datetime | None = None
    lines: tuple[Line, ...] | None = None
    paid_full: bool | None = None
    paid: Decimal | None = None
    client: Client | None = None
    staff: Person | None = None
    creator: Person | None = None
    online: bool | None = None
    origin: str = "unknown"
    labels: tuple[str, ...] = ()
    custom: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Lead:
    """The booking's lead as the other system knows it."""

    communication: int
    at: datetime


# --- what the owner set


@dataclass(frozen=True, slots=True)
class Responsible:
    key: str
    name: str


@dataclass(frozen=True, slots=True)
class ResponsibleRule:
    """Who answers for a deal: by the table, else the person themselves if they have a name, else the fallback."""

    by: Literal["staff", "creator"] = "staff"
    table: Mapping[int, Responsible] = field(default_factory=dict)  # by the person's number
    themselves: bool = True
    fallback: Responsible | None = None


FieldName = Literal[
    "services", "goods", "category", "branch", "online", "origin", "labels", "status", "paid_share", "currency"
]


@dataclass(frozen=True, slots=True)
class FieldRule:
    """An additional field that is on; of a custom field of the booking, `code` names it."""

    key: str
    of: FieldName | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class DealSettings:
    """The integration «Yclients передача сделок»."""

    enabled: bool
    title: Title
    responsible: ResponsibleRule
    fields: tuple[FieldRule, ...]
    rules: Rules
    words: Mapping[str, str] = field(default_factory=dict)  # what the owner reads for yes, no, origins, statuses


# --- the deal


@dataclass(frozen=True, slots=True)
class Contact:
    key: str
    name: str
    phone: str | None = field(repr=False)
    email: str | None = field(repr=False)
    created_at: datetime = field(compare=False)  # the booking's, where the client's is not known


@dataclass(frozen=True, slots=True)
class Link:
    """How the deal finds its advertising: by its lead, by calls and chats of its contact since a time, or not."""

    by: Literal["lead", "contact", "none"]
    communication: int | None = None
    since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Deal:
    key: str
    funnel_key: str
    title: str
    created_at: datetime
    changed_at: datetime
    closed_at: datetime | None
    steps: tuple[Step, ...]  # never empty; the last is where the deal stands
    withheld: tuple[Withheld, ...]
    amount: Decimal | None
    currency: str
    paid_share: Decimal | None
    contact: Contact | None
    responsible: Responsible | None
    link: Link
    fields: tuple[tuple[str, str], ...]

    @property
    def content(self) -> str:
        """Differs whenever anything but the stages differs; equal sums written otherwise (5, 5.00) are equal."""
        contact = self.contact
        return fingerprint(
            self.title, self.created_at, self.closed_at, self.amount, self.currency, self.paid_share,
            contact and (contact.key, contact.name, contact.phone, contact.email),
            self.responsible and self.responsible.key, self.link.by, self.link.communication, self.fields,
        )  # fmt: skip


def deal_key(branch: int, number: int) -> str:
    """The deal of a booking, for ever."""
    return f"{_KEY}_{branch}_{number}"


def deal_of(
    booking: Booking, tellings: Iterable[Telling], *, lead: Lead | None, funnel: Funnel, settings: DealSettings
) -> Deal:
    """The deal as it should be; `tellings` in any order, doubled or lacking some."""
    amount = total(booking.lines) if booking.lines is not None else None
    stands = Telling(booking.changed_at, 0, booking.deleted, booking.attendance, amount)
    history = stage_history(tellings, stands, created_at=booking.created_at, funnel=funnel, rules=settings.rules)
    last = history.steps[-1]
    contact = contact_of(booking, history.created_at, limit=settings.rules.text_limit)
    return Deal(
        key=deal_key(booking.branch, booking.number),
        funnel_key=funnel.key,
        title=_title(booking, settings, last.amount),
        created_at=history.created_at,
        changed_at=booking.changed_at,
        closed_at=last.at if last.stage.closed else None,
        steps=history.steps,
        withheld=history.withheld,
        amount=last.amount,
        currency=booking.currency,
        paid_share=paid_share(last.amount, paid=booking.paid, paid_full=booking.paid_full),
        contact=contact,
        responsible=responsible_of(booking, settings.responsible, limit=settings.rules.text_limit),
        link=link_of(lead, contact, created_at=history.created_at),
        fields=fields_of(booking, history, settings),
    )


# --- money


def total(lines: Sequence[Line]) -> Decimal:
    """What is to be paid for services and goods, exact to the last digit."""
    with localcontext(Context(prec=100)):
        return sum((line.to_pay for line in lines), Decimal("0.00"))


def paid_share(to_pay: Decimal | None, *, paid: Decimal | None, paid_full: bool | None) -> Decimal | None:
    """From 0 to 1 in ten thousandths, rounded down: only what is wholly paid is 1. None: not known."""
    if paid_full:
        return Decimal(1)
    if paid is None or to_pay is None or to_pay <= 0:
        return None
    share = min(max(paid / to_pay, Decimal(0)), Decimal(1))
    return share.quantize(Decimal("0.0001"), rounding="ROUND_DOWN")


def money(amount: Decimal) -> str:
    return f"{amount:.2f}"


def shortest(value: Decimal) -> str:
    """One spelling for equal numbers, without rounding: 5, 5.0 and 5.00 are `5`."""
    if not value:
        return "0"
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


# --- title, people, fields


def _title(booking: Booking, settings: DealSettings, amount: Decimal | None) -> str:
    lines = booking.lines or ()
    starts = booking.starts_at.astimezone(booking.timezone) if booking.starts_at else None
    values = {
        "number": str(booking.number),
        "client": (booking.client and booking.client.name) or "",
        "services": _titles(lines, "service"),
        "category": _categories(lines),
        "branch": booking.branch_name,
        "staff": (booking.staff and booking.staff.name) or "",
        "date": f"{starts:%d.%m.%Y}" if starts else "",
        "time": f"{starts:%H:%M}" if starts else "",
        "sum": money(amount) if amount is not None else "",
        "currency": booking.currency,
    }
    return write_title(settings.title, values, limit=settings.rules.text_limit) or f"№ {booking.number}"


def contact_of(booking: Booking, created_at: datetime, *, limit: int) -> Contact | None:
    """The deal's contact, known by the client's number, else by phone, else by e-mail; None for a booking of nobody."""
    client = booking.client
    if client is None or not (client.number or client.phone or client.email):
        return None
    known_by = (
        f"client_{client.number}" if client.number
        else f"phone_{client.phone.lstrip('+')}" if client.phone
        else f"email_{fingerprint((client.email or '').lower())[:16]}"
    )  # fmt: skip
    name = one_line(client.name or "", limit) or client.phone or client.email or f"№ {client.number}"
    key = f"{_KEY}_{booking.branch}_{known_by}"
    return Contact(key, name, client.phone or None, client.email or None, client.since or created_at)


def responsible_of(booking: Booking, rule: ResponsibleRule, *, limit: int) -> Responsible | None:
    person = booking.staff if rule.by == "staff" else booking.creator
    if person is None or person.number <= 0:  # 0: anyone, or a booking made by its client
        return rule.fallback
    if person.number in rule.table:
        return rule.table[person.number]
    name = one_line(person.name or "", limit)
    return Responsible(f"{_KEY}_{rule.by}_{person.number}", name) if rule.themselves and name else rule.fallback


def link_of(lead: Lead | None, contact: Contact | None, *, created_at: datetime) -> Link:
    """The lead says it surely; without one, or with one too old, the contact's phone or e-mail must find it."""
    since = created_at - LINK_WINDOW
    if lead is not None and lead.at >= since:
        return Link("lead", lead.communication)
    if contact is not None and (contact.phone or contact.email):
        return Link("contact", since=since)
    return Link("none")


def fields_of(booking: Booking, history: History, settings: DealSettings) -> tuple[tuple[str, str], ...]:
    """(key, value) of the additional fields that are on, in the order of the settings."""
    last, lines, limit = history.steps[-1], booking.lines or (), settings.rules.text_limit
    share = paid_share(last.amount, paid=booking.paid, paid_full=booking.paid_full)

    def word(code: str) -> str:
        return settings.words.get(code, code)

    known: dict[FieldName, str] = {
        "services": _titles(lines, "service"),
        "goods": _titles(lines, "good"),
        "category": _categories(lines),
        "branch": booking.branch_name,
        "online": "" if booking.online is None else word("yes" if booking.online else "no"),
        "origin": word(booking.origin),
        "labels": ", ".join(sorted(set(booking.labels))),
        "status": word(history.status.value),
        "paid_share": "" if share is None else shortest(share),
        "currency": booking.currency,
    }
    told = [
        (rule.key, one_line(known[rule.of] if rule.of else booking.custom.get(rule.code or "", ""), limit))
        for rule in settings.fields
    ]
    return tuple(pair for pair in told if pair[1] or settings.rules.empty_fields == "send")


def _titles(lines: Sequence[Line], kind: Literal["service", "good"]) -> str:
    return ", ".join(line.title for line in lines if line.kind == kind and line.title)


def _categories(lines: Sequence[Line]) -> str:
    return ", ".join(dict.fromkeys(line.category for line in lines if line.category))


def fingerprint(*parts: object) -> str:
    """Equal for equal contents."""
    text = json.dumps(parts, ensure_ascii=False, separators=(",", ":"), default=_plain)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return shortest(value) if isinstance(value, Decimal) else str(value)
