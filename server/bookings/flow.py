"""Takes what the vendor tells into bookings and their history: webhooks, API re-reads, client changes.

Promises: applying a telling twice changes nothing; a stored booking never becomes older; where a booking came from
is read at its creation and never overwritten by later edits.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from server.accounts.model import Account, Branch
from server.bookings import store
from server.bookings.model import (
    RANK,
    BookingTelling,
    ClientTelling,
    Notice,
    Order,
    Status,
    Unread,
    Vendor,
    Version,
    changes,
    content_hash,
    order,
    told_fields,
)
from server.delivery import outbox
from server.delivery.inbox import Letter, Outcome, Rejected
from server.platform.ids import new_id
from server.platform.postgres import Conn, Row
from server.platform.vault import keyed_hash

#: Job: something about this booking changed; match it (again) and refresh its lead.
CHANGED_JOB = "booking.changed"
#: Job: read this booking by API. Coalesced: see `next_read`.
READ_JOB = "booking.read"
_FIRST_READ_AFTER = timedelta(seconds=1)
_READ_AGAIN_AFTER = timedelta(seconds=45)


@dataclass(frozen=True, slots=True)
class Desk:
    """What taking one account's tellings needs."""

    account: Account
    branches: Mapping[int, Branch]  # by company id
    vendor: Vendor
    connected: bool  # whether bookings can be read by API


async def take_letter(conn: Conn, letter: Letter, desk: Desk, *, now: datetime) -> Outcome:
    """Handler of the inbox. Items that cannot be used are rejected one by one, the others keep their effect."""
    if letter.body_size > len(letter.body):
        return Outcome("quarantined", (Rejected("oversized", f"{letter.body_size} bytes"),))
    states: list[str] = []
    rejected: list[Rejected] = []
    for notice in desk.vendor.notices(letter.body):
        result = await _take_notice(conn, notice, letter, desk, now)
        if isinstance(result, Rejected):
            rejected.append(result)
        else:
            states.append(result)
    state = next((name for name in ("stored", "kept", "duplicate") if name in states), "kept")
    return Outcome(state, tuple(rejected))


async def _take_notice(
    conn: Conn, notice: Notice | Unread, letter: Letter, desk: Desk, now: datetime
) -> str | Rejected:
    if isinstance(notice, Unread):
        return Rejected(notice.reason, notice.detail, notice.position, item=notice.item)
    branch = desk.branches.get(notice.company_id)
    if branch is None:
        detail = f"company {notice.company_id}"
        return Rejected("unknown_branch", detail, notice.position, notice.company_id, notice.item)
    if notice.resource == "record":
        return await take_booking(
            conn, notice.data or {}, desk, branch, record_id=notice.resource_id, status=notice.status,
            received_at=letter.received_at, inbox_id=letter.inbox_id, now=now,
        )  # fmt: skip
    if notice.resource == "client":
        return await _take_client(conn, notice, letter, desk)
    return "kept"


async def take_booking(
    conn: Conn,
    data: Mapping[str, Any],
    desk: Desk,
    branch: Branch,
    *,
    record_id: int,
    status: Status,
    received_at: datetime,
    inbox_id: UUID | None,
    now: datetime,
) -> str:
    """Applies one telling of a booking; answers `stored` or `duplicate`."""
    account_id = desk.account.account_id
    telling = desk.vendor.booking(
        data, company_id=branch.company_id, record_id=record_id, status=status, timezone=ZoneInfo(branch.timezone)
    )
    await store.lock_record(conn, account_id, branch.company_id, record_id)
    row = await store.by_record(conn, account_id, branch.company_id, record_id)
    incoming = Version(telling.changed_at or received_at, RANK[status], content_hash(data, deleted=telling.deleted))
    place = order(_version(row), incoming)
    booking_id: UUID = row["booking_id"] if row else new_id()
    dated = telling.changed_at is not None and status != "read"
    if row and dated and await store.seen_before(conn, account_id, booking_id, incoming.content_hash):
        place = Order.SAME  # a state seen before is a repeat, also when it looks newer by the rank of its kind
    if place is Order.SAME:
        if status != "read":
            await _ask_to_read(conn, desk, row, booking_id, now, needed=False)
        return "duplicate"
    applied = place is not Order.OLDER
    after = _merged(row, telling, data, desk, branch, booking_id, incoming, status, received_at, now, applied=applied)
    before = dict(row) if row else None
    await store.save(conn, after)
    await store.add_history(
        conn, account_id, booking_id, new_id(),
        changed_at=incoming.changed_at, received_at=received_at, status=status, applied=applied,
        changes=changes(before, {field: after[field] for field in SHOWN}),
        content_hash=incoming.content_hash, inbox_id=inbox_id, raw=data,
    )  # fmt: skip
    await outbox.enqueue(conn, account_id, CHANGED_JOB, str(booking_id), run_at=now)
    if status != "read":
        await _ask_to_read(conn, desk, row, booking_id, now, needed=True)
    return "stored"


#: Fields whose changes stand in the history.
SHOWN = (
    "starts_at", "attendance", "deleted", "services", "amount", "staff_id", "staff_name", "client_id", "client_name",
    "comment", "online", "origin",
)  # fmt: skip


def _version(row: Row | None) -> Version | None:
    return Version(row["changed_at"], row["change_rank"], bytes(row["content_hash"])) if row else None


