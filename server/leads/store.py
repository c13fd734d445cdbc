"""SQL of leads, and of the journal «Обращения и цели». `account_id` comes first everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.leads.model import Attribution
from server.platform.ids import new_id
from server.platform.postgres import Conn, Row


async def save(
    conn: Conn, account_id: UUID, booking_id: UUID, attribution: Attribution, *, created_at: datetime, now: datetime
) -> None:
    await conn.execute(
        "insert into lead (account_id, lead_id, booking_id, created_at, updated_at, attribution_kind, campaign_id,"
        " source_id, uis_site_id) values ($1, $2, $3, $4, $5, $6, $7, $8, $9)"
        " on conflict (account_id, booking_id) do update set created_at = excluded.created_at,"
        " updated_at = excluded.updated_at, attribution_kind = excluded.attribution_kind,"
        " campaign_id = excluded.campaign_id, source_id = excluded.source_id, uis_site_id = excluded.uis_site_id",
        account_id, new_id(), booking_id, created_at, now, attribution.kind, attribution.to.campaign_id,
        attribution.to.source_id, attribution.to.site_id,
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class LeadFilter:
    """What the journal is narrowed to; None everywhere means all."""

    since: datetime | None = None
    until: datetime | None = None
    search: str | None = None  # name, phone digits, e-mail, record number, campaign
    source: str | None = None
    campaign: str | None = None
    level: str | None = None
    origin: str | None = None
    company_id: int | None = None
    online: bool | None = None
    record_id: int | None = None


_JOURNAL = """
    select l.lead_id, b.created_at, l.updated_at, l.attribution_kind, l.campaign_id as to_campaign_id,
        l.source_id as to_source_id, l.uis_site_id as to_site_id, coalesce(d.state, 'off') as delivery_state,
        d.vendor_id as uis_id, coalesce(d.attempts, 0) as delivery_attempts, d.error as last_error, d.next_attempt_at,
        coalesce(d.code, '') as delivery_code,
        b.booking_id, b.company_id, b.record_id, b.online, b.origin, b.origin_facts, b.starts_at, b.services, b.amount, b.currency,
        b.client_name, b.client_phone, b.client_phone_raw, b.client_email, b.attendance, b.deleted, b.staff_name,
        b.received_at, b.changed_at, b.comment, b.created_at as booked_at, b.created_known,
        br.timezone, br.title as branch_title,
        m.level, m.method, m.probability, m.margin_bits, m.reason_code, m.reason_params, m.evidence, m.alternatives,
        m.decided_at, m.waits_until, m.engine,
        v.visit_id, v.started_at, v.channel, v.source, v.medium, v.campaign, v.utm, v.click_ids, v.referrer,
        v.landing_page, v.uis_session_id, v.referral_kind, v.advice, v.device, v.browser, v.hits, v.place
    from booking b
    left join lead l on l.account_id = b.account_id and l.booking_id = b.booking_id
    join branch br on br.account_id = b.account_id and br.branch_id = b.branch_id
    left join booking_match m on m.account_id = b.account_id and m.booking_id = b.booking_id
    left join visit v on v.account_id = b.account_id and v.visit_id = m.visit_id
    left join delivery d on d.account_id = b.account_id and d.kind = 'lead' and d.subject_id = b.booking_id
"""

_WHERE = """
    where b.account_id = $1
      and ($2::timestamptz is null or b.created_at >= $2) and ($3::timestamptz is null or b.created_at < $3)
      and ($4::text is null or b.client_name ilike $4 or b.client_email ilike $4 or v.campaign ilike $4
           or ($5::text <> '' and (b.client_phone like '%' || $5 || '%' or b.record_id::text = $5)))
      and ($6::text is null or v.source = $6) and ($7::text is null or v.campaign = $7)
      and ($8::text is null or m.level = $8) and ($9::text is null or b.origin = $9)
      and ($10::bigint is null or b.company_id = $10) and ($11::boolean is null or coalesce(b.online, false) = $11)
      and ($12::bigint is null or b.record_id = $12)
"""


def _arguments(account_id: UUID, wanted: LeadFilter) -> list[object]:
    search = wanted.search.strip() if wanted.search else ""
    pattern = "%" + search.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_") + "%" if search else None
    digits = "".join(sign for sign in search if sign.isdigit() and sign.isascii())
    if len(digits) == 11 and digits[0] == "8":
        digits = digits[1:]  # 8 916 … is how +7 916 … is dialled at home
    return [
        account_id, wanted.since, wanted.until, pattern, digits, wanted.source, wanted.campaign, wanted.level,
        wanted.origin, wanted.company_id, wanted.online, wanted.record_id,
    ]  # fmt: skip


_PAGE = (
    " and ($13::timestamptz is null or (b.created_at, b.booking_id) < ($13, $14::uuid))"
    " order by b.created_at desc, b.booking_id desc limit $15"
)


async def journal(
    conn: Conn, account_id: UUID, wanted: LeadFilter, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Row]:
    """Leads with their bookings and visits, newest first; `before` is (created_at, booking_id) of the last page's end."""
    return await conn.fetch(
        _JOURNAL + _WHERE + " and l.lead_id is not null" + _PAGE,
        *_arguments(account_id, wanted), before[0] if before else None, before[1] if before else None, limit,
    )  # fmt: skip


