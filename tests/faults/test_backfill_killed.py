"""Past months are read in while the server is killed again and again, with every booking to be a deal as well: each
booking is there once, each deal in UIS once, and nothing of a page that was half done is lost.

The size is `tests/faults/size.py`.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg
import pytest

from e2e.stand.app import RunningStand, start_stand
from e2e.stand.state import StandConfig
from server.accounts import store
from server.bookings import backfill
from server.platform.clock import utc_now
from server.platform.postgres import open_pool
from tests.conftest import COMPANY, eventually
from tests.factories import MOSCOW, stamp
from tests.faults.size import SIZE
from tests.faults.way import connect, switch_on
from tests.server_process import Database, ServerProcess, peak_mb

_DAYS = 80


@dataclass
class Past:
    server: ServerProcess
    stand: RunningStand
    conn: asyncpg.Connection
    dsn: str
    account_id: UUID

    @property
    def peak_mb(self) -> float:
        assert self.server.process
        return peak_mb(self.server.process.pid)


@pytest.fixture
def database() -> Iterator[Database]:
    own = Database()
    yield own
    own.clean()


@pytest.fixture
async def past(database: Database) -> AsyncIterator[Past]:
    stand = await start_stand(StandConfig())
    base = f"http://127.0.0.1:{stand.port}"
    server = ServerProcess(
        module="tests.open_pace", YCLICK_DATABASE_URL=database.dsn, YCLICK_YCLIENTS_API_URL=base,
        YCLICK_UIS_DATA_API_URL=f"{base}/uis", YCLICK_RETRY_SCHEDULE_S=SIZE.schedule_s, OPEN_PACE="yclients,uis",
        YCLICK_RECONCILE_PERIOD_S="3600", YCLICK_LOG_LEVEL="warning",
    )  # fmt: skip
    chance = random.Random(5)
    for number in range(SIZE.past):
        at = stamp(datetime.now(MOSCOW) - timedelta(days=3) - timedelta(days=_DAYS - 4) * chance.random())
        record = stand.stand.make(COMPANY, "staff", phone=f"+7916{number:07d}", name=f"Гость {number}")
        record |= {"create_date": at, "last_change_date": at, "attendance": number % 2}
    stand.stand.uis.switch(minute_limit=1_000_000, day_limit=1_000_000)
    await asyncio.to_thread(server.start)
    account = await asyncio.to_thread(server.account)
    await connect(server)
    await switch_on(server, account["api_token"], deals={"enabled": True})
    conn = await asyncpg.connect(database.dsn)
    yield Past(server, stand, conn, database.dsn, await conn.fetchval("select account_id from account"))
    await conn.close()
    await asyncio.to_thread(server.clean)
    await stand.stop()


@pytest.mark.timeout(SIZE.within_s + 120)
async def test_a_backfill_killed_at_any_point_doubles_and_loses_nothing(past: Past) -> None:
    began, chance, peaks = time.monotonic(), random.Random(), [0.0]
    places = sorted(chance.sample(range(SIZE.past * 95 // 100), SIZE.kills))
    await _begin(past)
    for place in places:
        await _read(past, place)
        peaks.append(past.peak_mb)
        await asyncio.to_thread(past.server.kill)
        await asyncio.to_thread(past.server.start)

    async def ended() -> bool:
        return bool(await past.conn.fetchval("select state from backfill") == "done")

    await eventually(ended, within_s=SIZE.within_s)

    async def quiet() -> bool:
        told = await past.conn.fetchrow(
            "select (select count(*) from delivery where kind = 'deal' and state = 'delivered') as delivered,"
            " (select count(*) from job) as jobs"
        )
        return bool(told and (told["delivered"], told["jobs"]) == (SIZE.past, 0))

    await eventually(quiet, within_s=SIZE.within_s)
    wanted = sorted(past.stand.stand.records)
    rows = await past.conn.fetch("select record_id from booking order by record_id")
    assert [row["record_id"] for row in rows] == wanted, places
    assert (
        await past.conn.fetchval("select max(n) from (select count(*) n from booking_history group by booking_id) t")
        == 1
    )
    deals = past.stand.stand.uis.deals
    assert sorted(int(key.rsplit("_", 1)[1]) for key in deals) == wanted, places
    # A step that may have arrived before the kill is told once more at its own time; the deal passes no stage twice.
    told = {
        tuple(dict.fromkeys(row["stage_ext_id"] for row in deal.history if not row["is_generated"]))
        for deal in deals.values()
    }
    assert told == {("waiting",), ("success",)}, places
    figures = {
        "records": SIZE.past, "kills": SIZE.kills, "seconds": round(time.monotonic() - began),
        "server_peak_mb": round(max(*peaks, past.peak_mb)),
    }  # fmt: skip
    sys.stderr.write(f"\nbackfill killed: {json.dumps(figures)}\n")


async def _begin(past: Past) -> None:
    pool = await open_pool(past.dsn, min_size=1, max_size=1)
    async with pool.acquire() as conn:
        branches = tuple(await store.branches(conn, past.account_id))
        since = utc_now() - timedelta(days=_DAYS)
        await backfill.start(conn, past.account_id, branches, since=since, now=utc_now())
    await pool.close()


async def _read(past: Past, number: int) -> None:
    async def read() -> bool:
        return bool(await past.conn.fetchval("select count(*) from booking") >= number)

    await eventually(read, within_s=SIZE.within_s)
