"""The screens connected to this process, and the room of each account.

A screen is *live* while it has every event its room has seen; then events are written to it as they come. A screen whose
connection does not take bytes as fast as they come is *behind*: it gets nothing until its connection is empty again, and
then what it missed, by number, from the database. So no queue grows, and nothing is lost; who stays behind for too long
is let go and comes back by itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from server.accounts.model import Device, Person
from server.workplace.model import RIGHTS
from server.workplace.wire import Built, Kind

#: Bytes that may wait in a connection before its screen counts as behind.
WAITING_MOST = 64 * 1024


@dataclass(eq=False, slots=True)
class Screen:
    """One connection. `transport` takes whole frames."""

    device: Device
    kind: Kind
    transport: asyncio.Transport
    seq: int = 0
    live: bool = False
    #: 0 while open; afterwards why it is to be closed.
    code: int = 0
    heard_at: float = field(default_factory=time.monotonic)
    behind_since: float = 0.0
    #: Called once, when the connection is to be closed with `code`.
    on_end: Callable[[], None] = lambda: None

    @property
    def account_id(self) -> UUID:
        return self.device.person.account_id

    @property
    def masked(self) -> bool:
        return "phones" not in RIGHTS[self.device.person.role]

    def can_take(self) -> bool:
        return self.transport.get_write_buffer_size() < WAITING_MOST and not self.transport.is_closing()

    def write(self, built: Built) -> None:
        if not self.transport.is_closing() and not self.code:
            self.transport.write(built.bytes_for(self.kind))

    def tell(self, message: dict[str, Any]) -> None:
        self.write(Built(message))

    def fall_behind(self) -> None:
        if self.live or not self.behind_since:
            self.live, self.behind_since = False, time.monotonic()

    def end(self, code: int) -> None:
        """Nothing more is written; the connection is closed by whoever holds it."""
        if not self.code:
            self.code = code
            self.on_end()

    def is_of(self, person: Person) -> None:
        self.device = Device(person, self.device.device_id, self.device.kind)


@dataclass(eq=False, slots=True)
class Room:
    """The screens of one account; `seq` is the newest event all live ones have."""

    account_id: UUID
    seq: int
    screens: set[Screen] = field(default_factory=set)
    present: str = ""

    def tell(self, message: dict[str, Any]) -> None:
        """To all screens that can take it: only for what is told again anyway."""
        built = Built(message)
        for screen in self.screens:
            if screen.can_take():
                screen.write(built)
