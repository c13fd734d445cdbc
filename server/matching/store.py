"""SQL of matching: gathers evidence, keeps decisions and why they changed. `account_id` comes first everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from server.bookings.model import RANK
from server.platform.ids import new_id
from server.platform.postgres import Conn, Row

_EVIDENCE = (
    "e.event_id, e.kind, e.occurred_at, e.visit_id, e.mark, e.form_id, e.company_id, e.record_id, e.step,"
    # Other kinds say nothing in it, and reading it costs more than all the rest.
    " case when e.kind in ('step', 'booked') then e.facts end as facts,"
    " e.phone_hash, e.email_hash, v.device, s.domain"
)
_FROM = (
    " from form_event e join visit v on v.account_id = e.account_id and v.visit_id = e.visit_id"
    " left join site s on s.account_id = v.account_id and s.site_id = v.site_id"
)
#: More form events than this around one booking say nothing certain about it.
_MOST = 20_000


async def events_of_record(conn: Conn, account_id: UUID, company_id: int, record_id: int) -> list[Row]:
    return await conn.fetch(
        f"select {_EVIDENCE}{_FROM} where e.account_id = $1 and e.company_id = $2 and e.record_id = $3",
        account_id, company_id, record_id,
    )  # fmt: skip


async def events_around(
    conn: Conn, account_id: UUID, created_at: datetime, *, before: timedelta, after: timedelta
) -> list[Row]:
    return await conn.fetch(
        f"select {_EVIDENCE}{_FROM} where e.account_id = $1 and e.occurred_at between $2 and $3 and not v.bot"
        " and e.kind <> 'contact' order by e.occurred_at desc limit $4",
        account_id, created_at - before, created_at + after, _MOST,
    )  # fmt: skip


async def contacts(
    conn: Conn,
    account_id: UUID,
    *,
    phone_hash: bytes | None,
    email_hash: bytes | None,
    since: datetime,
    until: datetime,
) -> list[Row]:
    if phone_hash is None and email_hash is None:
        return []
    return await conn.fetch(
        f"select {_EVIDENCE}{_FROM} where e.account_id = $1 and e.kind = 'contact'"
        " and (e.phone_hash = $2 or e.email_hash = $3) and e.occurred_at between $4 and $5",
        account_id, phone_hash, email_hash, since, until,
    )  # fmt: skip


async def note_contact(
    conn: Conn, account_id: UUID, *, key: str, kind: str, at: datetime, session_id: str, phone_hash: bytes
) -> bool:
    """Somebody with this phone called or wrote from that session of the telephony; answers whether that is new.

    The earliest moment that was told counts, in whatever order it is told.
    """
    done = await conn.execute(
        "insert into session_contact as c (account_id, key, kind, at, uis_session_id, phone_hash)"
        " values ($1, $2, $3, $4, $5, $6) on conflict (account_id, key) do update set"
        " uis_session_id = excluded.uis_session_id, phone_hash = excluded.phone_hash, at = least(c.at, excluded.at)"
        " where (c.uis_session_id, c.phone_hash) is distinct from (excluded.uis_session_id, excluded.phone_hash)"
        " or excluded.at < c.at",
        account_id, key, kind, at, session_id, phone_hash,
    )  # fmt: skip
    return done != "INSERT 0 0"


async def visit_of_contact(conn: Conn, account_id: UUID, key: str) -> Row | None:
    """The visit from which a call or a chat came, if it is known."""
    return await conn.fetchrow(
        "select v.visit_id, v.source, v.campaign, v.landing_page from session_contact c"
        " join visit v on v.account_id = c.account_id and v.uis_session_id = c.uis_session_id"
        " where c.account_id = $1 and c.key = $2 order by v.started_at desc limit 1",
        account_id, key,
    )  # fmt: skip


async def session_contacts(
    conn: Conn, account_id: UUID, phone_hash: bytes, *, since: datetime, until: datetime
) -> list[Row]:
    """Calls and chats of a phone that came from visits we know."""
    return await conn.fetch(
        "select c.key, c.kind, c.at, v.visit_id, v.visitor_id, s.domain from session_contact c"
        " join visit v on v.account_id = c.account_id and v.uis_session_id = c.uis_session_id"
        " left join site s on s.account_id = v.account_id and s.site_id = v.site_id"
        " where c.account_id = $1 and c.phone_hash = $2 and c.at between $3 and $4 and not v.bot",
        account_id, phone_hash, since, until,
    )  # fmt: skip


async def bookings_of_phone(conn: Conn, account_id: UUID, phone_hash: bytes, *, since: datetime) -> list[UUID]:
    rows = await conn.fetch(
        "select booking_id from booking where account_id = $1 and phone_hash = $2 and received_at >= $3",
        account_id, phone_hash, since,
    )  # fmt: skip
    return [row["booking_id"] for row in rows]


async def first_tellings(conn: Conn, account_id: UUID, booking_id: UUID, *, limit: int = 10) -> list[Row]:
    """The earliest tellings of a booking, the creation before all others. The order does not depend on arrival."""
    return await conn.fetch(
        "select h.status, h.raw, b.timezone from booking_history h"
        " join booking k on k.account_id = h.account_id and k.booking_id = h.booking_id"
        " join branch b on b.account_id = k.account_id and b.branch_id = k.branch_id"
        " where h.account_id = $1 and h.booking_id = $2"
        " order by h.status <> 'create', h.changed_at, array_position($3::text[], h.status), h.content_hash limit $4",
        account_id, booking_id, list(RANK), limit,
    )  # fmt: skip


async def claims(conn: Conn, account_id: UUID, visit_ids: Sequence[str], *, but: UUID) -> list[Row]:
    """Which of these visits are already explained by another booking's exact mark, and when that was made."""
    return await conn.fetch(
        "select m.visit_id, b.company_id, b.record_id, b.created_at from booking_match m"
        " join booking b on b.account_id = m.account_id and b.booking_id = m.booking_id"
        " where m.account_id = $1 and m.visit_id = any($2) and m.level in ('L0', 'L1') and m.booking_id <> $3",
        account_id, list(visit_ids), but,
    )  # fmt: skip


