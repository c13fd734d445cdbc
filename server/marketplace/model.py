"""What the application and a branch may be to each other. Pure types; no I/O."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol
from uuid import UUID

#: refused: nothing happens before a person acts; `code` says why.
State = Literal["connecting", "active", "frozen", "refused", "uninstalled"]
#: As the vendor tells it. absent: the branch does not have the application.
Standing = Literal["pending", "active", "frozen", "absent", "unknown"]

#: Why a link is as it is, where its state alone does not say so: each a sentence of the cabinet.
WHY = (
    "away", "absent", "pending", "unknown", "aggregator", "already", "partner", "forbidden", "refused", "off", "taken",
    "no_rights", "no_hook", "doubt",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Link:
    company_id: int
    state: State
    code: str
    note: str
    attempts: int
    asked_at: datetime
    active_since: datetime | None
    checked_at: datetime | None
    next_at: datetime | None
    title: str = ""


def link_json(link: Link) -> dict[str, Any]:
    """A link for the API and the command line."""
    return {
        "company_id": link.company_id, "title": link.title or None, "state": link.state, "code": link.code or None,
        "asked_at": link.asked_at.isoformat(),
        "active_since": link.active_since.isoformat() if link.active_since else None,
        "checked_at": link.checked_at.isoformat() if link.checked_at else None,
    }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """What a redirect asks for. The names are what the vendor signed, empty where it passes nothing."""

    company_ids: tuple[int, ...]
    user_name: str
    salon_name: str


class BadAsk(Exception):
    """A redirect the vendor cannot have sent; `code`: signature, no_branch, too_many, off (there is no application)."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class Away(Exception):
    """No usable answer now: try again, not before `retry_after_s` where the vendor says so."""

    def __init__(self, note: str, retry_after_s: float = 0.0) -> None:
        super().__init__(note)
        self.note, self.retry_after_s = note, retry_after_s


class Refusal(Exception):
    """The vendor's no. `code`: aggregator, already, partner, refused; `note` are its words."""

    def __init__(self, code: str, note: str) -> None:
        super().__init__(note)
        self.code, self.note = code, note


@dataclass(frozen=True, slots=True)
class Described:
    title: str
    timezone: str  # IANA, or empty where the vendor does not say


@dataclass(frozen=True, slots=True)
class AppEvent:
    """An event whose sender is known; `body` is what is kept of it, without the sender's secret."""

    company_id: int
    body: bytes


#: Reads the query of a redirect. Raises `BadAsk`.
ReadRedirect = Callable[[Iterable[tuple[str, str]]], Asked]
#: Reads an event; None: it does not carry our secret, or is of another application.
ReadEvent = Callable[[bytes], AppEvent | None]

#: What these branches are called, as far as the vendor says so within a moment.
DescribeBranches = Callable[[UUID, Sequence[int]], Awaitable[Mapping[int, str]]]


class AppDesk(Protocol):
    """The application at the vendor. Raises `Away` or `Refusal`."""

    async def standing(self, company_id: int) -> Standing: ...
    async def confirm(self, company_id: int, hook_url: str) -> None: ...
    async def describe(self, company_id: int) -> Described: ...
    async def ensure_hook(self, company_id: int, hook_url: str) -> None: ...


# --- when to look again

_FROZEN_LOOK = timedelta(minutes=15)
_ACTIVE_LOOK = timedelta(hours=6)
_AWAY_LOOKS_S = (5, 15, 60, 180, 600)


def look_again(state: State, attempts: int, retry_after_s: float = 0.0) -> timedelta | None:
    """The pause before the vendor is asked again; None: not by itself. `attempts`: in a row without an answer."""
    if attempts:
        return timedelta(seconds=max(retry_after_s, _AWAY_LOOKS_S[min(attempts, len(_AWAY_LOOKS_S)) - 1]))
    return {"frozen": _FROZEN_LOOK, "active": _ACTIVE_LOOK}.get(state)
