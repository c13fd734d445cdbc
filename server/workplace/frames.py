"""What the booking system's own page says when it opens us in a frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FrameAsked:
    """A frame in a branch. `phone`: of the client whose card is open there, digits; empty: none."""

    company_id: int
    phone: str = ""


#: ("panel" or "settings", the query); None: it was not the booking system that asked.
ReadFrame = Callable[[str, Sequence[tuple[str, str]]], FrameAsked | None]
