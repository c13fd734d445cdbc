"""A webhook is kept whatever the database or the sender's encoding does, and what is kept is not lost afterwards."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from server.accounts.lookup import Remembered
from server.accounts.store import account_of_hook
from server.app import build
from server.delivery import inbox, retention
from server.delivery.inbox import InboxWriter, drain_spool
from server.delivery.spool import Spool, Spooled
from server.keys import INBOX
from server.platform.clock import utc_now
from server.platform.ids import digest, new_id
from server.settings import Settings
from tests.conftest import Salon, eventually, make_salon
from tests.factories import webhook
from tests.integration.test_intake import quiet


async def set_database(dsn: str, statement: str) -> None:
    """Changes the database's own settings and ends its connections: the server's next ones work under them."""
    conn = await asyncpg.connect(dsn)
    name = await conn.fetchval("select current_database()")
    await conn.execute("set default_transaction_read_only = off")
    await conn.execute(f"alter database {name} {statement}")
    await conn.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()", name
    )
    await conn.close()


def waiting(settings: Settings) -> int:
    return len(list((settings.data_dir / "spool").glob("*.json")))


async def test_webhooks_of_a_database_that_takes_nothing_are_spooled_and_come_in_later(
    dsn: str, pool: asyncpg.Pool, settings: Settings
) -> None:
    """A standby, or a primary set to read only: it answers, and every answer is a refusal."""
    async with TestClient(TestServer(build(settings, dsn))) as http:
        salon = await make_salon(http, pool, settings)
        await set_database(dsn, "set default_transaction_read_only = on")
        answers = await asyncio.gather(*(salon.webhook(webhook(100 + number)) for number in range(40)))
        assert answers == [200] * 40
        assert waiting(settings) == 40
        await set_database(dsn, "reset default_transaction_read_only")

        async def drained() -> bool:
            return waiting(settings) == 0

        await eventually(drained, within_s=20)
        line = await quiet(salon)
        assert (line["accepted"], line["stored"]) == (40, 40)


async def test_a_webhook_is_kept_when_its_token_cannot_be_looked_up(
    dsn: str, pool: asyncpg.Pool, settings: Settings
) -> None:
    async with TestClient(TestServer(build(settings, dsn))) as http:
        salon = await make_salon(http, pool, settings)
        await pool.execute("alter table hook_token rename to hook_token_away")
        assert await salon.webhook(webhook(7)) == 200
        await pool.execute("alter table hook_token_away rename to hook_token")

        async def there() -> Any:
            return (await salon.get("/bookings"))["data"]

        assert (await eventually(there, within_s=20))[0]["record_id"] == 7


async def test_one_bad_body_of_a_group_does_not_fail_the_others(
    dsn: str, pool: asyncpg.Pool, settings: Settings
) -> None:
    async with TestClient(TestServer(build(settings, dsn, role="web"))) as http:
        salon = await make_salon(http, pool, settings)
        account_id = salon.made.account.account_id
        await pool.execute("alter table inbox add check (body <> 'poison')")
        bodies = [b"poison" if number == 30 else b"{}" for number in range(64)]
        await asyncio.gather(*(http.app[INBOX].accept(spooled(salon, body), account_id) for body in bodies))
        assert await pool.fetchval("select count(*) from inbox") == 63
        assert waiting(settings) == 1


def spooled(salon: Salon, body: bytes, *, at: datetime | None = None) -> Spooled:
    token_hash = digest(salon.made.hook_tokens["yclients"])
    return Spooled(new_id(), at or utc_now(), "yclients", token_hash, "application/json", body, len(body))


async def test_a_header_of_any_bytes_is_no_reason_to_lose_the_body(salon: Salon) -> None:
    reader, writer = await asyncio.open_connection(salon.http.host, salon.http.port)
    body = json.dumps(webhook(8)).encode()
    head = f"POST {salon.hook} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n".encode()
    writer.write(head + b"Content-Type: \xff\xfe/\xf0\x9f\r\n\r\n" + body)
    assert (await reader.readline()).startswith(b"HTTP/1.1 200")
    writer.close()
    assert (await quiet(salon))["stored"] == 1


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br"])
async def test_a_body_not_encoded_as_it_says_is_kept(salon: Salon, encoding: str) -> None:
    async with salon.http.post(salon.hook, data=b"\xff" * 100, headers={"Content-Encoding": encoding}) as answer:
        assert answer.status == 200
    assert await salon.webhook(webhook(9)) == 200
    line = await quiet(salon)
    assert (line["accepted"], line["quarantined"], line["stored"]) == (2, 1, 1)


async def test_those_who_keep_asking_see_the_end_of_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    """Asking while the database is known to be away does not make it away for longer."""
    clock = 1000.0
    monkeypatch.setattr("server.accounts.lookup.time.monotonic", lambda: clock)
    memory: Remembered[str, str] = Remembered(life_s=5)

    async def away() -> str:
        raise ConnectionRefusedError

    async def back() -> str:
        return "answer"

    with pytest.raises(ConnectionRefusedError):
        await memory.get("key", away)
    for _ in range(9):
        clock += 0.1
        with pytest.raises(TimeoutError):
            await memory.get("key", back)
    clock += 0.2
    assert await memory.get("key", back) == "answer"


# --- the queue before a database that hangs


async def test_a_database_that_hangs_leaves_no_bodies_in_memory(
    dsn: str, pool: asyncpg.Pool, settings: Settings, salon: Salon
) -> None:
    spool = Spool(settings.data_dir / "other")
    writer = InboxWriter(pool, spool, patience_s=0.2)
    writer.start()
    locked = await asyncpg.connect(dsn)
    held = locked.transaction()
    await held.start()
    await locked.execute("lock table inbox")
    account_id = salon.made.account.account_id
    for _ in range(3):
        await asyncio.gather(*(writer.accept(spooled(salon, b"{}"), account_id) for _ in range(100)))
    assert len(writer._queue) == 0
    assert spool.waiting() == 300 or len(spool.paths()) == 300
    await held.rollback()
    await locked.close()

    async def usual() -> bool:
        before = len(spool.paths())
        await writer.accept(spooled(salon, b"{}"), account_id)
        return len(spool.paths()) == before

    await eventually(usual)
    await writer.stop()


# --- the spool after a long outage


@pytest.fixture
async def quiet_salon(dsn: str, pool: asyncpg.Pool, settings: Settings) -> AsyncIterator[Salon]:
    """No worker: the test does its work."""
    async with TestClient(TestServer(build(settings, dsn, role="web"))) as http:
        yield await make_salon(http, pool, settings)


async def test_what_cannot_be_stored_does_not_hold_up_the_rest_of_the_spool(
    quiet_salon: Salon, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    await pool.execute("alter table inbox add check (body <> 'poison')")
    spool = Spool(tmp_path / "long")
    for number in range(100):
        spool.put(spooled(quiet_salon, b"poison" if number in (0, 50) else b"{}"))
    spool.put(Spooled(new_id(), utc_now(), "yclients", b"nobody's", "", b"{}", 2))
    assert await drain_spool(pool, spool, account_of_hook) == 98
    assert await pool.fetchval("select count(*) from inbox") == 98
    assert await pool.fetchval("select sum(count) from ledger where outcome = 'accepted'") == 98
    assert len(spool.paths()) == 2
    assert len(list((tmp_path / "long").glob("*.unplaced"))) == 1
    await pool.execute("alter table inbox drop constraint inbox_body_check")
    assert await drain_spool(pool, spool, account_of_hook) == 2
    assert spool.paths() == []


async def test_two_processes_drain_one_spool_into_one_copy(
    quiet_salon: Salon, pool: asyncpg.Pool, tmp_path: Path
) -> None:
    first = Spool(tmp_path / "shared")
    for _ in range(200):
        first.put(spooled(quiet_salon, b"{}"))
    await asyncio.gather(*(drain_spool(pool, Spool(tmp_path / "shared"), account_of_hook) for _ in range(3)))
    assert await pool.fetchval("select count(*) from inbox") == 200
    assert await pool.fetchval("select sum(count) from ledger where outcome = 'accepted'") == 200
    assert first.paths() == []


# --- bodies in lists, and whole


async def test_a_list_shows_the_beginning_of_a_large_body_and_its_own_route_the_whole(salon: Salon) -> None:
    large = b'{"comment": "' + "д".encode() * 200_000
    await salon.webhook(large)
    await salon.webhook(b"{torn")
    await quiet(salon)
    small, shown = (await salon.get("/quarantine"))["data"]
    assert (small["body"], small["body_size"], small["body_cut"]) == ("{torn", 5, False)
    assert (shown["body_size"], shown["body_cut"]) == (len(large), True)
    assert base64.b64decode(shown["body_base64"]) == large[: inbox.SHOWN_BYTES]
    whole = await salon.get(f"/quarantine/{shown['id']}")
    assert base64.b64decode(whole["body_base64"]) == large
    assert (whole["body"], whole["body_cut"]) == (large.decode(), False)
    assert {name: whole[name] for name in whole if not name.startswith("body")} == {
        name: shown[name] for name in shown if not name.startswith("body")
    }


async def test_another_accounts_item_is_not_there(salon: Salon, pool: asyncpg.Pool, settings: Settings) -> None:
    await salon.webhook(b"{torn")
    await quiet(salon)
    item = (await salon.get("/quarantine"))["data"][0]
    other = await make_salon(salon.http, pool, settings, name="Other", company=99)
    for name, token in ((item["id"], other.token), (str(UUID(int=1)), salon.token), ("x", salon.token)):
        async with salon.http.get(f"/api/v1/quarantine/{name}", headers=token) as answer:
            assert answer.status == 404, name


# --- retention


async def test_old_days_go_portion_by_portion_and_what_is_unfinished_stays(
    quiet_salon: Salon, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_PORTION", 7)
    monkeypatch.setattr(retention, "_next_run", 0.0)
    now = utc_now()
    account_id = quiet_salon.made.account.account_id
    old = now - timedelta(days=40)
    async with pool.acquire() as conn:
        await retention.make_days(conn, "inbox", old)
        for day in (0, 1):
            await inbox.insert_bodies(
                conn, [(spooled(quiet_salon, b"{}", at=old + timedelta(days=day)), account_id) for _ in range(3)]
            )
        await inbox.insert_bodies(
            conn, [(spooled(quiet_salon, b"{}", at=old - timedelta(days=9)), account_id) for _ in range(30)]
        )
        await conn.execute("update inbox set state = 'stored' where received_at < $1", old + timedelta(hours=1))
        await conn.execute(
            "update inbox_default set state = 'waiting' where inbox_id = (select min(inbox_id::text)::uuid from inbox_default)"
        )
        await conn.executemany(
            "insert into event_once values ($1, $2, $3)",
            [(account_id, str(n), now - timedelta(days=n)) for n in range(50)],
        )
    await retention.keep_up(pool, now=now)
    assert await pool.fetchval("select to_regclass($1)", f"inbox_{old:%Y%m%d}") is None
    assert await pool.fetchval("select count(*) from inbox") == 4  # waiting: three of the second day, one strayed
    assert await pool.fetchval("select count(*) from event_once") == 15
    assert await pool.fetchval("select to_regclass($1) is not null", f"inbox_{now + timedelta(days=6):%Y%m%d}")


async def test_old_calls_and_chats_go_with_all_that_was_told_of_them(
    quiet_salon: Salon, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_next_run", 0.0)
    now, account_id = utc_now(), quiet_salon.made.account.account_id
    for days in (1, 1129, 1131):
        at = now - timedelta(days=days)
        await pool.execute(
            "with c as (insert into call (account_id, call_id, session_id, direction, state, started_at, created_at, updated_at)"
            "  values ($1, gen_random_uuid(), $2, 'in', 'over', $3, $3, $3) returning *)"
            " insert into call_event (account_id, call_id, key, event, at, received_at, facts)"
            " select account_id, call_id, 'k', 'lost', $3, $3, '{}' from c",
            account_id, str(days), at,
        )  # fmt: skip
        await pool.execute(
            "with t as (insert into text_communication (account_id, text_id, kind, vendor_id, started_at, created_at, updated_at)"
            "  values ($1, gen_random_uuid(), 'chat', $2, $3, $3, $3) returning *)"
            " insert into text_event (account_id, text_id, event_id, key, event, source, at, told_at, facts)"
            " select account_id, text_id, gen_random_uuid(), 'k', 'end', 'report', $3, $3, '{}' from t",
            account_id, days, at,
        )  # fmt: skip
    await retention.keep_up(pool, now=now)
    for table in ("call", "call_event", "text_communication", "text_event"):
        assert await pool.fetchval(f"select count(*) from {table}") == 2, table
    assert await pool.fetchval("select min(session_id) from call") == "1"


async def test_a_failed_run_of_retention_is_tried_again_and_holds_nobody_up(
    quiet_salon: Salon, dsn: str, pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "_next_run", 0.0)
    monkeypatch.setattr(retention, "_RETRY_S", 0.0)
    reading = await asyncpg.connect(dsn)
    held = reading.transaction()
    await held.start()
    await reading.execute("select 1 from hit_default")
    with pytest.raises(asyncpg.LockNotAvailableError):
        await retention.keep_up(pool, now=utc_now())
    await held.rollback()
    await reading.close()
    await retention.keep_up(pool, now=utc_now())
    assert await pool.fetchval("select to_regclass($1) is not null", f"hit_{utc_now() + timedelta(days=3):%Y%m%d}")
