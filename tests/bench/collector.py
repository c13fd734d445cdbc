"""`POST /c`: events a second and processor time an event, stored and acknowledged, by one process of the server.

Baselines: a bare aiohttp server that appends the body to a file and answers after fdatasync, in groups (J), and one
that only decodes it (A). Ours is the whole service: key, limits, checks, one COPY, the answer after the commit; the
visits are worked on by the same process at the same time. Checked: rows = acknowledged, effect once.
Targets: ≥ 0.8 × J at 64 and at 256 connections; ≤ 140 µs an event, server and database together.
"""

from __future__ import annotations

from functools import partial

from tests.bench.load import Load, run
from tests.bench.report import Figure, Target, alternate
from tests.bench.scale import Scale
from tests.bench.servers import Anchor, Service, anchor, yclick


def bench(scale: Scale) -> list[Figure]:
    with yclick() as service, anchor("journal") as journal, anchor("parse") as parse:
        run(Load(service.collector, "beacon", 16, 0.5))
        service.settle()
        before = int(service.value("select count(*) from hit"))
        acked = 0
        figures: list[Figure] = []

        def ours(connections: int) -> dict[str, float]:
            nonlocal acked
            cpu_s = service.cpu_s()
            result = run(Load(service.collector, "beacon", connections, scale.seconds))
            acked += int(result["answered"])
            result["lag_s"] = service.settle()  # also: the baselines run on a quiet machine
            result["cpu_us"] = (service.cpu_s() - cpu_s) / result["answered"] * 1e6
            return result

        for connections in (64, 256):
            taken = alternate(
                scale.rounds,
                {
                    "ours": partial(ours, connections),
                    "J": partial(_anchored, journal, connections, scale),
                    "A": partial(_anchored, parse, connections, scale),
                },
            )
            figures += _figures(taken, connections)
        _check(service, before, acked)
        return figures


def _anchored(server: Anchor, connections: int, scale: Scale) -> dict[str, float]:
    cpu_s = server.cpu_s()
    result = run(Load(f"{server.base}/take", "beacon", connections, scale.seconds))
    result["cpu_us"] = (server.cpu_s() - cpu_s) / result["answered"] * 1e6
    return result


def _figures(taken: dict[str, dict[str, float]], connections: int) -> list[Figure]:
    ours, journal, parse = taken["ours"], taken["J"], taken["A"]
    at = f"at {connections} connections"
    return [
        Figure(
            "collector", f"events a second {at}", "/s", ours["per_s"], journal["per_s"], "J", Target(">=", 0.8),
            Target(">=", 1.6), f"A {parse['per_s']:.0f}/s; p50 {ours['p50_ms']:.1f} ms; visits {ours['lag_s']:.1f} s behind at the end",
        ),
        Figure("collector", f"p99 {at}", "ms", ours["p99_ms"], journal["p99_ms"], "J", Target("<=", 1.3)),
        Figure(
            "collector", f"processor time an event {at}", "µs", ours["cpu_us"], journal["cpu_us"], "J",
            Target("<=", 140, "ours"), Target("<=", 45, "ours"), "database and the working into visits included",
        ),
    ]  # fmt: skip


def _check(service: Service, before: int, acked: int) -> None:
    stored = int(service.value("select count(*) from hit")) - before
    assert stored == acked, f"{acked} acknowledged, {stored} stored"
    worked = int(
        service.value("select sum(count) from ledger where door = 'collector' and outcome in ('stored', 'duplicate')")
    )
    assert worked == before + acked, f"{before + acked} accepted, {worked} worked on"
