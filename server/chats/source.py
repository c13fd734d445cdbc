"""Where chats and forms can be read again; the adapter speaks the vendor's words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from server.chats.model import Telling


class SourceAway(Exception):
    """Nothing could be read. `after_s`: a pause that was asked for; `refused`: a person must mend something."""

    def __init__(self, why: str, *, after_s: float = 30.0, refused: bool = False) -> None:
        super().__init__(why)
        self.after_s, self.refused = after_s, refused


@dataclass(frozen=True, slots=True)
class Sought:
    """What is to be read of its own: chats and forms by their ids, chats by their communications."""

    chats: Sequence[int] = ()
    forms: Sequence[int] = ()
    communications: Sequence[int] = field(default=())


class TextSource(Protocol):
    """Each call may raise `SourceAway`. Tellings are those of a report, with contacts where the vendor knows them."""

    async def going_on(self, since: datetime, till: datetime) -> list[Telling]:
        """Chats begun in this time that have not ended."""
        ...

    async def begun(self, since: datetime, till: datetime) -> list[Telling]:
        """Chats and forms of this time."""
        ...

    async def read(self, sought: Sought, since: datetime, till: datetime) -> list[Telling]:
        """What is sought, with what was said in the chats."""
        ...

    def may_look_every_s(self) -> float:
        """How often one may ask without spending what others need."""
        ...
