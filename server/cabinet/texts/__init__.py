"""Texts of the cabinet's larger parts, one file each: code → (Russian, English)."""

from __future__ import annotations

from server.cabinet.texts import diagnosis, journeys, people, pipeline, privacy, reports, setting_up

PARTS = (diagnosis, journeys, people, pipeline, privacy, reports, setting_up)


def of_all_parts() -> dict[str, tuple[str, str]]:
    """All of them; a code that two parts have is a mistake of ours and stops the start."""
    texts: dict[str, tuple[str, str]] = {}
    for part in PARTS:
        if twice := texts.keys() & part.TEXTS.keys():
            raise ValueError(f"two parts have the texts {sorted(twice)}")
        texts |= part.TEXTS
    return texts
