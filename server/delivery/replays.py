"""Many deliveries sent again at a person's word: counted first, let go a portion at a time, and cancelled at any moment.

Promises: one replay of an account goes on at a time, and lets each delivery go at most once; what may have arrived is
looked up first, as after any try; the next portion waits until the last one was tried, so that what is new is never
behind a heap of old. What a frozen branch holds stays held.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg

from server.delivery import outbox, relay
from server.delivery.relay import BRANCH_FROZEN, Kind
from server.platform.ids import new_id
from server.platform.postgres import Conn, Pool, Row

#: Job of the outbox: let the next portion go; its key is the replay's id.
JOB = "deliveries.replay"
PORTION = 50
_LOOK_AGAIN = timedelta(seconds=1)
Again = Literal["failed", "held"]
AGAIN: tuple[Again, ...] = ("failed", "held")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which deliveries: `since` and `until` are of their making, the end not included."""

    state: Again = "failed"
    kind: Kind | None = None
    code: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True)
class Replay:
    """How far a replay has come. `waiting`: let go and not tried yet; the others are what became of those tried."""

    replay_id: UUID
    run: Literal["running", "done", "cancelled"]
    wanted: Wanted
    created_at: datetime
    ended_at: datetime | None
    total: int
    released: int
    waiting: int
    delivered: int
    retrying: int
    failed: int
    held: int

    @property
    def tried(self) -> int:
        return self.released - self.waiting


class AlreadyRunning(Exception):
    """A replay of this account has not ended."""


#: $1 is the account; from $2 on, the filter.
_MATCHES = (
    f"account_id = $1 and state = $2 and code <> '{BRANCH_FROZEN}' and ($3::text is null or kind = $3)"
    " and ($4::text is null or code = $4) and ($5::timestamptz is null or created_at >= $5)"
    " and ($6::timestamptz is null or created_at < $6)"
)


async def count(conn: Conn, account_id: UUID, wanted: Wanted) -> int:
    number: int = await conn.fetchval(f"select count(*) from delivery where {_MATCHES}", account_id, *_filter(wanted))
    return number


async def codes(conn: Conn, account_id: UUID) -> list[str]:
    """Why deliveries failed or are held: what may be asked for."""
    rows = await conn.fetch(
        "select distinct code from delivery where account_id = $1 and state in ('failed', 'held') and code not in ('', $2)"
        " order by code",
        account_id, BRANCH_FROZEN,
    )  # fmt: skip
    return [row["code"] for row in rows]


async def start(conn: Conn, account_id: UUID, wanted: Wanted, *, now: datetime) -> UUID | None:
    """Begins in the caller's transaction; None: there is nothing of that kind. Raises `AlreadyRunning`."""
    total = await count(conn, account_id, wanted)
    if not total:
        return None
    replay_id = new_id()
    try:
        async with conn.transaction():
            await conn.execute(
                "insert into delivery_replay (account_id, replay_id, state, kind, code, since, until, total, created_at)"
                " values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
                account_id, replay_id, *_filter(wanted), total, now,
            )  # fmt: skip
    except asyncpg.UniqueViolationError:
        raise AlreadyRunning from None
    await outbox.enqueue(conn, account_id, JOB, str(replay_id), run_at=now)
    return replay_id


async def step(pool: Pool, account_id: UUID, replay_id: UUID, *, now: datetime) -> datetime | None:
    """Lets the next portion go when there is room for it; answers when to look again."""
    async with pool.acquire() as conn, conn.transaction():
        row = await conn.fetchrow(
            "select * from delivery_replay where account_id = $1 and replay_id = $2 and run = 'running' for update",
            account_id, replay_id,
        )  # fmt: skip
        if row is None:
            return None
        waiting: int = await conn.fetchval(
            "select count(*) from delivery where account_id = $1 and replay_id = $2 and state = 'waiting'",
            account_id, replay_id,
        )  # fmt: skip
        released = await _release(conn, row, PORTION - waiting, now=now) if waiting < PORTION else []
        if not released and not waiting:
            await _end(conn, account_id, replay_id, "done", now=now)
            return None
        if released:
            last = released[-1]
            await conn.execute(
                "update delivery_replay set released = released + $3, after_at = $4, after_id = $5"
                " where account_id = $1 and replay_id = $2",
                account_id, replay_id, len(released), last["created_at"], last["delivery_id"],
            )  # fmt: skip
            for kind in {one["kind"] for one in released}:
                await relay.wake(conn, account_id, kind, now=now)
    return now + _LOOK_AGAIN


