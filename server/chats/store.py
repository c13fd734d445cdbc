"""SQL of chats and forms."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from server.chats.model import Decision, Telling, Text, kept
from server.platform.ids import new_id
from server.platform.postgres import Conn, Pool, Row


async def ensure_text(conn: Conn, account_id: UUID, told: Telling, *, asked: bool, now: datetime) -> tuple[UUID, bool]:
    """The row of a chat or form, locked until the transaction ends; and whether it is new."""
    row = await conn.fetchrow(
        "insert into text_communication as t (account_id, text_id, kind, vendor_id, started_at, asked, created_at, updated_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $7) on conflict (account_id, kind, vendor_id)"
        " do update set asked = t.asked or excluded.asked returning text_id, t.text_id = $2 as new",
        account_id, new_id(), told.kind, told.vendor_id, told.at, asked, now,
    )  # fmt: skip
    assert row is not None
    return row["text_id"], row["new"]


async def add_event(conn: Conn, account_id: UUID, text_id: UUID, told: Telling, *, now: datetime) -> bool:
    """False: it was told before."""
    done = await conn.execute(
        "insert into text_event (account_id, text_id, event_id, key, event, source, at, told_at, facts)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8, $9) on conflict (account_id, text_id, key) do nothing",
        account_id, text_id, new_id(), told.key[:500], told.event, told.source, told.at, now, dict(told.facts),
    )  # fmt: skip
    return not done.endswith(" 0")


async def tellings(conn: Conn, account_id: UUID, text_id: UUID, row: Row) -> list[Telling]:
    events = await conn.fetch(
        "select event, source, key, at, facts from text_event where account_id = $1 and text_id = $2",
        account_id, text_id,
    )  # fmt: skip
    return [Telling(row["kind"], row["vendor_id"], *event.values()) for event in events]


async def locked(conn: Conn, account_id: UUID, text_id: UUID) -> Row | None:
    return await conn.fetchrow(
        "select kind, vendor_id, asked, reads, next_read_at, branch_client_id, state, reason from text_communication"
        " where account_id = $1 and text_id = $2 for update",
        account_id, text_id,
    )  # fmt: skip


async def keep(
    conn: Conn,
    account_id: UUID,
    text_id: UUID,
    text: Text,
    decision: Decision,
    *,
    branch_client_id: UUID | None,
    reads: int,
    next_read_at: datetime | None,
    now: datetime,
) -> None:
    await conn.execute(
        "update text_communication set communication_id = $3, status = $4, started_at = $5, ended_at = $6, facts = $7,"
        " has_phone = $8, company_id = $9, state = $10, reason = $11, branch_client_id = $12, next_read_at = $13,"
        " updated_at = $14, reads = $15 where account_id = $1 and text_id = $2",
        account_id, text_id, text.communication_id, text.status, text.started_at, text.ended_at, kept(text),
        bool(text.phone), decision.company_id, decision.state, decision.reason, branch_client_id, next_read_at, now, reads,
    )  # fmt: skip


async def loaded_by_us(conn: Conn, account_id: UUID, vendor_id: int) -> bool:
    """Whether this form is a lead of ours that UIS tells back."""
    ours: bool = await conn.fetchval(
        "select exists (select 1 from delivery where account_id = $1 and kind = 'lead' and vendor_id = $2)",
        account_id, str(vendor_id),
    )  # fmt: skip
    return ours


async def chat_of_communication(conn: Conn, account_id: UUID, communication_id: int) -> int | None:
    vendor_id: int | None = await conn.fetchval(
        "select vendor_id from text_communication where account_id = $1 and communication_id = $2 and kind = 'chat' limit 1",
        account_id, communication_id,
    )  # fmt: skip
    return vendor_id


# --- what is to be read


async def to_read(conn: Conn, account_id: UUID, *, now: datetime, limit: int) -> list[Row]:
    return await conn.fetch(
        "select text_id, kind, vendor_id, started_at from text_communication"
        " where account_id = $1 and next_read_at <= $2 order by next_read_at, text_id limit $3",
        account_id, now, limit,
    )  # fmt: skip


async def ask_about_open(conn: Conn, account_id: UUID, *, before: datetime, after: datetime, now: datetime) -> int:
    """Chats of that time whose end nobody told of are due to be read; answers how many."""
    done = await conn.execute(
        "update text_communication set next_read_at = $4 where account_id = $1 and kind = 'chat' and status = 'going_on'"
        " and state = 'waiting' and next_read_at is null and started_at < $2 and started_at >= $3",
        account_id, before, after, now,
    )  # fmt: skip
    return int(done.split()[-1])


async def count_read(conn: Conn, account_id: UUID, text_id: UUID, *, times: int) -> None:
    """It was looked for, and is no longer due until somebody says so."""
    await conn.execute(
        "update text_communication set reads = reads + $3, next_read_at = null where account_id = $1 and text_id = $2",
        account_id, text_id, times,
    )  # fmt: skip


async def put_off_reads(conn: Conn, account_id: UUID, until: datetime) -> None:
    """Nothing can be read now; that does not count as having looked."""
    await conn.execute(
        "update text_communication set next_read_at = greatest(next_read_at, $2)"
        " where account_id = $1 and next_read_at is not null",
        account_id, until,
    )  # fmt: skip
    await conn.execute(
        "update text_lookup set next_at = greatest(next_at, $2) where account_id = $1", account_id, until
    )


async def next_read(conn: Conn, account_id: UUID) -> datetime | None:
    at: datetime | None = await conn.fetchval(
        "select least((select min(next_read_at) from text_communication where account_id = $1 and next_read_at is not null),"
        " (select min(next_at) from text_lookup where account_id = $1))",
        account_id,
    )  # fmt: skip
    return at


async def look_up(
    conn: Conn, account_id: UUID, communication_id: int, told: Mapping[str, Any], *, now: datetime
) -> None:
    await conn.execute(
        "insert into text_lookup as l (account_id, communication_id, next_at, created_at, tellings) values ($1, $2, $3, $3, $4)"
        " on conflict (account_id, communication_id) do update set tellings = l.tellings || excluded.tellings",
        account_id, communication_id, now, [dict(told)],
    )  # fmt: skip


async def lookups(conn: Conn, account_id: UUID, *, now: datetime, limit: int) -> list[Row]:
    return await conn.fetch(
        "select communication_id, tries, created_at, tellings from text_lookup where account_id = $1 and next_at <= $2"
        " order by next_at limit $3",
        account_id, now, limit,
    )  # fmt: skip


async def take_lookup(conn: Conn, account_id: UUID, communication_id: int) -> list[dict[str, Any]]:
    """What was told of it, which is then here no longer."""
    told: list[dict[str, Any]] | None = await conn.fetchval(
        "delete from text_lookup where account_id = $1 and communication_id = $2 returning tellings",
        account_id, communication_id,
    )  # fmt: skip
    return told or []


async def seek_again(conn: Conn, account_id: UUID, communication_id: int, at: datetime) -> None:
    await conn.execute(
        "update text_lookup set tries = tries + 1, next_at = $3 where account_id = $1 and communication_id = $2",
        account_id, communication_id, at,
    )  # fmt: skip


# --- how far the reports are read


async def watch(
    pool: Pool, *, now: datetime, lease_until: datetime, period_s: float, account_id: UUID | None = None
) -> Row | None:
    """The account whose turn it is, leased; None: nobody's. Only where texts are switched on and UIS is connected."""
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "insert into text_watch (account_id, next_look_at, period_s) select i.account_id, $1, $2 from integration i"
            " join connection c on c.account_id = i.account_id and c.vendor = 'uis' where i.name = 'texts'"
            " and i.enabled_at is not null and not exists (select 1 from text_watch w where w.account_id = i.account_id)"
            " on conflict do nothing",
            now, period_s,
        )  # fmt: skip
        return await conn.fetchrow(
            "update text_watch w set lease_until = $2 from (select t.account_id, i.enabled_at from text_watch t"
            "  join integration i on i.account_id = t.account_id and i.name = 'texts' and i.enabled_at is not null"
            "  where t.next_look_at <= $1 and (t.lease_until is null or t.lease_until <= $1)"
            "  and ($3::uuid is null or t.account_id = $3) order by t.next_look_at limit 1 for update of t skip locked) due"
            " where w.account_id = due.account_id returning w.*, due.enabled_at",
            now, lease_until, account_id,
        )  # fmt: skip


