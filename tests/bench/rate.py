"""`POST /c` at a fixed 1,000 events a second: p99 from each request's own moment on the clock (open loop).

Baseline: the bare journal (J of `collector`) at the same rate. Target: ≤ 1.5 × J; at half of what the server can
take a stall shows here that a closed loop would hide. Checked: every request was answered with success.
"""

from __future__ import annotations

from tests.bench.load import Load, run
from tests.bench.report import Figure, Target, alternate
from tests.bench.scale import Scale
from tests.bench.servers import anchor, yclick

_RATE = 1_000


def bench(scale: Scale) -> list[Figure]:
    with yclick() as service, anchor("journal") as journal:
        run(Load(service.collector, "beacon", 16, 0.5))
        service.settle()

        def ours() -> dict[str, float]:
            result = run(Load(service.collector, "beacon", 64, scale.seconds, _RATE))
            service.settle()
            return result

        taken = alternate(
            scale.rounds,
            {"ours": ours, "J": lambda: run(Load(f"{journal.base}/take", "beacon", 64, scale.seconds, _RATE))},
        )
    return [
        Figure(
            "rate", f"p99 at {_RATE} events a second", "ms", taken["ours"]["p99_ms"], taken["J"]["p99_ms"], "J",
            Target("<=", 1.5), Target("<=", 1.2), f"p50 {taken['ours']['p50_ms']:.2f} ms, J {taken['J']['p50_ms']:.2f} ms",
        )
    ]  # fmt: skip
