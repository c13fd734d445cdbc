"""The stand beside a benchmark: in a thread of its own, so that its state can be looked at."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator

from e2e.stand.app import RunningStand, start_stand
from e2e.stand.state import StandConfig


@contextlib.contextmanager
def running_stand() -> Iterator[RunningStand]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="stand", daemon=True)
    thread.start()
    stand = asyncio.run_coroutine_threadsafe(start_stand(StandConfig()), loop).result(20)
    try:
        yield stand
    finally:
        asyncio.run_coroutine_threadsafe(stand.stop(), loop).result(20)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()
