"""The workplace's live connection: the same contract over the memory bus and over Redis with two processes' worth of servers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import aiohttp
import asyncpg
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from server.accounts.model import Role
from server.app import build
from server.feed.flow import FEED_TOPIC, publish
from server.feed.model import CallAnswered, CallRinging, ChatMessage, Event
from server.keys import BUS, HUB, SETTINGS
from server.platform.clock import utc_now
from server.settings import Settings
from tests.conftest import Salon, make_salon
from tests.integration.test_bus import Redis
from tests.workplace_client import ScreenClient, make_person


class Served(TestServer):
    """As the service runs: aiohttp's own server for tests ends a request whose client went away, the real one does not."""

    async def _make_runner(self, **kwargs: Any) -> web.AppRunner:
        return web.AppRunner(self.app, **{**kwargs, "handler_cancellation": False})


class Place:
    """One or two servers over one database, a salon, and a way to make things happen there."""

    def __init__(self, salon: Salon, pool: asyncpg.Pool, servers: list[TestClient]) -> None:
        self.salon, self.pool, self.servers = salon, pool, servers
        self.account_id = salon.made.account.account_id
        self.http = aiohttp.ClientSession()

    def base(self, server: int = 0) -> str:
        return str(self.servers[server % len(self.servers)].make_url("")).rstrip("/")

    async def screen(self, *, role: Role = Role.OPERATOR, name: str = "Olga", server: int = 0) -> ScreenClient:
        person = await make_person(self.pool, self.account_id, role=role, name=name)
        return await ScreenClient.paired(self.http, self.base(server), self.pool, person)

    async def connected(self, **kwargs: Any) -> ScreenClient:
        screen = await self.screen(**kwargs)
        await screen.connect()
        await screen.until("reset")
        return screen

    async def happens(self, *events: Event, account_id: Any = None) -> None:
        async with self.pool.acquire() as conn, conn.transaction():
            for event in events:
                await publish(conn, account_id or self.account_id, event, now=utc_now())
        await self.servers[0].app[BUS].publish(FEED_TOPIC)


@pytest.fixture
def redis() -> Iterator[Redis]:
    own = Redis()
    own.start()
    yield own
    own.clean()


@pytest.fixture(params=["memory", "redis"])
async def place(
    request: pytest.FixtureRequest, dsn: str, pool: asyncpg.Pool, settings: Settings
) -> AsyncIterator[Place]:
    """In memory there is one server; over Redis there are two, and what happens is signalled by the first."""
    url = request.getfixturevalue("redis").url if request.param == "redis" else ""
    own = settings.model_copy(update={"redis_url": type(settings.redis_url)(url)})
    servers = [TestClient(Served(build(own, dsn))) for _ in range(2 if url else 1)]
    for server in servers:
        await server.start_server()
    place = Place(await make_salon(servers[0], pool, own), pool, servers)
    yield place
    await place.http.close()
    for server in servers:
        await server.close()


def ringing(call_id: str, **fields: Any) -> CallRinging:
    return CallRinging(call_id=call_id, direction="in", phone="+79161234567", **fields)


async def test_every_screen_is_told_each_event_once_and_in_order(place: Place) -> None:
    one, two = await place.connected(server=0), await place.connected(server=1, name="Ira")
    said = ChatMessage(chat_id="1", message_id="m", author="visitor", text="Здравствуйте")
    await place.happens(ringing("7"), CallAnswered(call_id="7"), said)
    for screen in (one, two):
        while len(screen.events) < 3:
            await screen.next()
        assert [event["kind"] for event in screen.events] == ["call.ringing", "call.answered", "chat.message"]
        assert [event["seq"] for event in screen.events] == [1, 2, 3]
        assert screen.items["call:7"]["state"] == "talking"
        assert screen.events[2]["event"]["text"] == "Здравствуйте"
        assert screen.doubled == 0


