"""SQL of the card: the bookings of a phone, and the visit behind the newest of them."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from server.platform.postgres import Conn, Row


async def bookings_of(conn: Conn, account_id: UUID, phone_hash: bytes, *, limit: int = 200) -> list[Row]:
    """By start, the newest first."""
    return await conn.fetch(
        "select booking_id, company_id, record_id, starts_at, attendance, deleted, client_id, client_name, services, amount,"
        " currency, staff_name, updated_at, raw ->> 'paid_full' as paid_full from booking"
        " where account_id = $1 and phone_hash = $2 order by starts_at desc nulls last, booking_id desc limit $3",
        account_id, phone_hash, limit,
    )  # fmt: skip


async def source_of(conn: Conn, account_id: UUID, booking_ids: Sequence[UUID]) -> Row | None:
    """The visit of the newest of these bookings that has one."""
    return await conn.fetchrow(
        "select v.campaign, v.source, v.landing_page, s.domain from booking_match m join booking b"
        " on b.account_id = m.account_id and b.booking_id = m.booking_id"
        " join visit v on v.account_id = m.account_id and v.visit_id = m.visit_id"
        " left join site s on s.account_id = v.account_id and s.site_id = v.site_id"
        " where m.account_id = $1 and m.booking_id = any($2) order by b.created_at desc limit 1",
        account_id, list(booking_ids),
    )  # fmt: skip
