"""What a stored hit costs when the tables are large: processor time of server and database, large ÷ small.

Two servers side by side, one with few hits, one with many times as many, filled by SQL; the same load on both in
turn. Floor 1.2, goal 1.05 (set for 10⁷ ÷ 10⁵; the ratio of the run stands in the figure's name).
Checked: every request was answered with success.
"""

from __future__ import annotations

from functools import partial
from uuid import UUID

import asyncpg

from tests.bench.load import Load, run
from tests.bench.report import Figure, Target, alternate, thousands
from tests.bench.scale import Scale
from tests.bench.servers import Service, yclick


def bench(scale: Scale) -> list[Figure]:
    large = scale.rows
    small = large // 100
    with yclick() as few, yclick() as many:
        _fill(few, small)
        _fill(many, large)
        for service in (few, many):
            _cost(service, scale)
        taken = alternate(scale.rounds, {"many": partial(_cost, many, scale), "few": partial(_cost, few, scale)})
    name = f"cost of a stored hit, {thousands(large)} rows ÷ {thousands(small)}"
    return [
        Figure(
            "growth", name, "µs", taken["many"]["cpu_us"], taken["few"]["cpu_us"], "few rows", Target("<=", 1.2),
            Target("<=", 1.05), "processor time of server and database, the working into visits included",
        )
    ]  # fmt: skip


def _cost(service: Service, scale: Scale) -> dict[str, float]:
    cpu_s = service.cpu_s()
    result = run(Load(service.collector, "beacon", 32, scale.seconds))
    service.settle()
    return {"cpu_us": (service.cpu_s() - cpu_s) / result["answered"] * 1e6}


def _fill(service: Service, rows: int) -> None:
    async def fill(conn: asyncpg.Connection[asyncpg.Record]) -> None:
        account_id = UUID(service.account["account_id"])
        site_id = await conn.fetchval("select site_id from site where account_id = $1", account_id)
        # Spread over the day so far, as they would stand in it; ids have no order, as in life.
        await conn.execute(
            "insert into hit (account_id, received_at, batch_id, event_id, kind, occurred_at, visit_id, site_id, place,"
            " bot, payload) select $1, t, md5((n / 30)::text)::uuid, md5('event ' || n), 'hit', t, md5('visit ' || n / 4),"
            " $2, 'site', false, '{\"url\": \"https://salon.test/services\", \"title\": \"Nails\", \"referrer\": \"\"}'"
            " from generate_series(1, $3::int) n, lateral (select now() - n * interval '1 millisecond' as t) m",
            account_id, site_id, rows, timeout=600,
        )  # fmt: skip
        await conn.execute(
            "insert into event_once (account_id, event_id, seen_at) select $1, md5('event ' || n), now()"
            " from generate_series(1, $2::int) n",
            account_id, rows, timeout=600,
        )  # fmt: skip
        await conn.execute(
            "insert into visit (account_id, visit_id, site_id, visitor_id, started_at, last_seen_at, described, channel,"
            " rules_version, hits, place) select $1, md5('visit ' || n), $2, md5('visitor ' || n), now(), now(), true,"
            " 'direct', '1', 4, 'site' from generate_series(0, $3::int / 4) n",
            account_id, site_id, rows, timeout=600,
        )  # fmt: skip
        await conn.execute("vacuum analyze hit, event_once, visit", timeout=600)
        await conn.execute("checkpoint", timeout=600)

    service.database(fill)
