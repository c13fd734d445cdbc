"""Bookings: what a vendor tells of one, and in which order. Pure; no I/O, no clock, no vendor words.

The vendor's tellings come in any order, doubled, partly, with the vendor's time or without. A booking is what all its
tellings say one after the other in the order of `in_order`, so the order of arrival leaves no trace.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal, Protocol
from uuid import UUID
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
    def origin_told(self, telling: BookingTelling) -> dict[str, Any]: ...
    def origin(self, facts: Mapping[str, Any]) -> str: ...
    def phone(self, raw: str, region: str) -> str | None: ...


# --- in which order a booking's tellings come


@dataclass(frozen=True, slots=True)
class Told:
    """When a content was told, and how. Told again it is the same telling: see `twin_of`."""

    key: UUID
    content_hash: bytes
    dated: bool
    changed_at: datetime  # the vendor's time when `dated`, else `received_at`
    kind: Status  # the first in `RANK` of those it was told as
    received_at: datetime
    read_at: datetime | None = None  # when the API last answered with exactly this

    def also(self, again: Told) -> Told:
        return replace(
            self,
            kind=min(self.kind, again.kind, key=RANK.__getitem__),
            received_at=min(self.received_at, again.received_at),
            read_at=max((at for at in (self.read_at, again.read_at) if at), default=None),
        )

    @property
    def standing_rank(self) -> int:
        return RANK["read" if self.read_at else self.kind]

    @property
    def known_at(self) -> datetime:
        """The time for which what it says beside the booking (the client's contact) is known to be true."""
        return self.read_at or self.changed_at


@dataclass(frozen=True, slots=True)
class Place:
    """`outdated`: told by nobody's clock before the API was asked, so the API's answer has it or denies it."""

    told: Told
    outdated: bool


#: A webhook takes some seconds from the change to us. One without the vendor's time is older than it looks by this.
ON_THE_WAY = timedelta(seconds=10)


def in_order(tellings: Sequence[Told]) -> list[Place]:
    """The tellings of one booking, oldest first; depends on which they are, not on when each was worked on.

    The vendor's time decides, within its one second the kind, then who was first. One without that time comes after
    every one that was here before it, and after the creation.
    """
    dated = [told for told in tellings if told.dated]
    asked = max((told.read_at for told in tellings if told.read_at), default=None)

    def place(told: Told) -> tuple[Any, ...]:
        if told.dated:
            return told.changed_at, 0, told.standing_rank, told.known_at, told.received_at, told.content_hash
        own = told.received_at if told.read_at else told.received_at - ON_THE_WAY
        earlier = [
            other.changed_at for other in dated if other.received_at <= told.received_at or other.kind == "create"
        ]
        return max([own, *earlier]), 1, told.received_at, told.standing_rank, told.content_hash

    return [
        Place(told, not told.dated and asked is not None and told.received_at < asked)
        for told in sorted(tellings, key=place)
    ]


def twin_of(incoming: Told, tellings: Sequence[Told]) -> Told | None:
    """The telling that `incoming` repeats. Without the vendor's time the same words at another moment are another
    telling: a booking may be deleted, restored and deleted again."""
    return next(
        (
            told
            for told in tellings
            if (told.content_hash, told.dated) == (incoming.content_hash, incoming.dated)
            and (told.dated or told.received_at == incoming.received_at)
        ),
        None,
    )


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
    if "deleted" in telling.present:
        told["deleted"] = telling.deleted
    return told


#: Values of a contact: stored field of the booking -> field of a client. Each has a time beside it: see `AT`.
CONTACT: Mapping[str, str] = {"client_name": "name", "client_phone_raw": "phone_raw", "client_email": "email"}
AT: Mapping[str, str] = {
    "client_name": "client_name_at",
    "client_phone_raw": "client_phone_at",
    "client_email": "client_email_at",
}


def tell_client(booking: dict[str, Any], telling: BookingTelling, at: datetime) -> None:
    """Takes over the telling's client: another client replaces all, the same one only what is newer and not empty."""
    if "client" not in telling.present:
        return
    client = telling.client
    if client is None or (client.client_id is not None and client.client_id != booking["client_id"]):
        booking |= dict.fromkeys((*CONTACT, *AT.values()), None)
        booking["client_id"] = client.client_id if client else None
    if client is not None:
        tell_contact(booking, {field: getattr(client, name) for field, name in CONTACT.items()}, dict.fromkeys(AT, at))


def tell_contact(
    booking: dict[str, Any], values: Mapping[str, str | None], times: Mapping[str, datetime | None]
) -> None:
    """Takes over each value that is newer. An empty one erases nothing: it may only be hidden from who asks."""
    for field, value in values.items():
        at = times[field]
        if value and at is not None and is_later(at, value, booking[AT[field]], booking[field]):
            booking[field], booking[AT[field]] = value, at


def is_later(at: datetime, value: str, known_at: datetime | None, known: str | None) -> bool:
    """At the same time the greater value wins, so that the order of arrival does not decide."""
    return known_at is None or (at, value) > (known_at, known or "")


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
