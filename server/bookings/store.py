"""SQL of bookings, their history and clients. `account_id` comes first everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from server.platform.postgres import Conn, Row

_COLUMNS = (
    "account_id", "booking_id", "branch_id", "company_id", "record_id", "created_at", "changed_at", "change_rank",
    "created_known", "received_at", "updated_at", "starts_at", "starts_at_local", "online", "origin", "origin_facts",
    "origin_fixed", "attendance", "deleted", "client_id", "client_name", "client_phone", "client_phone_raw",
    "client_email", "phone_hash", "email_hash", "services", "amount", "currency", "staff_id", "staff_name", "length_s",
    "vendor_visit_id", "activity_id", "comment", "mark", "content_hash", "raw",
)  # fmt: skip
_KEYS = frozenset({"account_id", "booking_id", "branch_id", "company_id", "record_id", "received_at"})


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


async def seen_before(conn: Conn, account_id: UUID, booking_id: UUID, content_hash: bytes) -> bool:
    seen: bool = await conn.fetchval(
        "select exists (select 1 from booking_history where account_id = $1 and booking_id = $2 and content_hash = $3)",
        account_id, booking_id, content_hash,
    )  # fmt: skip
    return seen


async def add_history(
    conn: Conn,
    account_id: UUID,
    booking_id: UUID,
    history_id: UUID,
    *,
    changed_at: datetime,
    received_at: datetime,
    status: str,
    applied: bool,
    changes: Mapping[str, Any],
    content_hash: bytes,
    inbox_id: UUID | None,
    raw: Mapping[str, Any],
) -> None:
    await conn.execute(
        "insert into booking_history (account_id, booking_id, history_id, changed_at, received_at, status, applied,"
        " changes, content_hash, inbox_id, raw) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        account_id, booking_id, history_id, changed_at, received_at, status, applied, dict(changes), content_hash,
        inbox_id, dict(raw),
    )  # fmt: skip


async def history(conn: Conn, account_id: UUID, booking_id: UUID) -> list[Row]:
    return await conn.fetch(
        "select history_id, changed_at, received_at, status, applied, changes, raw from booking_history"
        " where account_id = $1 and booking_id = $2 order by changed_at, received_at, history_id",
        account_id, booking_id,
    )  # fmt: skip


async def client_by_id(conn: Conn, account_id: UUID, company_id: int, client_id: int) -> Row | None:
    return await conn.fetchrow(
        "select changed_at, name, phone, phone_raw, email, deleted, content_hash from client"
        " where account_id = $1 and company_id = $2 and client_id = $3",
        account_id, company_id, client_id,
    )  # fmt: skip


async def save_client(conn: Conn, account_id: UUID, company_id: int, client_id: int, fields: Mapping[str, Any]) -> None:
    await conn.execute(
        "insert into client (account_id, company_id, client_id, changed_at, name, phone, phone_raw, email, deleted,"
        " content_hash, raw) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)"
        " on conflict (account_id, company_id, client_id) do update set changed_at = excluded.changed_at,"
        " name = excluded.name, phone = excluded.phone, phone_raw = excluded.phone_raw, email = excluded.email,"
        " deleted = excluded.deleted, content_hash = excluded.content_hash, raw = excluded.raw",
        account_id, company_id, client_id, fields["changed_at"], fields["name"], fields["phone"], fields["phone_raw"],
        fields["email"], fields["deleted"], fields["content_hash"], fields["raw"],
    )  # fmt: skip


async def refresh_contacts(
    conn: Conn, account_id: UUID, company_id: int, client_id: int, contact: Mapping[str, Any]
) -> list[UUID]:
    """Writes a client's newer contact into their bookings; answers those that changed. An empty value erases nothing."""
    rows = await conn.fetch(
        "update booking set client_name = coalesce($4, client_name), client_phone = coalesce($5, client_phone),"
        " client_phone_raw = coalesce($6, client_phone_raw), client_email = coalesce($7, client_email),"
        " phone_hash = coalesce($8, phone_hash), email_hash = coalesce($9, email_hash)"
        " where account_id = $1 and company_id = $2 and client_id = $3 and (client_name, client_phone, client_email)"
        " is distinct from (coalesce($4, client_name), coalesce($5, client_phone), coalesce($7, client_email))"
        " returning booking_id",
        account_id, company_id, client_id, contact["name"], contact["phone"], contact["phone_raw"], contact["email"],
        contact["phone_hash"], contact["email_hash"],
    )  # fmt: skip
    return [row["booking_id"] for row in rows]
