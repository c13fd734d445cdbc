"""How long and how large: the full run, or a quick one that only shows that everything works."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Scale:
    """`rounds` alternations of `seconds` each; `rows` is the size of a large table."""

    quick: bool
    rounds: int
    seconds: float
    rows: int


FULL = Scale(quick=False, rounds=3, seconds=2.0, rows=1_000_000)
QUICK = Scale(quick=True, rounds=1, seconds=1.0, rows=20_000)