async def test_screen_that_was_away_gets_what_it_missed_by_number(place: Place) -> None:
    screen = await place.connected()
    await place.happens(ringing("1"))
    await screen.until("event")
    await screen.close()
    await place.happens(*(ringing(str(number)) for number in range(2, 300)))
    await screen.connect()
    while screen.seq != 299:
        await screen.next()
    assert [event["seq"] for event in screen.events] == list(range(1, 300))
    assert screen.doubled == 0


async def test_too_old_or_unknown_number_gets_a_snapshot(place: Place) -> None:
    await place.happens(*(ringing(str(number)) for number in range(1200)))
    screen = await place.screen()
    for after in (0, 10_000, None):
        screen.seq = after
        await screen.connect()
        reset = await screen.until("reset")
        assert reset["seq"] == screen.seq == 1200
        assert len(reset["items"]) == 300
        await screen.close()


async def test_who_is_here_and_who_answers_is_told_to_all(place: Place) -> None:
    one, two = await place.connected(server=0), await place.connected(server=1, name="Ira")
    await place.happens(ringing("7"))
    await one.until("event")
    assert (await one.command("answering", subject="call:7"))["result"]["mine"] is True
    second = (await two.command("answering", subject="call:7"))["result"]
    assert (second["mine"], second["by"]["name"]) == (False, "Olga")

    async def shown(screen: ScreenClient, names: list[str], answering: list[str]) -> None:
        async with asyncio.timeout(30):
            while True:
                told = next((one for one in reversed(screen.others) if one["type"] == "present"), None)
                people = sorted(one["name"] for one in told["people"]) if told else None
                if told and people == names and [one["name"] for one in told["answering"]] == answering:
                    return
                await screen.next()

    await shown(two, ["Ira", "Olga"], ["Olga"])
    await one.command("answering", subject="call:7", stop=True)
    await one.close()
    await shown(two, ["Ira"], [])


async def test_first_who_takes_has_it_and_all_are_told(place: Place) -> None:
    one, two = await place.connected(server=0), await place.connected(server=1, name="Ira")
    await place.happens(ringing("7"))
    await two.until("event")
    number = str(uuid4())
    for _ in range(2):  # repeated by its id it is done once
        assert (await one.command("take", command_id=number, subject="call:7"))["ok"]
    refused = await two.command("take", subject="call:7")
    assert (refused["ok"], refused["error"]["code"], refused["error"]["by"]["name"]) == (False, "taken", "Olga")
    stolen = await two.command("take", command_id=number, subject="call:7")
    assert stolen["error"]["code"] == "id_taken"
    assert (await two.command("note", subject="call:7", note="на пятницу"))["ok"]
    assert (await two.command("result", subject="call:7", result="booked"))["ok"]
    while len(one.events) < 4:
        await one.next()
    assert [event["kind"] for event in one.events] == ["call.ringing", "item.taken", "item.noted", "item.result"]
    item = one.items["call:7"]
    assert (item["taken_by"]["name"], item["note"], item["result"], item["noted_by"]["name"]) == (
        "Olga", "на пятницу", "booked", "Ira",
    )  # fmt: skip


async def test_what_a_screen_says_is_done_in_its_order(place: Place) -> None:
    screen = await place.connected()
    await place.happens(ringing("7"))
    await screen.until("event")
    for number in range(20):
        order = {"name": "note", "args": {"subject": "call:7", "note": f"{number}"}}
        await screen.send({"type": "command", "id": str(uuid4()), **order})
    while len(screen.events) < 21:
        await screen.next()
    assert [event["event"]["note"] for event in screen.events[1:]] == [str(number) for number in range(20)]


async def test_two_who_take_at_once_one_gets_it(place: Place) -> None:
    screens = [await place.connected(server=number, name=f"P{number}") for number in range(4)]
    await place.happens(ringing("7"))
    answers = await asyncio.gather(*(screen.command("take", subject="call:7") for screen in screens))
    assert sorted(answer["ok"] for answer in answers) == [False, False, False, True]


