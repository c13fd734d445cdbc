"""The core of deals reaches nothing but the standard library, itself and the bookings' rules; it asks no clock and
speaks no vendor's words."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from types import ModuleType

import pytest

from server.deals import funnel, history, model, sending, titles

_PURE = [funnel, history, model, sending, titles]
_ALLOWED = {
    "__future__", "collections.abc", "dataclasses", "datetime", "decimal", "enum", "hashlib", "json", "re", "typing",
    "unicodedata", "zoneinfo", "server.bookings.model", "server.deals.funnel", "server.deals.history",
    "server.deals.model", "server.deals.titles",
}  # fmt: skip
_CLOCK = {"now", "utcnow", "today", "monotonic"}


def _text(module: ModuleType) -> str:
    return Path(str(module.__file__)).read_text(encoding="utf-8")


@pytest.mark.parametrize("module", _PURE)
def test_the_core_imports_nothing_that_reads_or_writes(module: ModuleType) -> None:
    imported = set()
    for node in ast.walk(ast.parse(_text(module))):
        if isinstance(node, ast.Import):
            imported |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add(node.module or "")
    assert imported <= _ALLOWED


@pytest.mark.parametrize("module", _PURE)
def test_the_core_asks_no_clock(module: ModuleType) -> None:
    called = {node.attr for node in ast.walk(ast.parse(_text(module))) if isinstance(node, ast.Attribute)}
    assert called.isdisjoint(_CLOCK)


@pytest.mark.parametrize("module", _PURE)
def test_the_core_speaks_no_vendor_words(module: ModuleType) -> None:
    assert not re.search(
        r"\b(records?|record_\w+|compan(y|ies)|company_\w+|offline_\w+|\w*ext_id\w*|revenue)\b", _text(module)
    )
