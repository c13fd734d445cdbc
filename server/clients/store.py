"""SQL of the clients of branches."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from server.clients.model import Wanted
from server.platform.ids import new_id
from server.platform.postgres import Conn, Row


async def phone_region(conn: Conn, account_id: UUID) -> str:
    """Where a number without a country code is dialled."""
    region: str | None = await conn.fetchval("select phone_region from account where account_id = $1", account_id)
    return region or "RU"


async def ensure_client(conn: Conn, account_id: UUID, phone: str, wanted: Wanted, *, now: datetime) -> UUID:
    """The row of this phone in this branch, locked until the transaction ends; what it lacks is taken from the wish."""
    found: UUID = await conn.fetchval(
        "insert into branch_client as c (account_id, branch_client_id, company_id, phone, name, email, card_name, label, make,"
        " fill_empty, wishes, created_at, updated_at) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, $11, $11)"
        " on conflict (account_id, company_id, phone) do update set"
        " name = case when c.name = '' then excluded.name else c.name end,"
        " email = case when c.email = '' and (c.name = '' or c.name = excluded.name) then excluded.email else c.email end,"
        " card_name = case when c.card_name = '' then excluded.card_name else c.card_name end,"
        " label = case when c.label = '' then excluded.label else c.label end,"
        " make = c.make or excluded.make, fill_empty = c.fill_empty or excluded.fill_empty,"
        " updated_at = excluded.updated_at returning branch_client_id",
        account_id, new_id(), wanted.company_id, phone, wanted.name, wanted.email, wanted.card_name, wanted.label,
        wanted.make, wanted.fill_empty, now,
    )  # fmt: skip
    return found


async def is_not_to_be_made(conn: Conn, account_id: UUID, company_id: int, phone: str) -> bool:
    """Whether this client was wanted only where the branch has one already. Its row is locked."""
    make: bool | None = await conn.fetchval(
        "select make from branch_client where account_id = $1 and company_id = $2 and phone = $3 for update",
        account_id, company_id, phone,
    )  # fmt: skip
    return make is False


async def add_comment(conn: Conn, account_id: UUID, branch_client_id: UUID, wanted: Wanted, *, now: datetime) -> bool:
    """False: this was wanted before. What was not yet written may still say more."""
    changed = await conn.fetchval(
        "insert into client_comment as c (account_id, comment_id, branch_client_id, key, source, name, text, created_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (account_id, branch_client_id, key) do update set"
        " name = excluded.name, text = excluded.text where c.state = 'waiting' and not c.tried"
        " and (c.name, c.text) is distinct from (excluded.name, excluded.text) returning true",
        account_id, new_id(), branch_client_id, wanted.comment_key, wanted.source, "" if wanted.quiet else wanted.name,
        "" if wanted.quiet else wanted.comment, now,
    )  # fmt: skip
    return changed is True


async def count_wish(conn: Conn, account_id: UUID, branch_client_id: UUID) -> Row:
    row = await conn.fetchrow(
        "update branch_client set wishes = wishes + 1 where account_id = $1 and branch_client_id = $2"
        " returning company_id, wishes",
        account_id, branch_client_id,
    )  # fmt: skip
    assert row is not None
    return row


async def told_by_keys(conn: Conn, account_id: UUID, keys: Sequence[str]) -> list[Row]:
    """What became of wishes, by their keys: for the journals of calls, chats and forms."""
    return await conn.fetch(
        "select m.key, m.state as comment_state, m.written_at, c.branch_client_id, c.company_id, c.client_id, c.how,"
        " c.card_name, d.delivery_id, d.state as delivery_state, d.code, d.error, d.next_attempt_at"
        " from client_comment m join branch_client c on c.account_id = m.account_id"
        " and c.branch_client_id = m.branch_client_id left join delivery d on d.account_id = c.account_id"
        " and d.kind = 'client' and d.subject_id = c.branch_client_id where m.account_id = $1 and m.key = any($2)",
        account_id, list(keys),
    )  # fmt: skip


# --- delivering


async def clients(conn: Conn, account_id: UUID, ids: Sequence[UUID]) -> dict[UUID, Row]:
    rows = await conn.fetch(
        "select branch_client_id, company_id, phone, name, email, card_name, label, make, fill_empty, client_id, how"
        " from branch_client where account_id = $1 and branch_client_id = any($2)",
        account_id, list(ids),
    )  # fmt: skip
    return {row["branch_client_id"]: row for row in rows}


async def waiting_comments(conn: Conn, account_id: UUID, branch_client_id: UUID) -> list[Row]:
    """Oldest first."""
    return await conn.fetch(
        "select comment_id, source, name, text, tried from client_comment where account_id = $1"
        " and branch_client_id = $2 and state = 'waiting' order by created_at, comment_id",
        account_id, branch_client_id,
    )  # fmt: skip


async def written_ids(conn: Conn, account_id: UUID, branch_client_id: UUID) -> set[int]:
    """The vendor's ids of comments that are known to be ours."""
    rows = await conn.fetch(
        "select vendor_comment_id from client_comment where account_id = $1 and branch_client_id = $2"
        " and vendor_comment_id is not null",
        account_id, branch_client_id,
    )  # fmt: skip
    return {row["vendor_comment_id"] for row in rows}


