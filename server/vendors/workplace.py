"""Telephony, chats and the booking system as the workplace wants them: `workplace.outside.Outside`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from uuid import UUID

from server.platform.egress import (
    Forbidden,
    ForbiddenAddress,
    NotSent,
    RateLimited,
    Rejected,
    Unauthorized,
    VendorError,
)
from server.uis.call_api import CallApi
from server.uis.chat_api import ChatApi, Outgoing
from server.uis.errors import sentence
from server.workplace.outside import FreshClient, OutsideRefused
from server.yclients.clients import ClientsApi

_NOT_CONNECTED = {
    "uis": ("UIS не подключён.", "UIS is not connected."),
    "uis_chat": ("Чаты UIS не подключены.", "The chats of UIS are not connected."),
    "yclients": ("YCLIENTS не подключён.", "YCLIENTS is not connected."),
}


#: Where the vendor gives no reason: what a Russian screen says, beside the English text of the error.
_REFUSED: dict[type[VendorError], str] = {
    Unauthorized: "UIS не принимает логин или ключ: проверьте подключение в кабинете.",
    Forbidden: "UIS не даёт этому подключению такого права.",
    Rejected: "UIS отказал.",
}
_NEVER_SENT = (NotSent, ForbiddenAddress)


class OutsideOfVendors:
    """Each argument opens a client of one account; None: it is not connected."""

    def __init__(
        self,
        calls: Callable[[UUID], Awaitable[CallApi | None]],
        chats: Callable[[UUID], Awaitable[tuple[ChatApi, int, int | None] | None]],
        clients: Callable[[UUID, int], Awaitable[ClientsApi | None]],
    ) -> None:
        self._calls, self._chats, self._clients = calls, chats, clients

    async def start_call(
        self, account_id: UUID, *, employee_id: int, phone: str, virtual_number: str, external_id: str
    ) -> str:
        api = await self._calls(account_id)
        if api is None:
            raise _not_connected("uis")
        with _told(orders=True):
            return str(
                await api.start_employee_call(
                    employee_id=employee_id, contact=phone, virtual_number=virtual_number, external_id=external_id
                )
            )

    async def send_message(self, account_id: UUID, *, channel_id: int, chat_id: int, text: str, at: datetime) -> str:
        opened = await self._chats(account_id)
        if opened is None:
            raise _not_connected("uis_chat")
        api, vendor_account, operator_id = opened
        with _told(orders=True):
            return str(await api.send(Outgoing(vendor_account, channel_id, chat_id, text, operator_id, at)))

    async def find_client(self, account_id: UUID, company_id: int, phone: str) -> FreshClient | None:
        api = await self._clients(account_id, company_id)
        if api is None:
            raise _not_connected("yclients")
        with _told(orders=False):
            found = await api.find(company_id, phone)
        if not found.cards:
            return None
        return FreshClient(company_id, found.cards[0].client_id, found.cards[0].name)


def _not_connected(vendor: str) -> OutsideRefused:
    return OutsideRefused("not_connected", _NOT_CONNECTED[vendor])


@contextmanager
def _told(*, orders: bool) -> Iterator[None]:
    """The vendor's errors as the workplace knows them. An order without an answer may have been done all the same."""
    try:
        yield
    except RateLimited as limited:
        seconds = round(limited.retry_after_s)
        detail = (f"Лимит запросов исчерпан, подождите {seconds} с.", f"The limit is spent; wait {seconds} s.")
        raise OutsideRefused("limit", detail) from None
    except (Unauthorized, Forbidden) as refused:
        raise OutsideRefused("no_right", _sentences(refused)) from None
    except Rejected as refused:
        raise OutsideRefused("refused", _sentences(refused)) from None
    except VendorError as away:  # its text is ours and English: the screen has words of its own for this
        raise OutsideRefused("unavailable", sent=orders and not isinstance(away, _NEVER_SENT)) from None


def _sentences(error: VendorError) -> tuple[str, str]:
    reason = getattr(error, "reason", None)
    if not isinstance(reason, str):
        return next(words for kind, words in _REFUSED.items() if isinstance(error, kind)), str(error)
    facts = getattr(error, "facts", {})
    return sentence(reason, facts=facts, lang="ru"), sentence(reason, facts=facts, lang="en")