async def test_another_account_hears_nothing_and_does_nothing(place: Place, pool: asyncpg.Pool) -> None:
    other = await make_salon(place.servers[0], pool, place.servers[0].app[SETTINGS], name="Other", company=77)
    person = await make_person(pool, other.made.account.account_id)
    stranger = await ScreenClient.paired(place.http, place.base(1), pool, person)
    await stranger.connect()
    await stranger.until("reset")
    ours = await place.connected()
    await place.happens(ringing("7"))
    await place.happens(ringing("8"), account_id=other.made.account.account_id)
    await stranger.until("event")
    assert [event["subject"] for event in stranger.events] == ["call:8"]
    for name, args in (("take", {}), ("note", {"note": "x"}), ("answering", {}), ("result", {"result": "x"})):
        assert (await stranger.command(name, subject="call:7", **args))["error"]["code"] == "not_found"
    assert (await stranger.command("messages", subject="call:7"))["result"]["messages"] == []
    assert (await stranger.command("card", subject="call:7"))["result"]["card"]["phone"] == ""
    await stranger.send({"type": "after", "seq": 0})
    assert (await stranger.command("open_client", subject="call:8"))["ok"]
    assert {event["subject"] for event in stranger.events} == {"call:8"}
    await ours.until("event")
    assert [event["subject"] for event in ours.events] == ["call:7"]


async def test_stream_tells_the_same_and_commands_go_by_post(place: Place) -> None:
    screen = await place.screen()
    await place.happens(ringing("1"), ringing("2"))
    headers = {**screen.bearer, "Last-Event-ID": "1"}
    async with place.http.get(f"{screen.base}/workplace/events", headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        await place.happens(ringing("3"))
        numbers: list[str] = []
        async with asyncio.timeout(30):
            while len(numbers) < 2:
                line = (await answer.content.readline()).decode().strip()
                if line.startswith("id: "):
                    numbers.append(line[4:])
                elif line.startswith("data: "):
                    assert json.loads(line[6:])["type"] in ("welcome", "present", "event", "beat")
        assert numbers == ["2", "3"]
    order = {"type": "command", "id": str(uuid4()), "name": "take", "args": {"subject": "call:3"}}
    for _ in range(2):
        async with place.http.post(f"{screen.base}/workplace/commands", json=order, headers=screen.bearer) as answer:
            assert (answer.status, (await answer.json())["ok"]) == (200, True)


async def test_stream_whose_other_end_is_gone_is_a_screen_no_more(place: Place) -> None:
    screen, watcher = await place.screen(), await place.connected(name="Ira")
    answer = await place.http.get(f"{screen.base}/workplace/events", headers=screen.bearer)
    hub = place.servers[0].app[HUB]
    while len((await watcher.until("present"))["people"]) < 2:
        pass
    assert len(hub.screens()) == 2
    answer.close()
    async with asyncio.timeout(30):
        while len(hub.screens()) > 1:
            await asyncio.sleep(0.05)
        while len((await watcher.until("present"))["people"]) > 1:
            pass


async def test_who_may_not_see_phones_sees_none_and_does_nothing(place: Place) -> None:
    screen = await place.connected(role=Role.MARKETER)
    await place.happens(ringing("7"))
    event = await screen.until("event")
    assert event["event"]["phone"] == event["item"]["phone"] == "••••••••••67"
    assert (await screen.command("take", subject="call:7"))["error"]["code"] == "no_right"
    assert (await screen.command("card", phone="+79161234567"))["error"]["code"] == "no_right"
    assert (await screen.command("card", subject="call:7"))["result"]["card"]["phone"] == "••••••••••67"


async def test_role_taken_away_counts_from_the_next_command(place: Place) -> None:
    screen = await place.connected()
    await place.happens(ringing("7"))
    await screen.until("event")
    await place.pool.execute("update person set role = 'marketer' where name = 'Olga'")
    assert (await screen.command("take", subject="call:7"))["error"]["code"] == "no_right"


async def test_server_that_goes_sends_its_screens_away(place: Place) -> None:
    screen = await place.connected(server=1)
    closing = asyncio.create_task(place.servers[-1].close())
    while (message := await screen.next())["type"] != "closed":
        assert message["type"] in ("present", "beat")
    assert message["code"] == 1001
    await closing
