"""From the later of a booking's two facts to its lead: the vendor's webhook and the browser's report both answered.

Counted until `GET /api/v1/leads` shows the lead at level L0 or L1, asked every few milliseconds. The report comes
first in half of the rounds, the webhook in the others. Baseline: one committed insert and its select, the least that
anything durable takes. Promise: ≤ 2 s. Checked: the lead names the visit that told of the booking.
"""

from __future__ import annotations

import json
import time
from datetime import datetime

import asyncpg

from tests.bench.report import Figure, Target, median, percentile
from tests.bench.scale import Scale
from tests.bench.servers import Service, yclick
from tests.factories import MOSCOW, Browser, ident, webhook
from tests.server_process import post

_FIRST = 700_000


def bench(scale: Scale) -> list[Figure]:
    times = []
    with yclick(YCLICK_MATCH_GRACE_S="90") as service:
        bare_s = service.database(_insert_and_select)
        for number in range(4 if scale.quick else 40):
            times.append(_round(service, _FIRST + number, report_first=bool(number % 2)))
            time.sleep(0.05)
    return [
        Figure(
            "exact_match", "exact mark: later fact to lead, median", "s", median(times), bare_s, "insert + select",
            Target("<=", 2, "ours"),
        ),
        Figure(
            "exact_match", "exact mark: later fact to lead, slowest", "s", percentile(times, 1.0), bare_s,
            "insert + select", Target("<=", 2, "ours"),
        ),
    ]  # fmt: skip


def _round(service: Service, record_id: int, *, report_first: bool) -> float:
    browser, mark = Browser("https://salon.test/?utm_source=yandex&utm_medium=cpc"), ident()
    _send(service.collector, browser.batch(browser.hit(), browser.open(mark)))
    report = browser.batch(browser.form(mark), browser.record(mark, record_id))
    booking = webhook(record_id, created=datetime.now(MOSCOW))
    form = f"{service.process.base}/c?k={service.account['form']['key']}"
    steps = [(form, report), (service.hook, booking)]
    for url, body in steps if report_first else reversed(steps):
        _send(url, body)
    began = time.perf_counter()
    while time.perf_counter() - began < 20:
        leads = service.get(f"/api/v1/leads?record_id={record_id}")["data"]
        if leads and leads[0]["match"]["level"] in ("L0", "L1"):
            assert leads[0]["visit"]["id"] == browser.visit, "the lead names another visit"
            return time.perf_counter() - began
        time.sleep(0.005)
    raise AssertionError(f"booking {record_id} was not matched within 20 s")


def _send(url: str, body: dict[str, object]) -> None:
    status = post(url, json.dumps(body).encode())
    assert status in (200, 204), f"answered {status}"


async def _insert_and_select(conn: asyncpg.Connection[asyncpg.Record]) -> float:
    await conn.execute("create table bench_row (id int primary key, body text)")
    times = []
    for number in range(200):
        began = time.perf_counter()
        await conn.execute("insert into bench_row values ($1, $2)", number, "x" * 500)
        await conn.fetchrow("select * from bench_row where id = $1", number)
        times.append(time.perf_counter() - began)
    await conn.execute("drop table bench_row")
    return median(times)
