"""Texts of people, roles, sessions, tokens and the audit log: code → (Russian, English)."""

from __future__ import annotations

TEXTS: dict[str, tuple[str, str]] = {}
