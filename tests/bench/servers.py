"""Processes under measurement: our server as its users run it, and the anchors."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import asyncpg

from server.platform.embedded import EmbeddedPostgres, die_with_parent
from server.platform.postgres import _init_connection
from tests.server_process import ROOT, ServerProcess, free_port

T = TypeVar("T")
_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGESIZE")


@dataclass(frozen=True, slots=True)
class Service:
    """A running server, its account, and a way into its database."""

    process: ServerProcess
    account: dict[str, Any]

    @property
    def pid(self) -> int:
        assert self.process.process
        return self.process.process.pid

    @property
    def collector(self) -> str:
        return f"{self.process.base}/c?k={self.account['site']['key']}"

    @property
    def hook(self) -> str:
        return str(self.account["webhooks"]["yclients"])

    def get(self, path: str) -> Any:
        return self.process.get(path, self.account["api_token"])

    def database(self, work: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[T]]) -> T:
        """Runs `work` with a connection of its own."""
        return asyncio.run(with_database(self.process.folder / "data", work))

    def value(self, sql: str, *arguments: Any) -> Any:
        async def ask(conn: asyncpg.Connection[asyncpg.Record]) -> Any:
            return await conn.fetchval(sql, *arguments)

        return self.database(ask)

    def settle(self, *, within_s: float = 300) -> float:
        """Waits until all that was accepted has been worked on; answers how long that took, in seconds."""
        return asyncio.run(_settled(self.process.folder / "data", within_s))

    def cpu_s(self) -> float:
        return cpu_s(self.pid)


async def with_database(data_dir: Path, work: Callable[[asyncpg.Connection[asyncpg.Record]], Awaitable[T]]) -> T:
    embedded = EmbeddedPostgres(data_dir, owner="command")
    conn = await asyncpg.connect(await embedded.start())
    try:
        await _init_connection(conn)
        return await work(conn)
    finally:
        await conn.close()
        await embedded.stop()


async def _settled(data_dir: Path, within_s: float) -> float:
    async def wait(conn: asyncpg.Connection[asyncpg.Record]) -> float:
        began = time.monotonic()
        while await conn.fetchval(
            "select exists (select 1 from hit_batch) or exists (select 1 from inbox where state = 'waiting')"
            " or exists (select 1 from job where state <> 'dead' and run_at < now() + interval '5 seconds')"
        ):
            if time.monotonic() - began > within_s:
                raise AssertionError(f"not worked on within {within_s} s")
            await asyncio.sleep(0.05)
        return time.monotonic() - began

    return await with_database(data_dir, wait)


@contextlib.contextmanager
def yclick(*arguments: str, module: str = "server", **environment: str) -> Iterator[Service]:
    """`yclick serve` with its private database and one account."""
    process = ServerProcess(module=module, YCLICK_LOG_LEVEL="warning", **environment)
    process.start(*arguments)
    try:
        yield Service(process, process.account())
    finally:
        process.clean()


@dataclass(frozen=True, slots=True)
class Anchor:
    base: str
    pid: int

    def stored(self) -> int:
        with urllib.request.urlopen(f"{self.base}/count", timeout=5) as answer:
            return int(json.load(answer)["stored"])

    def cpu_s(self) -> float:
        return cpu_s(self.pid)


@contextlib.contextmanager
def anchor(store: str) -> Iterator[Anchor]:
    folder, port = Path(tempfile.mkdtemp(prefix="yclick-anchor-")), free_port()
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.anchor", store, str(port), str(folder)], cwd=ROOT,
        preexec_fn=die_with_parent(signal.SIGTERM),
    )  # fmt: skip
    found = Anchor(f"http://127.0.0.1:{port}", process.pid)
    try:
        deadline = time.monotonic() + 20
        while True:
            try:
                found.stored()
                break
            except OSError:
                if time.monotonic() > deadline or process.poll() is not None:
                    raise AssertionError("the anchor did not start") from None
                time.sleep(0.02)
        yield found
    finally:
        process.terminate()
        process.wait(10)
        shutil.rmtree(folder, ignore_errors=True)


# --- what the kernel counts


def family(pid: int) -> list[int]:
    """The process and everything below it: the database of our server is its child."""
    parents: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                parents.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
    found = [pid]
    for member in found:
        found += parents.get(member, [])
    return found


def cpu_s(pid: int) -> float:
    """Processor seconds of the family so far, ended children included."""
    ticks = 0
    for member in family(pid):
        with contextlib.suppress(OSError):
            ticks += sum(int(field) for field in _stat(member)[11:15])
    return ticks / _TICKS


def resident_mb(pid: int) -> float:
    """Resident memory of one process, in 10⁶ bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE_BYTES / 1e6


def _stat(pid: int) -> list[str]:
    """Fields of /proc/PID/stat after the name, which may hold blanks."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
