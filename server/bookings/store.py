"""SQL of bookings, their history and clients. `account_id` comes first everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from server.bookings.model import Told
from server.platform.postgres import Conn, Row

_COLUMNS = (
    "account_id", "booking_id", "branch_id", "company_id", "record_id", "created_at", "changed_at", "change_rank",
    "created_known", "received_at", "updated_at", "starts_at", "starts_at_local", "online", "origin", "origin_facts",
    "origin_fixed", "attendance", "deleted", "client_id", "client_name", "client_phone", "client_phone_raw",
    "client_email", "phone_hash", "email_hash", "services", "amount", "currency", "staff_id", "staff_name", "length_s",
    "vendor_visit_id", "activity_id", "comment", "mark", "content_hash", "raw", "client_name_at", "client_phone_at",
    "client_email_at",
)  # fmt: skip
_KEYS = frozenset({"account_id", "booking_id", "branch_id", "company_id", "record_id"})


async def lock_record(conn: Conn, account_id: UUID, company_id: int, record_id: int) -> None:
    """One writer at a time per record, also for a record that has no row yet."""
    await conn.execute(
        "select pg_advisory_xact_lock(hashtextextended($1, $2))", f"{account_id}:{company_id}", record_id
    )


async def by_record(conn: Conn, account_id: UUID, company_id: int, record_id: int) -> Row | None:
    return await conn.fetchrow(
        f"select {', '.join(_COLUMNS)}, read_at from booking"
        " where account_id = $1 and company_id = $2 and record_id = $3",
        account_id, company_id, record_id,
    )  # fmt: skip


async def by_id(conn: Conn, account_id: UUID, booking_id: UUID) -> Row | None:
    return await conn.fetchrow(
        f"select {', '.join(_COLUMNS)}, read_at from booking where account_id = $1 and booking_id = $2",
        account_id, booking_id,
    )  # fmt: skip


async def heads(conn: Conn, account_id: UUID, booking_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Which bookings these are, in short."""
    rows = await conn.fetch(
        "select booking_id, company_id, record_id, client_name from booking where account_id = $1 and booking_id = any($2)",
        account_id, list(booking_ids),
    )  # fmt: skip
    return {row["booking_id"]: row for row in rows}


async def of_visit(conn: Conn, account_id: UUID, visit_id: str) -> list[Row]:
    """The bookings that this visit brought, oldest first, each with its lead where that is made."""
    return await conn.fetch(
        "select b.record_id, b.company_id, b.created_at, b.client_name, b.services, l.lead_id from booking_match m"
        " join booking b on b.account_id = m.account_id and b.booking_id = m.booking_id"
        " left join lead l on l.account_id = m.account_id and l.booking_id = m.booking_id"
        " where m.account_id = $1 and m.visit_id = $2 order by b.created_at, b.booking_id limit 50",
        account_id, visit_id,
    )  # fmt: skip


async def save(conn: Conn, booking: Mapping[str, Any]) -> None:
    """Inserts the booking or writes every field that may change."""
    places = ", ".join(f"${number}" for number in range(1, len(_COLUMNS) + 1))
    updates = ", ".join(f"{name} = excluded.{name}" for name in _COLUMNS if name not in _KEYS)
    await conn.execute(
        f"insert into booking ({', '.join(_COLUMNS)}) values ({places})"
        f" on conflict (account_id, company_id, record_id) do update set {updates}",
        *(booking[name] for name in _COLUMNS),
    )


async def mark_read(conn: Conn, account_id: UUID, booking_id: UUID, at: datetime) -> None:
    await conn.execute(
        "update booking set read_at = $3 where account_id = $1 and booking_id = $2", account_id, booking_id, at
    )


async def tellings(conn: Conn, account_id: UUID, booking_id: UUID) -> list[Told]:
    """When and how each content was told, without the contents."""
    rows = await conn.fetch(
        "select history_id, content_hash, dated, changed_at, status, received_at, read_at from booking_history"
        " where account_id = $1 and booking_id = $2",
        account_id, booking_id,
    )  # fmt: skip
    return [Told(*row.values()) for row in rows]


async def told_contents(conn: Conn, account_id: UUID, booking_id: UUID) -> dict[UUID, dict[str, Any]]:
    rows = await conn.fetch(
        "select history_id, raw from booking_history where account_id = $1 and booking_id = $2", account_id, booking_id
    )
    return {row["history_id"]: row["raw"] for row in rows}


async def add_history(
    conn: Conn,
    account_id: UUID,
    booking_id: UUID,
    told: Told,
    *,
    applied: bool,
    changes: Mapping[str, Any],
    inbox_id: UUID | None,
    raw: Mapping[str, Any],
) -> None:
    await conn.execute(
        "insert into booking_history (account_id, booking_id, history_id, content_hash, dated, changed_at, status,"
        " received_at, read_at, applied, changes, inbox_id, raw)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)",
        account_id, booking_id, told.key, told.content_hash, told.dated, told.changed_at, told.kind, told.received_at,
        told.read_at, applied, dict(changes), inbox_id, dict(raw),
    )  # fmt: skip


