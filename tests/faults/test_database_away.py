"""PostgreSQL stops or hangs under the running server: nothing acknowledged is lost, what cannot be kept is refused."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.factories import Browser, ident, webhook
from tests.server_process import Database, ServerProcess, ask, post, wait_for


@pytest.fixture
def database() -> Iterator[Database]:
    own = Database()
    yield own
    own.clean()


@pytest.fixture
def server(database: Database) -> Iterator[ServerProcess]:
    process = ServerProcess(YCLICK_DATABASE_URL=database.dsn)
    process.start()
    yield process
    database.thaw()  # a server that stops waits for its database
    process.clean()


def quiet(server: ServerProcess, token: str, door: str = "yclients", *, accepted: int) -> dict[str, int]:
    """The ledger's line once nothing waits and the identity holds."""

    def look() -> dict[str, int] | None:
        line: dict[str, int] = server.get("/api/v1/ledger", token)["doors"].get(door, {})
        return line if line.get("accepted", 0) >= accepted and not line["waiting"] else None

    line = wait_for(look, within_s=60)
    assert line is not None
    assert line["difference"] == 0
    return line


def spooled(server: ServerProcess) -> list[Path]:
    return sorted((server.folder / "data" / "spool").glob("*.json"))


def records(server: ServerProcess, token: str) -> list[int]:
    return sorted(item["record_id"] for item in server.all("/api/v1/bookings", token))


def body_of(record_id: int, **fields: Any) -> bytes:
    return json.dumps(webhook(record_id, **fields), ensure_ascii=False).encode()


@pytest.mark.parametrize("how", ["stopped", "frozen"])
def test_webhooks_are_kept_and_scripts_are_asked_to_come_back(
    server: ServerProcess, database: Database, how: str
) -> None:
    seen, unseen = server.account(name="Seen"), server.account(name="Unseen")
    browser = Browser("https://salon.test/")
    batch = json.dumps(browser.batch(browser.hit(), browser.open(ident()))).encode()
    collector = f"{server.base}/c?k={seen['site']['key']}"
    assert post(seen["webhooks"]["yclients"], body_of(100)) == 200
    assert post(collector, json.dumps(browser.batch(browser.hit())).encode()) == 204
    quiet(server, seen["api_token"], accepted=1)
    # A busy server holds many idle connections: they look well while the database hangs.
    crowd = [threading.Thread(target=server.get, args=("/api/v1/leads", seen["api_token"])) for _ in range(24)]
    for one in crowd:
        one.start()
    for one in crowd:
        one.join(20)

    (database.stop if how == "stopped" else database.freeze)()
    status, headers, body = ask(collector, batch)
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    assert json.loads(body)["code"] == "unavailable"
    for number in range(5):
        assert post(seen["webhooks"]["yclients"], body_of(101 + number)) == 200
    assert post(unseen["webhooks"]["yclients"], body_of(200)) == 200
    assert post(seen["webhooks"]["yclients"], b'{"torn":') == 200
    # A guess cannot be told from a token that was not seen before: kept, and set aside once the database can be asked.
    assert post(f"{server.base}/hooks/yclients/{ident()}", body_of(300)) == 200
    assert ask(f"{server.base}/healthz")[0] == 200
    status, _, told = ask(f"{server.base}/readyz")
    assert (status, json.loads(told)["checks"]["database"]) == (503, False)
    assert len(spooled(server)) == 8

    (database.back if how == "stopped" else database.thaw)()
    wait_for(server.ready, within_s=60)
    wait_for(lambda: post(collector, batch) == 204)
    line = quiet(server, seen["api_token"], accepted=7)
    assert (line["accepted"], line["stored"], line["quarantined"]) == (7, 6, 1)
    assert records(server, seen["api_token"]) == [100, 101, 102, 103, 104, 105]
    line = quiet(server, unseen["api_token"], accepted=1)
    assert (line["accepted"], line["stored"]) == (1, 1)
    assert records(server, unseen["api_token"]) == [200]
    wait_for(lambda: not spooled(server))
    assert len(list((server.folder / "data" / "spool").glob("*.unplaced"))) == 1
    hits = quiet(server, seen["api_token"], "collector", accepted=3)
    assert hits["stored"] == 3
    assert [visit["hits"] for visit in server.all("/api/v1/visits", seen["api_token"])] == [2]


def test_killed_while_spooling_every_answered_webhook_is_there_once(server: ServerProcess, database: Database) -> None:
    account = server.account()
    url = account["webhooks"]["yclients"]
    assert post(url, body_of(1)) == 200
    database.stop()
    answered: list[int] = []
    numbers = iter(range(1000, 9000))
    lock = threading.Lock()

    def send() -> None:
        while True:
            with lock:
                number = next(numbers)
            try:
                if post(url, body_of(number)) != 200:
                    return
            except OSError:
                return  # the kill
            with lock:
                answered.append(number)

    senders = [threading.Thread(target=send) for _ in range(6)]
    for sender in senders:
        sender.start()
    wait_for(lambda: len(answered) >= 120)
    server.kill()
    for sender in senders:
        sender.join(30)
    # What a crash in the middle of a write leaves behind is no record.
    (server.folder / "data" / "spool" / "torn.part").write_bytes(b'{"inbox_id": "')
    database.back()
    server.start()
    line = quiet(server, account["api_token"], accepted=len(answered) + 1)
    there = records(server, account["api_token"])
    assert len(set(there)) == len(there)
    assert set(answered) <= set(there)
    # One body may be durable whose answer the kill swallowed, for each sender.
    assert len(there) - 1 - len(answered) <= 6
    assert line["stored"] == len(there)
    wait_for(lambda: not spooled(server))
    assert not list((server.folder / "data" / "spool").glob("*.part"))


