"""Where bookings can be read from, page by page: declared here, satisfied by the vendor's module.

`Take` applies one told booking inside a transaction; it is the same path that webhooks take, so nothing newer is
overwritten and nothing acts twice.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Protocol

import asyncpg

from server.accounts.model import Branch
from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY, Conn

_log = logger(__name__)

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


#: Errors that say nothing of the record at hand: the whole step is repeated later.
_NOT_OF_THE_RECORD = (
    *DATABASE_AWAY,
    asyncpg.TransactionRollbackError,
    asyncpg.QueryCanceledError,
    asyncpg.InsufficientResourcesError,
    asyncpg.SyntaxOrAccessError,
)


@contextmanager
def passing_over(branch: Branch, item: Mapping[str, Any], unreadable: dict[str, None]) -> Iterator[None]:
    """A record that cannot be taken stops no other: its id is told to `unreadable` and to the log, nothing else of it."""
    try:
        yield
    except _NOT_OF_THE_RECORD:
        raise
    except Exception as error:
        record_id = id_as_told(item)
        _log.warning(
            "record.unreadable", account_id=str(branch.account_id), record_id=record_id, error=type(error).__name__
        )
        unreadable[record_id] = None


def id_as_told(item: Mapping[str, Any]) -> str:
    """What stands as the id, short: it may be anything."""
    return str(item.get("id"))[:40].replace("\0", "").encode("utf-8", "replace").decode()