def _merged(
    row: Row | None,
    telling: BookingTelling,
    data: Mapping[str, Any],
    desk: Desk,
    branch: Branch,
    booking_id: UUID,
    incoming: Version,
    status: Status,
    received_at: datetime,
    now: datetime,
    *,
    applied: bool,
) -> dict[str, Any]:
    """The row as it stands after this telling. An older one only fills what nobody has told yet."""
    booking: dict[str, Any] = dict(row) if row else _blank(branch, telling, desk, booking_id, received_at)
    told = told_fields(telling)
    for field, value in told.items():
        if applied or booking[field] is None:
            booking[field] = value
    if applied:
        booking["deleted"] = telling.deleted
        booking["changed_at"], booking["change_rank"] = incoming.changed_at, incoming.rank
        booking["content_hash"] = incoming.content_hash
        booking["raw"] = dict(data) if row is None or len(data) >= len(row["raw"]) else {**row["raw"], **data}
    if telling.created_at is not None:
        booking["created_at"], booking["created_known"] = telling.created_at, True
    booking["received_at"] = min(booking["received_at"], received_at)
    booking["updated_at"] = now
    _fix_origin(booking, telling, desk, status)
    booking["mark"] = booking["mark"] or telling.mark
    _hash_contact(booking, desk.account, desk.vendor)
    return booking


def _blank(
    branch: Branch, telling: BookingTelling, desk: Desk, booking_id: UUID, received_at: datetime
) -> dict[str, Any]:
    unknown = (
        "starts_at", "starts_at_local", "online", "attendance", "client_id", "client_name", "client_phone",
        "client_phone_raw", "client_email", "phone_hash", "email_hash", "services", "amount", "staff_id", "staff_name",
        "length_s", "vendor_visit_id", "activity_id", "comment", "mark",
    )  # fmt: skip
    return {
        "account_id": desk.account.account_id, "booking_id": booking_id, "branch_id": branch.branch_id,
        "company_id": branch.company_id, "record_id": telling.record_id, "currency": desk.account.currency,
        "created_at": received_at, "created_known": False, "received_at": received_at, "origin": "unknown",
        "origin_facts": {}, "origin_fixed": False, "deleted": False, "raw": {}, **dict.fromkeys(unknown),
    }  # fmt: skip


def _fix_origin(booking: dict[str, Any], telling: BookingTelling, desk: Desk, status: Status) -> None:
    """Where it came from: the creation says it best; until that is seen, any telling that speaks of it."""
    if booking["origin_fixed"] or not telling.present & {"online", "origin"}:
        return
    booking["online"] = telling.online
    booking["origin"], booking["origin_facts"] = desk.vendor.origin(telling)
    booking["origin_fixed"] = status == "create"


def _hash_contact(booking: dict[str, Any], account: Account, vendor: Vendor) -> None:
    phone = vendor.phone(booking["client_phone_raw"] or "", account.phone_region)
    email = (booking["client_email"] or "").strip().lower()
    booking["client_phone"] = phone
    booking["phone_hash"] = keyed_hash(account.hash_key, f"phone:{phone}") if phone else None
    booking["email_hash"] = keyed_hash(account.hash_key, f"email:{email}") if "@" in email else None


# --- re-reading by API


async def _ask_to_read(
    conn: Conn, desk: Desk, row: Row | None, booking_id: UUID, now: datetime, *, needed: bool
) -> None:
    """A webhook says "look": one read soon, then at most one in 45 seconds, however many webhooks come."""
    if not desk.connected or not needed:
        return
    run_at = next_read(row["read_at"] if row else None, now)
    await outbox.enqueue(conn, desk.account.account_id, READ_JOB, str(booking_id), run_at=run_at)


def next_read(last_read: datetime | None, now: datetime) -> datetime:
    """When a booking may be read again: 15 edits in a minute are two reads."""
    soon = now + _FIRST_READ_AFTER
    return soon if last_read is None else max(soon, last_read + _READ_AGAIN_AFTER)


# --- clients


async def _take_client(conn: Conn, notice: Notice, letter: Letter, desk: Desk) -> str:
    """A client's newer name, phone or e-mail also reaches their bookings."""
    account, company_id, client_id = desk.account, notice.company_id, notice.resource_id
    data = notice.data or {}
    telling = desk.vendor.client(data, client_id=client_id)
    deleted = notice.status == "delete"
    await store.lock_record(conn, account.account_id, company_id, -client_id)
    row = await store.client_by_id(conn, account.account_id, company_id, client_id)
    changed_at = telling.changed_at or letter.received_at
    fingerprint = content_hash(data, deleted=deleted)
    if row and (bytes(row["content_hash"]) == fingerprint or row["changed_at"] > changed_at):
        return "duplicate"
    contact = _contact(telling, account, desk.vendor)
    fields = {**contact, "changed_at": changed_at, "deleted": deleted, "content_hash": fingerprint, "raw": dict(data)}
    await store.save_client(conn, account.account_id, company_id, client_id, fields)
    if not deleted:
        for booking_id in await store.refresh_contacts(conn, account.account_id, company_id, client_id, contact):
            await outbox.enqueue(conn, account.account_id, CHANGED_JOB, str(booking_id), run_at=letter.received_at)
    return "stored"


def _contact(telling: ClientTelling, account: Account, vendor: Vendor) -> dict[str, Any]:
    phone = vendor.phone(telling.phone_raw or "", account.phone_region)
    email = (telling.email or "").strip().lower() or None
    return {
        "name": telling.name,
        "phone": phone,
        "phone_raw": telling.phone_raw or None,
        "email": telling.email or None,
        "phone_hash": keyed_hash(account.hash_key, f"phone:{phone}") if phone else None,
        "email_hash": keyed_hash(account.hash_key, f"email:{email}") if email and "@" in email else None,
    }
