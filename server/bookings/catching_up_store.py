"""SQL of the reconciler and of backfills. Claims carry a lease, so that a dead worker's work is taken again.

The end of the lease is the fence as well: whoever writes names the end that was given, so a worker that came back
after another had taken over writes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from server.accounts.model import Branch
from server.platform.postgres import Conn, Pool, Row


class LeaseLost(Exception):
    """Another worker has this branch now."""


@dataclass(slots=True)
class Due:
    """A branch whose turn it is; `lease_until` moves when it is renewed."""

    account_id: UUID
    branch_id: UUID
    looked_until: datetime | None
    period_s: float
    unreadable: list[str]
    lease_until: datetime


async def claim_due(pool: Pool, *, now: datetime, lease_until: datetime, period_s: float) -> Due | None:
    """A branch that can be read by API, is due and held by nobody; it is now held until `lease_until`."""
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(
            "insert into reconcile (account_id, branch_id, next_at, period_s)"
            " select b.account_id, b.branch_id, $1, $2 from readable_branch b"
            " where not exists (select 1 from reconcile r where r.account_id = b.account_id and r.branch_id = b.branch_id)"
            " on conflict do nothing",
            now, int(period_s),
        )  # fmt: skip
        row = await conn.fetchrow(
            "update reconcile r set lease_until = $2 from (select r.account_id, r.branch_id from reconcile r"
            " join readable_branch b on b.account_id = r.account_id and b.branch_id = r.branch_id"
            " where r.next_at <= $1 and (r.lease_until is null or r.lease_until < $1)"
            " order by r.next_at limit 1 for update of r skip locked) due"
            " where r.account_id = due.account_id and r.branch_id = due.branch_id"
            " returning r.account_id, r.branch_id, r.looked_until, r.period_s, r.unreadable, r.lease_until",
            now, lease_until,
        )  # fmt: skip
    return Due(*row.values()) if row else None


async def release_claimed(pool: Pool) -> int:
    """What a dead worker held is free at once; only for one who knows that no other lives. A command that reads at the
    same time loses its page to the fence, and takes the next."""
    async with pool.acquire() as conn, conn.transaction():
        done = [
            await conn.execute(f"update {table} set lease_until = null where lease_until is not null")
            for table in ("backfill", "reconcile")
        ]
    return sum(int(one.split()[-1]) for one in done)


async def renew_due(pool: Pool, due: Due, *, lease_until: datetime) -> None:
    """Raises `LeaseLost`."""
    done = await pool.execute(
        "update reconcile set lease_until = $4 where account_id = $1 and branch_id = $2 and lease_until = $3",
        due.account_id, due.branch_id, due.lease_until, lease_until,
    )  # fmt: skip
    if not done.endswith(" 1"):
        raise LeaseLost
    due.lease_until = lease_until


async def looked(
    pool: Pool,
    due: Due,
    *,
    looked_until: datetime,
    period_s: float,
    read: int,
    missed: int,
    unreadable: Sequence[str],
) -> bool:
    """False: the lease is another's, nothing was written."""
    done = await pool.execute(
        "update reconcile set looked_until = $3, last_at = $3, next_at = $3::timestamptz + $4 * interval '1 second',"
        " period_s = $4, lease_until = null, looks = looks + 1, missed = missed + $6, last_read = $5, last_missed = $6,"
        " last_error = '', unreadable = $7 where account_id = $1 and branch_id = $2 and lease_until = $8",
        due.account_id, due.branch_id, looked_until, int(period_s), read, missed, list(unreadable), due.lease_until,
    )  # fmt: skip
    return done.endswith(" 1")


async def failed(pool: Pool, due: Due, *, next_at: datetime, error: str) -> None:
    await pool.execute(
        "update reconcile set next_at = $3, lease_until = null, last_error = $4"
        " where account_id = $1 and branch_id = $2 and lease_until = $5",
        due.account_id, due.branch_id, next_at, error[:500], due.lease_until,
    )  # fmt: skip


