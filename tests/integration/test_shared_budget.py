"""One budget over several processes: whoever asks, the windows hold; a pause one was told holds for all."""

from __future__ import annotations

import asyncio
import json
import sys
import time

import asyncpg

from e2e.stand.app import RunningStand
from server.platform.budget import Budget, Priority, SharedTally, Window
from server.platform.postgres import open_pool

WINDOWS = (Window(0.4, 5, {Priority.BACKFILL: 4}),)


async def test_two_processes_together_stay_within_the_windows(dsn: str) -> None:
    pools = [await open_pool(dsn, min_size=1, max_size=2) for _ in range(2)]
    budgets = [Budget(SharedTally(pool, "api.example", WINDOWS)) for pool in pools]
    calls: list[float] = []

    async def work(budget: Budget, account: str) -> None:
        for _ in range(6):
            await budget.take(Priority.WEBHOOK, account)
            calls.append(time.monotonic())

    await asyncio.gather(*(work(budget, name) for budget in budgets for name in ("a", "b")))
    for pool in pools:
        pool.terminate()
    assert len(calls) == 24
    # Told from outside, as the vendor would: a little shorter than the window, for an answer takes its time to come.
    assert max(sum(start <= call < start + 0.3 for call in calls) for start in calls) <= 5


async def test_two_processes_call_the_vendor_no_faster_than_it_allows(
    dsn: str, pool: asyncpg.Pool, stand: RunningStand
) -> None:
    """Each a backfill without end, and an operator now and then; the judge is the one clock that counts for both."""
    given = {"dsn": dsn, "url": f"http://127.0.0.1:{stand.port}", "seconds": 6, "readers": 4, "every_s": 0.5}
    callers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-m", "tests.bench.caller", json.dumps(given), stdout=asyncio.subprocess.PIPE
        )
        for _ in range(2)
    ]
    told = [json.loads((await caller.communicate())[0].splitlines()[-1]) for caller in callers]
    spent: list[float] = sorted(await pool.fetchval("select spent from vendor_budget"))
    assert max(sum(start <= call < start + 1 for call in spent) for start in spent) <= 5
    assert len(spent) >= len(stand.stand.arrivals) >= sum(one["pages"] for one in told) > 0
    assert all(one["waits"] for one in told), "no operator's call came through"


async def test_a_pause_told_to_one_process_holds_for_the_other(dsn: str) -> None:
    pools = [await open_pool(dsn, min_size=1, max_size=1) for _ in range(2)]
    first, second = (SharedTally(pool, "api.example", WINDOWS) for pool in pools)
    await first.pause(30)
    assert 25 < await second.ask(Priority.OPERATOR) <= 30
    assert await SharedTally(pools[0], "other.example", WINDOWS).ask(Priority.OPERATOR) == 0
    for pool in pools:
        pool.terminate()
