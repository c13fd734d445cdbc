"""The pace at YCLIENTS: two processes with one budget read past months without end, while operators call now and then.

The stand notes when each call comes. Checked: never more than 5 in any second nor 200 in any minute, whichever process
they came from. Targets: at least 90 % of the 200 a minute are used; an operator's call takes 2 s at most (p95), its
baseline is the same call with nobody else calling.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from typing import Any

import asyncpg

from server.platform.postgres import migrate
from tests.bench.report import Figure, Target, percentile
from tests.bench.scale import Scale
from tests.bench.stands import running_stand
from tests.server_process import ROOT, Database

_SECOND, _MINUTE = 5, 200


def bench(scale: Scale) -> list[Figure]:
    seconds = 10.0 if scale.quick else 182.0
    with running_stand() as stand:
        database = Database()
        try:
            asyncio.run(migrate(database.dsn))
            url = f"http://127.0.0.1:{stand.port}"
            alone = _callers(database.dsn, url, [{"seconds": seconds / 6, "readers": 0, "every_s": 1.0}])
            asyncio.run(_forget(database.dsn))
            stand.stand.arrivals.clear()
            # Together about nine operators' calls a minute: they are people.
            asked = {"seconds": seconds, "readers": 6, "every_s": 13.0 if not scale.quick else 2.0}
            crowd = _callers(database.dsn, url, [asked, asked])
            arrivals = sorted(stand.stand.arrivals)
        finally:
            database.clean()
    second, minute = most_within(arrivals, 1.0), most_within(arrivals, 60.0)
    assert second <= _SECOND, f"{second} calls in a second"
    assert minute <= _MINUTE, f"{minute} calls in a minute"
    waits = [wait for one in crowd for wait in one["waits"]]
    whole = (
        [when for when in arrivals if when < arrivals[0] + seconds - seconds % 60.5] if not scale.quick else arrivals
    )
    a_minute = len(whole) * 60 / (seconds - seconds % 60.5 if not scale.quick else seconds)
    return [
        Figure("pace", "most calls in any second, 2 processes", "", second, _SECOND, "allowed", Target("<=", 5, "ours")),
        Figure("pace", "most calls in any minute, 2 processes", "", minute, _MINUTE, "allowed", Target("<=", 200, "ours")),
        Figure("pace", "calls a minute while work waits", "/min", a_minute, _MINUTE, "allowed", Target(">=", 0.9)),
        Figure(
            "pace", "operator's call behind a backfill, p95", "s", percentile(waits, 0.95),
            percentile(alone[0]["waits"], 0.95), "nobody else", Target("<=", 2, "ours"), None,
            f"{len(waits)} calls, the slowest {max(waits):.2f} s",
        ),
    ]  # fmt: skip


def most_within(times: list[float], seconds: float) -> int:
    """The most of them in any window of this length; `times` in order."""
    most = first = 0
    for last, when in enumerate(times):
        while when - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most


def _callers(dsn: str, url: str, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    running = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.bench.caller", json.dumps({"dsn": dsn, "url": url, **one})], cwd=ROOT,
            stdout=subprocess.PIPE, text=True,
        )
        for one in asked
    ]  # fmt: skip
    told = [process.communicate(timeout=600)[0] for process in running]
    assert all(process.returncode == 0 for process in running), told
    return [json.loads(one.splitlines()[-1]) for one in told]


async def _forget(dsn: str) -> None:
    conn = await asyncpg.connect(dsn)
    await conn.execute("delete from vendor_budget")
    await conn.close()
