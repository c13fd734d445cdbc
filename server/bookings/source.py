"""Where bookings can be read from, page by page: declared here, satisfied by the vendor's module.

`Take` applies one told booking inside a transaction; it is the same path that webhooks take, so nothing newer is
overwritten and nothing acts twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

from server.accounts.model import Branch
from server.platform.postgres import Conn

PAGE_SIZE = 200
#: Answers `stored` (new here, or newer than what was here) or `duplicate`.
Take = Callable[[Conn, Branch, Mapping[str, Any], datetime], Awaitable[str]]


class SourceAway(Exception):
    """Nothing can be read now; `retry_after_s` says when to try again."""

    def __init__(self, reason: str, retry_after_s: float) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class SourceRefused(Exception):
    """The vendor does not let this account read; a person has to mend that."""


@dataclass(frozen=True, slots=True)
class SourcePage:
    """Bookings as the vendor tells them. `last`: no further page."""

    items: list[Mapping[str, Any]]
    last: bool


class BookingSource(Protocol):
    """Raises `SourceAway` or `SourceRefused`; deleted bookings are told of, too."""

    async def changed(self, branch: Branch, since: datetime, page: int) -> SourcePage: ...
    async def created(self, branch: Branch, first: date, last: date, page: int) -> SourcePage: ...
