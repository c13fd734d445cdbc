"""SQL of deals and of their journal «Сделки». `account_id` comes first everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from server.platform.ids import new_id
from server.platform.postgres import Conn, Row


async def bookings(conn: Conn, account_id: UUID, booking_ids: Sequence[UUID]) -> dict[UUID, Row]:
    """Bookings with what a deal needs of their branch, and their lead where it stands in the other system."""
    rows = await conn.fetch(
        "select b.booking_id, b.company_id, b.record_id, b.created_at, b.created_known, b.changed_at, b.updated_at,"
        " b.deleted, b.attendance, b.currency, b.starts_at, b.services, b.amount, b.client_id, b.client_name,"
        " b.client_phone, b.client_email, b.staff_id, b.staff_name, b.online, b.origin, b.raw, br.timezone,"
        " br.title as branch_title, a.locale, l.vendor_id as lead_vendor_id"
        " from booking b join branch br on br.account_id = b.account_id and br.branch_id = b.branch_id"
        " join account a on a.account_id = b.account_id"
        " left join delivery l on l.account_id = b.account_id and l.kind = 'lead' and l.subject_id = b.booking_id"
        "  and l.state = 'delivered'"
        " where b.account_id = $1 and b.booking_id = any($2)",
        account_id, list(booking_ids),
    )  # fmt: skip
    return {row["booking_id"]: row for row in rows}


async def tellings(conn: Conn, account_id: UUID, booking_ids: Sequence[UUID]) -> dict[UUID, list[Row]]:
    """All that was told of each booking."""
    rows = await conn.fetch(
        "select booking_id, changed_at, status, raw from booking_history"
        " where account_id = $1 and booking_id = any($2) order by changed_at, history_id",
        account_id, list(booking_ids),
    )  # fmt: skip
    found: dict[UUID, list[Row]] = {}
    for row in rows:
        found.setdefault(row["booking_id"], []).append(row)
    return found


async def save(conn: Conn, account_id: UUID, booking_id: UUID, deal: Mapping[str, Any], *, now: datetime) -> None:
    """Keeps the deal as it was decided, for the journal. A deal keeps its id for ever."""
    names = (
        "created_at", "title", "funnel_key", "funnel_name", "stage_key", "stage_name", "stage_kind", "stage_at", "amount",
        "currency", "facts",
    )  # fmt: skip
    places = ", ".join(f"${number}" for number in range(5, len(names) + 5))
    await conn.execute(
        f"insert into deal (account_id, deal_id, booking_id, updated_at, {', '.join(names)}) values ($1, $2, $3, $4, {places})"
        " on conflict (account_id, booking_id) do update set updated_at = excluded.updated_at,"
        f" {', '.join(f'{name} = excluded.{name}' for name in names)}",
        account_id, new_id(), booking_id, now, *(deal[name] for name in names),
    )  # fmt: skip


async def with_newer_lead(conn: Conn, account_id: UUID, *, since: datetime, limit: int = 200) -> list[UUID]:
    """Bookings whose lead was delivered lately and is not the one their deal is linked with."""
    rows = await conn.fetch(
        "select l.subject_id from delivery l join delivery d on d.account_id = l.account_id and d.kind = 'deal'"
        " and d.subject_id = l.subject_id where l.account_id = $1 and l.updated_at >= $2 and l.kind = 'lead'"
        " and l.state = 'delivered' and l.vendor_id is not null"
        " and d.wanted ->> 'lead' is distinct from l.vendor_id limit $3",
        account_id, since, limit,
    )  # fmt: skip
    return [row["subject_id"] for row in rows]


# --- the journal


@dataclass(frozen=True, slots=True)
class DealFilter:
    """What the journal is narrowed to; None everywhere means all."""

    since: datetime | None = None
    until: datetime | None = None
    search: str | None = None  # name, phone digits, e-mail, record number, title
    stage: str | None = None
    company_id: int | None = None
    record_id: int | None = None
    state: str | None = None  # of its delivery


_JOURNAL = """
    select e.deal_id, e.booking_id, e.created_at, e.updated_at, e.title, e.funnel_key, e.funnel_name, e.stage_key,
        e.stage_name, e.stage_kind, e.stage_at, e.amount, e.currency, e.facts, b.company_id, b.record_id, b.online,
        b.origin, b.starts_at, b.client_name, b.client_phone, b.client_phone_raw, b.client_email, b.attendance,
        b.deleted, b.staff_name, br.timezone, br.title as branch_title, coalesce(d.state, 'off') as delivery_state,
        d.delivery_id, d.vendor_id as uis_id, coalesce(d.attempts, 0) as delivery_attempts, d.code as error_code,
        d.error as last_error, d.next_attempt_at, d.sent
    from deal e
    join booking b on b.account_id = e.account_id and b.booking_id = e.booking_id
    join branch br on br.account_id = b.account_id and br.branch_id = b.branch_id
    left join delivery d on d.account_id = e.account_id and d.kind = 'deal' and d.subject_id = e.booking_id
    where e.account_id = $1
"""
_NARROWED = """
      and ($2::timestamptz is null or e.created_at >= $2) and ($3::timestamptz is null or e.created_at < $3)
      and ($4::text is null or b.client_name ilike $4 or b.client_email ilike $4 or e.title ilike $4
           or ($5::text <> '' and (b.client_phone like '%' || $5 || '%' or b.record_id::text = $5)))
      and ($6::text is null or e.stage_key = $6) and ($7::bigint is null or b.company_id = $7)
      and ($8::bigint is null or b.record_id = $8) and ($9::text is null or coalesce(d.state, 'off') = $9)
      and ($10::timestamptz is null or (e.created_at, e.deal_id) < ($10, $11::uuid))
    order by e.created_at desc, e.deal_id desc limit $12
"""


async def journal(
    conn: Conn, account_id: UUID, wanted: DealFilter, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Row]:
    """Deals with their bookings, newest first; `before` is (created_at, deal_id) of the last page's end."""
    search = (wanted.search or "").strip()
    pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" if search else None
    digits = "".join(sign for sign in search if sign.isdigit() and sign.isascii())
    return await conn.fetch(
        _JOURNAL + _NARROWED, account_id, wanted.since, wanted.until, pattern,
        digits[1:] if len(digits) == 11 and digits[0] == "8" else digits, wanted.stage, wanted.company_id,
        wanted.record_id, wanted.state, before[0] if before else None, before[1] if before else None, limit,
    )  # fmt: skip


async def stages(conn: Conn, account_id: UUID) -> list[Row]:
    """Stages in which deals stand, for the filter."""
    return await conn.fetch(
        "select stage_key, max(stage_name) as stage_name from deal where account_id = $1 group by stage_key"
        " order by 2 limit 200",
        account_id,
    )
