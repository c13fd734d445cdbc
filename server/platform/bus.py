"""The bus: lossy, quick signals between tasks and processes. Losing one costs a moment, never a fact.

One port, two makes: in one process without Redis, over Redis with several. Whoever waits for a signal also looks
at the database every half second or so, so that a lost signal is only a short delay.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol

import redis.asyncio as redis
from redis.exceptions import RedisError

from server.platform.log import logger

_log = logger(__name__)
_SILENCE_S = 1.0


class Bus(Protocol):
    """`publish` never raises and never waits long; `subscribe` yields a source of payloads of one topic."""

    async def publish(self, topic: str, payload: str = "") -> None: ...
    def subscribe(self, topic: str) -> contextlib.AbstractAsyncContextManager[Subscription]: ...
    async def close(self) -> None: ...


class Subscription:
    """Payloads of one topic for one listener; bounded, the oldest are dropped for a listener that sleeps."""

    def __init__(self, limit: int = 1000) -> None:
        self._queue: asyncio.Queue[str] = asyncio.Queue(limit)

    def deliver(self, payload: str) -> None:
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(payload)

    async def next(self, timeout_s: float) -> str | None:
        """The next payload, or None when nothing came in time."""
        try:
            return await asyncio.wait_for(self._queue.get(), timeout_s)
        except TimeoutError:
            return None


class MemoryBus:
    """Serves the tasks of one process."""

    def __init__(self) -> None:
        self._listeners: dict[str, set[Subscription]] = defaultdict(set)

    async def publish(self, topic: str, payload: str = "") -> None:
        for listener in self._listeners[topic]:
            listener.deliver(payload)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        subscription = Subscription()
        self._listeners[topic].add(subscription)
        try:
            yield subscription
        finally:
            self._listeners[topic].discard(subscription)

    async def close(self) -> None:
        self._listeners.clear()


class RedisBus:
    """Serves several processes through Redis publish/subscribe; reconnects by itself, quietly."""

    def __init__(self, client: redis.Redis, *, prefix: str = "yclick:") -> None:
        self._client = client
        self._prefix = prefix
        self._silent_until = 0.0

    async def publish(self, topic: str, payload: str = "") -> None:
        if time.monotonic() < self._silent_until:
            return  # Redis was away a moment ago: callers must not wait for it, one after the other
        try:
            await asyncio.wait_for(self._client.publish(self._prefix + topic, payload), 0.25)
        except (RedisError, OSError, TimeoutError) as error:
            self._silent_until = time.monotonic() + _SILENCE_S
            _log.warning("bus.publish_failed", topic=topic, error=type(error).__name__)

    @asynccontextmanager
    async def subscribe(self, topic: str) -> AsyncIterator[Subscription]:
        subscription = Subscription()
        ready = asyncio.Event()
        task = asyncio.create_task(self._listen(topic, subscription.deliver, ready.set))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(ready.wait(), 2)
        try:
            yield subscription
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _listen(self, topic: str, deliver: Callable[[str], None], ready: Callable[[], None]) -> None:
        while True:
            try:
                async with self._client.pubsub() as channel:
                    await channel.subscribe(self._prefix + topic)
                    ready()
                    async for message in channel.listen():
                        if message["type"] == "message":
                            data = message["data"]
                            deliver(data.decode() if isinstance(data, bytes) else str(data))
            except (RedisError, OSError, TimeoutError) as error:
                _log.warning("bus.reconnecting", topic=topic, error=type(error).__name__)
                await asyncio.sleep(1)

    async def ping(self) -> None:
        """Raises when Redis does not answer."""
        await self._client.ping()

    async def close(self) -> None:
        await self._client.aclose()


async def open_bus(redis_url: str) -> Bus:
    """The bus of this process: Redis where an address is given, else in memory."""
    if not redis_url:
        return MemoryBus()
    over_network: dict[str, Any] = (
        {} if redis_url.startswith("unix:") else {"socket_connect_timeout": 2, "socket_keepalive": True}
    )
    client: redis.Redis = redis.Redis.from_url(redis_url, **over_network)
    return RedisBus(client)