async def undecided(
    conn: Conn,
    account_id: UUID,
    *,
    records: Sequence[tuple[int, int]],
    marks: Sequence[str],
    first: datetime,
    last: datetime,
    since: datetime,
) -> list[UUID]:
    """Bookings that late evidence may concern: those it names, by number or mark, and those made about then that no
    exact mark decided."""
    rows = await conn.fetch(
        "select b.booking_id from booking b left join booking_match m"
        " on m.account_id = b.account_id and m.booking_id = b.booking_id"
        " where b.account_id = $1 and b.received_at > $6 and ((b.company_id, b.record_id) in"
        "  (select * from unnest($2::bigint[], $3::bigint[])) or b.mark = any($7)"
        " or (b.created_at between $4 and $5 and b.online and coalesce(m.level, 'none') not in ('L0', 'L1')))",
        account_id, [company for company, _ in records], [record for _, record in records],
        first - timedelta(minutes=2), last + timedelta(hours=1), since, list(marks),
    )  # fmt: skip
    return [row["booking_id"] for row in rows]


async def weighed_near(
    conn: Conn,
    account_id: UUID,
    visit_ids: Sequence[str],
    about: datetime,
    *,
    reach: timedelta,
    since: datetime,
    but: UUID,
) -> list[UUID]:
    """Bookings made about then, without an exact mark, whose answer is one of these visits or was weighed against it."""
    rows = await conn.fetch(
        "select b.booking_id from booking b join booking_match m"
        " on m.account_id = b.account_id and m.booking_id = b.booking_id"
        " where b.account_id = $1 and b.created_at between $3 and $4 and b.received_at > $5 and b.booking_id <> $6"
        " and m.level not in ('L0', 'L1') and (m.visit_id = any($2) or exists (select 1"
        "  from jsonb_array_elements(m.alternatives) other where other ->> 'visit_id' = any($2)))",
        account_id, list(visit_ids), about - reach, about + reach, since, but,
    )  # fmt: skip
    return [row["booking_id"] for row in rows]


async def bookings_of_visits(conn: Conn, account_id: UUID, visit_ids: Sequence[str], *, since: datetime) -> list[UUID]:
    """Bookings lately matched with these visits, or of somebody who called or wrote from them."""
    rows = await conn.fetch(
        "select booking_id from booking_match where account_id = $1 and visit_id = any($2) and decided_at >= $3"
        " union select b.booking_id from visit v"
        " join session_contact c on c.account_id = v.account_id and c.uis_session_id = v.uis_session_id"
        " join booking b on b.account_id = c.account_id and b.phone_hash = c.phone_hash and b.received_at >= $3"
        " where v.account_id = $1 and v.visit_id = any($2)",
        account_id, list(visit_ids), since,
    )  # fmt: skip
    return [row["booking_id"] for row in rows]


async def current(conn: Conn, account_id: UUID, booking_id: UUID) -> Row | None:
    """The decision that stands. `gone`: its visit is no more, for what made it turned out to be another's."""
    return await conn.fetchrow(
        "select m.visit_id, level, method, probability, margin_bits, reason_code, reason_params, evidence, alternatives,"
        " engine, decided_at, waits_until, m.visit_id is not null and v.visit_id is null as gone from booking_match m"
        " left join visit v on v.account_id = m.account_id and v.visit_id = m.visit_id"
        " where m.account_id = $1 and m.booking_id = $2",
        account_id, booking_id,
    )  # fmt: skip


async def save(
    conn: Conn,
    account_id: UUID,
    booking_id: UUID,
    match: Mapping[str, Any],
    *,
    now: datetime,
    waits_until: datetime | None,
) -> None:
    await conn.execute(
        "insert into booking_match (account_id, booking_id, visit_id, level, method, probability, margin_bits,"
        " reason_code, reason_params, evidence, alternatives, engine, decided_at, waits_until)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)"
        " on conflict (account_id, booking_id) do update set visit_id = excluded.visit_id, level = excluded.level,"
        " method = excluded.method, probability = excluded.probability, margin_bits = excluded.margin_bits,"
        " reason_code = excluded.reason_code, reason_params = excluded.reason_params, evidence = excluded.evidence,"
        " alternatives = excluded.alternatives, engine = excluded.engine, decided_at = excluded.decided_at,"
        " waits_until = excluded.waits_until",
        account_id, booking_id, match["visit_id"], match["level"], match["method"], match["probability"],
        match["margin_bits"], match["reason_code"], match["reason_params"], match["evidence"], match["alternatives"],
        match["engine"], now, waits_until,
    )  # fmt: skip


async def log_change(
    conn: Conn, account_id: UUID, booking_id: UUID, *, cause: str, before: Mapping[str, Any] | None,
    after: Mapping[str, Any], now: datetime,
) -> None:  # fmt: skip
    await conn.execute(
        "insert into booking_match_log (account_id, booking_id, log_id, at, cause, before, after)"
        " values ($1, $2, $3, $4, $5, $6, $7)",
        account_id, booking_id, new_id(), now, cause, dict(before) if before else None, dict(after),
    )  # fmt: skip


async def log_of(conn: Conn, account_id: UUID, booking_id: UUID) -> list[Row]:
    return await conn.fetch(
        "select at, cause, before, after from booking_match_log where account_id = $1 and booking_id = $2 order by at",
        account_id, booking_id,
    )  # fmt: skip
