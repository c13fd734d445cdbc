"""What the workplace wants of telephony, chats and the booking system; satisfied by `vendors`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID


class OutsideRefused(Exception):
    """The other system did not do it. `sent`: it may have done it all the same, no answer came.

    `code`: not_connected, refused, no_right, limit, unavailable. `detail`: a sentence in Russian and in English.
    """

    def __init__(self, code: str, detail: tuple[str, str] = ("", ""), *, sent: bool = False) -> None:
        super().__init__(code)
        self.code, self.detail, self.sent = code, detail, sent


@dataclass(frozen=True, slots=True)
class FreshClient:
    """A client of a branch as the booking system has them now; None: it does not say."""

    company_id: int
    client_id: int
    name: str
    visits: int | None = None
    spent: str | None = None
    paid: str | None = None
    balance: str | None = None


class Outside(Protocol):
    """Every method raises `OutsideRefused`."""

    async def start_call(
        self, account_id: UUID, *, employee_id: int, phone: str, virtual_number: str, external_id: str
    ) -> str:
        """Rings the employee, then the client; answers the id of the call."""
        ...

    async def send_message(self, account_id: UUID, *, channel_id: int, chat_id: int, text: str, at: datetime) -> str:
        """Answers the id of the message."""
        ...

    async def find_client(self, account_id: UUID, company_id: int, phone: str) -> FreshClient | None:
        """Asked in the operator's class of the budget."""
        ...
