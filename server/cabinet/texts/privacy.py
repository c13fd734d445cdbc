"""Texts of the privacy desk, notices and the weekly letter: code → (Russian, English)."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {}
