"""Bytes of the browser scripts as built: what each visitor downloads once, brotli and gzip.

The baseline is the floor of docs/performance.md for a script with linking, widget hooks, queue, routes and consent:
3,300 and 2,400 bytes brotli; goal 2,800 and 2,000. Nothing is timed here; the build itself refuses to grow past
snippets/budget.json.
"""

from __future__ import annotations

import json

from tests.bench.report import Figure, Target
from tests.bench.scale import Scale
from tests.server_process import ROOT

_FLOOR = {"site": 3_300, "form": 2_400}
_GOAL = {"site": 2_800, "form": 2_000}


def bench(_: Scale) -> list[Figure]:
    sizes = json.loads((ROOT / "snippets" / "dist" / "meta.json").read_text("utf-8"))["sizes"]
    return [
        Figure(
            "snippets", f"{place} script, brotli", "B", sizes[place]["brotli"], _FLOOR[place], "the floor",
            Target("<=", _FLOOR[place], "ours"), Target("<=", _GOAL[place], "ours"), f"gzip {sizes[place]['gzip']} B",
        )
        for place in ("site", "form")
    ]  # fmt: skip
