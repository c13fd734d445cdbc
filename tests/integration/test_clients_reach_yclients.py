"""People who called or wrote become clients of the branch: found by phone, made once, told about once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.app import RunningStand
from server.accounts import flow as accounts
from server.app import build
from server.clients.flow import Asked, want
from server.clients.model import Wanted
from server.clients.store import told_by_keys
from server.delivery import relay
from server.platform.clock import utc_now
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import COMPANY, Salon, eventually, make_salon

PHONE = "+79161234567"
WAYS = (
    "+79161234567", "79161234567", "89161234567", "9161234567", "8 (916) 123-45-67", "+7 916 123 45 67",
    "8-916-123-45-67", "+7 (916) 1234567 доб. 12",
)  # fmt: skip


@dataclass
class Desk:
    salon: Salon
    stand: RunningStand
    pool: asyncpg.Pool

    async def want(self, key: str, phone: str = PHONE, **more: Any) -> Any:
        wanted = Wanted(more.pop("company_id", COMPANY), phone, more.pop("source", "chat"), key, **more)
        async with self.pool.acquire() as conn, conn.transaction():
            return await want(conn, self.salon.made.account.account_id, wanted, now=utc_now())

    async def until(self, *states: str) -> list[str]:
        """Waits until every client's delivery is in one of the states; answers their codes."""

        async def settled() -> Any:
            rows = await self.pool.fetch("select state, code from delivery where kind = 'client'")
            return [row["code"] for row in rows] if rows and all(row["state"] in states for row in rows) else None

        found: list[str] = await eventually(settled)
        return found

    @property
    def clients(self) -> list[dict[str, Any]]:
        return list(self.stand.stand.clients.values())

    def said(self, client: dict[str, Any]) -> list[str]:
        return [comment["text"] for comment in self.stand.stand.people.comments.get(client["id"], [])]


@pytest.fixture
async def desk(dsn: str, pool: asyncpg.Pool, stand: RunningStand, settings: Settings) -> AsyncIterator[Desk]:
    own = settings.model_copy(
        update={
            "yclients_api_url": f"http://127.0.0.1:{stand.port}", "retry_schedule_s": (0.05, 0.05, 0.1, 0.1, 0.2, 0.5),
        }
    )  # fmt: skip
    async with (
        TestClient(TestServer(build(own, dsn))) as client,
        TestClient(TestServer(build(own, dsn))),  # a second worker: nothing may be done by both
    ):
        salon = await make_salon(client, pool, own)
        async with pool.acquire() as conn:
            secret = {"partner_token": "partner", "user_token": "user"}
            vault = load_vault("", own.data_dir)
            await accounts.connect(conn, vault, salon.made.account.account_id, "yclients", "test", secret)
        yield Desk(salon, stand, pool)


async def test_fifty_events_at_once_in_eight_ways_of_writing_are_one_client(desk: Desk) -> None:
    asked = await asyncio.gather(
        *(
            desk.want(f"chat:{number % 6}", WAYS[number % 8], name="Анна", comment=f"Чат {number % 6}")
            for number in range(50)
        )
    )
    assert len({one.branch_client_id for one in asked}) == 1
    await desk.until("delivered")
    (client,) = desk.clients
    assert (client["name"], client["phone"]) == ("Анна", PHONE)

    async def all_said() -> bool:
        return len(desk.said(client)) >= 6

    await eventually(all_said)
    await desk.until("delivered")
    assert sorted(desk.said(client)) == [f"Чат {number}" for number in range(6)]


async def test_a_client_of_the_branch_is_found_and_left_as_it_is(desk: Desk) -> None:
    made = desk.stand.stand.people.create(COMPANY, {"name": "Анна Петрова", "phone": "89161234567", "discount": 10})
    before = dict(made)
    await desk.want("chat:1", name="Анна", email="anna@example.com", comment="Здравствуйте")
    await desk.until("delivered")
    assert [{**row} for row in desk.clients] == [before]
    assert desk.said(made) == ["Здравствуйте"]
    async with desk.pool.acquire() as conn:
        (told,) = await told_by_keys(conn, desk.salon.made.account.account_id, ["chat:1"])
    assert (told["how"], told["client_id"], told["comment_state"]) == ("found", made["id"], "written")


async def test_an_empty_email_is_filled_where_the_owner_allows_and_nothing_else_changes(desk: Desk) -> None:
    people = desk.stand.stand.people
    made = people.create(COMPANY, {"name": "Анна", "phone": PHONE, "discount": 10, "comment": "VIP", "sex_id": 2})
    before, extra = dict(made), dict(people.extra[made["id"]])
    await desk.want("chat:1", name="Анна", email="anna@example.com", fill_empty=True)
    await desk.until("delivered")
    changed = {name for name, value in made.items() if before[name] != value} - {"last_change_date"}
    assert changed == {"email"}
    assert people.extra[made["id"]] == extra | {"email": "anna@example.com"}


async def test_a_second_person_on_a_family_phone_is_named_in_the_comment(desk: Desk) -> None:
    made = desk.stand.stand.people.create(COMPANY, {"name": "Анна", "phone": PHONE})
    await desk.want("chat:1", name="Иван Петров", email="ivan@example.com", comment="Запишите сына", fill_empty=True)
    await desk.want("call:2", name="Пётр", source="call")
    await desk.want("chat:3:start", name="Мария", quiet=True)
    await desk.until("delivered")
    assert desk.said(made) == ["Писал(а): Иван Петров\nЗапишите сына", "Звонил(а): Пётр (с этого же телефона)"]
    assert (made["name"], made["email"]) == ("Анна", "")


