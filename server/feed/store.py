"""SQL of the feed. The row of `feed_head` is locked first: numbers become visible in their order, without gaps."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from server.platform.postgres import Conn, Row


async def lock_head(conn: Conn, account_id: UUID) -> int:
    """The number of the newest event; nobody else may add one to this account until the transaction ends."""
    seq: int = await conn.fetchval(
        "insert into feed_head as h (account_id, seq) values ($1, 0)"
        " on conflict (account_id) do update set seq = h.seq returning seq",
        account_id,
    )
    return seq


async def item(conn: Conn, account_id: UUID, subject: str) -> dict[str, Any] | None:
    found: dict[str, Any] | None = await conn.fetchval(
        "select item from feed_item where account_id = $1 and subject = $2", account_id, subject
    )
    return found


async def is_told(conn: Conn, account_id: UUID, once: str) -> bool:
    told: bool = await conn.fetchval(
        "select exists (select 1 from feed where account_id = $1 and once = $2)", account_id, once
    )
    return told


async def add(
    conn: Conn,
    account_id: UUID,
    seq: int,
    *,
    kind: str,
    subject: str,
    once: str | None,
    payload: dict[str, Any],
    at: datetime,
) -> None:
    """Keeps an event under the locked head's next number, and its item."""
    item = payload["item"]
    await conn.execute(
        "insert into feed (account_id, seq, kind, subject, once, payload, at) values ($1, $2, $3, $4, $5, $6, $7)",
        account_id, seq, kind, subject, once, payload, at,
    )  # fmt: skip
    await conn.execute(
        "insert into feed_item (account_id, subject, kind, state, item, seq, changed_at) values ($1, $2, $3, $4, $5, $6, $7)"
        " on conflict (account_id, subject) do update set state = excluded.state, item = excluded.item, seq = excluded.seq,"
        " changed_at = excluded.changed_at",
        account_id, subject, item["kind"], item["state"], item, seq, at,
    )  # fmt: skip
    await conn.execute("update feed_head set seq = $2 where account_id = $1", account_id, seq)


async def heads(conn: Conn, account_ids: Sequence[UUID]) -> dict[UUID, int]:
    """The newest number of each account; one without events is left out."""
    rows = await conn.fetch("select account_id, seq from feed_head where account_id = any($1)", list(account_ids))
    return {row["account_id"]: row["seq"] for row in rows}


async def after(conn: Conn, account_id: UUID, seq: int, *, limit: int) -> list[Row]:
    """The next events, oldest first."""
    return await conn.fetch(
        "select seq, kind, subject, payload, at from feed where account_id = $1 and seq > $2 order by seq limit $3",
        account_id, seq, limit,
    )  # fmt: skip


async def items(conn: Conn, account_id: UUID, *, since: datetime, limit: int) -> list[dict[str, Any]]:
    """What changed since then, the newest first."""
    rows = await conn.fetch(
        "select item from feed_item where account_id = $1 and changed_at >= $2 order by changed_at desc, seq desc limit $3",
        account_id, since, limit,
    )  # fmt: skip
    return [row["item"] for row in rows]


async def of_subject(conn: Conn, account_id: UUID, subject: str, *, kinds: Sequence[str], limit: int) -> list[Row]:
    """The last events of a subject, oldest first."""
    rows = await conn.fetch(
        "select seq, kind, subject, payload, at from feed where account_id = $1 and subject = $2 and kind = any($3)"
        " order by seq desc limit $4",
        account_id, subject, list(kinds), limit,
    )  # fmt: skip
    return rows[::-1]


async def silent_calls(conn: Conn, state: str, *, before: datetime, limit: int) -> list[Row]:
    """Calls of any account that stand so since before that moment."""
    return await conn.fetch(
        "select account_id, subject from feed_item where state in ('ringing', 'talking') and state = $1"
        " and changed_at < $2 order by changed_at limit $3",
        state, before, limit,
    )  # fmt: skip


async def is_silent(conn: Conn, account_id: UUID, subject: str, state: str, *, before: datetime) -> bool:
    silent: bool = await conn.fetchval(
        "select exists (select 1 from feed_item where account_id = $1 and subject = $2 and state = $3 and changed_at < $4)",
        account_id, subject, state, before,
    )  # fmt: skip
    return silent
