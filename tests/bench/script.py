"""Serving the site script of one account, compressed ready-made, at 64 connections.

Baseline: a bare aiohttp server that answers with a file of about that size from memory. Target: ≥ 0.9 × it.
Checked: every answer was 200.
"""

from __future__ import annotations

from tests.bench.load import Load, run
from tests.bench.report import Figure, Target, alternate
from tests.bench.scale import Scale
from tests.bench.servers import anchor, yclick


def bench(scale: Scale) -> list[Figure]:
    with yclick("--role", "web") as service, anchor("parse") as bare:
        url = f"{service.process.base}/s/{service.account['site']['key']}.js"
        run(Load(url, "get", 4, 0.5))
        taken = alternate(
            scale.rounds,
            {
                "ours": lambda: run(Load(url, "get", 64, scale.seconds)),
                "bare": lambda: run(Load(f"{bare.base}/script.js", "get", 64, scale.seconds)),
            },
        )
    ours, memory = taken["ours"], taken["bare"]
    return [
        Figure("script", "scripts served a second", "/s", ours["per_s"], memory["per_s"], "from memory", Target(">=", 0.9)),
        Figure("script", "script, p99", "ms", ours["p99_ms"], memory["p99_ms"], "from memory"),
    ]  # fmt: skip
