"""Bookings: what a vendor tells of one, and which telling is newer. Pure; no I/O, no clock, no vendor words.

The vendor's tellings come in any order, doubled, partly. A stored booking is never older than one stored before.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, Protocol
from zoneinfo import ZoneInfo

Status = Literal["create", "update", "delete", "read"]
#: Within one second of the vendor's clock: a deletion is newer than an edit, an edit than the creation, and what
#: the API answered (`read`) than anything a webhook carried.
RANK: Mapping[Status, int] = {"create": 0, "update": 1, "delete": 2, "read": 3}


# --- what a vendor module hands over (declared here, satisfied there)


class ServiceLine(Protocol):
    @property
    def id(self) -> int | None: ...
    @property
    def title(self) -> str: ...
    @property
    def cost(self) -> Decimal: ...


class ClientTelling(Protocol):
    @property
    def client_id(self) -> int | None: ...
    @property
    def name(self) -> str | None: ...
    @property
    def phone_raw(self) -> str | None: ...
    @property
    def email(self) -> str | None: ...
    @property
    def changed_at(self) -> datetime | None: ...


class BookingTelling(Protocol):
    """One telling of a booking. `present` names the attributes the telling really carried."""

    @property
    def company_id(self) -> int: ...
    @property
    def record_id(self) -> int: ...
    @property
    def changed_at(self) -> datetime | None: ...
    @property
    def created_at(self) -> datetime | None: ...
    @property
    def starts_at(self) -> datetime | None: ...
    @property
    def starts_at_local(self) -> str | None: ...
    @property
    def online(self) -> bool | None: ...
    @property
    def attendance(self) -> int | None: ...
    @property
    def deleted(self) -> bool: ...
    @property
    def services(self) -> Sequence[ServiceLine] | None: ...
    @property
    def amount(self) -> Decimal | None: ...
    @property
    def client(self) -> ClientTelling | None: ...
    @property
    def comment(self) -> str | None: ...
    @property
    def staff_id(self) -> int | None: ...
    @property
    def staff_name(self) -> str | None: ...
    @property
    def seance_length_s(self) -> int | None: ...
    @property
    def vendor_visit_id(self) -> int | None: ...
    @property
    def activity_id(self) -> int | None: ...
    @property
    def mark(self) -> str | None: ...
    @property
    def present(self) -> frozenset[str]: ...


@dataclass(frozen=True, slots=True)
class Notice:
    """One item of a webhook body: something happened to a resource."""

    company_id: int
    resource: str
    resource_id: int
    status: Status
    data: Mapping[str, Any] | None
    position: int
    item: bytes  # the item alone, as JSON


@dataclass(frozen=True, slots=True)
class Unread:
    """An item that cannot be read as a notice."""

    reason: str
    detail: str
    position: int
    item: bytes | None  # None: the body as a whole


class Vendor(Protocol):
    """How bookings read what their vendor sends; made by the vendor's module, wired in the composition root."""

    def notices(self, body: bytes) -> list[Notice | Unread]: ...
    def booking(
        self, data: Mapping[str, Any], *, company_id: int, record_id: int, status: Status, timezone: ZoneInfo
    ) -> BookingTelling: ...
    def client(self, data: Mapping[str, Any], *, client_id: int) -> ClientTelling: ...
    def origin(self, telling: BookingTelling) -> tuple[str, dict[str, Any]]: ...
    def phone(self, raw: str, region: str) -> str | None: ...


# --- which telling is newer


class Order(StrEnum):
    NEW = "new"
    NEWER = "newer"
    SAME = "same"
    OLDER = "older"
    TIE = "tie"  # same second, same kind, other content: only the API can decide


@dataclass(frozen=True, slots=True)
class Version:
    changed_at: datetime
    rank: int
    content_hash: bytes


def order(stored: Version | None, incoming: Version) -> Order:
    """Where `incoming` stands to what is stored."""
    if stored is None:
        return Order.NEW
    if stored.content_hash == incoming.content_hash:
        return Order.SAME
    if incoming.changed_at != stored.changed_at:
        return Order.NEWER if incoming.changed_at > stored.changed_at else Order.OLDER
    if incoming.rank != stored.rank:
        return Order.NEWER if incoming.rank > stored.rank else Order.OLDER
    return Order.TIE


def content_hash(data: Mapping[str, Any], *, deleted: bool) -> bytes:
    """Equal for equal contents, whatever the order of keys; a deletion differs from what it deletes."""
    text = json.dumps(data, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(f"{int(deleted)}{text}".encode("utf-8", "surrogatepass")).digest()


# --- the booking itself

#: Stored field -> attributes of a telling that carry it.
FIELDS: Mapping[str, str] = {
    "starts_at": "starts_at",
    "starts_at_local": "starts_at_local",
    "attendance": "attendance",
    "services": "services",
    "amount": "amount",
    "comment": "comment",
    "staff_id": "staff_id",
    "staff_name": "staff_name",
    "length_s": "seance_length_s",
    "vendor_visit_id": "vendor_visit_id",
    "activity_id": "activity_id",
}


def told_fields(telling: BookingTelling) -> dict[str, Any]:
    """The stored fields this telling speaks of; one it does not carry is absent, one it empties is None."""
    told = {field: getattr(telling, attribute) for field, attribute in FIELDS.items() if attribute in telling.present}
    if "services" in told and told["services"] is not None:
        told["services"] = [
            {"id": line.id, "title": line.title, "cost": f"{line.cost:.2f}"} for line in told["services"]
        ]
    if "client" in telling.present:
        client = telling.client
        told |= {
            "client_id": client.client_id if client else None,
            "client_name": client.name if client else None,
            "client_phone_raw": client.phone_raw if client else None,
            "client_email": client.email if client else None,
        }
    return told


def changes(before: Mapping[str, Any] | None, after: Mapping[str, Any]) -> dict[str, list[Any]]:
    """Field → [before, after], as text, for the history. Phones are left out: the history is read by many."""
    if before is None:
        return {}
    return {
        field: [_shown(before.get(field)), _shown(value)]
        for field, value in after.items()
        if before.get(field) != value and "phone" not in field and "email" not in field
    }


def _shown(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else str(value) if isinstance(value, Decimal) else value


class BookingStatus(StrEnum):
    WAITING = "waiting"
    CONFIRMED = "confirmed"
    CAME = "came"
    NO_SHOW = "no_show"
    DELETED = "deleted"


def booking_status(attendance: int | None, deleted: bool) -> BookingStatus:
    """2 confirmed by the client, 1 came, −1 did not come, 0 or unknown: waiting."""
    if deleted:
        return BookingStatus.DELETED
    known = {2: BookingStatus.CONFIRMED, 1: BookingStatus.CAME, -1: BookingStatus.NO_SHOW}
    return known.get(attendance or 0, BookingStatus.WAITING)
