"""SQL of calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from server.calls.model import Call, Signal, kept, signal_of
from server.platform.ids import new_id
from server.platform.postgres import Conn, Pool, Row


@dataclass(frozen=True, slots=True)
class Done:
    """What was done about a call, and why not. Columns of `call`."""

    network_id: UUID | None
    company_id: int | None
    popup: str
    popup_why: str
    history: str
    history_why: str
    history_at: datetime | None
    client: str
    client_why: str


async def ensure(conn: Conn, account_id: UUID, session_id: str, *, at: datetime, asked: bool, now: datetime) -> Row:
    """The call's row, made where it is new, and locked until the transaction ends."""
    row = await conn.fetchrow(
        "insert into call as c (account_id, call_id, session_id, direction, state, started_at, asked, created_at, updated_at)"
        " values ($1, $2, $3, 'in', 'ringing', $4, $5, $6, $6) on conflict (account_id, session_id) do update set"
        " asked = c.asked or excluded.asked returning *",
        account_id, new_id(), session_id, at, asked, now,
    )  # fmt: skip
    assert row is not None
    return row


async def locked(conn: Conn, account_id: UUID, call_id: UUID) -> Row | None:
    return await conn.fetchrow(
        "select * from call where account_id = $1 and call_id = $2 for update", account_id, call_id
    )


async def add_event(
    conn: Conn, account_id: UUID, call_id: UUID, signal: Signal, record: bytes | None, *, received_at: datetime
) -> bool:
    """False: this was told before. A report that says something new takes the place of the last one."""
    changed = await conn.fetchval(
        "insert into call_event as e (account_id, call_id, key, event, at, received_at, facts, record)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (account_id, call_id, key) do update set at = excluded.at,"
        " facts = excluded.facts, record = excluded.record, received_at = excluded.received_at"
        " where e.event in ('report', 'silence') and e.facts is distinct from excluded.facts and e.at <= excluded.at"
        " returning true",
        account_id, call_id, signal.key, signal.event, signal.at, received_at, kept(signal), record,
    )  # fmt: skip
    return changed is True


async def signals(conn: Conn, account_id: UUID, call_id: UUID) -> list[Signal]:
    rows = await conn.fetch(
        "select key, event, at, facts from call_event where account_id = $1 and call_id = $2", account_id, call_id
    )
    return [signal_of(row["key"], row["event"], row["at"], row["facts"]) for row in rows]


async def record_of(conn: Conn, account_id: UUID, call_id: UUID, record: str) -> bytes | None:
    """The sealed link a signal spoke of."""
    sealed: bytes | None = await conn.fetchval(
        "select record from call_event where account_id = $1 and call_id = $2 and facts ->> 'record' = $3 limit 1",
        account_id, call_id, record,
    )  # fmt: skip
    return sealed


async def save(
    conn: Conn, account_id: UUID, call_id: UUID, call: Call, done: Done, record: bytes | None, *, now: datetime
) -> None:
    facts: Mapping[str, Any] = {
        name: value
        for name, value in (
            ("site", call.site), ("source", call.source), ("scenario", call.scenario), ("tags", call.tags),
        )
        if value not in ((), (None, None))
    }  # fmt: skip
    await conn.execute(
        "update call set direction = $3, state = $4, outcome = $5, told = $6, started_at = $7, ended_at = $8, contact = $9,"
        " number = $10, employee = $11, transferred = $12, talk_s = $13, wait_s = $14, facts = $15, record = $16,"
        " network_id = $17, company_id = $18, popup = $19, popup_why = $20, history = $21, history_why = $22,"
        " history_at = $23, client = $24, client_why = $25, updated_at = $26 where account_id = $1 and call_id = $2",
        account_id, call_id, call.direction, call.state, call.outcome, call.told, call.started_at, call.ended_at,
        call.contact, call.number, call.employee[1] or "", call.transferred, call.talk_s, call.wait_s, facts, record,
        done.network_id, done.company_id, done.popup, done.popup_why, done.history, done.history_why, done.history_at,
        done.client, done.client_why, now,
    )  # fmt: skip


async def still_rings(pool: Pool, account_id: UUID, call_id: UUID) -> bool:
    """Whether a pop-up is still of use: it is wanted, and the call has not ended."""
    told = await pool.fetchval(
        "select state <> 'over' and popup = 'wanted' from call where account_id = $1 and call_id = $2",
        account_id, call_id,
    )  # fmt: skip
    return told is True


async def begin_popup(pool: Pool, account_id: UUID, call_id: UUID, at: datetime | None) -> None:
    """A try is under way; None: it was put off, and nothing was sent."""
    await pool.execute(
        "update call set popup_at = $3 where account_id = $1 and call_id = $2 and popup = 'wanted'",
        account_id, call_id, at,
    )  # fmt: skip


async def settle_popup(
    pool: Pool, account_id: UUID, call_id: UUID, popup: str, why: str, note: str, *, now: datetime
) -> None:
    await pool.execute(
        "update call set popup = $3, popup_why = $4, popup_note = $5, popup_at = $6, updated_at = $6"
        " where account_id = $1 and call_id = $2 and popup in ('', 'wanted')",
        account_id, call_id, popup, why, note[:500], now,
    )  # fmt: skip


async def calls(conn: Conn, account_id: UUID, call_ids: Sequence[UUID]) -> dict[UUID, Row]:
    rows = await conn.fetch(
        "select * from call where account_id = $1 and call_id = any($2)", account_id, list(call_ids)
    )
    return {row["call_id"]: row for row in rows}


# --- looking


