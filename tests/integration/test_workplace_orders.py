"""What operators order of UIS and ask of YCLIENTS: done once, told to all; refused in words; a lost answer is not repeated."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.app import RunningStand
from e2e.stand.uis.app import RunningUis
from server.accounts import flow
from server.accounts.model import Person
from server.app import build
from server.feed.flow import publish
from server.feed.model import Advert, CallMissed, CallRinging, ChatStarted, Event
from server.platform.clock import utc_now
from server.platform.vault import load_vault
from server.settings import Settings
from server.workplace import people
from tests.conftest import Salon, eventually, make_salon
from tests.factories import MOSCOW, webhook
from tests.workplace_client import ScreenClient, make_person

PHONE = "+79165550101"


class Desk:
    """A server joined to both simulated vendors, an operator and their screen."""

    def __init__(self, salon: Salon, pool: asyncpg.Pool, uis: RunningUis, settings: Settings) -> None:
        self.salon, self.pool, self.uis, self._settings = salon, pool, uis, settings
        self.account_id = salon.made.account.account_id
        self.screen: ScreenClient
        self.person: Person

    async def open(self, http: aiohttp.ClientSession) -> None:
        self.person = await make_person(self.pool, self.account_id)
        base = str(self.salon.http.make_url("")).rstrip("/")
        self.screen = await ScreenClient.paired(http, base, self.pool, self.person)
        await self.screen.connect()
        await self.screen.until("reset")

    async def is_employee(self, employee: str, number: str = "") -> None:
        async with self.pool.acquire() as conn:
            await people.save(conn, self.account_id, self.person.person_id, employee=employee, number=number)

    async def join(self, vendor: str, **secret: str) -> None:
        async with self.pool.acquire() as conn:
            await flow.connect(conn, load_vault("", self._settings.data_dir), self.account_id, vendor, "test", secret)

    async def happens(self, *events: Event) -> None:
        async with self.pool.acquire() as conn, conn.transaction():
            for event in events:
                await publish(conn, self.account_id, event, now=utc_now())


@pytest.fixture
async def desk(
    dsn: str, pool: asyncpg.Pool, stand: RunningStand, uis: RunningUis, settings: Settings
) -> AsyncIterator[Desk]:
    own = settings.model_copy(
        update={
            "yclients_api_url": f"http://127.0.0.1:{stand.port}", "uis_data_api_url": f"{uis.url}/v2.0",
            "uis_call_api_url": f"{uis.url}/v4.0", "uis_chat_api_url": uis.url,
        }
    )  # fmt: skip
    async with TestClient(TestServer(build(own, dsn))) as client, aiohttp.ClientSession() as http:
        desk = Desk(await make_salon(client, pool, own), pool, uis, own)
        await desk.open(http)
        yield desk


def missed(call_id: str = "7") -> CallMissed:
    return CallMissed(call_id=call_id, phone=PHONE, virtual_number="74950000001", company_id=4564)


async def test_call_is_ordered_once_and_shown_to_all(desk: Desk) -> None:
    await desk.happens(missed())
    screen, order = desk.screen, str(uuid4())
    assert (await screen.command("call_back", subject="call:7"))["error"]["code"] == "no_employee"
    await desk.is_employee("391018")
    refused = await screen.command("call_back", command_id=order, subject="call:7")
    assert refused["error"]["code"] == "not_connected"
    assert refused["error"]["said"] == ["UIS не подключён.", "UIS is not connected."]
    await desk.join("uis", access_token="stand-key-0123456789")
    for _ in range(2):
        answer = await screen.command("call_back", command_id=order, subject="call:7")
        assert answer["ok"], answer
    [call] = desk.uis.uis.calls.values()
    assert (call.external_id, call.contact) == (order, "79165550101")
    assert answer["result"] == {"call_id": str(call.id), "subject": f"call:{call.id}", "external_id": order}
    while "back_call_id" not in screen.items["call:7"]:
        await screen.until("event")
    assert (screen.items["call:7"]["state"], screen.items["call:7"]["called_back_by"]["name"]) == ("missed", "Olga")


async def test_refusal_is_told_in_words_and_may_be_tried_again(desk: Desk) -> None:
    await desk.join("uis", access_token="stand-key-0123456789")
    await desk.is_employee("999")
    order = str(uuid4())
    assert (await desk.screen.command("call_back", phone=PHONE))["error"]["code"] == "no_number"
    await desk.is_employee("999", "74950000001")
    assert (await desk.screen.command("call_back", command_id=order, phone=PHONE))["error"]["code"] == "refused"
    await desk.is_employee("391018", "+7 495 000-00-01")
    assert (await desk.screen.command("call_back", command_id=order, phone=PHONE))["ok"]
    assert len(desk.uis.uis.calls) == 1


async def test_order_without_an_answer_is_uncertain_and_never_repeated(desk: Desk) -> None:
    await desk.join("uis", access_token="stand-key-0123456789")
    await desk.is_employee("391018", "74950000001")
    desk.uis.uis.cue("lost_answer", method="start.employee_call")
    order = str(uuid4())
    for _ in range(2):
        refused = await desk.screen.command("call_back", command_id=order, phone=PHONE)
        assert (refused["error"]["code"], refused["error"]["said"]) == ("uncertain", ["", ""])
    assert len(desk.uis.uis.calls) == 1


async def test_message_goes_into_the_chat_once(desk: Desk) -> None:
    uis = desk.uis.uis
    uis.adapters[5] = {"id": 5, "login": "desk", "password": "desk-password", "webhook_url": ""}
    uis.chat_accounts[286] = {"id": 286, "adapter_id": 5, "channels": []}
    chat = await desk.uis.talks.chat(scenario="open", scale=0, until_end=True)
    before = len(chat.messages)
    await desk.happens(ChatStarted(chat_id=str(chat.id), channel_id=chat.channel_id), ChatStarted(chat_id="9"))
    subject, order = f"chat:{chat.id}", str(uuid4())
    screen = desk.screen
    assert (await screen.command("send_message", subject="chat:9", text="Hi"))["error"]["code"] == "no_reply_way"
    assert (await screen.command("send_message", subject=subject, text="Hi"))["error"]["code"] == "not_connected"
    await desk.join("uis_chat", username="desk", password="desk-password", account_id="286", operator_id="391019")
    for _ in range(2):
        answer = await screen.command("send_message", command_id=order, subject=subject, text="Ждём вас")
        assert answer["ok"], answer
    assert [one["text"] for one in chat.messages[before:]] == ["Ждём вас"]
    while subject not in screen.items or "last_message" not in screen.items[subject]:
        await screen.until("event")
    told = (await screen.command("messages", subject=subject))["result"]["messages"]
    assert [(one["text"], one["author"], one["author_name"], one["command_id"]) for one in told] == [
        ("Ждём вас", "operator", "Olga", order)
    ]
    assert (await screen.command("send_message", subject="chat:404", text="Hi"))["error"]["code"] == "not_found"
    await desk.join("uis_chat", username="desk", password="wrong", account_id="286")
    refused = await screen.command("send_message", subject=subject, text="Ещё")
    assert (refused["error"]["code"], refused["error"]["said"][0][:16]) == ("no_right", "UIS не принимает")


async def test_card_of_a_caller_from_our_own_tables(desk: Desk) -> None:
    now = datetime.now(MOSCOW)
    person: dict[str, Any] = {"id": 71, "name": "Анна", "phone": PHONE, "email": ""}
    for number, days, attendance, paid in ((1, -20, 1, 1), (2, -10, -1, 0), (3, -5, 1, 0), (4, 3, 0, 0), (5, 9, 0, 0)):
        at = (now + timedelta(days=days)).replace(microsecond=0)
        await desk.salon.webhook(
            webhook(
                number, client=person, attendance=attendance, visit_attendance=attendance, paid_full=paid,
                date=at.strftime("%Y-%m-%d %H:%M:%S"), datetime=at.isoformat(), staff={"id": 1, "name": f"Мастер {number}"},
            )
        )  # fmt: skip

    async def card() -> Any:
        told = (await desk.screen.command("card", phone="8 916 555-01-01"))["result"]["card"]
        return told if told["visits"] == 2 and told["next_booking"] else None

    told = await eventually(card)
    assert (told["name"], told["known"], told["client_id"], told["company_id"]) == ("Анна", True, 71, 4564)
    assert (told["no_shows"], told["no_show_rate"]) == (1, 0.333)
    assert (told["next_booking"]["record_id"], told["next_booking"]["master"]) == (4, "Мастер 4")
    assert told["last_booking"]["record_id"] == 3
    assert [one["record_id"] for one in told["unpaid"]] == [3]
    assert (told["fresh"], told["why_not_fresh"], told["brought_by"]) == (False, "", None)
    await desk.happens(
        CallRinging(call_id="8", direction="in", phone=PHONE, advert=Advert(campaign="spring", page="https://x/"))
    )
    by_call = (await desk.screen.command("card", subject="call:8", fresh=True))["result"]["card"]
    assert by_call["brought_by"] == {
        "by": "event",
        "campaign": "spring",
        "source": "",
        "site": "",
        "page": "https://x/",
    }
    assert (by_call["fresh"], by_call["why_not_fresh"], by_call["visits"]) == (False, "not_connected", 2)
    opened = (await desk.screen.command("open_client", subject="call:8"))["result"]
    assert opened == {"company_id": 4564, "client_id": 71, "phone": PHONE, "name": "Анна"}


async def test_fresh_card_asks_yclients(desk: Desk, stand: RunningStand) -> None:
    await desk.join("yclients", partner_token="canary-partner", user_token="canary-user")
    await desk.happens(missed())
    told = (await desk.screen.command("card", subject="call:7", fresh=True))["result"]["card"]
    assert (told["fresh"], told["why_not_fresh"], told["known"]) == (True, "", False)


async def test_stranger_has_an_empty_card(desk: Desk) -> None:
    told = (await desk.screen.command("card", phone="+79990000000"))["result"]["card"]
    assert (told["known"], told["visits"], told["no_show_rate"], told["next_booking"], told["unpaid"]) == (
        False, 0, None, None, [],
    )  # fmt: skip
