"""The bus over Redis, for several processes. Loaded only where an address is set: its client weighs 6 MB."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import redis.asyncio as redis
from redis.exceptions import RedisError

from server.platform.bus import Subscription
from server.platform.log import logger

_log = logger(__name__)
_SILENCE_S = 1.0


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


def connect(redis_url: str) -> RedisBus:
    over_network: dict[str, Any] = (
        {} if redis_url.startswith("unix:") else {"socket_connect_timeout": 2, "socket_keepalive": True}
    )
    client: redis.Redis = redis.Redis.from_url(redis_url, **over_network)
    return RedisBus(client)
