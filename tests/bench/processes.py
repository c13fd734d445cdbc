"""Two server processes over one, on the collector at 64 connections: does a second core help?

The baseline is the one process, in the same run. Target: ≥ 1.35 ×, goal 1.5 ×. On two cores the load generator and
the database share them with both, so this is a lower bound. Checked: every request was answered with success.
"""

from __future__ import annotations

from functools import partial

from tests.bench.load import Load, run
from tests.bench.report import Figure, Target, alternate
from tests.bench.scale import Scale
from tests.bench.servers import Service, yclick


def bench(scale: Scale) -> list[Figure]:
    with yclick() as one, yclick("--processes", "2") as two:
        for service in (one, two):
            _run(service, scale)
        taken = alternate(scale.rounds, {"two": partial(_run, two, scale), "one": partial(_run, one, scale)})
    return [
        Figure(
            "processes", "events a second, 2 processes", "/s", taken["two"]["per_s"], taken["one"]["per_s"], "1 process",
            Target(">=", 1.35), Target(">=", 1.5), f"p99 {taken['two']['p99_ms']:.0f} and {taken['one']['p99_ms']:.0f} ms",
        )
    ]  # fmt: skip


def _run(service: Service, scale: Scale) -> dict[str, float]:
    result = run(Load(service.collector, "beacon", 64, scale.seconds))
    service.settle()
    return result
