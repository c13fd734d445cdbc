"""Figures, their targets, and the table they are shown in."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

On = Literal["ratio", "ours"]


@dataclass(frozen=True, slots=True)
class Target:
    """A bound on the ratio to the baseline, or on our own value where the promise is absolute."""

    sign: Literal[">=", "<="]
    limit: float
    on: On = "ratio"

    def met(self, figure: Figure) -> bool | None:
        value = figure.ours if self.on == "ours" else figure.ratio
        if value is None:
            return None
        return value >= self.limit if self.sign == ">=" else value <= self.limit

    def __str__(self) -> str:
        sign = "≥" if self.sign == ">=" else "≤"
        return f"{sign} {self.limit:g}{' ×' if self.on == 'ratio' else ''}"


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value, median of its rounds, and what it is to be compared with."""

    bench: str
    name: str
    unit: str
    ours: float
    baseline: float | None = None
    against: str = ""
    must: Target | None = None
    goal: Target | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.ours / self.baseline if self.baseline else None

    @property
    def verdict(self) -> str:
        if self.goal and self.goal.met(self):
            return "goal"
        if self.must:
            return "must" if self.must.met(self) else "MISSED"
        return "below goal" if self.goal else ""

    def as_json(self) -> dict[str, Any]:
        return {**asdict(self), "ratio": self.ratio, "verdict": self.verdict}


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def percentile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def alternate(rounds: int, runs: dict[str, Callable[[], dict[str, float]]]) -> dict[str, dict[str, float]]:
    """Runs everything in turn, `rounds` times; answers the median of each value of each run."""
    taken: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            taken[name].append(run())
    return {name: {key: median(row[key] for row in rows) for key in rows[0]} for name, rows in taken.items()}


_COLUMNS = ("figure", "ours", "unit", "baseline", "of", "ratio", "must", "goal", "reached")


def table(figures: Sequence[Figure]) -> str:
    rows = [_COLUMNS, *(_row(figure) for figure in figures)]
    widths = [max(len(row[number]) for row in rows) for number in range(len(_COLUMNS))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    notes = [f"  {figure.name}: {figure.note}" for figure in figures if figure.note]
    return "\n".join([*lines, *(["", *notes] if notes else [])])


def _row(figure: Figure) -> tuple[str, ...]:
    ratio = figure.ratio
    return (
        figure.name, _number(figure.ours), figure.unit, "" if figure.baseline is None else _number(figure.baseline),
        figure.against, "" if ratio is None else f"{ratio:.2f}", str(figure.must or ""), str(figure.goal or ""),
        figure.verdict,
    )  # fmt: skip


def thousands(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def _number(value: float) -> str:
    if value >= 1000:
        return thousands(value)
    return f"{value:.3g}"