async def recording(conn: Conn, account_id: UUID, call_id: UUID) -> tuple[bytes | None, str] | None:
    """The sealed link and the state of a call; None: there is no such call."""
    row = await conn.fetchrow(
        "select record, state from call where account_id = $1 and call_id = $2", account_id, call_id
    )
    return (row["record"], row["state"]) if row else None


async def delivered_of_numbers(
    conn: Conn, account_id: UUID, *, since: datetime, until: datetime, before: timedelta
) -> list[Row]:
    """The last few delivered calls of each number, old enough to show in the other system's list."""
    return await conn.fetch(
        "select * from (select c.*, row_number() over (partition by c.number order by c.started_at desc) as place"
        " from call c join delivery d on d.account_id = c.account_id and d.kind = 'call' and d.subject_id = c.call_id"
        " where c.account_id = $1 and d.state = 'delivered' and d.sent_at between $2 and $3 and d.sent_at < now() - $4::interval"
        " and c.number <> '') t where place <= 3",
        account_id, since, until, before,
    )  # fmt: skip


async def records_come(conn: Conn, account_id: UUID) -> bool:
    """Whether the telephony records calls at all: of none of late there will be none of the next."""
    found: bool = await conn.fetchval(
        "select exists (select 1 from (select record from call where account_id = $1 order by started_at desc limit 500) t"
        " where record is not null)",
        account_id,
    )  # fmt: skip
    return found


async def messages_come(conn: Conn, account_id: UUID) -> bool:
    """Whether callers leave messages at all."""
    found: bool = await conn.fetchval(
        "select exists (select 1 from (select outcome from call where account_id = $1 order by started_at desc limit 500) t"
        " where outcome = 'voice_mail')",
        account_id,
    )  # fmt: skip
    return found


# --- reading reports


@dataclass(frozen=True, slots=True)
class Reading:
    account_id: UUID
    what: str
    looked_until: datetime | None
    until: datetime | None
    since: datetime | None


async def ensure_readings(pool: Pool, *, now: datetime) -> None:
    """Every account whose telephony is on has its report read now and then."""
    await pool.execute(
        "insert into call_reading (account_id, what, looked_until, next_at)"
        " select account_id, 'recent', enabled_at, $1 from integration where name = 'telephony' and enabled_at is not null"
        " on conflict do nothing",
        now,
    )


async def read_soon(conn: Conn, account_id: UUID, *, at: datetime) -> None:
    """A call waits for what the report says."""
    await conn.execute(
        "update call_reading set next_at = least(next_at, $2) where account_id = $1 and what = 'recent' and next_at > $2",
        account_id, at,
    )  # fmt: skip


async def ask_past(conn: Conn, account_id: UUID, *, since: datetime, now: datetime) -> bool:
    """Past months are to be read, newest first; False while a reading of them goes on."""
    done = await conn.execute(
        "insert into call_reading as r (account_id, what, looked_until, until, since, next_at)"
        " values ($1, 'past', $3, $3, $2, $3) on conflict (account_id, what) do update set looked_until = excluded.looked_until,"
        " until = excluded.until, since = excluded.since, next_at = excluded.next_at, read = 0, missed = 0, last_error = ''"
        " where r.looked_until <= r.since",
        account_id, since, now,
    )  # fmt: skip
    return not done.endswith(" 0")


async def claim_reading(
    pool: Pool, *, now: datetime, lease_until: datetime, past_of: UUID | None = None
) -> Reading | None:
    """What is due next; `past_of`: of this account's past months alone."""
    row = await pool.fetchrow(
        "update call_reading r set lease_until = $2 from (select account_id, what from call_reading where next_at <= $1"
        " and (lease_until is null or lease_until <= $1) and (what = 'recent' or looked_until > since)"
        " and exists (select 1 from integration i where i.account_id = call_reading.account_id and i.name = 'telephony'"
        "  and i.enabled_at is not null) and ($3::uuid is null or (account_id = $3 and what = 'past'))"
        " order by next_at limit 1 for update skip locked) due"
        " where r.account_id = due.account_id and r.what = due.what"
        " returning r.account_id, r.what, r.looked_until, r.until, r.since",
        now, lease_until, past_of,
    )  # fmt: skip
    return Reading(*row.values()) if row else None


async def keep_reading(
    pool: Pool,
    reading: Reading,
    *,
    looked_until: datetime | None,
    read: int,
    missed: int,
    next_at: datetime,
    error: str,
) -> None:
    await pool.execute(
        "update call_reading set looked_until = coalesce($3, looked_until), read = read + $4, missed = missed + $5,"
        " next_at = $6, last_error = $7, lease_until = null where account_id = $1 and what = $2",
        reading.account_id, reading.what, looked_until, read, missed, next_at, error[:500],
    )  # fmt: skip


async def readings(conn: Conn, account_id: UUID) -> list[Row]:
    """How far the reports were read, for the eye."""
    return await conn.fetch(
        "select what, looked_until, until, since, next_at, read, missed, last_error from call_reading where account_id = $1",
        account_id,
    )


async def settled(conn: Conn, account_id: UUID, session_ids: Sequence[str]) -> set[str]:
    """Of these calls those of which all that matters is known and done."""
    rows = await conn.fetch(
        "select session_id from call where account_id = $1 and session_id = any($2) and told and history = 'wanted'",
        account_id, list(session_ids),
    )  # fmt: skip
    return {row["session_id"] for row in rows}


async def first_unsettled(conn: Conn, account_id: UUID, *, since: datetime) -> datetime | None:
    """When the oldest call began that waits for the report."""
    at: datetime | None = await conn.fetchval(
        "select min(started_at) from call where account_id = $1 and started_at >= $2 and history_why = 'report'",
        account_id, since,
    )  # fmt: skip
    return at
