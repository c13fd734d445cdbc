"""Texts of the journey of a booking, why it was matched so, and trying settings: code → (Russian, English)."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {}
