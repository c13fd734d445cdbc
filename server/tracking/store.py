"""SQL of visits, marks and form events. `account_id` comes first everywhere."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from server.platform.postgres import Conn, Row
from server.tracking.marks import Mark, Opening, Use


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
    network: str = ""
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

    @property
    def by_mark(self) -> bool:
        """Whether its mark says whose visit it belongs to, for it names none itself."""
        return self.mark is not None and self.visit_id is None


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
            rules_version, device, browser, uis_session_id, uis_visitor_id, network)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, $21, $22,
            $23, $24, $25, $26)
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
            browser = case when v.browser = '' then excluded.browser else v.browser end,
            network = case when v.network = '' then excluded.network else v.network end
        """,
        [
            (
                account_id, visit.visit_id, visit.site_id, visit.place, visit.visitor_id, visit.started_at,
                visit.last_seen_at, visit.described, visit.bot, visit.hits, visit.landing_page, visit.referrer,
                visit.channel, visit.source, visit.medium, visit.campaign, visit.utm, visit.click_ids,
                visit.referral_kind, visit.advice, visit.rules_version, visit.device, visit.browser,
                visit.uis_session_id, visit.uis_visitor_id, visit.network,
            )
            for visit in visits
        ],
    )  # fmt: skip


# --- marks


async def lock_marks(conn: Conn, account_id: UUID, names: Sequence[str], *, now: datetime) -> dict[str, Mark]:
    """These marks as they stand, new ones made; nobody else changes them or their events until the transaction ends."""
    ordered = sorted(names)  # the same order in every worker, so that two cannot wait for each other
    await conn.execute(
        "insert into mark (account_id, mark, created_at)"
        " select $1, t.mark, $3 from unnest($2::text[]) with ordinality t (mark, place) order by place on conflict do nothing",
        account_id, ordered, now,
    )  # fmt: skip
    rows = await conn.fetch(
        f"select mark, {_MARK} from mark where account_id = $1 and mark = any($2) order by mark collate \"C\" for update",
        account_id, ordered,
    )  # fmt: skip
    return {row["mark"]: _mark(row) for row in rows}


async def mark_by_name(conn: Conn, account_id: UUID, name: str) -> Mark | None:
    row = await conn.fetchrow(f"select {_MARK} from mark where account_id = $1 and mark = $2", account_id, name)
    return _mark(row) if row else None


_MARK = "visit_id, form_host, opened_at, client_id, first_form_at"


def _mark(row: Row) -> Mark:
    opened, used = row["opened_at"], row["first_form_at"]
    return Mark(
        Opening(opened, row["visit_id"], row["form_host"]) if opened else None,
        Use(used, row["client_id"] or "") if used else None,
    )


async def save_marks(conn: Conn, account_id: UUID, marks: Mapping[str, Mark]) -> None:
    await conn.executemany(
        "update mark set visit_id = $3, form_host = $4, opened_at = $5, client_id = $6, first_form_at = $7"
        " where account_id = $1 and mark = $2",
        [
            (
                account_id, name,
                mark.opening.visit_id if mark.opening else None, mark.opening.form_host if mark.opening else "",
                mark.opening.at if mark.opening else None,
                (mark.use.client_id or None) if mark.use else None, mark.use.at if mark.use else None,
            )
            for name, mark in marks.items()
        ],
    )  # fmt: skip


async def uses_of_marks(conn: Conn, account_id: UUID, users: Collection[tuple[str, str]]) -> list[Row]:
    """All that these browsers did with these marks: (mark, client id)."""
    return await conn.fetch(
        "select e.event_id, e.kind, e.occurred_at, e.visit_id, e.mark, coalesce(e.client_id, '') as client_id,"
        " e.company_id, e.record_id from unnest($2::text[], $3::text[]) u (mark, client_id) join form_event e"
        " on e.account_id = $1 and e.mark = u.mark and e.client_id is not distinct from nullif(u.client_id, '')"
        " where e.by_mark",
        account_id, [mark for mark, _ in users], [client_id for _, client_id in users],
    )  # fmt: skip


