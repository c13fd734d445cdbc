"""The server as its users run it: a process of its own, with its own database, that can be killed and started again."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from server.platform.embedded import EmbeddedPostgres, die_with_parent

ROOT = Path(__file__).resolve().parent.parent
T = TypeVar("T")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


class ServerProcess:
    """`yclick serve` on a free port; ends with its owner."""

    def __init__(self, *, module: str = "server", **environment: str) -> None:
        self._module = module
        self.folder = Path(tempfile.mkdtemp(prefix="yclick-server-"))
        self.folder.chmod(0o755)
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("YCLICK_")}
        self.environment = {
            **kept, "PYTHONPATH": str(ROOT), "YCLICK_DATA_DIR": str(self.folder / "data"), "YCLICK_PORT": str(self.port),
            "YCLICK_MATCH_GRACE_S": "1", "YCLICK_ALLOW_PRIVATE_EGRESS": "1", **environment,
        }  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *arguments: str, within_s: float = 30) -> None:
        log = (self.folder / "server.log").open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-m", self._module, "serve", *arguments], env=self.environment, cwd=self.folder, stdout=log,
            stderr=log, preexec_fn=die_with_parent(signal.SIGTERM),
        )  # fmt: skip
        deadline = time.monotonic() + within_s
        while not self._ready():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the server did not start:\n{self.log()[-3000:]}")
            time.sleep(0.02)

    def _ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.base}/readyz", timeout=2) as answer:
                return answer.status == 200
        except (urllib.error.URLError, OSError):
            return False

    def log(self) -> str:
        return (self.folder / "server.log").read_text("utf-8", "replace")

    def ready(self) -> bool:
        return self._ready()

    def kill(self) -> None:
        assert self.process
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> int:
        """SIGTERM; answers the exit code."""
        if self.process is None or self.process.poll() is not None:
            return 0
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(30)

    def clean(self) -> None:
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def command(self, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "server", *arguments], env=self.environment, cwd=self.folder, capture_output=True,
            text=True, timeout=60, input=given, check=False,
        )  # fmt: skip

    def account(self, *arguments: str, name: str = "Salon") -> dict[str, Any]:
        done = self.command(
            "account", "create", "--name", name, "--site", "salon.test", "--branch", "4564", "--json", *arguments
        )
        assert done.returncode == 0, done.stderr
        made: dict[str, Any] = json.loads(done.stdout)
        return made

    def get(self, path: str, token: str) -> Any:
        wanted = urllib.request.Request(self.base + path, headers={"Authorization": f"Bearer {token}"})
        with urllib.request.urlopen(wanted, timeout=10) as answer:
            return json.load(answer)

    def all(self, path: str, token: str) -> list[Any]:
        """Every page of a list."""
        found: list[Any] = []
        cursor: str | None = ""
        while cursor is not None:
            page = self.get(f"{path}?limit=200" + (f"&cursor={cursor}" if cursor else ""), token)
            found += page["data"]
            cursor = page["next_cursor"]
        return found


class Database:
    """A PostgreSQL that is not the server's own: it can be stopped, frozen and brought back while the server runs."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="yclick-database-"))
        self._folder.chmod(0o755)
        self._cluster = EmbeddedPostgres(self._folder / "data", owner="command")
        # A thread of its own: a browser's loop may run in the caller's. It stays, for PostgreSQL ends with who started it.
        self._thread = ThreadPoolExecutor(1)
        self.dsn = self._run(self._cluster.start())

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._thread.submit(asyncio.run, work).result(60)

    def stop(self) -> None:
        self._run(self._cluster.stop())

    def back(self) -> None:
        assert self._run(self._cluster.start()) == self.dsn

    def freeze(self) -> None:
        """All its processes stand still: connections stay open and nothing answers."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def clean(self) -> None:
        self.thaw()
        self.stop()
        self._thread.shutdown()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _signal(self, number: int) -> None:
        parent = self._cluster.pid
        if parent is None:
            return
        family = [parent, *children_of(parent)]
        for pid in family:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)


def peak_mb(pid: int) -> float:
    """The most memory the process has held so far, in 10⁶ bytes."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) * 1024 / 1e6


def children_of(parent: int) -> list[int]:
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError, IndexError):
            if int(stat.read_text().rsplit(")", 1)[1].split()[1]) == parent:
                found.append(int(stat.parent.name))
    return found


def wait_for(look: Callable[[], T], *, within_s: float = 30) -> T:
    """Polls until `look` answers something true; fails with its last answer. A refused connection counts as not yet."""
    deadline = time.monotonic() + within_s
    while True:
        answer: T | str
        try:
            answer = look()
            if answer:
                return answer
        except OSError as error:
            answer = repr(error)
        assert time.monotonic() < deadline, f"did not come true; last answer: {answer!r}"
        time.sleep(0.05)


def ask(url: str, body: bytes | None = None, *, timeout: float = 20, **headers: str) -> tuple[int, Any, bytes]:
    """Status, headers and body of an answer, whatever its status."""
    wanted = urllib.request.Request(url, data=body, headers={"User-Agent": "Mozilla/5.0 X11 Chrome/156", **headers})
    try:
        with urllib.request.urlopen(wanted, timeout=timeout) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()


def post(url: str, body: bytes, *, timeout: float = 10) -> int:
    wanted = urllib.request.Request(
        url, data=body, headers={"Content-Type": "application/json", "User-Agent": "Mozilla/5.0 X11 Chrome/156"}
    )
    try:
        with urllib.request.urlopen(wanted, timeout=timeout) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