async def tell_again(conn: Conn, account_id: UUID, booking_id: UUID, told: Told) -> None:
    """A content that was told before: when and how is now known better."""
    await conn.execute(
        "update booking_history set status = $4, received_at = $5, read_at = $6"
        " where account_id = $1 and booking_id = $2 and history_id = $3",
        account_id, booking_id, told.key, told.kind, told.received_at, told.read_at,
    )  # fmt: skip


async def history(conn: Conn, account_id: UUID, booking_id: UUID) -> list[Row]:
    return await conn.fetch(
        "select history_id, changed_at, received_at, status, applied, changes, raw from booking_history"
        " where account_id = $1 and booking_id = $2 order by changed_at, received_at, history_id",
        account_id, booking_id,
    )  # fmt: skip


async def lock_client(conn: Conn, account_id: UUID, company_id: int, client_id: int) -> None:
    """One writer at a time per client and what their bookings take over. Taken after the record's lock."""
    await lock_record(conn, account_id, company_id, -client_id)


_CLIENT_COLUMNS = (
    "changed_at", "name", "name_at", "phone", "phone_raw", "phone_at", "email", "email_at", "deleted", "content_hash",
    "raw",
)  # fmt: skip


async def client_by_id(conn: Conn, account_id: UUID, company_id: int, client_id: int) -> Row | None:
    return await conn.fetchrow(
        f"select {', '.join(_CLIENT_COLUMNS)} from client where account_id = $1 and company_id = $2 and client_id = $3",
        account_id, company_id, client_id,
    )  # fmt: skip


async def save_client(conn: Conn, account_id: UUID, company_id: int, client_id: int, client: Mapping[str, Any]) -> None:
    places = ", ".join(f"${number}" for number in range(4, len(_CLIENT_COLUMNS) + 4))
    await conn.execute(
        f"insert into client (account_id, company_id, client_id, {', '.join(_CLIENT_COLUMNS)})"
        f" values ($1, $2, $3, {places}) on conflict (account_id, company_id, client_id) do update set"
        f" {', '.join(f'{name} = excluded.{name}' for name in _CLIENT_COLUMNS)}",
        account_id, company_id, client_id, *(client[name] for name in _CLIENT_COLUMNS),
    )  # fmt: skip


async def refresh_contacts(
    conn: Conn, account_id: UUID, company_id: int, client_id: int, contact: Mapping[str, Any]
) -> list[UUID]:
    """Writes each newer value of a client into their bookings that have another; answers which those are.

    Values are compared as `model.is_later` does, so by their bytes.
    """
    rows = await conn.fetch(
        "update booking b set"
        " client_name = case when w.name then $4 else b.client_name end,"
        " client_name_at = case when w.name then $5 else b.client_name_at end,"
        " client_phone_raw = case when w.phone then $6 else b.client_phone_raw end,"
        " client_phone_at = case when w.phone then $7 else b.client_phone_at end,"
        " client_email = case when w.email then $8 else b.client_email end,"
        " client_email_at = case when w.email then $9 else b.client_email_at end,"
        " client_phone = case when w.phone then $10 else b.client_phone end,"
        " phone_hash = case when w.phone then $11 else b.phone_hash end,"
        " email_hash = case when w.email then $12 else b.email_hash end"
        " from (select booking_id,"
        f" {_is_newer('client_name', 'client_name_at', '$4::text', '$5::timestamptz')} as name,"
        f" {_is_newer('client_phone_raw', 'client_phone_at', '$6::text', '$7::timestamptz')} as phone,"
        f" {_is_newer('client_email', 'client_email_at', '$8::text', '$9::timestamptz')} as email"
        " from booking where account_id = $1 and company_id = $2 and client_id = $3) w"
        " where b.account_id = $1 and b.booking_id = w.booking_id and (w.name or w.phone or w.email)"
        " returning b.booking_id",
        account_id, company_id, client_id, contact["name"], contact["name_at"], contact["phone_raw"],
        contact["phone_at"], contact["email"], contact["email_at"], contact["phone"], contact["phone_hash"],
        contact["email_hash"],
    )  # fmt: skip
    return [row["booking_id"] for row in rows]


def _is_newer(column: str, at_column: str, value: str, at: str) -> str:
    return (
        f"({value} is not null and {column} is distinct from {value} and ({at_column} is null or"
        f' ({at}, {value} collate "C") > ({at_column}, coalesce({column}, \'\') collate "C")))'
    )
