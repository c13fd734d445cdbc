"""The bus: lossy, quick signals between tasks and processes. Losing one costs a moment, never a fact.

One port, two makes: in one process without Redis, over Redis with several. Whoever waits for a signal also looks
at the database every half second or so, so that a lost signal is only a short delay.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Protocol

from server.platform.log import logger

_log = logger(__name__)


class Bus(Protocol):
    """`publish` never raises and never waits long; `subscribe` yields a source of payloads of one topic."""

    async def publish(self, topic: str, payload: str = "") -> None: ...
    def subscribe(self, topic: str) -> contextlib.AbstractAsyncContextManager[Subscription]: ...
    async def ping(self) -> None: ...
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
            # Not `wait_for`: before Python 3.12 it swallows a cancellation that meets a signal, and a stop waits for ever.
            async with asyncio.timeout(timeout_s):
                return await self._queue.get()
        except TimeoutError:
            return None

    def clear(self) -> None:
        """Forgets what waits: for a listener to whom one signal says as much as many."""
        while not self._queue.empty():
            self._queue.get_nowait()


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

    async def ping(self) -> None:
        """Always there."""

    async def close(self) -> None:
        self._listeners.clear()


async def open_bus(redis_url: str) -> Bus:
    """The bus of this process: Redis where an address is given, else in memory."""
    if not redis_url:
        return MemoryBus()
    from server.platform import redis_bus

    return redis_bus.connect(redis_url)
