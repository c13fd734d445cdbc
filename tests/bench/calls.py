"""A call rings: how long until YCLIENTS is told to show the pop-up, and how many calls a second we carry.

From the notification leaving the telephony to our call arriving at a vendor without limits; baseline is the smallest
honest relay: it writes the body to a file with fdatasync and posts it on. Ours keeps the body, works out the call, asks
the shared budget and posts. Once more at the vendor's real pace, while another process reads past months without end.
Checked: every call that rang was told of once, and stands in the history once.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
from aiohttp import web

from server.accounts import store as accounts
from server.calls import networks
from server.calls.settings import TelephonyIntegration
from server.platform.clock import utc_now
from server.platform.embedded import EmbeddedPostgres
from server.platform.vault import load_vault
from tests.bench.report import Figure, Target, alternate, percentile
from tests.bench.scale import Scale
from tests.bench.servers import Service
from tests.server_process import ROOT, ServerProcess, free_port

_NUMBER, _COMPANY = "74950000001", 4564
_SALON, _STORM = 3, 50  # calls a second: what fits the vendor's own limit, and what we are to carry


@dataclass
class Sink:
    """The vendor: notes when it was told of which call."""

    rang: dict[str, float] = field(default_factory=dict)
    kept: Counter[str] = field(default_factory=Counter)

    async def take(self, request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("command") == "event" or "command" not in body:
            assert body["phone"] not in self.rang, "a call rang twice"
            self.rang[body["phone"]] = time.monotonic()
        elif body["command"] == "history":
            self.kept[body["call_id"]] += 1
        return web.json_response({"success": True, "data": None, "meta": {}}, status=202)

    async def list(self, _: web.Request) -> web.Response:
        """A page of past months."""
        return web.json_response({"success": True, "data": [], "meta": {"page": 1, "total_count": 0}})


@contextlib.asynccontextmanager
async def _listening(sink: Sink, port: int) -> AsyncIterator[None]:
    app = web.Application()
    app.router.add_post("/api/v1/voip/integration", sink.take)
    app.router.add_get("/api/v1/records/{company}", sink.list)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield
    await runner.cleanup()


def bench(scale: Scale) -> list[Figure]:
    port = free_port()
    first = 0

    def run(url: str, rate: int, seconds: float, *, whole: bool = True) -> dict[str, float]:
        nonlocal first
        number = max(1, int(rate * seconds))
        first += number
        return asyncio.run(_ring(url, port, first, number, rate, whole=whole))

    with _salon(port) as service, relay(f"http://127.0.0.1:{port}/api/v1/voip/integration") as bare:
        hook = str(service.account["webhooks"]["uis"])
        run(hook, 5, 1)

        def beside(rate: int) -> dict[str, dict[str, float]]:
            seconds = 2 * scale.seconds
            return alternate(
                scale.rounds,
                {"ours": lambda: run(hook, rate, seconds), "relay": lambda: run(bare, rate, seconds, whole=False)},
            )

        few, many = beside(_SALON), beside(_STORM)
    with _salon(port, real_pace=True) as service:
        hook = str(service.account["webhooks"]["uis"])
        run(hook, 1, 1)
        with _backfill(service, port):
            behind = run(hook, _SALON, 10 * scale.seconds)
    return [
        Figure(
            "calls", f"ringing → pop-up told, {_SALON} calls a second, p95", "ms", few["ours"]["p95_ms"], few["relay"]["p95_ms"],
            "relay", Target("<=", 300, "ours"),
        ),
        Figure(
            "calls", f"ringing → pop-up told, {_SALON} calls a second beside a backfill, real pace, p95", "ms",
            behind["p95_ms"], few["ours"]["p95_ms"], "no pace, no backfill", Target("<=", 300, "ours"),
        ),
        Figure(
            "calls", f"ringing → pop-up told, {_STORM} calls a second, p95", "ms", many["ours"]["p95_ms"],
            many["relay"]["p95_ms"], "relay", Target("<=", 300, "ours"),
        ),
        Figure(
            "calls", f"calls a second carried, {_STORM} offered", "/s", many["ours"]["per_s"], many["relay"]["per_s"], "relay",
            Target(">=", 0.95 * _STORM, "ours"),
        ),
    ]  # fmt: skip


async def _ring(url: str, port: int, first: int, number: int, rate: int, *, whole: bool) -> dict[str, float]:
    """Calls at an even pace; each rings, and where `whole` ends two seconds later."""
    sink, left = Sink(), {}
    async with _listening(sink, port), aiohttp.ClientSession() as session:

        async def tell(event: str, place: int, **facts: Any) -> None:
            phone = f"79{first + place:09}"
            body = {
                "event": event, "call_session_id": 10_000_000 + first + place, "virtual_phone_number": _NUMBER,
                "contact_phone_number": phone, "command": "event", "phone": phone, **facts,
            }  # fmt: skip
            async with session.post(url, json=body) as answer:
                assert answer.status < 300, await answer.text()

        async def one(place: int) -> None:
            await asyncio.sleep(place / rate)
            left[f"79{first + place:09}"] = time.monotonic()
            await tell("in_call_session", place)
            if whole:
                await asyncio.sleep(2)
                await tell("call_session_finished", place, direction="in", talk_time_duration=0)

        began = time.monotonic()
        await asyncio.gather(*(one(place) for place in range(number)))
        deadline = time.monotonic() + 60
        while len(sink.rang) < number or (whole and len(sink.kept) < number):
            assert time.monotonic() < deadline, f"{len(sink.rang)} of {number} rang, {len(sink.kept)} are kept"
            await asyncio.sleep(0.01)
        assert set(sink.kept.values()) <= {1}, "a call stands twice in the history"
    waits = [(sink.rang[phone] - at) * 1000 for phone, at in left.items()]
    took = max(sink.rang.values()) - began
    return {
        "p95_ms": percentile(waits, 0.95),
        "p50_ms": percentile(waits, 0.5),
        "per_s": number / max(took, number / rate),
    }


@contextlib.contextmanager
def _salon(port: int, *, real_pace: bool = False) -> Iterator[Service]:
    process = ServerProcess(
        module="server" if real_pace else "tests.open_pace", OPEN_PACE="yclients", YCLICK_LOG_LEVEL="warning", YCLICK_ALLOW_PRIVATE_EGRESS="true",
        YCLICK_YCLIENTS_API_URL=f"http://127.0.0.1:{port}", YCLICK_YCLIENTS_PARTNER_TOKEN="bench",
    )  # fmt: skip
    process.start()
    try:
        service = Service(process, process.account())

        async def connect(conn: asyncpg.Connection[asyncpg.Record]) -> None:
            vault = load_vault("", process.folder / "data")
            account_id = await conn.fetchval("select account_id from account")
            await conn.execute("update branch set company_id = $1", _COMPANY)
            network_id = await networks.add(conn, vault, account_id, name="bench", token="bench", now=utc_now())
            await networks.mark(conn, account_id, network_id, "on", "", now=utc_now())
            settings = TelephonyIntegration.model_validate({
                "enabled": True, "networks": [
                    {"network_id": str(network_id), "numbers": [{"number": _NUMBER, "company_id": _COMPANY}]}
                ],
            })  # fmt: skip
            await accounts.save_integration(
                conn, account_id, "telephony", settings.model_dump(mode="json"), now=utc_now()
            )

        service.database(connect)
        yield service
    finally:
        process.clean()


@contextlib.contextmanager
def _backfill(service: Service, port: int) -> Iterator[None]:
    """Another process reads past months on the same budget, six pages at a time, as long as this lasts."""
    database = EmbeddedPostgres(service.process.folder / "data", owner="command")
    asked = {
        "dsn": asyncio.run(database.start()), "url": f"http://127.0.0.1:{port}", "seconds": 600, "readers": 6, "every_s": 0,
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "tests.bench.caller", json.dumps(asked)], cwd=ROOT)
    try:
        yield
        assert process.poll() is None, "the backfill ended by itself"
    finally:
        process.terminate()
        process.wait(10)
        asyncio.run(database.stop())


@contextlib.contextmanager
def relay(to: str) -> Iterator[str]:
    """The smallest relay as a process: what comes is written to a file with fdatasync, then posted on."""
    own = free_port()
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.calls", str(own), to, folder],
            cwd=ROOT, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout
        process.stdout.readline()
        try:
            yield f"http://127.0.0.1:{own}/"
        finally:
            process.terminate()
            process.wait(10)


async def _serve_relay(own: int, to: str, folder: Path) -> None:
    file = os.open(folder / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    passing: set[asyncio.Task[None]] = set()
    async with aiohttp.ClientSession(headers={"Authorization": "Bearer bench, User bench"}) as session:

        async def on(body: Any) -> None:
            async with session.post(to, json=body) as answer:
                await answer.read()

        async def take(request: web.Request) -> web.Response:
            body = await request.read()
            os.write(file, body)
            await asyncio.to_thread(os.fdatasync, file)
            task = asyncio.create_task(on(json.loads(body)))
            passing.add(task)
            task.add_done_callback(passing.discard)
            return web.json_response({})

        app = web.Application()
        app.router.add_post("/", take)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", own).start()
        print("ready", flush=True)
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(_serve_relay(int(sys.argv[1]), sys.argv[2], Path(sys.argv[3])))