@pytest.mark.parametrize(
    ("phone", "why"),
    [("", "no_phone"), ("anonymous", "bad_phone"), ("+7916***4567", "bad_phone"), ("112", "bad_phone"), ("0611", "bad_phone"),
     ("88001234567", "service_phone"), ("8 (800) 555-35-35", "service_phone")],
)  # fmt: skip
async def test_hidden_and_service_numbers_make_no_client(desk: Desk, phone: str, why: str) -> None:
    assert await desk.want("call:1", phone, source="call") == why
    assert await desk.pool.fetchval("select count(*) from branch_client") == 0


async def test_without_leave_to_make_clients_only_those_who_exist_are_told_about(desk: Desk) -> None:
    made = desk.stand.stand.people.create(COMPANY, {"name": "Анна", "phone": PHONE})
    await desk.want("chat:1", comment="Есть", make=False)
    await desk.want("chat:2", "+79160000002", comment="Нет", make=False)
    await desk.until("delivered")
    assert desk.clients == [made]
    assert desk.said(made) == ["Есть"]
    await desk.want("chat:2", "+79160000002", comment="Нет", make=True)  # a tag was set after the end

    async def made_after_all() -> bool:
        return [desk.said(row) for row in desk.clients] == [["Есть"], ["Нет"]]

    await eventually(made_after_all)


@pytest.mark.parametrize("twice", ["422", "400", "409", "200"])
async def test_a_card_that_search_shows_late_is_not_made_again(desk: Desk, twice: str) -> None:
    """Its phone is refused as taken, however the vendor says so; it is found when it shows."""
    desk.stand.stand.switch(client_twice=twice, search_delay_s=0.4)
    made = desk.stand.stand.people.create(COMPANY, {"name": "Анна", "phone": PHONE})
    await desk.want("chat:1", comment="Здравствуйте")
    await desk.until("delivered")
    assert desk.clients == [made]
    assert desk.said(made) == ["Здравствуйте"]


async def test_lost_answers_double_neither_client_nor_comment(desk: Desk) -> None:
    desk.stand.stand.switch(rest_lost_answers=5)
    for number in range(3):
        await desk.want(f"chat:{number}", name="Анна", comment=f"Чат {number}")
    await desk.until("delivered")
    (client,) = desk.clients
    assert sorted(desk.said(client)) == ["Чат 0", "Чат 1", "Чат 2"]
    desk.stand.stand.switch(rest_lost_answers=2)  # the card is known by now: these are answers to comments
    await desk.want("chat:3", name="Анна", comment="Чат 3")
    await desk.want("chat:4", name="Анна", comment="Чат 4")

    async def both() -> bool:
        return len(desk.said(client)) >= 5

    await eventually(both)
    await desk.until("delivered")
    assert sorted(desk.said(client)) == [f"Чат {number}" for number in range(5)]


@pytest.mark.parametrize("shown", ["number", "plus", "hidden"])
async def test_however_phones_are_shown_the_client_is_found(desk: Desk, shown: str) -> None:
    desk.stand.stand.switch(client_phone_as=shown)
    made = desk.stand.stand.people.create(COMPANY, {"name": "Анна", "phone": PHONE})
    await desk.want("chat:1", comment="Здравствуйте")
    await desk.until("delivered")
    assert desk.clients == [made]
    assert desk.said(made) == ["Здравствуйте"]


async def test_a_made_card_gets_the_category_of_its_source(desk: Desk) -> None:
    label = desk.stand.stand.people.label(COMPANY, "UIS", "#fff")
    await desk.want("chat:1", card_name="Клиент +79161234567", label="uis")
    await desk.want("chat:2", "+79160000002", name="Мария", label="нет такой")
    await desk.until("delivered")
    first, second = desk.clients
    assert (first["name"], first["client_tags"]) == ("Клиент +79161234567", [label])
    assert (second["name"], second["client_tags"]) == ("Мария", [])


async def test_a_card_that_was_deleted_is_made_anew_for_what_comes_next(desk: Desk) -> None:
    await desk.want("chat:1", comment="Раз")
    await desk.until("delivered")
    desk.stand.stand.clients.clear()
    await desk.want("chat:2", comment="Два")

    async def there() -> bool:
        return [desk.said(row) for row in desk.clients] == [["Два"]]

    await eventually(there)


async def test_a_refused_connection_holds_all_until_it_is_mended(desk: Desk) -> None:
    desk.stand.stand.switch(rest_fault="401")
    await desk.want("chat:1", comment="Раз")
    assert await desk.until("held") == ["refused"]
    assert isinstance(await desk.want("chat:2", "+79160000002"), Asked)
    await desk.until("held")
    desk.stand.stand.switch(rest_fault="")
    account_id = desk.salon.made.account.account_id
    async with desk.pool.acquire() as conn, conn.transaction():
        await conn.execute("update connection set updated_at = now(), state = 'active', state_note = ''")
        await relay.release_all(conn, account_id, "yclients", now=utc_now())
    await desk.until("delivered")
    assert len(desk.clients) == 2


@pytest.mark.parametrize("fault", ["402", "403"])
async def test_an_ended_licence_holds_the_branch_and_says_so_and_then_lets_it_go(desk: Desk, fault: str) -> None:
    desk.stand.stand.switch(rest_fault=fault)
    await desk.want("chat:1", comment="Раз")
    assert await desk.until("held") == ["licence"]
    assert await desk.pool.fetchval("select state from connection where vendor = 'yclients'") == "active"
    desk.stand.stand.switch(rest_fault="")
    async with desk.pool.acquire() as conn, conn.transaction():
        await relay.release(conn, desk.salon.made.account.account_id, "client", now=utc_now())
    await desk.until("delivered")
    assert [desk.said(client) for client in desk.clients] == [["Раз"]]
