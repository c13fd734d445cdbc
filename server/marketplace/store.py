"""SQL of the application's links. The account comes first in every query but those that find the account itself."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from server.delivery.relay import BRANCH_FROZEN, Kind
from server.marketplace.model import Link, State
from server.platform.postgres import Conn

_COLUMNS = (
    "l.company_id, l.state, l.code, l.note, l.attempts, l.asked_at, l.active_since, l.checked_at, l.next_at,"
    " coalesce(b.title, '') as title from app_link l"
    " left join branch b on b.account_id = l.account_id and b.company_id = l.company_id"
)


async def lock_company(conn: Conn, company_id: int) -> None:
    """Until the transaction ends nobody else decides whose branch this is."""
    await conn.execute("select pg_advisory_xact_lock(hashtextextended('app_link:' || $1::text, 0))", str(company_id))


async def taken_by_others(conn: Conn, account_id: UUID, company_ids: Sequence[int]) -> set[int]:
    """Which of these branches belong to another account. Says nothing of whose they are.

    A number that was only typed in, and of which nothing ever came, belongs to nobody.
    """
    rows = await conn.fetch(
        "select company_id from branch b where account_id <> $1 and company_id = any($2) and exists (select 1 from booking k"
        " where k.account_id = b.account_id and k.company_id = b.company_id)"
        " union select company_id from app_link where account_id <> $1 and company_id = any($2)"
        " and state in ('connecting', 'active', 'frozen')",
        account_id, list(company_ids),
    )  # fmt: skip
    return {row["company_id"] for row in rows}


async def linked_by_others(conn: Conn, account_id: UUID, company_id: int) -> bool:
    """Whether the vendor has confirmed this branch to another account."""
    found: bool = await conn.fetchval(
        "select exists (select 1 from app_link where account_id <> $1 and company_id = $2"
        " and state in ('active', 'frozen'))",
        account_id, company_id,
    )  # fmt: skip
    return found


async def account_of_company(conn: Conn, company_id: int) -> UUID | None:
    """Whose link an event of the vendor is about; the newest where a branch has changed hands."""
    account_id: UUID | None = await conn.fetchval(
        "select account_id from app_link where company_id = $1"
        " order by state = 'uninstalled', asked_at desc limit 1",
        company_id,
    )  # fmt: skip
    return account_id


async def links(conn: Conn, account_id: UUID) -> list[Link]:
    rows = await conn.fetch(f"select {_COLUMNS} where l.account_id = $1 order by l.company_id", account_id)
    return [Link(*row.values()) for row in rows]


async def link(conn: Conn, account_id: UUID, company_id: int, *, lock: bool = False) -> Link | None:
    row = await conn.fetchrow(
        f"select {_COLUMNS} where l.account_id = $1 and l.company_id = $2{' for update of l' if lock else ''}",
        account_id, company_id,
    )  # fmt: skip
    return Link(*row.values()) if row else None


async def uninstalled(conn: Conn, account_id: UUID) -> set[int]:
    rows = await conn.fetch(
        "select company_id from app_link where account_id = $1 and state = 'uninstalled'", account_id
    )
    return {row["company_id"] for row in rows}


async def ask(conn: Conn, account_id: UUID, company_id: int, *, by: UUID, now: datetime) -> None:
    """Somebody agreed to this branch (again): whatever stood here begins anew."""
    await conn.execute(
        "insert into app_link (account_id, company_id, state, confirmed_by, asked_at, next_at)"
        " values ($1, $2, 'connecting', $3, $4, $4) on conflict (account_id, company_id) do update set"
        " state = 'connecting', code = '', note = '', attempts = 0, confirmed_by = $3, asked_at = $4, next_at = $4",
        account_id, company_id, by, now,
    )  # fmt: skip


async def settle(
    conn: Conn,
    account_id: UUID,
    company_id: int,
    state: State,
    *,
    code: str = "",
    note: str = "",
    attempts: int = 0,
    next_at: datetime | None,
    now: datetime,
) -> None:
    await conn.execute(
        "update app_link set state = $3, code = $4, note = $5, attempts = $6, next_at = $7, checked_at = $8,"
        " active_since = case when $3 = 'active' then coalesce(case when state = 'active' then active_since end, $8) end"
        " where account_id = $1 and company_id = $2",
        account_id, company_id, state, code, note[:500], attempts, next_at, now,
    )  # fmt: skip


async def doubt(conn: Conn, account_id: UUID, company_id: int, note: str) -> bool:
    """A read was refused though the application is active; answers whether that is news."""
    done = await conn.execute(
        "update app_link set code = 'doubt', note = $3 where account_id = $1 and company_id = $2"
        " and state = 'active' and code <> 'doubt'",
        account_id, company_id, note[:500],
    )  # fmt: skip
    return done.endswith(" 1")


async def name_branch(conn: Conn, account_id: UUID, company_id: int, title: str) -> None:
    await conn.execute(
        "update branch set title = $3 where account_id = $1 and company_id = $2 and title = '' and $3 <> ''",
        account_id, company_id, title[:200],
    )  # fmt: skip


# --- what is on its way to another system


async def hold_frozen(conn: Conn, account_id: UUID, kind: Kind, sentence: str, *, now: datetime) -> None:
    """Nothing about a booking of a frozen branch leaves."""
    await conn.execute(
        "update delivery d set state = 'held', code = $3, error = $4, next_attempt_at = null, updated_at = $5"
        " from booking b join app_link l on l.account_id = b.account_id and l.company_id = b.company_id"
        " where d.account_id = $1 and d.kind = $2 and d.state in ('waiting', 'retrying') and l.state = 'frozen'"
        " and b.account_id = d.account_id and b.booking_id = d.subject_id",
        account_id, kind, BRANCH_FROZEN, sentence, now,
    )  # fmt: skip


async def release_branch(conn: Conn, account_id: UUID, company_id: int, *, now: datetime) -> set[Kind]:
    """What was held because the branch was frozen goes on; answers of which kinds there was something."""
    rows = await conn.fetch(
        "update delivery d set state = 'waiting', code = '', error = null, attempts = 0, next_attempt_at = $4,"
        " updated_at = $4 from booking b where d.account_id = $1 and d.state = 'held' and d.code = $3"
        " and b.account_id = d.account_id and b.booking_id = d.subject_id and b.company_id = $2 returning d.kind",
        account_id, company_id, BRANCH_FROZEN, now,
    )  # fmt: skip
    held = await conn.execute(
        "update delivery d set state = 'waiting', code = '', error = null, attempts = 0, next_attempt_at = $3,"
        " updated_at = $3 from branch_client c where d.account_id = $1 and d.kind = 'client' and d.state = 'held'"
        " and d.code = 'no_branch' and c.account_id = d.account_id and c.branch_client_id = d.subject_id"
        " and c.company_id = $2",
        account_id, company_id, now,
    )  # fmt: skip
    return {row["kind"] for row in rows} | (set() if held.endswith(" 0") else {"client"})


async def has_frozen(conn: Conn, account_id: UUID) -> bool:
    found: bool = await conn.fetchval(
        "select exists (select 1 from app_link where account_id = $1 and state = 'frozen')", account_id
    )
    return found
