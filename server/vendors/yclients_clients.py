"""Clients of a branch at YCLIENTS, as `clients.sending` sees them."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager

from server.clients.sending import Card, Gone, Said, Stopped, Taken
from server.delivery.relay import Held, Refused, TryAgain
from server.platform.egress import Forbidden, RateLimited, Rejected, Unauthorized, Unavailable, VendorError
from server.vendors.yclients_refusals import refusal_note
from server.yclients.client import LicenceEnded
from server.yclients.clients import ClientsApi, PhoneTaken

_CATEGORIES_LIFE_S = 600.0
#: (company, title) → when it was looked up, and what was found.
Categories = dict[tuple[int, str], tuple[float, int | None]]


class ClientsOfYclients:
    """`clients.sending.ClientDesk`."""

    def __init__(self, apis: Mapping[int, ClientsApi], categories: Categories, *, by_app: Collection[int] = ()) -> None:
        """`apis` by company id; `by_app`: branches that are reached by the marketplace application."""
        self._apis, self._categories, self._by_app = apis, categories, by_app

    def _api(self, company_id: int) -> ClientsApi:
        if company_id not in self._apis:
            raise Stopped(Held("no_branch", "филиал не подключён к YCLIENTS или приложение заморожено", scope="kind"))
        return self._apis[company_id]

    @contextmanager
    def _told(self, company_id: int, *, changes: bool = False) -> Iterator[None]:
        """What the application may not do in one branch says nothing of the account's own login."""
        try:
            with _told(changes=changes):
                yield
        except Stopped as stopped:
            if company_id in self._by_app and isinstance(stopped.result, Held) and stopped.result.code == "refused":
                raise Stopped(Held("no_branch", stopped.result.detail, scope="kind")) from None
            raise

    async def find(self, company_id: int, phone: str) -> Sequence[Card]:
        with self._told(company_id):
            found = await self._api(company_id).find(company_id, phone)
        return [Card(card.client_id, card.name, card.email) for card in found.cards]

    async def make(self, company_id: int, *, name: str, phone: str, email: str, label: str) -> int:
        category = await self._category(company_id, label) if label else None
        with self._told(company_id, changes=True):
            try:
                return await self._api(company_id).make(
                    company_id, name=name, phone=phone, email=email, categories=(category,) if category else ()
                )
            except PhoneTaken:
                pass
        with self._told(company_id):
            found = await self._api(company_id).find(company_id, phone)
        if found.hidden and not found.cards:
            raise Stopped(
                Held(
                    "phones_hidden", "в YCLIENTS у этого пользователя нет права видеть телефоны клиентов", scope="kind"
                )
            )
        raise Taken

    async def fill_email(self, company_id: int, client_id: int, email: str) -> bool:
        with self._told(company_id, changes=True):
            return await self._api(company_id).fill_email(company_id, client_id, email)

    async def said(self, company_id: int, client_id: int) -> Sequence[Said] | None:
        with self._told(company_id):
            shown = await self._api(company_id).comments(company_id, client_id)
        return None if shown is None else [Said(one.comment_id, one.text) for one in shown]

    async def say(self, company_id: int, client_id: int, text: str) -> int | None:
        with self._told(company_id, changes=True):
            try:
                return await self._api(company_id).comment(company_id, client_id, text)
            except Rejected as refusal:
                if refusal.code == "404":
                    raise Gone from None
                raise

    async def _category(self, company_id: int, title: str) -> int | None:
        """Remembered for ten minutes. A card without its category is better than none: a refusal here is passed over."""
        known = self._categories.get((company_id, title))
        if known and known[0] > time.monotonic():
            return known[1]
        with self._told(company_id):
            try:
                found = await self._api(company_id).category(company_id, title)
            except (Rejected, Forbidden):
                found = None
        self._categories[company_id, title] = (time.monotonic() + _CATEGORIES_LIFE_S, found)
        return found


@contextmanager
def _told(*, changes: bool = False) -> Iterator[None]:
    """The vendor's errors as what they mean for a client on its way. `changes`: an unanswered call may have worked."""
    try:
        yield
    except VendorError as error:
        raise Stopped(_result(error, changes=changes)) from None


def _result(error: VendorError, *, changes: bool) -> TryAgain | Refused | Held:
    match error:
        case Unauthorized():
            return Held("refused", str(error))
        case LicenceEnded():
            return Held("licence", refusal_note(error), scope="kind")
        case Forbidden():
            return Held("no_right", f"YCLIENTS: {error}", scope="kind")
        case RateLimited(retry_after_s=pause_s):
            return TryAgain("limit", str(error), after_s=pause_s)
        case Rejected(code=code):
            return Refused(code, str(error))
        case Unavailable():
            return TryAgain("unavailable", str(error), sent=changes)
        case _:
            return TryAgain("unavailable", str(error))