def test_no_room_for_anything_is_an_honest_503_and_ends_with_the_want_of_room(
    server: ServerProcess, database: Database
) -> None:
    """Database gone and not a byte can be written: only then is a webhook refused."""
    account = server.account()
    url = account["webhooks"]["yclients"]
    assert post(url, body_of(1)) == 200
    assert server.process
    _, most = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (0, most))
    # The database has room: the server goes on as usual, though its own disk and its log are full.
    assert post(url, body_of(2)) == 200
    database.stop()
    status, headers, _ = ask(url, body_of(3))
    assert status == 503
    assert int(headers["Retry-After"]) > 0
    assert ask(f"{server.base}/healthz")[0] == 200
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (most, most))
    assert post(url, body_of(4)) == 200
    database.back()
    line = quiet(server, account["api_token"], accepted=3)
    assert records(server, account["api_token"]) == [1, 2, 4]
    assert line["accepted"] == 3
    assert not list((server.folder / "data" / "spool").iterdir())


def test_database_that_comes_and_goes_under_load_loses_and_doubles_nothing(
    server: ServerProcess, database: Database
) -> None:
    account = server.account()
    url = account["webhooks"]["yclients"]
    answers: list[int] = []
    numbers = list(range(5000, 5400))
    lock = threading.Lock()

    def send() -> None:
        while True:
            with lock:
                if not numbers:
                    return
                number = numbers.pop()
            answers.append(post(url, body_of(number), timeout=20))

    senders = [threading.Thread(target=send) for _ in range(4)]
    for sender in senders:
        sender.start()
    wait_for(lambda: len(answers) >= 60)
    database.stop()
    wait_for(lambda: len(answers) >= 160)
    database.back()
    wait_for(lambda: len(answers) >= 260, within_s=60)
    database.freeze()
    wait_for(lambda: len(answers) >= 280, within_s=60)
    database.thaw()
    for sender in senders:
        sender.join(60)
    assert set(answers) == {200}
    line = quiet(server, account["api_token"], accepted=400)
    assert (line["accepted"], line["stored"]) == (400, 400)
    assert records(server, account["api_token"]) == list(range(5000, 5400))


def test_worker_killed_in_the_middle_of_a_job_loses_nothing_and_waits_for_no_lease(
    server: ServerProcess, database: Database
) -> None:
    """The job stands in its transaction, held up by a lock; kill -9; the next server takes it over at once."""
    import asyncio

    import asyncpg

    account = server.account()

    async def story() -> None:
        conn = await asyncpg.connect(database.dsn)
        async with conn.transaction():
            await conn.execute("lock table lead in access exclusive mode")
            assert await asyncio.to_thread(post, account["webhooks"]["yclients"], body_of(900)) == 200
            while not await conn.fetchval("select count(*) from job where state = 'running'"):
                await asyncio.sleep(0.02)
            await asyncio.to_thread(server.kill)
        assert await conn.fetchval("select count(*) from lead") == 0
        # As if it had been claimed this moment: nobody may wait for a lease whose holder is known to be dead.
        await conn.execute("update job set lease_until = now() + interval '1 hour' where state = 'running'")
        await conn.close()

    asyncio.run(story())
    server.start()
    leads = wait_for(lambda: server.all("/api/v1/leads", account["api_token"]))
    assert [lead["booking"]["record_id"] for lead in leads] == [900]
    assert '"worker.took_over"' in server.log()


def test_server_without_a_database_says_so_and_ends(database: Database) -> None:
    database.stop()
    server = ServerProcess(YCLICK_DATABASE_URL=database.dsn)
    with pytest.raises(AssertionError, match=r"server\.cannot_start"):
        server.start()
    assert server.process
    assert server.process.returncode == 1
    server.clean()


def test_own_database_killed_under_the_server_comes_back_by_itself() -> None:
    server = ServerProcess()
    server.start()
    try:
        account = server.account()
        url = account["webhooks"]["yclients"]
        assert post(url, body_of(1)) == 200
        lock = server.folder / "data" / "postgres" / "postmaster.pid"
        os.kill(int(lock.read_text().split()[0]), signal.SIGKILL)
        assert post(url, body_of(2)) == 200
        line = quiet(server, account["api_token"], accepted=2)
        assert line["stored"] == 2
        assert "postgres.started_again" in server.log()
    finally:
        server.clean()