async def booking_journal(
    conn: Conn, account_id: UUID, wanted: LeadFilter, *, before: tuple[datetime, UUID] | None, limit: int
) -> list[Row]:
    """All bookings, also one so fresh that its lead is still to be made."""
    return await conn.fetch(
        _JOURNAL + _WHERE + _PAGE,
        *_arguments(account_id, wanted), before[0] if before else None, before[1] if before else None, limit,
    )  # fmt: skip


async def lead_by_id(conn: Conn, account_id: UUID, lead_id: UUID) -> Row | None:
    return await conn.fetchrow(_JOURNAL + " where b.account_id = $1 and l.lead_id = $2", account_id, lead_id)


async def lead_of_booking(conn: Conn, account_id: UUID, booking_id: UUID) -> Row | None:
    return await conn.fetchrow(_JOURNAL + " where b.account_id = $1 and b.booking_id = $2", account_id, booking_id)


async def ids_of(conn: Conn, account_id: UUID, booking_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """Booking → its lead."""
    rows = await conn.fetch(
        "select booking_id, lead_id from lead where account_id = $1 and booking_id = any($2)",
        account_id, list(booking_ids),
    )  # fmt: skip
    return {row["booking_id"]: row["lead_id"] for row in rows}


async def leads_to_send(conn: Conn, account_id: UUID, booking_ids: Sequence[UUID]) -> list[Row]:
    return await conn.fetch(
        "select b.booking_id, b.company_id, b.record_id, b.created_at, b.starts_at, b.services, b.client_name,"
        " b.client_phone, b.client_email, br.timezone, br.title as branch_title, v.visit_id,"
        " v.started_at as visit_started_at, v.network, v.utm, v.click_ids, v.referrer, v.landing_page, v.device,"
        " not exists (select 1 from visit e where e.account_id = v.account_id and e.visitor_id = v.visitor_id"
        "  and e.started_at < v.started_at) as visitor_is_new"
        " from booking b join branch br on br.account_id = b.account_id and br.branch_id = b.branch_id"
        " left join booking_match m on m.account_id = b.account_id and m.booking_id = b.booking_id"
        " left join visit v on v.account_id = b.account_id and v.visit_id = m.visit_id"
        " where b.account_id = $1 and b.booking_id = any($2)",
        account_id, list(booking_ids),
    )  # fmt: skip


async def session_refused(conn: Conn, account_id: UUID) -> bool:
    """Whether the newest lead that was to bring its visit along had to go without it."""
    refused: bool | None = await conn.fetchval(
        "select sent ? 'refused' from delivery where account_id = $1 and kind = 'lead' and wanted ? 'visit_id'"
        " and sent is not null order by sent_at desc limit 1",
        account_id,
    )
    return bool(refused)


async def choices(conn: Conn, account_id: UUID) -> dict[str, list[str]]:
    """Sources and campaigns of the newest leads, for the filters; a rarer one is found by the search."""
    rows = await conn.fetch(
        "select v.source, v.campaign from (select booking_id from lead where account_id = $1"
        "  order by created_at desc, lead_id desc limit 3000) l"
        " join booking_match m on m.account_id = $1 and m.booking_id = l.booking_id"
        " join visit v on v.account_id = $1 and v.visit_id = m.visit_id"
        " group by v.source, v.campaign limit 500",
        account_id,
    )
    return {name: sorted({row[name] for row in rows if row[name]}) for name in ("source", "campaign")}


async def day_summary(conn: Conn, account_id: UUID, since: datetime) -> Row:
    """Visits, online bookings and matched ones since a moment: the line of health on top of the cabinet."""
    row = await conn.fetchrow(
        "select (select count(*) from visit where account_id = $1 and started_at >= $2 and not bot) as visits,"
        " count(*) filter (where b.online) as bookings, count(m.visit_id) as matched,"
        " count(*) filter (where m.waits_until is not null) as waiting"
        " from lead l join booking b on b.account_id = l.account_id and b.booking_id = l.booking_id"
        " left join booking_match m on m.account_id = l.account_id and m.booking_id = l.booking_id"
        " where l.account_id = $1 and l.created_at >= $2",
        account_id, since,
    )  # fmt: skip
    assert row is not None
    return row
