"""A record or client of YCLIENTS, from a webhook or from the API, as typed facts.

Every field is optional and every shape is doubted: "empty" comes as null, [], {} or "", numbers as digits, flags as
0/"0"/false, times in three syntaxes within one record. A field of a wrong shape is absent, never an error.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

from server.yclients.webhooks import whole_id

Origin = Literal["widget_desktop", "widget_mobile", "mobile_app", "staff", "api", "import", "unknown"]
_MARK = re.compile(r"[0-9A-Za-z]{22}", re.ASCII)
_MARK_NAMES = ("yextrafield_yclick", "aextrafield_yclick", "extrafield_yclick", "yclick")
_TEXT_LIMIT = 2000


@dataclass(frozen=True, slots=True)
class Service:
    id: int | None
    title: str
    cost: Decimal  # what is to be paid, in currency units


@dataclass(frozen=True, slots=True)
class ClientFacts:
    client_id: int | None
    name: str | None
    phone_raw: str | None = field(repr=False)
    email: str | None = field(repr=False)
    changed_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class OriginFacts:
    """The fields that tell where a record came from, as sent; kept beside every classification."""

    online: bool | None = None
    is_mobile: int | None = None
    bookform_id: int | None = None
    record_from: str | None = None
    from_url: str | None = None
    api_id: str | None = None
    created_user_id: int | None = None
    told: frozenset[str] = field(default=frozenset(), compare=False)  # which of them the payload carried


ORIGIN_FIELDS = ("online", "is_mobile", "bookform_id", "record_from", "from_url", "api_id", "created_user_id")


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """One telling of a record. `present` names the fields that the payload really carried."""

    company_id: int
    record_id: int
    changed_at: datetime | None
    created_at: datetime | None
    starts_at: datetime | None
    starts_at_local: str | None
    online: bool | None
    attendance: int | None
    deleted: bool
    services: tuple[Service, ...] | None
    amount: Decimal | None
    client: ClientFacts | None
    comment: str | None
    staff_id: int | None
    staff_name: str | None
    seance_length_s: int | None
    vendor_visit_id: int | None
    activity_id: int | None
    origin: OriginFacts
    mark: str | None
    present: frozenset[str]


def record_facts(
    data: Mapping[str, Any], *, company_id: int, record_id: int, status: str | None, timezone: ZoneInfo
) -> RecordFacts:
    """The facts of one record. `timezone` is the branch's: the wall clock of `date` is trusted over the offset of
    `datetime`, which was seen wrong in summer time."""
    starts_at, starts_local = _start(data, timezone)
    services = _services(data.get("services")) if isinstance(data.get("services"), list) else None
    goods = _services(data.get("goods_transactions")) if isinstance(data.get("goods_transactions"), list) else ()
    staff = data.get("staff")
    facts = RecordFacts(
        company_id=company_id,
        record_id=record_id,
        changed_at=moment(data.get("last_change_date"), timezone),
        created_at=moment(data.get("create_date"), timezone),
        starts_at=starts_at,
        starts_at_local=starts_local,
        online=flag(data.get("online")),
        attendance=_attendance(data),
        deleted=status == "delete" or flag(data.get("deleted")) is True,
        services=services,
        amount=_total((*services, *goods)) if services is not None else None,
        client=client_facts(data["client"]) if isinstance(data.get("client"), dict) and data["client"] else None,
        comment=_text(data.get("comment")),
        staff_id=whole_id(data.get("staff_id")),
        staff_name=_text(staff.get("name")) if isinstance(staff, dict) else None,
        seance_length_s=_first_count(data, "seance_length", "length"),
        vendor_visit_id=whole_id(data.get("visit_id")),
        activity_id=whole_id(data.get("activity_id")),
        origin=origin_facts(data),
        mark=_mark(data),
        present=frozenset(),
    )
    present = _present(facts, data)
    if facts.deleted or status == "read" or flag(data.get("deleted")) is not None:
        present |= {"deleted"}  # a record the API shows is there
    return replace(facts, present=present)


_CARRIED_BY = {
    "starts_at": ("date", "datetime"), "starts_at_local": ("date", "datetime"), "attendance": ("attendance", "visit_attendance"),
    "services": ("services",), "amount": ("services",), "comment": ("comment",), "staff_id": ("staff_id",),
    "staff_name": ("staff",), "seance_length_s": ("seance_length", "length"), "vendor_visit_id": ("visit_id",),
    "activity_id": ("activity_id",), "client": ("client",), "online": ("online",),
    "origin": ("is_mobile", "bookform_id", "record_from", "from_url", "api_id", "created_user_id"),
}  # fmt: skip
_NEVER_EMPTIED = frozenset({"starts_at", "starts_at_local", "attendance", "services", "amount", "online"})


def _present(facts: RecordFacts, data: Mapping[str, Any]) -> frozenset[str]:
    """A field is present when the payload has it; one whose value cannot be read is not (but may be emptied)."""
    return frozenset(
        name
        for name, keys in _CARRIED_BY.items()
        if any(key in data for key in keys) and not (name in _NEVER_EMPTIED and getattr(facts, name) is None)
    )


def client_facts(data: Mapping[str, Any], *, client_id: int | None = None) -> ClientFacts:
    """A client, on their own or inside a record. The phone stays as written; it may come as a number."""
    parts = [_text(data.get(name)) for name in ("name", "patronymic", "surname")]
    name = " ".join(part for part in parts if part) or _text(data.get("display_name"))
    phone = data.get("phone")
    if isinstance(phone, int) and not isinstance(phone, bool):
        phone = str(phone) if phone > 0 else None
    if isinstance(phone, str) and "*" in phone:
        phone = None  # hidden from who asks
    return ClientFacts(
        client_id=client_id or whole_id(data.get("id")),
        name=name or None,
        phone_raw=_text(phone) or None,
        email=_text(data.get("email")) or None,
        changed_at=moment(data.get("last_change_date"), ZoneInfo("UTC")),
    )


def origin_facts(data: Mapping[str, Any]) -> OriginFacts:
    online, is_mobile = flag(data.get("online")), _count(data.get("is_mobile"))
    unread = {name for name, value in (("online", online), ("is_mobile", is_mobile)) if value is None}
    return OriginFacts(
        online=online,
        is_mobile=is_mobile,
        bookform_id=whole_id(data.get("bookform_id")),
        record_from=_text(data.get("record_from")) or None,
        from_url=_text(data.get("from_url")) or None,
        api_id=_text(data.get("api_id")) or None,
        created_user_id=whole_id(data.get("created_user_id")),
        told=frozenset(name for name in ORIGIN_FIELDS if name in data and name not in unread),
    )


def origin_of(facts: Mapping[str, Any]) -> OriginFacts:
    """The facts that were kept as a mapping."""
    known: dict[str, Any] = {name: facts.get(name) for name in ORIGIN_FIELDS}
    return OriginFacts(**known)


#: Names of the vendor's own apps and marketplaces as seen in `record_from` (substring rules of one production
#: dashboard; the literal values of today are unconfirmed).
_APP_NAMES = ("yplaces", "app", "приложени", "яндекс", "yandex", "2гис", "2gis", "вконтакте", "vkontakte", "telegram")


def classify_origin(facts: OriginFacts, *, our_api_prefix: str = "yclick:") -> Origin:
    """Where a record came from; the raw fields are kept beside it, for the rules are partly inferred.

    `is_mobile` 1 and 2 mean the online widget on a phone and on a desktop, 0 an administrator; `online` is false when
    an administrator entered the record. An online record of no form is the app's, or another online channel's.
    """
    if facts.api_id and facts.api_id.startswith(our_api_prefix):
        return "api"
    if facts.online is not False:
        if facts.is_mobile in (1, 2):
            return "widget_mobile" if facts.is_mobile == 1 else "widget_desktop"
        if facts.bookform_id:
            return "widget_desktop"
        if facts.online:
            named = (facts.record_from or "").lower()
            return "mobile_app" if not named or any(name in named for name in _APP_NAMES) else "unknown"
        return "unknown"
    return "api" if facts.api_id else "staff"


# --- the mark inside the record


def _mark(data: Mapping[str, Any]) -> str | None:
    """Our mark where YCLIENTS itself may have kept it: `from_url`, `referrer`, custom fields, comment of the form."""
    for name in ("from_url", "referrer"):
        value = data.get(name)
        if isinstance(value, str) and "yclick" in value:
            found = _mark_in_text(value[:8000])
            if found:
                return found
    client = data.get("client")
    for holder in (data.get("custom_fields"), client.get("custom_fields") if isinstance(client, dict) else None):
        if isinstance(holder, dict):
            found = _mark_in_mapping(holder)
            if found:
                return found
    return None


def _mark_in_text(text: str) -> str | None:
    if text.lstrip().startswith("{"):
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return None
        return _mark_in_mapping(document) if isinstance(document, dict) else None
    try:
        parts = urlsplit(text)
        pairs = parse_qsl(parts.query, max_num_fields=100) + parse_qsl(
            parts.fragment.partition("?")[2], max_num_fields=100
        )
    except ValueError:
        return None
    return _mark_in_mapping(dict(reversed(pairs)))


def _mark_in_mapping(values: Mapping[Any, Any]) -> str | None:
    for name in _MARK_NAMES:
        value = values.get(name)
        if isinstance(value, str) and _MARK.fullmatch(value):
            return value
    return None


# --- readers of single values


def flag(value: Any) -> bool | None:
    if isinstance(value, bool):
        return value
    return (
        {0: False, 1: True, "0": False, "1": True, "false": False, "true": True}.get(value)
        if isinstance(value, (int, str))
        else None
    )


def _text(value: Any) -> str | None:
    return value.strip()[:_TEXT_LIMIT] if isinstance(value, str) else None


def _count(value: Any) -> int | None:
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?[0-9]{1,9}", value, re.ASCII):
        return int(value)
    return value if isinstance(value, int) and abs(value) < 1 << 31 else None


def _first_count(data: Mapping[str, Any], *names: str) -> int | None:
    """The first of several names of one field that holds a number: the others come empty or not at all."""
    return next((count for count in (_count(data.get(name)) for name in names) if count is not None), None)


def _attendance(data: Mapping[str, Any]) -> int | None:
    value = _first_count(data, "attendance", "visit_attendance")
    return value if value in (-1, 0, 1, 2) else None


def _services(items: Any) -> tuple[Service, ...]:
    return tuple(
        Service(whole_id(item.get("id")), _text(item.get("title")) or "", _cost(item))
        for item in items[:200]
        if isinstance(item, dict)
    )


def _cost(item: Mapping[str, Any]) -> Decimal:
    """`cost_to_pay` where it exists (absent before 2020), else `cost`; whole currency units, not kopecks."""
    for name in ("cost_to_pay", "cost", "price"):
        amount = _money(item.get(name))
        if amount is not None:
            return amount
    return Decimal(0)


def _money(value: Any) -> Decimal | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        amount = Decimal(str(value).replace(",", ".").replace(" ", "")[:32])
        # Compared without `abs`: rounding a number of an absurd exponent to the context raises.
        inside = amount.is_finite() and -_MOST <= amount <= _MOST
        return amount.quantize(Decimal("0.01")) if inside else None
    except ArithmeticError:  # of decimal: no number, or one of an absurd exponent
        return None


#: What numeric(14, 2) holds; no amount of a salon comes near it.
_MOST = Decimal("999999999999.99")


def _total(lines: Sequence[Service]) -> Decimal:
    return min(_MOST, max(-_MOST, sum((line.cost for line in lines), Decimal(0))))


def _start(data: Mapping[str, Any], timezone: ZoneInfo) -> tuple[datetime | None, str | None]:
    for name in ("date", "datetime"):
        value = data.get(name)
        if name == "datetime" and isinstance(value, (int, str)) and str(value).isdigit():
            found = moment(value, timezone)
            wall = found.astimezone(timezone).replace(tzinfo=None) if found else None
        else:
            wall = _wall_clock(value)
        if wall is not None:
            try:
                return wall.replace(tzinfo=timezone).astimezone(UTC), wall.strftime("%Y-%m-%dT%H:%M")
            except (OverflowError, ValueError):
                return None, None
    return None, None


_WALL = re.compile(r"(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d))?", re.ASCII)


def _wall_clock(value: Any) -> datetime | None:
    found = _WALL.match(value) if isinstance(value, str) else None
    if not found:
        return None
    try:
        wall = datetime(*(int(part or 0) for part in found.groups()))  # type: ignore[arg-type]  # noqa: DTZ001
    except ValueError:
        return None
    return wall if 1970 < wall.year < 2200 else None


def moment(value: Any, timezone: ZoneInfo) -> datetime | None:
    """An instant in any of the syntaxes seen: `…+0500`, `…+05:00`, with milliseconds, without zone, unix seconds."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= 12:
        value = int(value)
    try:
        if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 7_258_118_400:
            return datetime.fromtimestamp(value, UTC)
        if not isinstance(value, str) or len(value) > 40:
            return None
        parsed = datetime.fromisoformat(value.strip())
    except (ValueError, OverflowError):
        return None
    if not 1970 < parsed.year < 2200:
        return None
    return (parsed if parsed.tzinfo else parsed.replace(tzinfo=timezone)).astimezone(UTC)
