"""The ledger: how many were accepted, and what became of each.

Identity, per account and door: ``accepted = stored + kept + duplicate + quarantined + waiting``. Each count is
written in the transaction that causes it, so the identity holds after any crash.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from server.platform.postgres import Conn

#: What an accepted webhook ends as. `kept`: read and shown, but of a kind we do not act on.
OUTCOMES = ("stored", "kept", "duplicate", "quarantined")


async def count(conn: Conn, account_id: UUID, door: str, outcome: str, at: datetime, number: int = 1) -> None:
    """Adds to one hour's count, inside the caller's transaction."""
    await conn.execute(
        "insert into ledger (account_id, hour, door, outcome, count) values ($1, date_trunc('hour', $2::timestamptz), $3, $4, $5)"
        " on conflict (account_id, hour, door, outcome) do update set count = ledger.count + excluded.count",
        account_id, at, door, outcome, number,
    )  # fmt: skip


async def refuse(
    conn: Conn,
    account_id: UUID,
    door: str,
    reason: str,
    *,
    at: datetime,
    detail: str = "",
    sample: str = "",
    number: int = 1,
) -> None:
    """Counts what was turned away at the door, with one sample an hour that the owner can look at."""
    await conn.execute(
        "insert into refusal (account_id, hour, door, reason, detail, count, last_at, sample)"
        " values ($1, date_trunc('hour', $2::timestamptz), $3, $4, $5, $6, $2, $7)"
        " on conflict (account_id, hour, door, reason, detail) do update"
        " set count = refusal.count + excluded.count, last_at = excluded.last_at",
        account_id, at, door, reason, detail[:200], number, sample[:500],
    )  # fmt: skip


async def sums(conn: Conn, account_id: UUID, since: datetime, until: datetime) -> dict[str, dict[str, int]]:
    """Per door: accepted, each outcome, waiting, refused, and the difference (0 when nothing is lost)."""
    rows = await conn.fetch(
        "select door, outcome, sum(count)::bigint as count from ledger"
        " where account_id = $1 and hour >= $2 and hour < $3 group by door, outcome",
        account_id, since, until,
    )  # fmt: skip
    doors: dict[str, dict[str, int]] = {}
    for row in rows:
        doors.setdefault(row["door"], {})[row["outcome"]] = row["count"]
    for door, waiting in (await _waiting(conn, account_id)).items():
        doors.setdefault(door, {})["waiting"] = waiting
    refused = await conn.fetch(
        "select door, sum(count)::bigint as count from refusal where account_id = $1 and hour >= $2 and hour < $3"
        " group by door",
        account_id, since, until,
    )  # fmt: skip
    for row in refused:
        doors.setdefault(row["door"], {})["refused"] = row["count"]
    return {door: _balanced(found) for door, found in sorted(doors.items())}


async def _waiting(conn: Conn, account_id: UUID) -> dict[str, int]:
    rows = await conn.fetch(
        "select vendor as door, count(*) as count from inbox where account_id = $1 and state = 'waiting' group by vendor"
        " union all select 'collector', coalesce(sum(events), 0)::bigint from hit_batch where account_id = $1",
        account_id,
    )
    return {row["door"]: row["count"] for row in rows}


def _balanced(found: Mapping[str, int]) -> dict[str, int]:
    line = {name: found.get(name, 0) for name in ("accepted", *OUTCOMES, "waiting", "refused")}
    line["difference"] = line["accepted"] - line["waiting"] - sum(line[name] for name in OUTCOMES)
    return line


async def by_hour(conn: Conn, account_id: UUID, since: datetime, until: datetime) -> list[dict[str, Any]]:
    rows = await conn.fetch(
        "select hour, door, outcome, count from ledger where account_id = $1 and hour >= $2 and hour < $3"
        " order by hour desc, door, outcome",
        account_id, since, until,
    )  # fmt: skip
    hours: dict[tuple[datetime, str], dict[str, Any]] = {}
    for row in rows:
        line = hours.setdefault((row["hour"], row["door"]), {"hour": row["hour"], "door": row["door"]})
        line[row["outcome"]] = row["count"]
    return list(hours.values())


async def refusals(
    conn: Conn, account_id: UUID, since: datetime, until: datetime | None = None, *, limit: int = 100
) -> list[dict[str, Any]]:
    rows = await conn.fetch(
        "select hour, door, reason, detail, count, last_at, sample from refusal where account_id = $1 and hour >= $2"
        " and ($3::timestamptz is null or hour < $3) order by last_at desc limit $4",
        account_id, since, until, limit,
    )  # fmt: skip
    return [dict(row) for row in rows]