async def keep_watch(
    conn: Conn,
    account_id: UUID,
    lease_until: datetime,
    *,
    next_look_at: datetime,
    period_s: float,
    compared_at: datetime | None = None,
    missed: int = 0,
    error: str = "",
) -> None:
    """The lease is the fence: who has lost it notes nothing."""
    await conn.execute(
        "update text_watch set lease_until = null, next_look_at = $3, period_s = $4, compared_at = coalesce($5, compared_at),"
        " missed = missed + $6, looks = looks + 1, last_error = $7 where account_id = $1 and lease_until = $2",
        account_id, lease_until, next_look_at, period_s, compared_at, missed, error[:500],
    )  # fmt: skip


async def release_claimed(pool: Pool) -> int:
    """What a dead worker looked at is looked at again at once; only where no other lives."""
    done = await pool.execute("update text_watch set lease_until = null where lease_until is not null")
    return int(done.split()[-1])


async def ask(conn: Conn, account_id: UUID, since: datetime, till: datetime, *, now: datetime) -> bool:
    """A past time is to be read; False while one that was asked for before is still being read."""
    done = await conn.execute(
        "insert into text_watch as w (account_id, next_look_at, period_s, asked_from, asked_till, asked_done, asked_at)"
        " values ($1, $4, 60, $2, $3, $2, $4) on conflict (account_id) do update set next_look_at = least(w.next_look_at, $4),"
        " asked_from = $2, asked_till = $3, asked_done = $2, asked_found = 0, asked_at = $4"
        " where w.asked_done is null or w.asked_done >= w.asked_till",
        account_id, since, till, now,
    )  # fmt: skip
    return not done.endswith(" 0")


