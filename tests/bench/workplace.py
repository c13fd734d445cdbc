"""The operators' screens: how soon an event is on one, how soon on 2,000, and what an idle one costs.

From an operator's command leaving a screen (a note under a call) to the event arriving at the screens: command read,
rights looked at, one transaction, the feed's number, the signal, the read, the write to each. Baseline: a server that
hands the same bytes to every connection and does nothing else. Checked: every screen got every event, once, in order.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import asyncpg

from server.accounts import devices, flow
from server.accounts import store as accounts
from server.accounts.model import LoginSession, Person
from server.feed.flow import publish
from server.feed.model import CallRinging
from server.platform.clock import utc_now
from server.platform.embedded import die_with_parent
from server.platform.postgres import Conn, open_pool
from tests.bench.report import Figure, Target, alternate, percentile, thousands
from tests.bench.scale import Scale
from tests.bench.servers import Service, resident_mb, yclick
from tests.server_process import ROOT, Database, free_port

_MANY, _FEW = 2_000, 50
_OF_A_DEVICE = 10  # screens; more are refused
_MARK = re.compile(rb"@(\d+)@")
_EVENTS, _GAP_S = 20, 0.05  # a round says this many things, twenty a second
_SIZE = 700  # bytes of an event with its item, for the baseline to carry as many


def bench(scale: Scale) -> list[Figure]:
    many = _FEW if scale.quick else _MANY
    database = Database()
    try:
        with yclick(YCLICK_DATABASE_URL=database.dsn) as service, _anchor() as anchor:
            return asyncio.run(_measure(scale, service, database.dsn, anchor, many))
    finally:
        database.clean()


@dataclass(frozen=True, slots=True)
class _Server:
    """Ours or the baseline: where it listens, its process, how a screen comes in, and what one says."""

    port: int
    pid: int
    hello: Callable[[], list[str]]
    says: Callable[[int], str]


async def _measure(scale: Scale, service: Service, dsn: str, anchor: _Server, many: int) -> list[Figure]:
    pool = await open_pool(dsn, min_size=1, max_size=2)
    try:
        hellos = await _hellos(pool, service, 1 + many)
        ours = _Server(service.process.port, service.pid, lambda: hellos, _note)
        figures = []
        for number in (1, many):
            taken: dict[str, dict[str, float]] = {}
            async with _crowd(ours, number) as mine, _crowd(anchor, number) as theirs:
                runs = {"ours": mine, "anchor": theirs}
                rows: dict[str, list[dict[str, float]]] = {name: [] for name in runs}
                for _ in range(scale.rounds):
                    for name, crowd in runs.items():
                        rows[name].append(await crowd.round())
                for name, found in rows.items():
                    taken[name] = alternate(len(found), {"one": iter(found).__next__})["one"]
                memory = {name: crowd.kb_per_screen for name, crowd in runs.items()}
            figures += _figures(number, taken, memory, many)
        return figures
    finally:
        pool.terminate()


def _figures(number: int, taken: dict[str, dict[str, float]], memory: dict[str, float], many: int) -> list[Figure]:
    who = "one screen" if number == 1 else f"{thousands(many)} screens"
    against = "no login, no store"
    found = [
        Figure("workplace", f"command → event at {who}, p95", "ms", taken["ours"]["p95_ms"], taken["anchor"]["p95_ms"],
               against, Target("<=", 300, "ours"), Target("<=", 100, "ours")),
    ]  # fmt: skip
    if number > 1:
        found.append(
            Figure(
                "workplace", f"the same, p99, {who}", "ms", taken["ours"]["p99_ms"], taken["anchor"]["p99_ms"], against
            )
        )
        found.append(
            Figure("workplace", "memory of an idle screen", "kB", memory["ours"], memory["anchor"], against,
                   Target("<=", 16, "ours"), Target("<=", 12.5, "ours"))
        )  # fmt: skip
    return found


# --- the two servers


async def _hellos(pool: asyncpg.Pool[asyncpg.Record], service: Service, number: int) -> list[str]:
    """First messages of so many screens; each ticket is good for one of them, and for an hour here."""
    account_id, made = UUID(service.account["account_id"]), []
    async with pool.acquire() as conn:
        owner = await accounts.first_owner(conn, account_id)
        assert owner
        await publish(conn, account_id, CallRinging(call_id="1", direction="in", phone="+79161234567"), now=utc_now())
        session = await _session(conn, owner)
        for first in range(0, number, _OF_A_DEVICE):
            entered = await devices.open_tab(conn, session, name="bench", now=utc_now())
            assert entered
            for _ in range(min(_OF_A_DEVICE, number - first)):
                made.append(await devices.new_ticket(conn, entered.device, now=utc_now()))
        await conn.execute("update once_token set expires_at = now() + interval '1 hour'")
    return [json.dumps({"type": "hello", "ticket": ticket, "after": 1}) for ticket in made]


async def _session(conn: Conn, owner: Person) -> LoginSession:
    link = await flow.new_login_link(conn, owner, "", now=utc_now())
    token = await flow.log_in_by_link(conn, link.rsplit("/", 1)[-1], now=utc_now(), user_agent="bench")
    assert token
    session = await flow.session(conn, token, now=utc_now())
    assert session
    return session


def _note(at: int) -> str:
    return json.dumps(
        {"type": "command", "id": str(uuid4()), "name": "note", "args": {"subject": "call:1", "note": f"@{at}@"}}
    )


@contextlib.contextmanager
def _anchor() -> Iterator[_Server]:
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.workplace_anchor", str(port)], cwd=ROOT,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )  # fmt: skip
    try:
        yield _Server(port, process.pid, lambda: [], lambda at: f"@{at}@".ljust(_SIZE, "x"))
    finally:
        process.terminate()
        process.wait(10)


# --- the screens


@dataclass
class _Crowd:
    server: _Server
    screens: list[_Screen] = field(default_factory=list)
    kb_per_screen: float = 0.0

    async def round(self) -> dict[str, float]:
        """Says something every twentieth of a second; answers how long it took to reach the screens, in milliseconds."""
        for screen in self.screens:
            screen.took.clear()
        for _ in range(_EVENTS):
            self.screens[0].send(self.server.says(time.monotonic_ns()))
            await asyncio.sleep(_GAP_S)
        until = time.monotonic() + 60
        while short := [len(screen.took) for screen in self.screens if len(screen.took) < _EVENTS]:
            shut = sum(screen.transport.is_closing() for screen in self.screens)
            assert time.monotonic() < until, f"{len(short)} screens lack events ({short[:9]}), {shut} are shut"
            await asyncio.sleep(0.02)
        for screen in self.screens:
            marks = [mark for mark, _ in screen.took]
            assert marks == sorted(set(marks)), "an event doubled or out of order"
        times = [took / 1e6 for screen in self.screens for _, took in screen.took]
        return {"p95_ms": percentile(times, 0.95), "p99_ms": percentile(times, 0.99)}


@contextlib.asynccontextmanager
async def _crowd(server: _Server, number: int) -> AsyncIterator[_Crowd]:
    """So many screens, connected and idle for a moment."""
    loop, crowd, hellos = asyncio.get_running_loop(), _Crowd(server), server.hello()
    before = await _resident_kb(server)
    for first in range(0, number, 50):
        group = [
            (await loop.create_connection(lambda: _Screen(server.port), "127.0.0.1", server.port))[1]
            for _ in range(min(50, number - first))
        ]
        for screen in group:
            async with asyncio.timeout(60):
                await screen.opened.wait()
            if hellos:
                screen.send(hellos.pop())
                async with asyncio.timeout(60):
                    await screen.welcomed.wait()
        crowd.screens += group
    await asyncio.sleep(3)
    crowd.kb_per_screen = (await _resident_kb(server) - before) / number
    yield crowd
    for screen in crowd.screens:
        screen.transport.close()
    await asyncio.sleep(0.5)


async def _resident_kb(server: _Server) -> float:
    for _ in range(200):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            writer.close()
            return resident_mb(server.pid) * 1000
        await asyncio.sleep(0.05)
    raise AssertionError("the server does not listen")


class _Screen(asyncio.Protocol):
    """A connection that notes when each mark came; it does not parse, so that the client is not what is measured."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.opened, self.welcomed = asyncio.Event(), asyncio.Event()
        self.took: list[tuple[int, int]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(
            f"GET /workplace/ws HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\nOrigin: http://127.0.0.1:{self._port}\r\n"
            "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.monotonic_ns()
        if not self.opened.is_set():
            assert data.startswith(b"HTTP/1.1 101"), data[:200]
            self.opened.set()
        if b'"type":"welcome"' in data:
            self.welcomed.set()
        if b'"type":"beat"' in data:
            self.send('{"type":"beat"}')
        for found in dict.fromkeys(_MARK.findall(data)):  # an event names its note twice: as it is, and in the item
            if not self.took or int(found) != self.took[-1][0]:
                self.took.append((int(found), now - int(found)))

    def send(self, text: str) -> None:
        """One masked frame; the mask of zeros leaves the bytes as they are."""
        data = text.encode()
        size = (
            struct.pack("!BB", 0x81, 0x80 | len(data))
            if len(data) < 126
            else struct.pack("!BBH", 0x81, 0xFE, len(data))
        )
        self.transport.write(size + b"\0\0\0\0" + data)