async def is_missed(conn: Conn, branch: Branch, item: Mapping[str, Any], *, before: datetime) -> bool:
    """Whether the state just stored is older than a webhook could still be under way."""
    missed: bool = await conn.fetchval(
        "select coalesce((select changed_at < $4 from booking"
        " where account_id = $1 and company_id = $2 and record_id = $3), false)",
        branch.account_id, branch.company_id, int(item["id"]), before,
    )  # fmt: skip
    return missed


async def reconcile_rows(conn: Conn, account_id: UUID) -> list[Row]:
    """What the reconciler found, by branch, for the owner."""
    return await conn.fetch(
        "select b.company_id, r.last_at, r.next_at, r.looks, r.missed, r.last_read, r.last_missed, r.last_error,"
        " cardinality(r.unreadable) as unreadable"
        " from reconcile r join branch b on b.account_id = r.account_id and b.branch_id = r.branch_id"
        " where r.account_id = $1 order by b.company_id",
        account_id,
    )


# --- backfills


@dataclass(frozen=True, slots=True)
class Backfill:
    account_id: UUID
    backfill_id: UUID
    asked_at: datetime
    since: datetime
    until: datetime
    state: str  # running, paused, done, cancelled
    slices: int
    slice: int
    page: int
    read: int
    stored: int
    next_at: datetime
    ended_at: datetime | None
    last_error: str
    unreadable: int
    lease_until: datetime | None
    settled: bool  # the list of what is read stands in the row

    @property
    def share(self) -> float:
        """How much is done, 0 to 1, by slices."""
        return 1.0 if self.state == "done" else self.slice / max(1, self.slices)


_COLUMNS = (
    "account_id, backfill_id, asked_at, since, until, state, slices, slice, page, read, stored, next_at, ended_at,"
    " last_error, unreadable, lease_until, parts is not null as settled"
)


@dataclass(frozen=True, slots=True)
class Counts:
    """What one page added."""

    read: int = 0
    stored: int = 0
    unreadable: int = 0


async def insert_backfill(
    conn: Conn,
    account_id: UUID,
    backfill_id: UUID,
    *,
    since: datetime,
    until: datetime,
    parts: list[list[str]],
    now: datetime,
) -> bool:
    """`parts`: branch id, first and last day of each. False: the account has one that has not ended."""
    done = await conn.execute(
        "insert into backfill (account_id, backfill_id, asked_at, since, until, state, slices, parts, next_at)"
        " values ($1, $2, $7, $3, $4, 'running', $5, $6, $7)"
        " on conflict (account_id) where state in ('running', 'paused') do nothing",
        account_id, backfill_id, since, until, len(parts), parts, now,
    )  # fmt: skip
    return done.endswith(" 1")


async def claim_backfill(
    pool: Pool, *, now: datetime, lease_until: datetime, account_id: UUID | None = None
) -> Backfill | None:
    row = await pool.fetchrow(
        "update backfill f set lease_until = $2 from (select account_id, backfill_id from backfill"
        " where state = 'running' and next_at <= $1 and (lease_until is null or lease_until < $1)"
        " and ($3::uuid is null or account_id = $3) order by next_at limit 1 for update skip locked) due"
        " where f.account_id = due.account_id and f.backfill_id = due.backfill_id"
        f" returning {', '.join('f.' + name.strip() for name in _COLUMNS.split(','))}",
        now, lease_until, account_id,
    )  # fmt: skip
    return Backfill(*row.values()) if row else None


async def _changed(pool: Pool, job: Backfill, assignments: str, *values: Any) -> Backfill | None:
    """Writes; what the owner did meanwhile (pause, cancel) stays. None: the lease is another's, nothing was written."""
    row = await pool.fetchrow(
        f"update backfill set {assignments} where account_id = $1 and backfill_id = $2 and lease_until = $3"
        f" returning {_COLUMNS}",
        job.account_id, job.backfill_id, job.lease_until, *values,
    )  # fmt: skip
    return Backfill(*row.values()) if row else None


