"""The engine reaches nothing but the standard library and itself: no database, no network, no clock."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from server.matching import facts, model, scoring, words

_ALLOWED = {
    "__future__", "collections.abc", "dataclasses", "datetime", "enum", "math", "typing",
    "server.matching.facts", "server.matching.scoring",
}  # fmt: skip
_CLOCK = {"now", "utcnow", "today", "time", "monotonic"}


@pytest.mark.parametrize("module", [facts, scoring, model, words])
def test_the_engine_imports_nothing_that_reads_or_writes(module) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    imported = {
        name
        for node in ast.walk(tree)
        for name in (
            [alias.name for alias in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )
    }  # fmt: skip
    assert imported <= _ALLOWED


@pytest.mark.parametrize("module", [facts, scoring, model, words])
def test_the_engine_asks_no_clock(module) -> None:
    tree = ast.parse(Path(module.__file__).read_text(encoding="utf-8"))
    called = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    assert called.isdisjoint(_CLOCK)