async def user_of_mark(
    conn: Conn, account_id: UUID, name: str, *, company_id: int, record_id: int, until: datetime
) -> str | None:
    """The browser that made a booking with this mark: that which named the record, else the last one active by then."""
    client_id: str | None = await conn.fetchval(
        "select coalesce(client_id, '') from form_event where account_id = $1 and mark = $2 and by_mark"
        " and (occurred_at <= $5 or company_id = $3 and record_id = $4)"
        " order by (company_id = $3 and record_id = $4) is not true,"
        " case when company_id = $3 and record_id = $4 then occurred_at end, occurred_at desc, event_id limit 1",
        account_id, name, company_id, record_id, until,
    )  # fmt: skip
    return client_id


async def move_events(conn: Conn, account_id: UUID, visits: Mapping[str, str | None]) -> None:
    """Gives form events (by id) their visit."""
    await conn.execute(
        "update form_event e set visit_id = t.visit_id from unnest($2::text[], $3::text[]) t (event_id, visit_id)"
        " where e.account_id = $1 and e.event_id = t.event_id",
        account_id, list(visits), list(visits.values()),
    )  # fmt: skip


async def hits_without_visit(conn: Conn, account_id: UUID, event_ids: Sequence[str]) -> dict[str, Row]:
    """What came of these events, by id: the first telling of each."""
    rows = await conn.fetch(
        "select distinct on (event_id) event_id, site_id, bot, payload from hit"
        " where account_id = $1 and event_id = any($2) and visit_id is null order by event_id, received_at",
        account_id, list(event_ids),
    )  # fmt: skip
    return {row["event_id"]: row for row in rows}


async def replace_visits(conn: Conn, account_id: UUID, gone: Sequence[str], visits: Sequence[VisitUpdate]) -> None:
    """In place of some visits, others: told anew from all their events, whatever was told before."""
    await conn.execute("delete from visit where account_id = $1 and visit_id = any($2)", account_id, list(gone))
    await merge_visits(conn, account_id, visits)


async def insert_form_events(conn: Conn, account_id: UUID, events: Sequence[FormEvent]) -> None:
    await conn.executemany(
        "insert into form_event (account_id, event_id, kind, occurred_at, visit_id, mark, client_id, form_host, form_id,"
        " company_id, record_id, mobile, step, facts, phone_hash, email_hash, by_mark)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) on conflict do nothing",
        [
            (
                account_id, event.event_id, event.kind, event.occurred_at, event.visit_id, event.mark, event.client_id,
                event.form_host, event.form_id, event.company_id, event.record_id, event.mobile, event.step,
                event.facts, event.phone_hash, event.email_hash, event.by_mark,
            )
            for event in events
        ],
    )  # fmt: skip


# --- reading

VISIT_COLUMNS = (
    "v.visit_id, v.site_id, v.visitor_id, v.started_at, v.last_seen_at, v.landing_page, v.referrer, v.channel, v.source,"
    " v.medium, v.campaign, v.utm, v.click_ids, v.referral_kind, v.advice, v.rules_version, v.uis_session_id, v.device,"
    " v.browser, v.bot, v.hits, v.place, v.described, v.network"
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


async def visit_sources(conn: Conn, account_id: UUID) -> list[str]:
    """Sources of the newest visits, for the filter."""
    rows = await conn.fetch(
        "select distinct source from (select source, bot from visit where account_id = $1"
        "  order by started_at desc, visit_id desc limit 3000) v where source is not null and not bot limit 500",
        account_id,
    )
    return sorted(row["source"] for row in rows)


#: Two lists by two indexes: asked for in one condition, every raw event there is would be looked at.
VISIT_EVENTS = """
    select * from (
        select distinct on (event_id) event_id, kind, occurred_at, received_at, payload from (
            select event_id, kind, occurred_at, received_at, payload from hit where account_id = $1 and visit_id = $2
            union all
            select h.event_id, h.kind, h.occurred_at, h.received_at, h.payload from form_event e
                join hit h on h.account_id = $1 and h.event_id = e.event_id and h.visit_id is null
                where e.account_id = $1 and e.visit_id = $2 and e.by_mark
        ) told order by event_id, received_at
    ) once order by occurred_at, event_id limit $3
"""


async def visit_events(conn: Conn, account_id: UUID, visit_id: str, *, limit: int = 200) -> list[Row]:
    """Everything the scripts told of a visit, once each, in time order."""
    return await conn.fetch(VISIT_EVENTS, account_id, visit_id, limit)
