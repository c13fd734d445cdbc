"""A sentence for people that is kept before anybody knows who will read it: Russian first, English on the next line."""

from __future__ import annotations


def both(russian: str, english: str) -> str:
    return f"{russian}\n{english}"


def spoken(note: str, locale: str) -> str:
    """The note in that language; one that is kept in a single language is shown as it is."""
    russian, _, english = note.partition("\n")
    return english if locale == "en" and english else russian
