"""Whose a mark is: the visit it stands for, the browser that owns it, and who is a stranger. Pure.

A mark travels in an address, and addresses are passed on. All is decided by when things happened, never by which
report of them came first: joining what is known is the same in any order and however often.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

#: How long after the click the form may first open with a mark.
MARK_LIFE = timedelta(minutes=30)


class Opening(NamedTuple):
    """A way into the form was taken in this visit, and the mark was made for it."""

    at: datetime
    visit_id: str
    form_host: str


class Use(NamedTuple):
    """A browser had the form open with the mark. A sender that does not name browsers is one browser, "" by name."""

    at: datetime
    client_id: str


@dataclass(frozen=True, slots=True)
class Mark:
    """The earliest opening and the earliest use that are known; the user of that is the owner."""

    opening: Opening | None = None
    use: Use | None = None

    def joined(self, other: Mark) -> Mark:
        return Mark(
            min((one for one in (self.opening, other.opening) if one), default=None),
            min((one for one in (self.use, other.use) if one), default=None),
        )

    @property
    def expired(self) -> bool:
        """The form first opened too late to have been opened by the click: it says nothing of anybody."""
        return self.opening is not None and self.use is not None and self.use.at - self.opening.at > MARK_LIFE

    def is_stranger(self, client_id: str) -> bool:
        """Whether the mark in this browser's address says nothing of who opened it."""
        return self.expired or (self.use is not None and client_id != self.use.client_id)


def visit_of(name: str, mark: Mark, client_id: str) -> str | None:
    """The visit that what this browser did with the mark belongs to; None while the mark is not announced."""
    if mark.is_stranger(client_id):
        return stranger_visit_id(name, client_id)
    return mark.opening.visit_id if mark.opening else None


def stranger_visit_id(name: str, client_id: str) -> str:
    """A stranger with a copied mark has a visit of their own, the same one however often it is asked for."""
    return f"form-{hashlib.sha256(f'{name}/{client_id}'.encode()).hexdigest()[:32]}"
