"""Tables of a size that a salon reaches in years, filled by SQL: bookings with leads, matches and visits."""

from __future__ import annotations

from uuid import UUID

import asyncpg

COMPANY = 4564


async def fill_bookings(
    conn: asyncpg.Connection[asyncpg.Record], account_id: UUID, rows: int, *, apart_s: int = 60
) -> None:
    """So many bookings, `apart_s` apart back from now; three in four have a visit."""
    place = await conn.fetchrow("select site_id from site where account_id = $1", account_id)
    branch_id = await conn.fetchval("select branch_id from branch where account_id = $1", account_id)
    assert place
    span = (account_id, 1, rows)
    await conn.execute(
        "insert into booking (account_id, booking_id, branch_id, company_id, record_id, created_at, changed_at,"
        " change_rank, created_known, received_at, updated_at, starts_at, starts_at_local, online, origin, origin_facts,"
        " client_name, client_phone, client_email, services, amount, currency, staff_id, staff_name, content_hash, raw)"
        " select $1, ('00000000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid, $4, $5, n, t, t, 0, true, t, t,"
        " t + interval '1 day', '2026-11-25T15:00', true, 'widget_mobile', '{\"bookform_id\": 822081, \"is_mobile\": 1}',"
        " 'Client ' || translate((n % 50000)::text, '0123456789', 'abcdefghij'), '+79' || lpad((n % 1000000000)::text, 9, '0'), null,"
        " '[{\"id\": 11, \"title\": \"Nails\", \"cost\": \"1500.00\"}]', 1500, 'RUB', n % 9, 'Master ' || n % 9, '\\x00', '{}'"
        " from generate_series($2::int, $3::int) n, lateral (select now() - n * $6::int * interval '1 second' as t) m",
        *span, branch_id, COMPANY, apart_s, timeout=600,
    )  # fmt: skip
    await conn.execute(
        "insert into lead (account_id, lead_id, booking_id, created_at, updated_at, attribution_kind)"
        " select account_id, booking_id, booking_id, created_at, created_at, 'visit' from booking"
        " where account_id = $1 and record_id between $2 and $3",
        *span, timeout=600,
    )  # fmt: skip
    await conn.execute(
        "insert into visit (account_id, visit_id, site_id, visitor_id, started_at, last_seen_at, described, landing_page,"
        " channel, source, medium, campaign, utm, rules_version, device, hits, place)"
        " select account_id, 'visit-' || record_id, $4, 'visitor-' || record_id % 300000, created_at, created_at, true,"
        " 'https://salon.test/', 'paid_search', 'yandex', 'cpc', 'campaign ' || record_id % 40,"
        " '{\"source\": \"yandex\", \"medium\": \"cpc\"}', '1', 'mobile', 3, 'site' from booking"
        " where account_id = $1 and record_id between $2 and $3 and record_id % 4 > 0",
        *span, place["site_id"], timeout=600,
    )  # fmt: skip
    await conn.execute(
        "insert into booking_match (account_id, booking_id, visit_id, level, method, probability, reason_code,"
        " reason_params, engine, decided_at) select account_id, booking_id,"
        " case when record_id % 4 > 0 then 'visit-' || record_id end, case when record_id % 4 > 0 then 'L0' else 'none' end,"
        " case when record_id % 4 > 0 then 'record' else 'none' end, (record_id % 4 > 0)::int,"
        " case when record_id % 4 > 0 then 'record' else 'nobody' end,"
        " jsonb_build_object('at', created_at, 'record_id', record_id::text), '1', created_at from booking"
        " where account_id = $1 and record_id between $2 and $3",
        *span, timeout=600,
    )  # fmt: skip
    await conn.execute("analyze booking, lead, visit, booking_match", timeout=600)
