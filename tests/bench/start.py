"""From `yclick serve` to ready, with the private PostgreSQL, on a data directory that exists already.

Baseline: the same interpreter importing the server and ending, which no start can undercut. Floor 2.5 s, goal 1.5 s.
Also the memory of the idle server process, beside that of a bare aiohttp process: ≤ 80 MB, goal 55 MB.
"""

from __future__ import annotations

import subprocess
import sys
import time

from tests.bench.report import Figure, Target, alternate, median
from tests.bench.scale import Scale
from tests.bench.servers import anchor, resident_mb, yclick
from tests.server_process import ROOT


def bench(scale: Scale) -> list[Figure]:
    memory: list[float] = []
    with yclick() as service, anchor("parse") as bare:

        def start() -> dict[str, float]:
            service.process.stop()
            began = time.perf_counter()
            service.process.start()
            took_s = time.perf_counter() - began
            time.sleep(1)
            memory.append(resident_mb(service.pid))
            return {"s": took_s}

        taken = alternate(max(2, scale.rounds), {"ours": start, "import": _import})
        bare_mb = resident_mb(bare.pid)
    return [
        Figure(
            "start", "start to ready, warm", "s", taken["ours"]["s"], taken["import"]["s"], "import alone",
            Target("<=", 2.5, "ours"), Target("<=", 1.5, "ours"),
        ),
        Figure(
            "start", "memory of the idle process", "MB", median(memory), bare_mb, "bare aiohttp",
            Target("<=", 80, "ours"), Target("<=", 55, "ours"), "resident, of the server process without its database",
        ),
    ]  # fmt: skip


def _import() -> dict[str, float]:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import server.app"], cwd=ROOT, check=True)
    return {"s": time.perf_counter() - began}
