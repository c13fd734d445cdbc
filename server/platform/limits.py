"""A limit of requests per key, within this process; bounded in memory."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import OrderedDict
from functools import lru_cache


class Limiter:
    """`limit` requests at once; who has used them up gets one back every `window_s / limit` seconds."""

    def __init__(self, *, limit: int, window_s: float, keys: int = 50_000) -> None:
        self._step_s, self._window_s, self._keys = window_s / limit, window_s, keys
        self._whole_at: OrderedDict[str, float] = OrderedDict()  # when a key has got everything back

    def retry_after(self, key: str, address: str) -> int:
        """0 when this request is within the limit, else seconds after which one will be. A refused one costs nothing.

        Loopback is never limited: behind a proxy that the settings do not name, everybody looks like it.
        """
        if _is_loopback(address):
            return 0
        now = time.monotonic()
        whole_at = max(self._whole_at.pop(key, now), now)
        wait_s = whole_at + self._step_s - now - self._window_s
        within = wait_s < 1e-6  # the steps of a window do not add up to it exactly
        self._whole_at[key] = whole_at + self._step_s if within else whole_at
        if len(self._whole_at) > self._keys:
            self._whole_at.popitem(last=False)
        return 0 if within else max(1, math.ceil(wait_s))


@lru_cache(maxsize=10_000)
def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
