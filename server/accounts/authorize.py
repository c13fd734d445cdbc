"""«Авторизация в Yclients»: login and password become a token; with two-factor login a code is asked for in between."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Entered:
    """The vendor let us in."""

    user_token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CodeWanted:
    """A code went to `recipient` (masked by the vendor); the login is repeated with it and this `uuid`."""

    uuid: str
    recipient: str


#: wrong: login, password or code; partner: this server's own token; away: no answer now.
Refusal = Literal["wrong", "partner", "away"]


class AuthorizeRefused(Exception):
    def __init__(self, code: Refusal, detail: str = "") -> None:
        super().__init__(detail or code)
        self.code: Refusal = code


#: (account id as text, login, password, uuid, code); the last two are "" at first. Raises `AuthorizeRefused`.
Authorize = Callable[[str, str, str, str, str], Awaitable[Entered | CodeWanted]]
#: (account id, company id) → whether the account's own login sees this branch; None: nobody can say now.
SeesBranch = Callable[[UUID, int], Awaitable[bool | None]]