async def _release(conn: Conn, row: Row, limit: int, *, now: datetime) -> list[Row]:
    """The next ones, oldest first. One that another is changing right now is left to that change."""
    return await conn.fetch(
        f"with picked as (select delivery_id from delivery where {_MATCHES} and updated_at <= $7"
        " and ($8::timestamptz is null or (created_at, delivery_id) > ($8, $9::uuid))"
        " order by created_at, delivery_id limit $10 for update skip locked),"
        " gone as (update delivery d set state = 'waiting', attempts = 0, code = '', error = null,"
        " next_attempt_at = $11, updated_at = $11, in_flight = d.in_flight or d.state = 'failed', replay_id = $12"
        " from picked p where d.account_id = $1 and d.delivery_id = p.delivery_id"
        " returning d.kind, d.created_at, d.delivery_id) select * from gone order by created_at, delivery_id",
        row["account_id"], *_filter(_wanted(row)), row["created_at"], row["after_at"], row["after_id"], limit, now,
        row["replay_id"],
    )  # fmt: skip


async def cancel(conn: Conn, account_id: UUID, replay_id: UUID, *, now: datetime) -> bool:
    """No further one is let go; what was, goes on as any delivery does. False: there is no such replay that runs."""
    return await _end(conn, account_id, replay_id, "cancelled", now=now)


async def _end(conn: Conn, account_id: UUID, replay_id: UUID, run: str, *, now: datetime) -> bool:
    done = await conn.execute(
        "update delivery_replay set run = $3, ended_at = $4 where account_id = $1 and replay_id = $2 and run = 'running'",
        account_id, replay_id, run, now,
    )  # fmt: skip
    return done.endswith(" 1")


# --- looking


async def latest(conn: Conn, account_id: UUID, *, limit: int = 3) -> list[Replay]:
    return await _read(conn, "account_id = $1 order by created_at desc limit $2", account_id, limit)


async def one(conn: Conn, account_id: UUID, replay_id: UUID) -> Replay | None:
    found = await _read(conn, "account_id = $1 and replay_id = $2", account_id, replay_id)
    return found[0] if found else None


async def _read(conn: Conn, where: str, account_id: UUID, more: object) -> list[Replay]:
    rows = await conn.fetch(f"select * from delivery_replay where {where}", account_id, more)
    states: dict[UUID, dict[str, int]] = {}
    for row in await conn.fetch(
        "select replay_id, state, count(*) as number from delivery where account_id = $1 and replay_id = any($2)"
        " group by replay_id, state",
        account_id, [row["replay_id"] for row in rows],
    ):  # fmt: skip
        states.setdefault(row["replay_id"], {})[row["state"]] = row["number"]
    return [_replay(row, states.get(row["replay_id"], {})) for row in rows]


def _replay(row: Row, states: dict[str, int]) -> Replay:
    return Replay(
        row["replay_id"], row["run"], _wanted(row), row["created_at"], row["ended_at"], row["total"], row["released"],
        waiting=states.get("waiting", 0), delivered=states.get("delivered", 0), retrying=states.get("retrying", 0),
        failed=states.get("failed", 0), held=states.get("held", 0) + states.get("off", 0),
    )  # fmt: skip


def _filter(wanted: Wanted) -> tuple[object, ...]:
    return wanted.state, wanted.kind, wanted.code, wanted.since, wanted.until


def _wanted(row: Row) -> Wanted:
    return Wanted(row["state"], row["kind"], row["code"], row["since"], row["until"])
