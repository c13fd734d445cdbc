"""Past months of 20,000 bookings are read in, every booking becoming a deal of UIS; both vendors are the stand.

A page of the vendor holds 200 bookings, so that 20,000 are some 110 calls and the vendor's pace (190 a minute for a
backfill) holds up nothing; it is left as it is at YCLIENTS and lifted at UIS, whose points would be what is measured.
Target: the server process never holds more than 300 MB (10⁶ bytes, its peak, the database aside). Baseline: the same
process before. Checked: each booking is there once, each has one deal in UIS, none is missing.
"""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from datetime import datetime, timedelta
from uuid import UUID

import asyncpg

from e2e.stand.state import Stand
from server.accounts import store
from server.bookings import backfill
from server.platform.clock import utc_now
from tests.bench.report import Figure, Target, thousands
from tests.bench.scale import Scale
from tests.bench.servers import Service, resident_mb, yclick
from tests.bench.stands import running_stand
from tests.factories import MOSCOW, stamp
from tests.server_process import peak_mb

_DAYS = 90


def bench(scale: Scale) -> list[Figure]:
    number = 400 if scale.quick else 20_000
    with running_stand() as stand:
        _fill(stand.stand, number)
        base = f"http://127.0.0.1:{stand.port}"
        with yclick(
            module="tests.open_pace", OPEN_PACE="uis", YCLICK_YCLIENTS_API_URL=base,
            YCLICK_UIS_DATA_API_URL=f"{base}/uis", YCLICK_RECONCILE_PERIOD_S="86400",
        ) as service:  # fmt: skip
            _connect(service)
            before_mb, began = resident_mb(service.pid), time.monotonic()
            service.database(_begin)
            read_s = _wait(service, "select state = 'done' from backfill", began)
            deals_s = _wait(service, _QUIET, began)
            peak = peak_mb(service.pid)
            stored = service.value("select array[count(*), count(distinct record_id)] from booking")
        deals = len(stand.stand.uis.deals)
    assert stored == [number, number], f"{stored} of {number} stored"
    assert deals == number, f"{deals} deals of {number}"
    name = f"past months, {thousands(number)} bookings"
    return [
        Figure("past_months", f"{name}: peak memory", "MB", peak, before_mb, "before", Target("<=", 300, "ours")),
        Figure(
            "past_months", f"{name}: read a second", "/s", number / read_s, None, "", None, None,
            f"read in {read_s:.0f} s, all deals in UIS after {deals_s:.0f} s",
        ),
    ]  # fmt: skip


_QUIET = (
    "select not exists (select 1 from job where state <> 'dead') and not exists"
    " (select 1 from delivery where state <> 'delivered')"
)


def _fill(stand: Stand, number: int) -> None:
    now = datetime.now(MOSCOW)
    for one in range(number):
        # Older than what the first comparison reads: here the backfill alone is measured.
        at = stamp(now - timedelta(days=3) - timedelta(days=_DAYS - 4) * one / number)
        # Its clients are not looked for one among all: that is the stand's time, not ours.
        stand.clients.clear()
        record = stand.make(4564, "staff", phone=f"+7916{one:07d}", name=f"Client {one}")
        record["client"] = {**record["client"], "id": 700_000_000 + one}
        record |= {"create_date": at, "last_change_date": at, "attendance": one % 2}
    stand.uis.switch(minute_limit=1_000_000, day_limit=1_000_000)


def _connect(service: Service) -> None:
    for vendor, secret in (
        ("uis", {"access_token": "stand-key-0123456789"}), ("yclients", {"partner_token": "p", "user_token": "u"}),
    ):  # fmt: skip
        done = service.process.command("account", "connect", vendor, "Salon", given=json.dumps(secret))
        assert done.returncode == 0, done.stderr
    wanted = urllib.request.Request(
        f"{service.process.base}/api/v1/integrations/deals", json.dumps({"enabled": True}).encode(), method="PUT",
        headers={"Authorization": f"Bearer {service.account['api_token']}", "Content-Type": "application/json"},
    )  # fmt: skip
    with urllib.request.urlopen(wanted, timeout=20) as answer:
        assert answer.status == 200


async def _begin(conn: asyncpg.Connection[asyncpg.Record]) -> None:
    account_id: UUID = await conn.fetchval("select account_id from account")
    branches = tuple(await store.branches(conn, account_id))
    await backfill.start(conn, account_id, branches, since=utc_now() - timedelta(days=_DAYS), now=utc_now())


def _wait(service: Service, sql: str, began: float) -> float:
    """Seconds until the question is answered with true; asked over one connection."""

    async def look(conn: asyncpg.Connection[asyncpg.Record]) -> float:
        while not await conn.fetchval(sql):
            assert time.monotonic() - began < 3000, "it does not end"
            await asyncio.sleep(0.5)
        return time.monotonic() - began

    return service.database(look)