async def keep_card(
    conn: Conn,
    account_id: UUID,
    branch_client_id: UUID,
    client_id: int | None,
    how: str,
    card_name: str,
    *,
    now: datetime,
) -> None:
    await conn.execute(
        "update branch_client set client_id = $3, how = $4, card_name = case when $5 = '' then card_name else $5 end,"
        " updated_at = $6 where account_id = $1 and branch_client_id = $2",
        account_id, branch_client_id, client_id, how, card_name, now,
    )  # fmt: skip


async def mark_tried(conn: Conn, account_id: UUID, comment_id: UUID, *, tried: bool) -> Row | None:
    """The comment as it now stands: until a try begins it may have come to say more."""
    return await conn.fetchrow(
        "update client_comment set tried = $3 where account_id = $1 and comment_id = $2 returning source, name, text",
        account_id, comment_id, tried,
    )  # fmt: skip


async def settle_comment(
    conn: Conn, account_id: UUID, comment_id: UUID, state: str, vendor_comment_id: int | None, *, now: datetime
) -> None:
    await conn.execute(
        "update client_comment set state = $3, vendor_comment_id = $4, tried = false,"
        " written_at = case when $3 = 'written' then $5::timestamptz end where account_id = $1 and comment_id = $2",
        account_id, comment_id, state, vendor_comment_id, now,
    )  # fmt: skip


async def leave_absent(conn: Conn, account_id: UUID, branch_client_id: UUID, *, now: datetime) -> None:
    """The branch has no such client and none is made: there is no card to write into. Unless it is to be made by now."""
    left = await conn.execute(
        "update branch_client set client_id = null, how = 'absent', updated_at = $3"
        " where account_id = $1 and branch_client_id = $2 and not make",
        account_id, branch_client_id, now,
    )  # fmt: skip
    if left.endswith(" 0"):
        return
    await conn.execute(
        "update client_comment set state = 'needless' where account_id = $1 and branch_client_id = $2 and state = 'waiting'",
        account_id, branch_client_id,
    )  # fmt: skip


async def revive(conn: Conn, account_id: UUID, branch_client_id: UUID) -> bool:
    """A client that was left absent is to be made after all, with what was left unsaid."""
    back = await conn.execute(
        "update branch_client set how = '' where account_id = $1 and branch_client_id = $2 and how = 'absent'",
        account_id, branch_client_id,
    )  # fmt: skip
    if back.endswith(" 0"):
        return False
    await conn.execute(
        "update client_comment set state = 'waiting' where account_id = $1 and branch_client_id = $2 and state = 'needless'",
        account_id, branch_client_id,
    )  # fmt: skip
    return True


async def hold_branch(conn: Conn, account_id: UUID, company_id: int, code: str, error: str, *, now: datetime) -> None:
    """Nothing of this branch is tried for a while: one reason for all, told once."""
    await conn.execute(
        "update delivery d set state = 'held', code = $3, error = $4, next_attempt_at = null, updated_at = $5"
        " from branch_client c where d.account_id = $1 and d.kind = 'client' and d.state in ('waiting', 'retrying')"
        " and c.account_id = d.account_id and c.branch_client_id = d.subject_id and c.company_id = $2",
        account_id, company_id, code, error[:500], now,
    )  # fmt: skip


async def release_branches(
    conn: Conn,
    account_id: UUID,
    codes: Sequence[str],
    *,
    held_before: datetime | None = None,
    companies: Sequence[int] | None = None,
    now: datetime,
) -> datetime | None:
    """What a branch's licence or rights keep is tried again: after a while, or when one of the branch got through.

    Answers when, if there is any.
    """
    done = await conn.execute(
        "update delivery d set state = 'waiting', code = '', error = null, attempts = 0, next_attempt_at = $5,"
        " updated_at = $5 from branch_client c where d.account_id = $1 and d.kind = 'client' and d.state = 'held'"
        " and d.code = any($2) and c.account_id = d.account_id and c.branch_client_id = d.subject_id"
        " and ($3::timestamptz is null or d.updated_at <= $3) and ($4::bigint[] is null or c.company_id = any($4))",
        account_id, list(codes), held_before, companies, now,
    )  # fmt: skip
    return None if done.endswith(" 0") else now


async def held_since(conn: Conn, account_id: UUID, codes: Sequence[str]) -> datetime | None:
    at: datetime | None = await conn.fetchval(
        "select min(updated_at) from delivery where account_id = $1 and kind = 'client' and state = 'held' and code = any($2)",
        account_id, list(codes),
    )  # fmt: skip
    return at