async def renew_backfill(pool: Pool, job: Backfill, *, lease_until: datetime) -> Backfill | None:
    return await _changed(pool, job, "lease_until = $4", lease_until)


async def settle(pool: Pool, job: Backfill, parts: list[list[str]]) -> Backfill | None:
    return await _changed(pool, job, "parts = $4, slices = $5", parts, len(parts))


async def part(pool: Pool, job: Backfill) -> tuple[str, str, str]:
    """Branch id, first and last day of what is being read."""
    branch_id, first, last = await pool.fetchval(
        "select parts -> $3::int from backfill where account_id = $1 and backfill_id = $2",
        job.account_id, job.backfill_id, job.slice,
    )  # fmt: skip
    return branch_id, first, last


async def keep_place(
    pool: Pool, job: Backfill, place: tuple[int, int], counts: Counts, *, now: datetime
) -> Backfill | None:
    """Writes the place down and gives the lease back; the last place ends the backfill."""
    return await _changed(
        pool, job,
        "lease_until = null, slice = $4, page = $5, read = read + $6, stored = stored + $7,"
        " unreadable = unreadable + $8, last_error = '', next_at = $9,"
        " state = case when $10 and state = 'running' then 'done' else state end,"
        " ended_at = case when $10 and state = 'running' then $9 else ended_at end",
        *place, counts.read, counts.stored, counts.unreadable, now, place[0] >= job.slices,
    )  # fmt: skip


async def end_backfill(pool: Pool, job: Backfill, *, now: datetime) -> Backfill | None:
    return await _changed(
        pool, job,
        "lease_until = null, last_error = '', ended_at = case when state = 'running' then $4 else ended_at end,"
        " state = case when state = 'running' then 'done' else state end",
        now,
    )  # fmt: skip


async def put_off(pool: Pool, job: Backfill, *, next_at: datetime, error: str) -> Backfill | None:
    return await _changed(pool, job, "lease_until = null, next_at = $4, last_error = $5", next_at, error[:500])


async def set_aside(pool: Pool, job: Backfill, *, next_at: datetime, else_at: datetime, error: str) -> Backfill | None:
    """What is being read goes behind all that is left, from its first page. `else_at`: when to go on where nothing of
    another branch is left."""
    return await _changed(
        pool, job,
        "lease_until = null, last_error = $4, page = 1, parts = (parts - slice) || jsonb_build_array(parts -> slice),"
        " next_at = case when exists (select 1 from jsonb_array_elements(parts) with ordinality as left_over (part, place)"
        "  where place > slice + 1 and part -> 0 <> parts -> slice -> 0) then $5::timestamptz else $6 end",
        error[:500], next_at, else_at,
    )  # fmt: skip


async def set_state(conn: Conn, account_id: UUID, backfill_id: UUID, state: str, *, now: datetime) -> bool:
    """Pauses, resumes (`running`) or cancels a backfill that has not ended; one that is there already stays as it is."""
    done = await conn.execute(
        "update backfill set state = $3, next_at = $4::timestamptz, ended_at = case when $3 = 'cancelled' then $4::timestamptz end"
        " where account_id = $1 and backfill_id = $2 and state in ('running', 'paused') and state <> $3",
        account_id, backfill_id, state, now,
    )  # fmt: skip
    return done.endswith(" 1") or bool(
        await conn.fetchval(
            "select state = $3 from backfill where account_id = $1 and backfill_id = $2", account_id, backfill_id, state
        )
    )


async def backfills(conn: Conn, account_id: UUID, *, limit: int = 10) -> list[Backfill]:
    rows = await conn.fetch(
        f"select {_COLUMNS} from backfill where account_id = $1 order by asked_at desc limit $2", account_id, limit
    )
    return [Backfill(*row.values()) for row in rows]
