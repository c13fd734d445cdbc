"""kill -9 of the server, and of Redis, under twenty events a second: each screen has each event once, in order."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from uuid import UUID

import aiohttp
import pytest

from server.feed.flow import publish
from server.feed.model import ChatMessage
from server.platform.clock import utc_now
from server.platform.postgres import Pool, open_pool
from tests.integration.test_bus import Redis
from tests.server_process import Database, ServerProcess
from tests.workplace_client import ScreenClient, make_person

_EVENTS = 240
_PER_S = 20


@pytest.fixture
def redis() -> Iterator[Redis]:
    own = Redis()
    own.start()
    yield own
    own.clean()


@pytest.fixture
def database() -> Iterator[Database]:
    own = Database()
    yield own
    own.clean()


async def keep_connected(screen: ScreenClient, *, until: int) -> None:
    """What every screen does: whenever the connection ends it comes back with its number."""
    while screen.seq is None or screen.seq < until:
        try:
            await screen.connect()
            while screen.seq is None or screen.seq < until:
                message = await screen.next(within_s=60)
                if message["type"] == "closed":
                    break
        except (aiohttp.ClientError, ConnectionError, AssertionError) as error:
            if isinstance(error, AssertionError) and "a gap" in str(error):
                raise
        await asyncio.sleep(0.3)


async def talk(pool: Pool, account_id: UUID, so_far: list[int]) -> None:
    for number in range(_EVENTS):
        event = ChatMessage(chat_id=f"{number % 7}", message_id=f"{number}", author="visitor", text=f"{number}")
        async with pool.acquire() as conn, conn.transaction():
            await publish(conn, account_id, event, now=utc_now())
        so_far.append(number)
        await asyncio.sleep(1 / _PER_S)


async def reached(so_far: list[int], number: int) -> None:
    while len(so_far) < number:
        await asyncio.sleep(0.05)


def test_each_screen_has_each_event_once_and_in_order(redis: Redis, database: Database) -> None:
    server = ServerProcess(YCLICK_REDIS_URL=redis.url, YCLICK_DATABASE_URL=database.dsn)
    server.start("--processes", "2")

    async def play() -> None:
        account_id = UUID(server.account()["account_id"])
        pool = await open_pool(database.dsn, min_size=1, max_size=4)
        async with aiohttp.ClientSession() as http:
            people = [await make_person(pool, account_id, name=f"P{number}") for number in range(4)]
            screens = [await ScreenClient.paired(http, server.base, pool, person) for person in people]
            for screen in screens:
                screen.seq = 0
            connected = [asyncio.create_task(keep_connected(screen, until=_EVENTS)) for screen in screens]
            so_far: list[int] = []
            talking = asyncio.create_task(talk(pool, account_id, so_far))
            await reached(so_far, 40)
            server.kill()
            await asyncio.sleep(1)
            await asyncio.to_thread(server.start, "--processes", "2")
            await reached(so_far, 140)
            redis.kill()
            await asyncio.sleep(1.5)
            redis.start()
            await talking
            async with asyncio.timeout(60):
                await asyncio.gather(*connected)
            for screen in screens:
                assert [event["seq"] for event in screen.events] == list(range(1, _EVENTS + 1))
                assert [event["event"]["text"] for event in screen.events] == [str(number) for number in range(_EVENTS)]
                assert screen.doubled == 0
                await screen.close()
        pool.terminate()

    try:
        asyncio.run(play())
        assert "workplace.loop_failed" not in server.log()
        assert server.stop() == 0
    finally:
        server.clean()
