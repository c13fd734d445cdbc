"""Texts of the live view, the delivery desk and the ledger: code → (Russian, English)."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {}
