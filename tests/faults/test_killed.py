"""kill -9 under load: what was acknowledged is there, once, in its final state. The ledger is the judge."""

from __future__ import annotations

import json
import os
import random
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.factories import MOSCOW, Browser, ident, webhook
from tests.server_process import ServerProcess, post, wait_for


@pytest.fixture
def server() -> Iterator[ServerProcess]:
    process = ServerProcess()
    process.start()
    yield process
    process.clean()


def history(record_id: int, chance: random.Random) -> list[dict[str, Any]]:
    """One to four states of a booking, a second apart."""
    t = datetime.now(MOSCOW) - timedelta(minutes=10)
    states = []
    for number in range(chance.randint(1, 4)):
        last = number == 3
        states.append(
            webhook(
                record_id, created=t, changed=t + timedelta(seconds=number), status="create" if not number else "delete" if last else "update",
                attendance=number % 3, deleted=last, online=bool(record_id % 2), comment=f"state {number}",
            )
        )  # fmt: skip
    return states


def test_thousand_webhooks_shuffled_doubled_two_percent_malformed_server_killed_twice(server: ServerProcess) -> None:
    chance = random.Random(20261124)
    account = server.account()
    url = account["webhooks"]["yclients"]
    good: list[tuple[int, bytes]] = []
    final: dict[int, dict[str, Any]] = {}
    record_id = 50_000
    while len(good) < 490:
        for state in history(record_id, chance):
            good.append((record_id, json.dumps(state, ensure_ascii=False).encode()))
            final[record_id] = state["data"]
        record_id += 1
    malformed = [b'{"company_id": 4564, "resource": "record", "torn-%d": ' % number for number in range(20)]
    crowd: list[tuple[int | None, bytes]] = [*good, *good, *((None, body) for body in malformed)]
    chance.shuffle(crowd)
    acknowledged: list[tuple[int | None, bytes]] = []
    lock = threading.Lock()
    left = list(crowd)

    def send() -> None:
        while True:
            with lock:
                if not left:
                    return
                item = left.pop()
            while True:
                try:
                    if post(url, item[1], timeout=5) == 200:
                        break
                except OSError:
                    pass  # the server is down this moment; the vendor would not repeat, we do, so that all are acknowledged
                time.sleep(0.02)
            with lock:
                acknowledged.append(item)

    senders = [threading.Thread(target=send) for _ in range(6)]
    for sender in senders:
        sender.start()
    for mark in (300, 650):
        while len(acknowledged) < mark:
            time.sleep(0.005)
        server.kill()
        server.start()
    for sender in senders:
        sender.join(60)
    assert len(acknowledged) == len(crowd)

    token = account["api_token"]
    deadline = time.monotonic() + 60
    while True:
        line = server.get("/api/v1/ledger", token)["doors"]["yclients"]
        if line["waiting"] == 0 or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    # A body may be stored whose answer the kill swallowed: accepted may exceed what was acknowledged, never fall short.
    assert line["accepted"] >= len(crowd)
    assert line["difference"] == 0
    assert line["waiting"] == 0
    bookings = server.all("/api/v1/bookings", token)
    assert sorted(item["record_id"] for item in bookings) == sorted(final)
    for item in bookings:
        wanted = final[item["record_id"]]
        assert (item["attendance"], item["deleted"]) == (wanted["attendance"], wanted["deleted"])
        assert item["comment"] == wanted["comment"]
    held = [item["body"] for item in server.all("/api/v1/quarantine", token)]
    assert set(held) == {body.decode() for body in malformed}
    assert len(held) == line["quarantined"]
    # Each state of each booking was stored exactly once, whatever came twice or was sent again after the kill.
    assert line["stored"] == len(good)
    leads = wait_for(lambda: _as_many(server.all("/api/v1/leads", token), len(final)))
    assert sorted(lead["booking"]["record_id"] for lead in leads) == sorted(final)


def _as_many(found: list[Any], number: int) -> list[Any]:
    """The list once it is that long; before that nothing."""
    return found if len(found) >= number else []


def test_events_acknowledged_before_a_kill_are_there_once(server: ServerProcess) -> None:
    account = server.account()
    url = f"{server.base}/c?k={account['site']['key']}"
    sent: list[str] = []
    for kill in range(3):
        for _ in range(60):
            browser = Browser("https://salon.test/")
            body = json.dumps(browser.batch(browser.hit(), browser.open(ident()))).encode()
            for _ in range(2):  # the browser repeats what it is not sure of, and what was refused for the moment
                wait_for(lambda body=body: post(url, body) == 204)  # type: ignore[misc]
            sent.append(browser.visit)
        if kill < 2:
            server.kill()
            server.start()
    token = account["api_token"]
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        line = server.get("/api/v1/ledger", token)["doors"]["collector"]
        if line["waiting"] == 0:
            break
        time.sleep(0.1)
    assert (line["stored"], line["difference"], line["waiting"]) == (360, 0, 0)
    assert line["duplicate"] >= 360
    visits = server.all("/api/v1/visits", token)
    assert sorted(visit["id"] for visit in visits) == sorted(sent)
    assert {visit["hits"] for visit in visits} == {1}


def test_killed_owner_leaves_no_orphan_and_its_lock_is_healed(server: ServerProcess) -> None:
    server.account()
    before = _postgres_of(server)
    assert before
    server.kill()
    deadline = time.monotonic() + 10
    while _postgres_of(server) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _postgres_of(server)
    server.start()
    assert len(json.loads(server.command("account", "show", "--json").stdout)) == 1


def test_stale_lock_with_a_strangers_number_does_not_keep_the_server_down(server: ServerProcess) -> None:
    server.account()
    assert server.stop() == 0
    cluster = next(path for path in _clusters(server) if path)
    with open(f"{cluster}/postmaster.pid", "w", encoding="ascii") as lock:
        lock.write(f"{os.getpid()}\n{cluster}\n0\n5432\n\n\n\n")
    server.start()
    assert server.command("account", "show").returncode == 0


def _clusters(server: ServerProcess) -> list[str]:
    place = server.folder / "data" / "cluster-place"
    return [place.read_text().strip() if place.exists() else str(server.folder / "data" / "postgres")]


def _postgres_of(server: ServerProcess) -> list[int]:
    found = []
    for name in os.listdir("/proc"):
        if name.isdigit():
            try:
                with open(f"/proc/{name}/cmdline", "rb") as file:
                    command = file.read()
            except OSError:
                continue
            if b"postgres" in command.split(b"\0")[0] and _clusters(server)[0].encode() in command:
                found.append(int(name))
    return found
