"""What is wanted of a client while it is on its way to the branch comes to pass, too."""

from __future__ import annotations

import itertools
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import asyncpg
import pytest

from server.accounts import flow as accounts
from server.clients.flow import want
from server.clients.model import Wanted
from server.clients.sending import Card, Said, deliver
from server.platform.clock import utc_now
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import COMPANY

PHONE = "+79161234567"


@dataclass
class Branch:
    """A branch in memory; `meanwhile` comes to pass once, while it is asked."""

    cards: dict[int, Card] = field(default_factory=dict)
    comments: dict[int, list[Said]] = field(default_factory=dict)
    meanwhile: Callable[[], Awaitable[Any]] | None = None
    at: str = "find"
    ids: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    async def _happen(self, at: str) -> None:
        if self.meanwhile and at == self.at:
            meanwhile, self.meanwhile = self.meanwhile, None
            await meanwhile()

    async def find(self, company_id: int, phone: str) -> Sequence[Card]:
        await self._happen("find")
        return list(self.cards.values())

    async def make(self, company_id: int, *, name: str, phone: str, email: str, label: str) -> int:
        await self._happen("make")
        number = next(self.ids)
        self.cards[number] = Card(number, name, email)
        return number

    async def fill_email(self, company_id: int, client_id: int, email: str) -> bool:
        return False

    async def said(self, company_id: int, client_id: int) -> Sequence[Said] | None:
        return self.comments.get(client_id, [])

    async def say(self, company_id: int, client_id: int, text: str) -> int | None:
        await self._happen("say")
        number = next(self.ids)
        self.comments.setdefault(client_id, []).append(Said(number, text))
        return number

    @property
    def told(self) -> list[list[str]]:
        return [[said.text for said in self.comments.get(number, [])] for number in self.cards]


@dataclass
class Way:
    pool: asyncpg.Pool
    account_id: Any
    branch: Branch

    async def want(self, key: str, **more: Any) -> None:
        async with self.pool.acquire() as conn, conn.transaction():
            await want(conn, self.account_id, Wanted(COMPANY, PHONE, "chat", key, **more), now=utc_now())

    async def bring(self) -> None:
        """Rounds until nothing is due."""
        for _ in range(5):
            if await deliver(self.pool, self.branch, self.account_id, (0.01, 0.01), now=utc_now()) is None:
                return
        raise AssertionError("something stays due")


@pytest.fixture
async def way(pool: asyncpg.Pool, settings: Settings) -> Way:
    vault = load_vault("", settings.data_dir)
    async with pool.acquire() as conn:
        made = await accounts.create_account(
            conn, vault, name="Salon", domain="salon.example", branches=[(COMPANY, "Europe/Moscow")],
            owner_email="owner@salon.example",
        )  # fmt: skip
        secret = {"partner_token": "partner", "user_token": "user"}
        await accounts.connect(conn, vault, made.account.account_id, "yclients", "test", secret)
    return Way(pool, made.account.account_id, Branch())


async def test_a_tag_that_is_set_while_the_branch_is_searched_makes_the_client(way: Way) -> None:
    """The end of the chat alone makes nobody; the same comment is wanted again, of a client to be made."""
    await way.want("chat:1", comment="Здравствуйте", make=False)
    way.branch.meanwhile = lambda: way.want("chat:1", comment="Здравствуйте", make=True)
    await way.bring()
    assert way.branch.told == [["Здравствуйте"]]


async def test_another_chat_that_makes_the_client_takes_what_was_said_before_with_it(way: Way) -> None:
    await way.want("chat:1", comment="Раз", make=False)
    way.branch.meanwhile = lambda: way.want("chat:2", comment="Два", make=True)
    await way.bring()
    assert way.branch.told == [["Раз", "Два"]]


async def test_a_comment_says_what_is_known_when_it_is_written(way: Way) -> None:
    await way.want("chat:1", comment="Раз")
    await way.want("chat:2", comment="Два")
    way.branch.at, way.branch.meanwhile = "say", lambda: way.want("chat:2", comment="Два, и ещё")
    await way.bring()
    assert way.branch.told == [["Раз", "Два, и ещё"]]


@pytest.mark.parametrize("email", ["нет", "@", "anna@", "anna@salon", "a b@salon.ru", "anna@salon.ru, ivan@salon.ru"])
async def test_what_is_no_address_is_not_written_into_a_card(way: Way, email: str) -> None:
    """The booking system may refuse a card for it."""
    await way.want("chat:1", comment="Раз", email=email)
    await way.bring()
    assert [card.email for card in way.branch.cards.values()] == [""]
