"""One contract for both buses: in memory, and over a real Redis that may be killed in the middle."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from server.platform.bus import Bus, MemoryBus, open_bus
from server.platform.embedded import die_with_parent


class Redis:
    """A redis-server of this test's own on a unix socket."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="yclick-redis-"))
        self.url = f"unix://{self.folder}/redis.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", f"{self.folder}/redis.sock", "--save", "", "--dir", self.folder],
            stdout=subprocess.DEVNULL, preexec_fn=die_with_parent(),
        )  # fmt: skip

    def kill(self) -> None:
        if self._process:
            self._process.kill()
            self._process.wait(10)

    def clean(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)


@pytest.fixture
def redis() -> Iterator[Redis]:
    own = Redis()
    own.start()
    yield own
    own.clean()


@pytest.fixture(params=["memory", "redis"])
async def bus(request: pytest.FixtureRequest) -> AsyncIterator[Bus]:
    if request.param == "memory":
        made = await open_bus("")
        assert isinstance(made, MemoryBus)
    else:
        made = await open_bus(request.getfixturevalue("redis").url)
    yield made
    await made.close()


async def heard(bus: Bus, topic: str, payload: str) -> bool:
    """Whether a signal arrives; sent again until it does, for a signal may be lost."""
    async with bus.subscribe(topic) as subscription:
        for _ in range(100):
            await bus.publish(topic, payload)
            found = await subscription.next(0.1)
            if found is not None:
                assert found == payload
                return True
    return False


async def test_signal_reaches_its_listener_as_it_was_sent(bus: Bus) -> None:
    assert await heard(bus, "leads", "счёт 7")


async def test_every_listener_of_a_topic_hears_and_no_other(bus: Bus) -> None:
    async with bus.subscribe("a") as one, bus.subscribe("a") as two, bus.subscribe("b") as stranger:
        while True:  # both are connected once both have heard
            await bus.publish("a", "x")
            if await one.next(0.1) and await two.next(0.1):
                break
        await bus.publish("b", "y")
        assert await stranger.next(5) == "y"
        assert await stranger.next(0.05) is None


async def test_nothing_in_time_is_none_and_no_error(bus: Bus) -> None:
    async with bus.subscribe("silence") as subscription:
        assert await subscription.next(0.01) is None


async def test_sleeping_listener_keeps_the_latest_and_stays_bounded(bus: Bus) -> None:
    assert await heard(bus, "warm", "")
    async with bus.subscribe("many") as subscription:
        while await subscription.next(0.1) is None:
            await bus.publish("many", "first")
        for number in range(1500):
            await bus.publish("many", str(number))
        await bus.publish("many", "last")
        found = []
        while (payload := await subscription.next(0.5)) is not None:
            found.append(payload)
        assert found[-1] == "last"
        assert len(found) <= 1001


async def test_listener_that_left_is_forgotten_and_publishing_goes_on(bus: Bus) -> None:
    async with bus.subscribe("left"):
        pass
    await bus.publish("left", "x")


async def test_publishing_never_raises_while_redis_is_away_and_listeners_hear_again_after(redis: Redis) -> None:
    bus = await open_bus(redis.url)
    assert await heard(bus, "t", "before")
    async with bus.subscribe("t") as subscription:
        redis.kill()
        await bus.publish("t", "lost")
        assert await subscription.next(0.05) is None
        redis.start()
        deadline = asyncio.get_running_loop().time() + 20
        while await subscription.next(0.1) != "after":
            assert asyncio.get_running_loop().time() < deadline
            await bus.publish("t", "after")
    await bus.close()
