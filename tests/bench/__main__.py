"""`python -m tests.bench [--quick] [--json FILE] [NAME …]`: runs the benchmarks and prints one table.

Ends with 0 whatever the figures are; with 1 when a benchmark broke, or what it checks was not true.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path

from tests.bench import (
    calls,
    collector,
    crowded_match,
    exact_match,
    growth,
    journal,
    pace,
    past_months,
    processes,
    rate,
    recalculation,
    restart,
    script,
    snippets,
    start,
    texts,
    webhook,
    workplace,
)
from tests.bench.report import Figure, table
from tests.bench.scale import FULL, QUICK, Scale

BENCHMARKS: dict[str, Callable[[Scale], list[Figure]]] = {
    module.__name__.rpartition(".")[2]: module.bench
    for module in (
        collector,
        rate,
        webhook,
        calls,
        script,
        processes,
        exact_match,
        crowded_match,
        recalculation,
        journal,
        growth,
        start,
        restart,
        snippets,
        pace,
        past_months,
        texts,
        workplace,
    )
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="tests.bench", description="Speed, as ratios to a baseline of the same run.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(BENCHMARKS)}; none: all")
    parser.add_argument("--quick", action="store_true", help="small and short: shows that it works, measures nothing")
    parser.add_argument("--json", type=Path, help="write the figures to this file as well")
    asked = parser.parse_args()
    unknown = sorted(set(asked.names) - set(BENCHMARKS))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    figures, broken = _run(asked.names or list(BENCHMARKS), QUICK if asked.quick else FULL)
    print(f"\n{table(figures)}\n\n{_machine()}")
    if asked.json:
        document = {"machine": _machine(), "figures": [figure.as_json() for figure in figures], "broken": broken}
        asked.json.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n")
    for name in broken:
        print(f"broken: {name}", file=sys.stderr)
    return 1 if broken else 0


def _run(names: list[str], scale: Scale) -> tuple[list[Figure], list[str]]:
    figures, broken = [], []
    for name in names:
        began = time.monotonic()
        try:
            found = BENCHMARKS[name](scale)
        except Exception:
            traceback.print_exc()
            broken.append(name)
            continue
        print(f"{name}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        for figure in found:
            ratio = "" if figure.ratio is None else f"  {figure.ratio:.2f} × {figure.against}"
            print(
                f"  {figure.name}: {figure.ours:.4g} {figure.unit}{ratio}  {figure.verdict}",
                file=sys.stderr,
                flush=True,
            )
        figures += found
    return figures, broken


def _machine() -> str:
    return (
        f"Python {platform.python_version()}, {os.cpu_count()} cores shared by server, database and load generator;"
        f" load {os.getloadavg()[0]:.1f} at the end"
    )


if __name__ == "__main__":
    sys.exit(main())
