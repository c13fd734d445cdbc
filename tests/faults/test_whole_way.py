"""The whole way under faults: webhooks lost, doubled and out of order, UIS failing in every way it can. Afterwards UIS
holds each online booking once and each record as one deal in its stage, and the ledger has no difference.

The size is `tests/faults/size.py`; the larger one prints what it took.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp
import asyncpg
import pytest

from e2e.stand.app import RunningStand, start_stand
from e2e.stand.state import StandConfig
from tests.conftest import COMPANY, eventually
from tests.faults.size import SIZE
from tests.faults.way import LEADS, connect, switch_on
from tests.server_process import Database, ServerProcess, peak_mb

#: Every way in which a call of UIS can end badly, but for the two that last: those are on cue.
_FAULTS = [
    "limit_minute", "internal_error", "http_429", "http_500", "http_502", "html", "reset", "lost_answer", "torn",
    "wrong_id", "both", "no_version", "empty",
]  # fmt: skip
#: What becomes of a booking, and in which stage its deal is then.
_LIVES: list[tuple[dict[str, Any], str]] = [
    ({}, "waiting"), ({"attendance": 2}, "confirmed"), ({"attendance": 1}, "success"), ({"attendance": -1}, "failed"),
    ({"deleted": True}, "failed"),
]  # fmt: skip


@dataclass
class Way:
    server: ServerProcess
    account: dict[str, Any]
    stand: RunningStand
    conn: asyncpg.Connection


@pytest.fixture
def database() -> Iterator[Database]:
    own = Database()
    yield own
    own.clean()


@pytest.fixture
async def way(database: Database) -> AsyncIterator[Way]:
    stand = await start_stand(StandConfig())
    base = f"http://127.0.0.1:{stand.port}"
    server = ServerProcess(
        module="tests.open_pace", YCLICK_DATABASE_URL=database.dsn, YCLICK_YCLIENTS_API_URL=base,
        YCLICK_UIS_DATA_API_URL=f"{base}/uis", YCLICK_RETRY_SCHEDULE_S=SIZE.schedule_s, OPEN_PACE=SIZE.open_pace,
        YCLICK_RECONCILE_PERIOD_S=str(SIZE.reconcile_period_s), YCLICK_LOG_LEVEL="warning",
    )  # fmt: skip
    await asyncio.to_thread(server.start)
    account = await asyncio.to_thread(server.account)
    await connect(server)
    conn = await asyncpg.connect(database.dsn)
    yield Way(server, account, stand, conn)
    await conn.close()
    await asyncio.to_thread(server.clean)
    await stand.stop()


@pytest.mark.timeout(SIZE.within_s + 120)
async def test_uis_holds_each_booking_once_and_in_its_stage_whatever_was_lost_on_the_way(way: Way) -> None:
    stand, uis = way.stand.stand, way.stand.stand.uis
    await switch_on(way.server, way.account["api_token"], leads=LEADS, deals={"enabled": True})
    stand.hooks = {COMPANY: [way.account["webhooks"]["yclients"]]}
    stand.switch(hook_loss=0.1, hook_duplicates=0, hook_reorder=True, hook_pair=True, hook_delay_s=0.05)
    uis.switch(fault_rate=0.2, fault_kinds=_FAULTS, minute_s=SIZE.uis_minute_s, minute_limit=SIZE.uis_minute_limit)
    for fault, method in SIZE.hangs:
        uis.cue(fault, method=method)
    began = time.monotonic()
    online, stages = await _live(way)
    assert any(one["outcome"] == "lost" for one in stand.deliveries)

    async def quiet() -> Any:
        told = await way.conn.fetchrow(_PROGRESS)
        return told and (told["bookings"], told["leads"], told["deals"], told["busy"]) == (
            len(stages), len(online), len(stages), 0,
        ) and _in_stage(way, stages)  # fmt: skip

    await eventually(quiet, within_s=SIZE.within_s)
    took_s = time.monotonic() - began
    heard = [row["ext_id"] for row in uis.messages.values()]
    assert len(heard) == len(set(heard)) == len(online)
    assert {int(row["text"].rsplit("запись ", 1)[1]) for row in uis.messages.values()} == online
    assert set(uis.deals) == {_key(record_id) for record_id in stages}
    ledger = await asyncio.to_thread(way.server.get, "/api/v1/ledger", way.account["api_token"])
    assert ledger["total"]["difference"] == 0
    await _report(way, took_s)


#: All is told, nothing is on its way, and nothing will be said anew.
_PROGRESS = (
    "select (select count(*) from booking) as bookings,"
    " (select count(*) from delivery where kind = 'lead' and state = 'delivered') as leads,"
    " (select count(*) from delivery where kind = 'deal' and state = 'delivered') as deals,"
    " (select count(*) from delivery where state <> 'delivered') + (select count(*) from inbox where state = 'waiting')"
    " + (select count(*) from job) as busy"
)


async def _live(way: Way) -> tuple[set[int], dict[int, str]]:
    """All bookings are made, and later changed; answers which are online, and in which stage each is to end."""
    stand, chance = way.stand.stand, random.Random(7)
    made: list[int] = []
    online: set[int] = set()
    stages: dict[int, str] = {}
    async with aiohttp.ClientSession(f"http://127.0.0.1:{way.stand.port}") as hand:
        for number in range(SIZE.bookings):
            stand.switch(hook_duplicates=int(chance.random() < 0.1))
            kind = "staff" if number % 4 == 3 else "mobile_app"
            body = {"kind": kind, "phone": f"+7916{number:07d}", "name": f"Гость {number}"}
            async with hand.post("/_stand/records", json=body) as answer:
                record_id = (await answer.json())["id"]
            made.append(record_id)
            online |= {record_id} if kind != "staff" else set()
            stages[record_id] = "waiting"
            if number % 2:
                of, (change, stage) = made[chance.randrange(len(made))], chance.choice(_LIVES)
                if change and stages[of] == "waiting":
                    async with hand.patch(f"/_stand/records/{of}", json=change) as answer:
                        assert answer.status == 200
                    stages[of] = stage
            if number % 50 == 49:
                await _keep_pace(way)
    return online, stages


async def _keep_pace(way: Way) -> None:
    """A vendor sends as things happen, not thousands at once: what was sent is taken in before more comes."""
    while await way.conn.fetchval("select count(*) from inbox where state = 'waiting'") > 200:
        await asyncio.sleep(0.1)


def _key(record_id: int) -> str:
    return f"yclick_{COMPANY}_{record_id}"


def _in_stage(way: Way, stages: dict[int, str]) -> bool:
    deals = way.stand.stand.uis.deals
    return all(
        (deal := deals.get(_key(record_id))) is not None and deal.history[-1]["stage_ext_id"] == stage
        for record_id, stage in stages.items()
    )


async def _report(way: Way, took_s: float) -> None:
    """What the run took, for the table in docs/performance.md."""
    assert way.server.process
    attempts = {row["outcome"]: row["number"] for row in await way.conn.fetch(
        "select outcome, count(*) as number from delivery_attempt group by outcome"
    )}  # fmt: skip
    most = await way.conn.fetchval(
        "select max(number) from (select count(*) as number from delivery_attempt group by delivery_id) each"
    )
    missed = await way.conn.fetchval("select coalesce(sum(missed), 0) from reconcile")
    calls = Counter("ok" if one["outcome"] == "ok" else "failed" for one in way.stand.stand.uis.journal)
    figures = {
        "bookings": SIZE.bookings, "seconds": round(took_s), "server_peak_mb": round(peak_mb(way.server.process.pid)),
        "webhooks": len(way.stand.stand.deliveries), "missed_by_webhooks": int(missed), "uis_calls": dict(calls),
        "attempts": attempts, "most_attempts_of_one": most,
    }  # fmt: skip
    sys.stderr.write(f"\nwhole way: {json.dumps(figures)}\n")