async def keep_asked(conn: Conn, account_id: UUID, asked_at: datetime, done: datetime, found: int) -> None:
    await conn.execute(
        "update text_watch set asked_done = $3, asked_found = asked_found + $4 where account_id = $1 and asked_at = $2",
        account_id, asked_at, done, found,
    )  # fmt: skip


async def watch_of(conn: Conn, account_id: UUID) -> Row | None:
    return await conn.fetchrow("select * from text_watch where account_id = $1", account_id)


# --- looking: for the journal and the API


_SHOWN = (
    "t.text_id, t.kind, t.vendor_id, t.communication_id, t.status, t.started_at, t.ended_at, t.facts, t.company_id,"
    " t.state, t.reason, t.created_at, t.updated_at, c.client_id, c.how as client_how, c.card_name, c.phone as client_phone,"
    " d.delivery_id, d.state as delivery_state, d.code as delivery_code, d.error as delivery_error,"
    " (select m.state from client_comment m where m.account_id = t.account_id and m.branch_client_id = t.branch_client_id"
    " and m.key = t.kind || ':' || t.vendor_id) as comment_state"
)
_JOINED = (
    " from text_communication t left join branch_client c on c.account_id = t.account_id"
    " and c.branch_client_id = t.branch_client_id left join delivery d on d.account_id = t.account_id"
    " and d.kind = 'client' and d.subject_id = t.branch_client_id"
)


async def texts(
    conn: Conn,
    account_id: UUID,
    *,
    kind: str | None = None,
    state: str | None = None,
    before: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[Row]:
    """Newest first."""
    return await conn.fetch(
        f"select {_SHOWN} {_JOINED} where t.account_id = $1 and ($2::text is null or t.kind = $2)"
        " and ($3::text is null or t.state = $3) and ($4::timestamptz is null or (t.started_at, t.text_id) < ($4, $5::uuid))"
        " order by t.started_at desc, t.text_id desc limit $6",
        account_id, kind, state, before[0] if before else None, before[1] if before else None, limit,
    )  # fmt: skip


async def text(conn: Conn, account_id: UUID, text_id: UUID) -> Row | None:
    return await conn.fetchrow(
        f"select {_SHOWN} {_JOINED} where t.account_id = $1 and t.text_id = $2", account_id, text_id
    )


async def events(conn: Conn, account_id: UUID, text_id: UUID) -> list[Row]:
    """Everything that was told of it, oldest first."""
    return await conn.fetch(
        "select event, source, at, told_at, facts from text_event where account_id = $1 and text_id = $2"
        " order by told_at, event_id",
        account_id, text_id,
    )  # fmt: skip


async def waiting(conn: Conn, account_id: UUID) -> list[UUID]:
    """What waits for something, or only for a branch."""
    rows = await conn.fetch(
        "select text_id from text_communication where account_id = $1 and (state = 'waiting' or reason = 'no_branch')"
        " order by started_at desc",
        account_id,
    )  # fmt: skip
    return [row["text_id"] for row in rows]
