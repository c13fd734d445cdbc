"""Deciding anew about many bookings, as after a change of the rules: seconds for 100,000, extrapolated.

The bookings stand five minutes apart, as 100,000 of a year do; two in three have a browser's report, the others only opened forms near them. Each
is decided in a transaction of its own with the database, over eight connections. Baseline: reading each of those
bookings and writing one row of it, with as many connections. Floor 60 s, goal 20 s for 100,000.
Checked: every booking with a report is matched by it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from uuid import UUID

import asyncpg

from server.matching import flow
from server.platform.postgres import Pool, open_pool
from server.vendors import YCLIENTS
from tests.bench.report import Figure, Target, median
from tests.bench.salon import COMPANY, fill_bookings
from tests.bench.scale import Scale
from tests.bench.servers import yclick

_AT_ONCE = 8


def bench(scale: Scale) -> list[Figure]:
    number = 500 if scale.quick else 5_000
    with yclick("--role", "web") as service:
        account_id = UUID(service.account["account_id"])

        async def measured(conn: asyncpg.Connection[asyncpg.Record]) -> tuple[float, float]:
            await fill_bookings(conn, account_id, number, apart_s=300)
            await _tell(conn, account_id)
            ids = [
                row["booking_id"]
                for row in await conn.fetch("select booking_id from booking where account_id = $1", account_id)
            ]
            place = await conn.fetchval("show unix_socket_directories")
            pool = await open_pool(f"postgresql://yclick@/postgres?host={place}", min_size=_AT_ONCE, max_size=_AT_ONCE)
            try:
                ours, bare = [], []
                for _ in range(2 if scale.quick else 3):
                    await conn.execute("delete from booking_match where account_id = $1", account_id)
                    ours.append(await _for_all(pool, ids, _decide(account_id)))
                    bare.append(await _for_all(pool, ids, _read_and_write(account_id)))
            finally:
                await pool.close()
            wrong = await conn.fetchval(
                "select count(*) from booking b join booking_match m using (account_id, booking_id)"
                " where b.account_id = $1 and m.level <> 'L0' and exists (select 1 from form_event e"
                " where e.account_id = $1 and e.kind = 'record' and e.record_id = b.record_id)",
                account_id,
            )
            assert not wrong, f"{wrong} bookings with a report were not matched by it"
            return median(ours), median(bare)

        ours_s, bare_s = service.database(measured)
    of = 100_000 / number
    return [
        Figure(
            "recalculation", "deciding anew about 100 000 bookings", "s", ours_s * of, bare_s * of, "read + write",
            Target("<=", 60, "ours"), Target("<=", 20, "ours"), f"extrapolated from {number}",
        )
    ]  # fmt: skip


async def _tell(conn: asyncpg.Connection[asyncpg.Record], account_id: UUID) -> None:
    await conn.execute(
        "insert into form_event (account_id, event_id, kind, occurred_at, visit_id, form_id, company_id, facts)"
        " select account_id, 'open-' || visit_id, 'open', started_at - interval '3 minutes', visit_id, 822081, null, '{}'"
        " from visit where account_id = $1",
        account_id,
    )
    await conn.execute(
        "insert into form_event (account_id, event_id, kind, occurred_at, visit_id, form_id, company_id, record_id, facts)"
        " select b.account_id, 'record-' || b.record_id, 'record', b.created_at, v.visit_id, 822081, $2, b.record_id, '{}'"
        " from booking b join lateral (select visit_id from visit v where v.account_id = b.account_id"
        "  and v.started_at <= b.created_at order by v.started_at desc limit 1) v on true"
        " where b.account_id = $1 and b.record_id % 3 > 0",
        account_id, COMPANY,
    )  # fmt: skip
    await conn.execute("analyze form_event, visit, booking")


async def _for_all(pool: Pool, ids: list[UUID], work: Callable[[Pool, UUID], Awaitable[None]]) -> float:
    left = list(ids)

    async def worker() -> None:
        while left:
            await work(pool, left.pop())

    began = time.perf_counter()
    await asyncio.gather(*(worker() for _ in range(_AT_ONCE)))
    return time.perf_counter() - began


def _decide(account_id: UUID) -> Callable[[Pool, UUID], Awaitable[None]]:
    now = datetime.now(UTC)

    async def decide(pool: Pool, booking_id: UUID) -> None:
        async with pool.acquire() as conn, conn.transaction():
            await flow.match_booking(conn, account_id, booking_id, YCLIENTS, now=now, grace_s=0, cause="recalculation")

    return decide


def _read_and_write(account_id: UUID) -> Callable[[Pool, UUID], Awaitable[None]]:
    async def work(pool: Pool, booking_id: UUID) -> None:
        async with pool.acquire() as conn, conn.transaction():
            await conn.fetchrow(
                "select * from booking where account_id = $1 and booking_id = $2", account_id, booking_id
            )
            await conn.execute(
                "update booking_match set decided_at = now() where account_id = $1 and booking_id = $2",
                account_id,
                booking_id,
            )

    return work
