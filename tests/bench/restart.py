"""Restarts under load: requests that failed while server processes were ended and started again.

`serve --processes 2` keeps the port open: each process in turn is told to stop (SIGTERM) and comes back, while 16
clients send events, half over keep-alive connections, half over new ones. A failed request is one that was refused,
cut off or answered with anything but success. Target: 0. Checked: acknowledged = stored, each event once.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import threading
import time
from collections import Counter
from pathlib import Path

from tests.bench.report import Figure, Target
from tests.bench.scale import Scale
from tests.bench.servers import Service, family, yclick
from tests.factories import Browser

_CLIENTS = 16


def bench(scale: Scale) -> list[Figure]:
    restarts = 2 if scale.quick else 10
    with yclick("--processes", "2") as service:
        outcomes: Counter[str] = Counter()
        stop = threading.Event()
        clients = [
            threading.Thread(target=_send, args=(service, outcomes, stop, number % 2 == 0))
            for number in range(_CLIENTS)
        ]
        for client in clients:
            client.start()
        try:
            for number in range(restarts):
                time.sleep(0.3)
                _restart_one(service, number)
        finally:
            stop.set()
            for client in clients:
                client.join()
        service.settle()
        stored = int(service.value("select count(distinct event_id) from hit"))
    acked = outcomes.pop("answered", 0)
    failed = sum(outcomes.values())
    assert acked <= stored <= acked + failed, f"{acked} acknowledged, {stored} stored"
    return [
        Figure(
            "restart", f"failed requests, {restarts} restarts under load", "", float(failed), None, "",
            Target("<=", 0, "ours"), None, f"of {acked + failed}; {dict(outcomes) or 'none failed'}",
        )
    ]  # fmt: skip


def _send(service: Service, outcomes: Counter[str], stop: threading.Event, keep_alive: bool) -> None:
    path = service.collector.removeprefix(service.process.base)
    connection: http.client.HTTPConnection | None = None
    while not stop.is_set():
        browser, used = Browser("https://salon.test/"), connection is not None
        connection = connection or http.client.HTTPConnection("127.0.0.1", service.process.port, timeout=20)
        try:
            connection.request("POST", path, _body(browser), {"User-Agent": "Mozilla/5.0 X11 Chrome/156"})
            answer = connection.getresponse()
            answer.read()
            outcomes["answered" if answer.status == 204 else str(answer.status)] += 1
            if not keep_alive or answer.will_close:
                connection.close()
                connection = None
        except (OSError, http.client.HTTPException) as error:
            outcomes[f"{type(error).__name__}, {'used' if used else 'new'} connection"] += 1
            if connection:
                connection.close()
            connection = None
        time.sleep(0.005)


def _body(browser: Browser) -> bytes:
    return json.dumps(browser.batch(browser.hit())).encode()


def _servers(service: Service) -> list[int]:
    found = []
    for pid in family(service.pid)[1:]:
        with contextlib.suppress(OSError):
            if b"--role" in Path(f"/proc/{pid}/cmdline").read_bytes():
                found.append(pid)
    return sorted(found)


def _restart_one(service: Service, number: int) -> None:
    """Ends one of the two and waits until there are two again that answer."""
    before = _servers(service)
    victim = before[number % len(before)]
    os.kill(victim, signal.SIGTERM)
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        now = _servers(service)
        if victim not in now and len(now) == len(before) and all(_listens(pid) for pid in now):
            return
        time.sleep(0.05)
    raise AssertionError("the ended process did not come back")


def _listens(pid: int) -> bool:
    """Whether the process holds a listening TCP socket."""
    with contextlib.suppress(OSError):
        listening = {
            line.split()[9]
            for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
            if line.split()[3] == "0A"
        }
        for entry in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                target = os.readlink(entry)
                if target.startswith("socket:[") and target[8:-1] in listening:
                    return True
    return False
