"""Takes what the vendor tells into bookings and their history: webhooks, API re-reads, client changes.

Promises: a booking is the same whatever the order and the doubles of what was told of it and of its client; what the
API answers stands against all that was told before it was asked; where a booking came from is read at its creation
and never overwritten by later edits.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from server.accounts import store as accounts
from server.accounts.model import Account, Branch
from server.bookings import store
from server.bookings.model import (
    AT,
    CONTACT,
    BookingTelling,
    ClientTelling,
    Notice,
    Place,
    Status,
    Told,
    Unread,
    Vendor,
    changes,
    content_hash,
    in_order,
    is_later,
    tell_client,
    tell_contact,
    told_fields,
    twin_of,
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
    readable: Collection[int] = ()  # company ids of branches whose bookings can be read by API


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
    branch = desk.branches.get(notice.company_id) or await accounts.branch_of_company(
        conn, desk.account.account_id, notice.company_id
    )  # one that another process added is not yet in this one's memory
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
    """Applies one telling of a booking; answers `stored` or `duplicate`.

    For a `read`, `received_at` is when the API was asked; it is `stored` only if it changed what stands here.
    """
    account_id = desk.account.account_id
    telling = _telling(desk, branch, record_id, status, data)
    await store.lock_record(conn, account_id, branch.company_id, record_id)
    row = await store.by_record(conn, account_id, branch.company_id, record_id)
    booking_id: UUID = row["booking_id"] if row else new_id()
    known = await store.tellings(conn, account_id, booking_id) if row else []
    # Whatever the envelope says: a webhook of a deleted record is its deletion.
    kind: Status = "delete" if telling.deleted and status != "read" else status
    told = _told(telling, data, kind, received_at)
    twin = twin_of(told, known)
    if twin is not None:
        told = twin.also(told)
        if told == twin:
            return "duplicate"
    places = in_order([*(other for other in known if other is not twin), told])
    if row and twin is None:
        ahead = places[-1] == Place(told, False) and places[:-1] == in_order(known)
    else:
        ahead = twin is not None and twin.kind == told.kind and _only_last_differs(places, in_order(known), told)
    booking = dict(row) if row else _blank(branch, desk, booking_id, record_id, received_at)
    if row is None or ahead:
        _tell(booking, desk, Place(told, False), telling, data)
    else:
        booking = await _told_anew(conn, booking, desk, branch, places, data)
    booking["updated_at"] = now
    await _take_over_client(conn, booking)
    _hash_contact(booking, desk.account, desk.vendor)
    await store.save(conn, booking)
    changed = row is None or any(row[field] != booking[field] for field in (*SHOWN, "client_phone", "client_email"))
    if twin is not None:
        await store.tell_again(conn, account_id, booking_id, told)
    else:
        await store.add_history(
            conn, account_id, booking_id, told, applied=places[-1] == Place(told, False),
            changes=changes(dict(row) if row else None, {field: booking[field] for field in SHOWN}),
            inbox_id=inbox_id, raw=data,
        )  # fmt: skip
    if twin is None or changed:
        await outbox.enqueue(conn, account_id, CHANGED_JOB, str(booking_id), run_at=now)
    if twin is None and status != "read":
        await _ask_to_read(conn, desk, branch, row, booking_id, now)
    fresh = twin is None and told.dated and status != "read"
    return "stored" if fresh or changed else "duplicate"


#: Fields whose changes stand in the history.
SHOWN = (
    "starts_at", "attendance", "deleted", "services", "amount", "staff_id", "staff_name", "client_id", "client_name",
    "comment", "online", "origin",
)  # fmt: skip


def _telling(desk: Desk, branch: Branch, record_id: int, status: Status, data: Mapping[str, Any]) -> BookingTelling:
    return desk.vendor.booking(
        data, company_id=branch.company_id, record_id=record_id, status=status, timezone=ZoneInfo(branch.timezone)
    )


def _told(telling: BookingTelling, data: Mapping[str, Any], kind: Status, received_at: datetime) -> Told:
    return Told(
        new_id(), content_hash(data, deleted=telling.deleted), telling.changed_at is not None,
        telling.changed_at or received_at, kind, received_at, received_at if kind == "read" else None,
    )  # fmt: skip


def _only_last_differs(places: list[Place], before: list[Place], told: Told) -> bool:
    """Whether all that happened is that the last telling was told again."""
    return places[:-1] == before[:-1] and places[-1] == Place(told, False) and before[-1].told.key == told.key


async def _told_anew(
    conn: Conn, row: Mapping[str, Any], desk: Desk, branch: Branch, places: list[Place], data: Mapping[str, Any]
) -> dict[str, Any]:
    """The booking from all its tellings: the one told now did not come last, or made earlier ones outdated."""
    record_id: int = row["record_id"]
    booking = _blank(branch, desk, row["booking_id"], record_id, row["received_at"])
    contents = await store.told_contents(conn, desk.account.account_id, row["booking_id"])
    for place in places:
        content = contents.get(place.told.key, data)  # only what is told now is not yet kept
        _tell(booking, desk, place, _telling(desk, branch, record_id, place.told.kind, content), content)
    return booking


def _tell(booking: dict[str, Any], desk: Desk, place: Place, telling: BookingTelling, data: Mapping[str, Any]) -> None:
    """One telling more, the next in order. Of an outdated one only what never changes is taken."""
    told = place.told
    if not place.outdated:
        booking |= told_fields(telling)
        tell_client(booking, telling, told.known_at)
        booking["changed_at"], booking["change_rank"] = told.changed_at, told.standing_rank
        booking["content_hash"] = told.content_hash
        booking["raw"] = {**booking["raw"], **data}
    booking["received_at"] = min(booking["received_at"], told.received_at)
    if telling.created_at is not None:
        booking["created_at"], booking["created_known"] = telling.created_at, True
    elif not booking["created_known"]:
        booking["created_at"] = booking["received_at"]
    _tell_origin(booking, desk, telling, told.kind)
    booking["mark"] = booking["mark"] or telling.mark


def _blank(branch: Branch, desk: Desk, booking_id: UUID, record_id: int, received_at: datetime) -> dict[str, Any]:
    unknown = (
        "starts_at", "starts_at_local", "online", "attendance", "client_id", *CONTACT, *AT.values(), "client_phone",
        "phone_hash", "email_hash", "services", "amount", "staff_id", "staff_name", "length_s", "vendor_visit_id",
        "activity_id", "comment", "mark",
    )  # fmt: skip
    return {
        "account_id": desk.account.account_id, "booking_id": booking_id, "branch_id": branch.branch_id,
        "company_id": branch.company_id, "record_id": record_id, "currency": desk.account.currency,
        "created_at": received_at, "created_known": False, "received_at": received_at, "origin": "unknown",
        "origin_facts": {}, "origin_fixed": False, "deleted": False, "raw": {}, **dict.fromkeys(unknown),
    }  # fmt: skip


def _tell_origin(booking: dict[str, Any], desk: Desk, telling: BookingTelling, kind: Status) -> None:
    """Where it came from, fact by fact: the creation says it best; else who said it first."""
    told = desk.vendor.origin_told(telling)
    if not told:
        return
    known = booking["origin_facts"]
    creation = kind == "create" and not booking["origin_fixed"]
    facts = {**known, **told} if creation else {**told, **known}
    booking["origin_facts"], booking["origin_fixed"] = facts, booking["origin_fixed"] or creation
    booking["online"], booking["origin"] = facts.get("online"), desk.vendor.origin(facts)


async def _take_over_client(conn: Conn, booking: dict[str, Any]) -> None:
    """What the client's own tellings say later than the booking's. The client is held: theirs may come just now."""
    if booking["client_id"] is None:
        return
    where = booking["account_id"], booking["company_id"], booking["client_id"]
    await store.lock_client(conn, *where)
    client = await store.client_by_id(conn, *where)
    if client is not None:
        values = {field: client[name] for field, name in CONTACT.items()}
        tell_contact(booking, values, {field: client[at.removeprefix("client_")] for field, at in AT.items()})


def _hash_contact(booking: dict[str, Any], account: Account, vendor: Vendor) -> None:
    booking["client_phone"], booking["phone_hash"], booking["email_hash"] = _derived(
        booking["client_phone_raw"], booking["client_email"], account, vendor
    )


def _derived(
    phone_raw: str | None, email: str | None, account: Account, vendor: Vendor
) -> tuple[str | None, bytes | None, bytes | None]:
    """The E.164 number and the keyed hashes of a number and an address."""
    phone = vendor.phone(phone_raw or "", account.phone_region)
    address = (email or "").strip().lower()
    return (
        phone,
        keyed_hash(account.hash_key, f"phone:{phone}") if phone else None,
        keyed_hash(account.hash_key, f"email:{address}") if "@" in address else None,
    )


# --- re-reading by API


async def _ask_to_read(
    conn: Conn, desk: Desk, branch: Branch, row: Row | None, booking_id: UUID, now: datetime
) -> None:
    """A webhook says "look": one read soon, then at most one in 45 seconds, however many webhooks come."""
    if branch.company_id not in desk.readable:
        return
    run_at = next_read(row["read_at"] if row else None, now)
    await outbox.enqueue(conn, desk.account.account_id, READ_JOB, str(booking_id), run_at=run_at)


def next_read(last_read: datetime | None, now: datetime) -> datetime:
    """When a booking may be read again: 15 edits in a minute are two reads."""
    soon = now + _FIRST_READ_AFTER
    return soon if last_read is None else max(soon, last_read + _READ_AGAIN_AFTER)


# --- clients


async def _take_client(conn: Conn, notice: Notice, letter: Letter, desk: Desk) -> str:
    """A client's newer name, phone or e-mail, each for itself; it also reaches their bookings."""
    account = desk.account
    where = account.account_id, notice.company_id, notice.resource_id
    data = notice.data or {}
    telling = desk.vendor.client(data, client_id=notice.resource_id)
    deleted = notice.status == "delete"
    await store.lock_client(conn, *where)
    row = await store.client_by_id(conn, *where)
    client: dict[str, Any] = dict(row) if row else {"changed_at": None, **dict.fromkeys((*_CLIENT, *_CLIENT.values()))}
    told: dict[str, Any] = {
        "changed_at": telling.changed_at or letter.received_at, "deleted": deleted,
        "content_hash": content_hash(data, deleted=deleted), "raw": dict(data),
    }  # fmt: skip
    newest = row is None or _version(told) > _version(client)
    if newest:
        client |= told
    better = {} if deleted else _better_contact(client, telling, told["changed_at"])
    if not newest and not better:
        return "duplicate"
    client |= better
    client["phone"], phone_hash, email_hash = _derived(client["phone_raw"], client["email"], account, desk.vendor)
    await store.save_client(conn, *where, client)
    if better:
        hashes = {"phone_hash": phone_hash, "email_hash": email_hash}
        for booking_id in await store.refresh_contacts(conn, *where, client | hashes):
            await outbox.enqueue(conn, account.account_id, CHANGED_JOB, str(booking_id), run_at=letter.received_at)
    return "stored"


#: Values of a client, each with where its time stands.
_CLIENT: Mapping[str, str] = {"name": "name_at", "phone_raw": "phone_at", "email": "email_at"}


def _version(client: Mapping[str, Any]) -> tuple[datetime, bool, bytes]:
    return client["changed_at"], client["deleted"], bytes(client["content_hash"])


def _better_contact(client: Mapping[str, Any], telling: ClientTelling, at: datetime) -> dict[str, Any]:
    """The values told here that are newer than the known ones, and their times. An empty one erases nothing."""
    told = {"name": telling.name, "phone_raw": telling.phone_raw, "email": telling.email}
    newer = [name for name, value in told.items() if value and is_later(at, value, client[_CLIENT[name]], client[name])]
    return {name: told[name] for name in newer} | {_CLIENT[name]: at for name in newer}
