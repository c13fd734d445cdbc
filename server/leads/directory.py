"""What the owner can choose from: sites, sources, numbers and more of their account in the other system."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a list. `usable`: it may be chosen now (a switched-off one is shown if it was chosen before).

    `called`: what a notification calls it, where that is not `name` (a site is told by its domain).
    """

    id: int
    name: str
    usable: bool = True
    called: str = ""


@dataclass(frozen=True, slots=True)
class Directory:
    """A list the account may not read (its component is off) is empty; then the owner writes by hand."""

    sites: tuple[Choice, ...] = ()
    campaigns: tuple[Choice, ...] = ()
    sources: tuple[Choice, ...] = ()
    numbers: tuple[Choice, ...] = ()  # the name is the number
    scenarios: tuple[Choice, ...] = ()
    tags: tuple[Choice, ...] = ()


class DirectoryAway(Exception):
    """The lists cannot be read; `sentence` says in Russian and English what to do.

    `code`: not_connected, `UNAVAILABLE` (which says nothing about the credentials), or the refusal's own.
    """

    def __init__(self, code: str, sentence: tuple[str, str]) -> None:
        super().__init__(code)
        self.code, self.sentence = code, sentence


#: Reads the lists of an account, remembered for some minutes; `fresh` asks anew. Raises `DirectoryAway`.
ReadDirectory = Callable[[UUID, bool], Awaitable[Directory]]
#: Whether these credentials open the account, before they are kept. Raises `DirectoryAway`.
ProveUis = Callable[[UUID, Mapping[str, str]], Awaitable[None]]
