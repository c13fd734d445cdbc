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


async def add_comment(conn: Conn, account_id: UUID, branch_client_id: UUID, wanted: Wanted, *, now: datetime) -> bool:
    """False: this was wanted before. What was not yet written may still say more."""
    changed = await conn.fetchval(
        "insert into client_comment as c (account_id, comment_id, branch_client_id, key, source, name, text, created_at)"
        " values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict (account_id, branch_client_id, key) do update set"
        " name = excluded.name, text = excluded.text where c.state = 'waiting' and not c.tried"
        " and (c.name, c.text) is distinct from (excluded.name, excluded.text) returning true",
        account_id, new_id(), branch_client_id, wanted.comment_key, wanted.source, wanted.name, wanted.comment, now,
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
