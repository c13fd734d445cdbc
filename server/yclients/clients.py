"""Clients of a branch at YCLIENTS: search by phone, making, filling what is empty, comments, categories.

Facts: search answers ids alone unless fields are named, matches names as well as phones, and may show phones masked to
a user without the right. A phone stands once in a branch: making a second card with it is refused, in words. What PUT
does with fields that are left out is not documented: a card is written back whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from server.platform.budget import Priority
from server.platform.egress import Rejected, Unavailable
from server.platform.phones import phone_e164
from server.yclients.client import YclientsClient
from server.yclients.webhooks import whole_id

_PAGE = 200
_PAGES_MOST = 5
_FIELDS = ["id", "name", "phone", "email"]
_EXISTS = re.compile(r"уже\s+существует|already\s+exists", re.IGNORECASE)
_SEX = {"неизвестно": 0, "мужской": 1, "женский": 2}
_IMPORTANCE = {"без класса важности": 0, "бронза": 1, "серебро": 2, "золото": 3}


class PhoneTaken(Rejected):
    """The branch has a client with this phone already."""


@dataclass(frozen=True, slots=True)
class Card:
    client_id: int
    name: str
    email: str


@dataclass(frozen=True, slots=True)
class Found:
    """Cards with this very phone, oldest first. `hidden`: some showed no phone, so one of them may be meant."""

    cards: tuple[Card, ...]
    hidden: bool


@dataclass(frozen=True, slots=True)
class Comment:
    comment_id: int | None
    text: str


class ClientsApi:
    def __init__(self, client: YclientsClient, *, region: str, priority: Priority = Priority.WEBHOOK) -> None:
        self._client, self._region, self._priority = client, region, priority

    async def find(self, company_id: int, phone: str) -> Found:
        """By the whole number, then by its end: a card may have been written the way it is dialled at home."""
        digits = phone.removeprefix("+")
        found = await self._search(company_id, digits, phone)
        if found.cards or len(digits) <= 10:
            return found
        other = await self._search(company_id, digits[-10:], phone)
        return Found(other.cards, found.hidden or other.hidden)

    async def _search(self, company_id: int, value: str, phone: str) -> Found:
        cards: dict[int, Card] = {}
        masked: dict[int, Card] = {}
        hidden = False
        for page in range(1, _PAGES_MOST + 1):
            body = {
                "page": page, "page_size": _PAGE, "fields": _FIELDS, "order_by": "id", "order_by_direction": "ASC",
                "operation": "AND", "filters": [{"type": "quick_search", "state": {"value": value}}],
            }  # fmt: skip
            data = await self._client.ask(
                "POST", f"/company/{company_id}/clients/search", body=body, priority=self._priority, none_on_404=True
            )
            rows = data if isinstance(data, list) else []
            for row in rows:
                number = whole_id(row.get("id")) if isinstance(row, dict) else None
                if number is None:
                    continue
                shown = row.get("phone")
                card = Card(number, _text(row.get("name")), _text(row.get("email")))
                if phone_e164(shown, region=self._region) == phone:
                    cards[number] = card
                elif _masked(shown, phone):
                    masked[number] = card
                hidden = hidden or not re.search(r"\d{5}", str(shown or ""))
            if len(rows) < _PAGE:
                break
        if not cards and len(masked) == 1 and value == phone.removeprefix("+"):
            cards = masked  # the search saw the whole number, though we may not
        return Found(tuple(cards[number] for number in sorted(cards)), hidden)

    async def make(
        self, company_id: int, *, name: str, phone: str, email: str = "", categories: tuple[int, ...] = ()
    ) -> int:
        """The new card's id. Raises `PhoneTaken`."""
        body: dict[str, Any] = {"name": name, "phone": phone.removeprefix("+")}
        if email:
            body["email"] = email
        if categories:
            body["categories"] = list(categories)
        try:
            data = await self._client.ask("POST", f"/clients/{company_id}", body=body, priority=self._priority)
        except Rejected as refusal:
            if _EXISTS.search(refusal.human):
                raise PhoneTaken(refusal.code, refusal.human) from None
            raise
        data = data[0] if isinstance(data, list) and data else data
        number = whole_id(data.get("id")) if isinstance(data, dict) else None
        if number is None:
            raise Unavailable("the answer to a new client has no id")
        return number

    async def fill_email(self, company_id: int, client_id: int, email: str) -> bool:
        """Writes an e-mail into a card that has none; False: it has one, or cannot be written back as it was."""
        card = await self._client.ask(
            "GET", f"/client/{company_id}/{client_id}", priority=self._priority, none_on_404=True
        )
        if not isinstance(card, dict) or whole_id(card.get("id")) != client_id or _text(card.get("email")):
            return False
        whole = _whole(card, self._region)
        if whole is None:
            return False
        body = {**whole, "email": email}
        await self._client.ask("PUT", f"/client/{company_id}/{client_id}", body=body, priority=self._priority)
        return True

    async def comments(self, company_id: int, client_id: int) -> list[Comment] | None:
        """None: there is no such client (any more)."""
        data = await self._client.ask(
            "GET", f"/company/{company_id}/clients/{client_id}/comments", priority=self._priority, none_on_404=True
        )
        if data is None:
            return None
        rows = data if isinstance(data, list) else []
        return [Comment(whole_id(row.get("id")), _text(row.get("text"))) for row in rows if isinstance(row, dict)]

    async def comment(self, company_id: int, client_id: int, text: str) -> int | None:
        """The comment's id, where the vendor tells it."""
        data = await self._client.ask(
            "POST", f"/company/{company_id}/clients/{client_id}/comments", body={"text": text}, priority=self._priority
        )
        data = data[0] if isinstance(data, list) and data else data
        return whole_id(data.get("id")) if isinstance(data, dict) else None

    async def category(self, company_id: int, title: str) -> int | None:
        """The category of clients of this title; None: the branch has none. How one is made is not documented."""
        data = await self._client.ask("GET", f"/labels/{company_id}/clients", priority=self._priority, none_on_404=True)
        wanted = title.strip().casefold()
        for row in data if isinstance(data, list) else []:
            gone = not isinstance(row, dict) or str(row.get("deleted", "0")) not in ("0", "False")
            if not gone and _text(row.get("title")).strip().casefold() == wanted:
                return whole_id(row.get("id"))
        return None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _masked(shown: Any, phone: str) -> bool:
    """Whether a masked phone may be this one: as long, and the digits that show are in their places."""
    signs = re.sub(r"[^\d*xX•…]", "", str(shown or ""))
    digits = phone.removeprefix("+")
    if len(signs) != len(digits) or signs.isdigit():
        return False
    return all(not sign.isdigit() or sign == digit for sign, digit in zip(signs, digits, strict=True))


def _whole(card: Mapping[str, Any], region: str) -> dict[str, Any] | None:
    """A card that was read, as PUT takes it; None where a field cannot be told for certain."""
    phone = phone_e164(card.get("phone"), region=region)
    sex = card.get("sex_id", _SEX.get(_text(card.get("sex")).casefold()))
    importance = card.get("importance_id", _IMPORTANCE.get(_text(card.get("importance")).casefold()))
    categories = card.get("categories")
    if not _text(card.get("name")) or phone is None or sex is None or importance is None:
        return None
    whole: dict[str, Any] = {
        "name": card["name"], "phone": phone.removeprefix("+"), "sex_id": sex, "importance_id": importance,
        "labels": [number for row in categories or [] if isinstance(row, dict) and (number := whole_id(row.get("id")))],
    }  # fmt: skip
    for name in ("surname", "patronymic", "discount", "card", "comment", "spent", "balance", "sms_check", "sms_not"):
        if name in card:
            whole[name] = card[name]
    if _text(card.get("birth_date")):
        whole["birth_date"] = card["birth_date"]
    if isinstance(card.get("custom_fields"), dict) and card["custom_fields"]:
        whole["custom_fields"] = card["custom_fields"]
    return whole
