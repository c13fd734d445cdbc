"""Stopping and replacing servers under load: keep-alive clients see no failed request; children end with their parent."""

from __future__ import annotations

import http.client
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.factories import webhook
from tests.server_process import Database, ServerProcess, children_of, post, wait_for


class Crowd:
    """Keep-alive clients that send without pause; each notes what failed."""

    def __init__(self, port: int, path: str, *, number: int = 8, body: bytes | None = None) -> None:
        self.answered = 0
        self.broken: list[str] = []
        self._port, self._path, self._body = port, path, body
        self._end = threading.Event()
        self._threads = [threading.Thread(target=self._talk) for _ in range(number)]
        for thread in self._threads:
            thread.start()

    def _talk(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=15)
        while not self._end.is_set():
            try:
                if connection.sock is None:
                    connection.connect()
            except ConnectionRefusedError:
                time.sleep(0.01)  # nobody listens: no request was sent, so none failed
                continue
            try:
                connection.request("POST" if self._body else "GET", self._path, self._body)
                answer = connection.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException) as error:
                self.broken.append(repr(error))
                connection.close()
                continue
            self.answered += 1
            if answer.status != 200:
                self.broken.append(str(answer.status))
            # `Connection: close` makes the next request open a new connection: that is how a client moves on.

    def leave(self) -> None:
        self._end.set()
        for thread in self._threads:
            thread.join(20)


@pytest.fixture
def database() -> Iterator[Database]:
    own = Database()
    yield own
    own.clean()


def start(database: Database, *arguments: str, like: ServerProcess | None = None) -> ServerProcess:
    server = ServerProcess(YCLICK_DATABASE_URL=database.dsn)
    if like:  # the next release: same port, same data directory
        server.environment |= {name: like.environment[name] for name in ("YCLICK_PORT", "YCLICK_DATA_DIR")}
        server.port, server.base = like.port, like.base
    server.start(*arguments)
    return server


def more(crowd: Crowd, number: int) -> None:
    wanted = crowd.answered + number
    wait_for(lambda: crowd.answered >= wanted)


def workers_of(server: ServerProcess) -> list[int]:
    assert server.process
    return [pid for pid in children_of(server.process.pid) if b"--role" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def gone(pid: int) -> bool:
    """Dead with all its threads: the last of them closes its sockets."""
    try:
        dead = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
        return dead and len(list(Path(f"/proc/{pid}/task").iterdir())) <= 1
    except OSError:
        return True


@pytest.mark.parametrize("processes", [1, 2])
def test_stopping_under_load_fails_no_request(database: Database, processes: int) -> None:
    server = start(database, "--processes", str(processes))
    account = server.account()
    crowd = Crowd(server.port, f"/s/{account['site']['key']}.js")
    try:
        more(crowd, 300)
        assert server.stop() == 0
    finally:
        crowd.leave()
        server.clean()
    assert crowd.broken == []


@pytest.mark.parametrize("processes", [1, 2])
def test_rolling_restart_fails_no_request_and_loses_no_webhook(database: Database, processes: int) -> None:
    """The next release starts on the same port, then the old one is told to stop; three times."""
    server = start(database, "--processes", str(processes))
    account = server.account()
    body = json.dumps(webhook(77)).encode()
    readers = Crowd(server.port, f"/s/{account['site']['key']}.js", number=4)
    senders = Crowd(server.port, account["webhooks"]["yclients"].removeprefix(server.base), number=2, body=body)
    servers = [server]
    try:
        for _ in range(3):
            more(readers, 100)
            servers.append(start(database, "--processes", str(processes), like=server))
            assert servers[-2].stop() == 0
        more(readers, 100)
        more(senders, 20)
    finally:
        readers.leave()
        senders.leave()
    assert readers.broken == []
    assert senders.broken == []

    def line() -> Any:
        found = servers[-1].get("/api/v1/ledger", account["api_token"])["doors"]["yclients"]
        return found if not found["waiting"] else None

    found = wait_for(line, within_s=60)
    assert found["difference"] == 0
    assert found["accepted"] == senders.answered
    assert len(servers[-1].all("/api/v1/bookings", account["api_token"])) == 1
    for one in reversed(servers):
        one.clean()


def test_killed_parent_takes_its_processes_and_its_database_along() -> None:
    server = ServerProcess()
    server.start("--processes", "2")
    account = server.account()
    children = workers_of(server)
    assert len(children) == 2
    everyone = children_of(server.process.pid) if server.process else []
    server.kill()
    wait_for(lambda: all(gone(pid) for pid in everyone))
    server.start("--processes", "2")  # nothing is in its way, neither port nor lock
    assert post(account["webhooks"]["yclients"], json.dumps(webhook(1)).encode()) == 200
    assert server.stop() == 0
    server.clean()


def test_killed_process_is_replaced_while_the_others_serve(database: Database) -> None:
    server = start(database, "--processes", "2")
    account = server.account()
    first = workers_of(server)
    os.kill(first[0], signal.SIGKILL)
    wait_for(lambda: gone(first[0]))
    for number in range(20):
        assert post(account["webhooks"]["yclients"], json.dumps(webhook(100 + number)).encode()) == 200
    wait_for(lambda: len([pid for pid in workers_of(server) if not gone(pid)]) == 2)
    wait_for(lambda: len(server.all("/api/v1/bookings", account["api_token"])) == 20)
    assert server.stop() == 0
    server.clean()


def test_web_takes_and_worker_works(database: Database) -> None:
    """The roles apart: what the web process accepted the worker finishes, whenever it comes."""
    web = start(database, "--role", "web")
    account = web.account()
    assert post(account["webhooks"]["yclients"], json.dumps(webhook(5)).encode()) == 200
    assert web.get("/api/v1/ledger", account["api_token"])["doors"]["yclients"]["waiting"] == 1
    worker = ServerProcess(YCLICK_DATABASE_URL=database.dsn, YCLICK_DATA_DIR=web.environment["YCLICK_DATA_DIR"])
    worker.start("--role", "worker")
    wait_for(lambda: web.all("/api/v1/leads", account["api_token"]))
    assert post(f"{worker.base}/hooks/yclients/x", b"{}") == 404
    assert worker.stop() == 0
    assert web.stop() == 0
    worker.clean()
    web.clean()
