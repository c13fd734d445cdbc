"""A limit of requests per key in a sliding window, within this process; bounded in memory."""

from __future__ import annotations

import ipaddress
import time
from collections import OrderedDict


class Limiter:
    """Counts in two neighbouring windows and weighs the older one by how much of it still counts."""

    def __init__(self, *, limit: int, window_s: float, keys: int = 50_000) -> None:
        self._limit, self._window_s, self._keys = limit, window_s, keys
        self._counts: OrderedDict[str, tuple[int, int, int]] = OrderedDict()  # window number, count, count before

    def retry_after(self, key: str, address: str) -> int:
        """0 when this request is within the limit, else seconds to wait. Counts the request.

        Loopback is never limited: behind a proxy that the settings do not name, everybody looks like it.
        """
        if _is_loopback(address):
            return 0
        now = time.monotonic() / self._window_s
        window, share = int(now), now % 1
        number, count, before = self._counts.pop(key, (window, 0, 0))
        if number != window:
            before, count = (count if number == window - 1 else 0), 0
        self._counts[key] = (window, count + 1, before)
        if len(self._counts) > self._keys:
            self._counts.popitem(last=False)
        if count + 1 + before * (1 - share) <= self._limit:
            return 0
        return max(1, round(self._window_s * (1 - share)))


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False
