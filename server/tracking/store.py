"""SQL of visits, marks and form events. `account_id` comes first everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from server.platform.postgres import Conn, Row


@dataclass(slots=True)
class VisitUpdate:
    """What one batch says of one visit; merged into the row, the first description stays."""

    visit_id: str
    site_id: UUID
    place: str
    visitor_id: str
    started_at: datetime
    last_seen_at: datetime
    described: bool
    bot: bool
    hits: int = 0
    landing_page: str = ""
    referrer: str = ""
    channel: str = "undefined"
    source: str | None = None
    medium: str | None = None
    campaign: str | None = None
    utm: dict[str, str] = field(default_factory=dict)
    click_ids: dict[str, str] = field(default_factory=dict)
    referral_kind: str | None = None
    advice: list[dict[str, str]] = field(default_factory=list)
    rules_version: str = ""
    device: str = "unknown"
    browser: str = ""
    uis_session_id: str | None = None
    uis_visitor_id: str | None = None


@dataclass(frozen=True, slots=True)
class FormEvent:
    event_id: str
    kind: str
    occurred_at: datetime
    visit_id: str | None
    mark: str | None = None
    client_id: str | None = None
    form_host: str = ""
    form_id: int | None = None
    company_id: int | None = None
    record_id: int | None = None
    mobile: bool | None = None
    step: str | None = None
    facts: dict[str, Any] = field(default_factory=dict)
    phone_hash: bytes | None = None
    email_hash: bytes | None = None


async def claim_batch(conn: Conn, now: datetime) -> Row | None:
    """One due batch, locked until the transaction ends."""
    return await conn.fetchrow(
        "select account_id, batch_id, received_at, events, attempts from hit_batch where run_at <= $1"
        " order by run_at, batch_id limit 1 for update skip locked",
        now,
    )


async def hits_of_batch(conn: Conn, account_id: UUID, batch_id: UUID, received_at: datetime) -> list[Row]:
    return await conn.fetch(
        "select event_id, kind, occurred_at, visit_id, site_id, place, bot, visit, payload from hit"
        " where account_id = $1 and batch_id = $2 and received_at = $3",
        account_id, batch_id, received_at,
    )  # fmt: skip


async def end_batch(conn: Conn, account_id: UUID, batch_id: UUID) -> None:
    await conn.execute("delete from hit_batch where account_id = $1 and batch_id = $2", account_id, batch_id)


async def postpone_batch(conn: Conn, account_id: UUID, batch_id: UUID, run_at: datetime) -> None:
    await conn.execute(
        "update hit_batch set run_at = $3, attempts = attempts + 1 where account_id = $1 and batch_id = $2",
        account_id, batch_id, run_at,
    )  # fmt: skip


async def first_seen(conn: Conn, account_id: UUID, event_ids: Sequence[str], now: datetime) -> set[str]:
    """Which of these events were never worked on before; remembers them."""
    rows = await conn.fetch(
        "insert into event_once (account_id, event_id, seen_at) select $1, e, $3 from unnest($2::text[]) e"
        " on conflict do nothing returning event_id",
        account_id, list(event_ids), now,
    )  # fmt: skip
    return {row["event_id"] for row in rows}


async def merge_visits(conn: Conn, account_id: UUID, visits: Sequence[VisitUpdate]) -> None:
    """Inserts or merges. Merging is commutative but for the description, where the first one stays."""
    await conn.executemany(  # one round trip for all of them
        """
        insert into visit as v (account_id, visit_id, site_id, place, visitor_id, started_at, last_seen_at, described,
            bot, hits, landing_page, referrer, channel, source, medium, campaign, utm, click_ids, referral_kind, advice,
            rules_version, device, browser, uis_session_id, uis_visitor_id)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
            $23, $24, $25)
        on conflict (account_id, visit_id) do update set
            hits = v.hits + excluded.hits,
            started_at = least(v.started_at, excluded.started_at),
            last_seen_at = greatest(v.last_seen_at, excluded.last_seen_at),
            bot = v.bot or excluded.bot,
            uis_session_id = coalesce(excluded.uis_session_id, v.uis_session_id),
            uis_visitor_id = coalesce(excluded.uis_visitor_id, v.uis_visitor_id),
            described = v.described or excluded.described,
            visitor_id = case when v.described then v.visitor_id else excluded.visitor_id end,
            landing_page = case when v.described then v.landing_page else excluded.landing_page end,
            referrer = case when v.described then v.referrer else excluded.referrer end,
            channel = case when v.described then v.channel else excluded.channel end,
            source = case when v.described then v.source else excluded.source end,
            medium = case when v.described then v.medium else excluded.medium end,
            campaign = case when v.described then v.campaign else excluded.campaign end,
            utm = case when v.described then v.utm else excluded.utm end,
            click_ids = case when v.described then v.click_ids else excluded.click_ids end,
            referral_kind = case when v.described then v.referral_kind else excluded.referral_kind end,
            advice = case when v.described then v.advice else excluded.advice end,
            rules_version = case when v.described then v.rules_version else excluded.rules_version end,
            device = case when v.device = 'unknown' then excluded.device else v.device end,
            browser = case when v.browser = '' then excluded.browser else v.browser end
        """,
        [
            (
                account_id, visit.visit_id, visit.site_id, visit.place, visit.visitor_id, visit.started_at,
                visit.last_seen_at, visit.described, visit.bot, visit.hits, visit.landing_page, visit.referrer,
                visit.channel, visit.source, visit.medium, visit.campaign, visit.utm, visit.click_ids,
                visit.referral_kind, visit.advice, visit.rules_version, visit.device, visit.browser,
                visit.uis_session_id, visit.uis_visitor_id,
            )
            for visit in visits
        ],
    )  # fmt: skip


async def announce_mark(
    conn: Conn, account_id: UUID, mark: str, *, visit_id: str, form_host: str, opened_at: datetime
) -> None:
    """An `open` event: the mark belongs to this visit; the first announcement stays.

    Events of the form that came before the announcement get their visit now, but those of strangers.
    """
    await conn.execute(
        "insert into mark as m (account_id, mark, visit_id, form_host, opened_at, created_at)"
        " values ($1, $2, $3, $4, $5, $5) on conflict (account_id, mark) do update set"
        " visit_id = coalesce(m.visit_id, excluded.visit_id), opened_at = coalesce(m.opened_at, excluded.opened_at),"
        " form_host = case when m.form_host = '' then excluded.form_host else m.form_host end",
        account_id, mark, visit_id, form_host, opened_at,
    )  # fmt: skip
    await conn.execute(
        "update form_event e set visit_id = m.visit_id from mark m where m.account_id = $1 and m.mark = $2"
        " and e.account_id = $1 and e.mark = $2 and e.visit_id is null and e.client_id is not distinct from m.client_id",
        account_id, mark,
    )  # fmt: skip


async def bind_mark(conn: Conn, account_id: UUID, mark: str, *, client_id: str, at: datetime) -> Row:
    """The form opened with this mark: the first browser to use it owns it. Answers the mark as it stands."""
    row = await conn.fetchrow(
        "insert into mark as m (account_id, mark, client_id, first_form_at, created_at) values ($1, $2, $3, $4, $4)"
        " on conflict (account_id, mark) do update set client_id = coalesce(m.client_id, excluded.client_id),"
        " first_form_at = coalesce(m.first_form_at, excluded.first_form_at)"
        " returning visit_id, client_id, opened_at, first_form_at",
        account_id, mark, client_id, at,
    )  # fmt: skip
    assert row is not None
    return row


async def mark_row(conn: Conn, account_id: UUID, mark: str) -> Row | None:
    return await conn.fetchrow(
        "select visit_id, client_id, opened_at, first_form_at from mark where account_id = $1 and mark = $2",
        account_id, mark,
    )  # fmt: skip


async def insert_form_events(conn: Conn, account_id: UUID, events: Sequence[FormEvent]) -> None:
    await conn.executemany(
        "insert into form_event (account_id, event_id, kind, occurred_at, visit_id, mark, client_id, form_host, form_id,"
        " company_id, record_id, mobile, step, facts, phone_hash, email_hash)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) on conflict do nothing",
        [
            (
                account_id, event.event_id, event.kind, event.occurred_at, event.visit_id, event.mark, event.client_id,
                event.form_host, event.form_id, event.company_id, event.record_id, event.mobile, event.step,
                event.facts, event.phone_hash, event.email_hash,
            )
            for event in events
        ],
    )  # fmt: skip


# --- reading

VISIT_COLUMNS = (
    "v.visit_id, v.site_id, v.visitor_id, v.started_at, v.last_seen_at, v.landing_page, v.referrer, v.channel, v.source,"
    " v.medium, v.campaign, v.utm, v.click_ids, v.referral_kind, v.advice, v.rules_version, v.uis_session_id, v.device,"
    " v.browser, v.bot, v.hits, v.place, v.described"
)


async def visit_by_id(conn: Conn, account_id: UUID, visit_id: str) -> Row | None:
    return await conn.fetchrow(
        f"select {VISIT_COLUMNS} from visit v where v.account_id = $1 and v.visit_id = $2", account_id, visit_id
    )


@dataclass(frozen=True, slots=True)
class VisitFilter:
    since: datetime | None = None
    until: datetime | None = None
    channel: str | None = None
    source: str | None = None
    visitor_id: str | None = None
    bots: bool = False


async def visits(
    conn: Conn, account_id: UUID, wanted: VisitFilter, *, before: tuple[datetime, str] | None, limit: int
) -> list[Row]:
    return await conn.fetch(
        f"select {VISIT_COLUMNS} from visit v where v.account_id = $1"
        " and ($2::timestamptz is null or v.started_at >= $2) and ($3::timestamptz is null or v.started_at < $3)"
        " and ($4::text is null or v.channel = $4) and ($5::text is null or v.source = $5)"
        " and ($6::text is null or v.visitor_id = $6) and ($7 or not v.bot)"
        " and ($8::timestamptz is null or (v.started_at, v.visit_id) < ($8, $9::text))"
        " order by v.started_at desc, v.visit_id desc limit $10",
        account_id, wanted.since, wanted.until, wanted.channel, wanted.source, wanted.visitor_id, wanted.bots,
        before[0] if before else None, before[1] if before else None, limit,
    )  # fmt: skip


async def visit_events(conn: Conn, account_id: UUID, visit_id: str, *, limit: int = 200) -> list[Row]:
    """Everything the scripts told of a visit, once each, in time order."""
    return await conn.fetch(
        "select * from (select distinct on (event_id) event_id, kind, occurred_at, received_at, payload from hit"
        " where account_id = $1 and (visit_id = $2 or visit_id is null and event_id in"
        "  (select event_id from form_event where account_id = $1 and visit_id = $2 and mark is not null))"
        " order by event_id, received_at) t order by occurred_at limit $3",
        account_id, visit_id, limit,
    )  # fmt: skip
