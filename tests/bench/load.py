"""The load generator: a process of its own that speaks HTTP/1.1 over raw sockets, on loopback only.

Closed loop: each connection sends its next request when the last one is answered. At a fixed rate (open loop) each
request has its moment on the clock and its latency counts from that moment, so that a stall is not hidden by the
generator's own waiting. At the end nothing new is sent, and what is under way is waited for: answered = sent.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, cast
from urllib.parse import urlsplit

import uvloop

from tests.bench.report import percentile
from tests.factories import ident, webhook
from tests.server_process import ROOT

_AGENT = (
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36"
)
_VISITORS, _AT_ONCE, _EVENTS = 5_000, 200, 4


@dataclass(frozen=True, slots=True)
class Load:
    """What to send: `kind` is `beacon`, `hook` or `get`; `rate` 0 is the closed loop."""

    url: str
    kind: str
    connections: int
    seconds: float
    rate: float = 0
    first: int = 1  # number of the first webhook's record


def run(load: Load) -> dict[str, float]:
    """Runs the load in a process of its own. Fails when an answer was not a success."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.load", json.dumps(asdict(load))], cwd=ROOT, capture_output=True, text=True,
        timeout=load.seconds + 60, check=False,
    )  # fmt: skip
    if done.returncode:
        raise AssertionError(f"the load generator failed: {done.stderr[-2000:]}")
    result: dict[str, Any] = json.loads(done.stdout)
    failed = {status: count for status, count in result.pop("statuses").items() if not status.startswith("2")}
    if failed or result["lost"]:
        raise AssertionError(
            f"{load.url}: not every request was answered with success: {failed}, {result['lost']} lost"
        )
    return result


def main() -> None:
    load = Load(**json.loads(sys.argv[1]))
    print(json.dumps(uvloop.run(_Run(load).go())))


class _Run:
    def __init__(self, load: Load) -> None:
        self._load = load
        address = urlsplit(load.url)
        self._host, self._port = address.hostname or "", address.port or 80
        assert self._host == "127.0.0.1", "loopback only"
        self._next = _REQUESTS[load.kind](load, f"{address.path}?{address.query}" if address.query else address.path)
        self._latencies: list[float] = []
        self._statuses: Counter[str] = Counter()
        self._idle: deque[_Connection] = deque()
        self._late: deque[float] = deque()
        self._busy = 0
        self._lost = 0
        self._end = 0.0
        self._done = asyncio.Event()

    async def go(self) -> dict[str, Any]:
        loop = asyncio.get_running_loop()
        connections = [
            (await loop.create_connection(lambda: _Connection(self), self._host, self._port))[1]
            for _ in range(self._load.connections)
        ]
        began = time.perf_counter()
        self._end = began + self._load.seconds
        if self._load.rate:
            self._idle.extend(connections)
            await self._pace(began)
            self._end = 0.0  # everything is sent; what is under way ends the run
        else:
            for connection in connections:
                self._send(connection, time.perf_counter())
        if self._busy:
            await asyncio.wait_for(self._done.wait(), self._load.seconds + 30)
        took_s = time.perf_counter() - began
        answered = len(self._latencies)
        return {
            "answered": answered, "per_s": answered / took_s, "lost": self._lost, "statuses": dict(self._statuses),
            "p50_ms": percentile(self._latencies, 0.50) * 1e3, "p99_ms": percentile(self._latencies, 0.99) * 1e3,
        }  # fmt: skip

    async def _pace(self, began: float) -> None:
        for number in range(int(self._load.seconds * self._load.rate)):
            due = began + number / self._load.rate
            wait_s = due - time.perf_counter()
            if wait_s > 0:
                await asyncio.sleep(wait_s)
            if self._idle:
                self._send(self._idle.popleft(), due)
            else:
                self._late.append(due)

    def _send(self, connection: _Connection, began: float) -> None:
        connection.began = began
        self._busy += 1
        connection.transport.write(self._next())

    def answered(self, connection: _Connection, status: str) -> None:
        now = time.perf_counter()
        self._latencies.append(now - connection.began)
        self._statuses[status] += 1
        self._busy -= 1
        if self._load.rate:
            if self._late:
                self._send(connection, self._late.popleft())
            else:
                self._idle.append(connection)
        elif now < self._end:
            self._send(connection, now)
        if not self._busy and now >= self._end:
            self._done.set()

    def lost(self, connection: _Connection) -> None:
        if connection.began and not self._done.is_set():
            self._lost += 1
            self._busy -= 1
            if not self._busy:
                self._done.set()


class _Connection(asyncio.Protocol):
    """One keep-alive connection with at most one request under way."""

    transport: asyncio.WriteTransport

    def __init__(self, owner: _Run) -> None:
        self._owner = owner
        self._buffer = b""
        self.began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head = self._buffer.find(b"\r\n\r\n")
        if head < 0 or len(self._buffer) < head + 4 + _length(self._buffer[:head]):
            return
        status = self._buffer[9:12].decode()
        self._buffer = b""
        self._owner.answered(self, status)

    def connection_lost(self, error: Exception | None) -> None:
        self._owner.lost(self)


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    return int(lowered[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0


# --- requests: built once, with a number of fixed width in them


def _beacons(_: Load, target: str) -> Callable[[], bytes]:
    """A page view as the site script sends it: one event with its visit; visits come and go."""
    now = int(time.time() * 1000)
    visitors = [ident().encode() for _ in range(_VISITORS)]
    run_id = ident()[:11].encode()
    number = 0

    def following() -> bytes:
        nonlocal number
        number += 1
        # Blocks of visits under way at once: every visit sends a few events, and says anew what it is.
        visit = number // (_AT_ONCE * _EVENTS) * _AT_ONCE + number % _AT_ONCE
        body = (
            b'{"v":1,"script":"1.0.0","sent_at":%d,"events":[{"id":"%s-%010d","kind":"hit","at":%d,'
            b'"url":"https://salon.test/services/%03d","title":"Nails","referrer":"","visit":{"id":"%s-visit-%06d",'
            b'"visitor":"%s","started_at":%d,"referrer":"https://yandex.ru/","landing":"https://salon.test/services'
            b'?utm_source=yandex&utm_medium=cpc&utm_campaign=spring&utm_term=nails&yclid=1%011d"}}]}'
            % (
                now, run_id, number, now, number % 50, run_id, visit, visitors[visit % _VISITORS], now - 5_000, visit,
            )
        )  # fmt: skip
        return _post(target, "text/plain;charset=UTF-8", body)

    return following


def _hooks(load: Load, target: str) -> Callable[[], bytes]:
    """A webhook of a new booking, each of another record. Made by staff: it waits for no browser."""
    text = json.dumps(webhook(1_111_111_111, created=datetime.now().astimezone(), online=False)).encode()
    number = load.first

    def following() -> bytes:
        nonlocal number
        number += 1
        return _post(target, "application/json", text.replace(b"1111111111", b"%d" % (1_000_000_000 + number)))

    return following


def _gets(_: Load, target: str) -> Callable[[], bytes]:
    text = f"GET {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {_AGENT}\r\nAccept-Encoding: gzip\r\n\r\n".encode()
    return lambda: text


def _post(target: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"POST {target} HTTP/1.1\r\nHost: localhost\r\nUser-Agent: {_AGENT}\r\nOrigin: https://salon.test\r\n"
        f"Content-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


_REQUESTS: dict[str, Callable[[Load, str], Callable[[], bytes]]] = {"beacon": _beacons, "hook": _hooks, "get": _gets}

if __name__ == "__main__":
    main()
