"""Another master key: everything sealed is sealed anew while others read; a wrong key is told at the start."""

from __future__ import annotations

import asyncio
import base64
from pathlib import Path

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from server import administration, rotation
from server.accounts import flow
from server.accounts.sealing import WrongMasterKey, prove_key
from server.app import build
from server.platform.clock import utc_now
from server.platform.vault import Vault, load_vault
from server.settings import Settings

OLD, NEW, OTHER = b"o" * 32, b"n" * 32, b"x" * 32
#: Bytes that are no sealed values: hashes, and bodies as they came.
PLAIN = {
    ("hook_token", "token_hash"), ("api_token", "token_hash"), ("login_link", "link_hash"), ("network", "token_hash"),
    ("login_session", "session_hash"), ("login_attempt", "subject_hash"), ("inbox", "body"), ("quarantine", "body"),
    ("device", "opened_by"), ("once_token", "opened_by"),  # hashes of login sessions
}  # fmt: skip


async def _salons(pool: asyncpg.Pool, vault: Vault, number: int) -> list[flow.NewAccount]:
    made = []
    async with pool.acquire() as conn:
        for one in range(number):
            salon = await flow.create_account(
                conn, vault, name=f"Salon {one}", domain="salon.example", branches=[(one + 1, "Europe/Moscow")]
            )
            account_id = salon.account.account_id
            await flow.connect(conn, vault, account_id, "uis", "test", {"access_token": f"key of {one}"})
            await flow.keep_login(
                conn, vault, account_id, "yclients", {"login": "anna", "password": "p"}, recipient="", now=utc_now()
            )
            made.append(salon)
    return made


async def test_everything_is_sealed_anew_while_another_reads(pool: asyncpg.Pool) -> None:
    made = await _salons(pool, Vault(OLD), 30)
    both = Vault(NEW, (OLD,))
    stop = asyncio.Event()

    async def read() -> int:
        """A running server that knows both keys: every answer is right, whenever it asks."""
        rounds = 0
        while not stop.is_set() or not rounds:
            for number, salon in enumerate(made):
                async with pool.acquire() as conn:
                    secret = await flow.credentials(conn, both, salon.account.account_id, "uis")
                    assert secret == {"access_token": f"key of {number}"}
            rounds += 1
        return rounds

    reader = asyncio.create_task(read())
    async with pool.acquire() as conn:
        await prove_key(conn, both)
    done = await rotation.rotate(pool, both)
    stop.set()
    assert await reader >= 1
    assert (done.sealed_anew, done.unreadable) == (30 * 5, 0)  # hash key, two hook tokens, connection, waiting login
    assert (await rotation.rotate(pool, both)).sealed_anew == 0
    new = Vault(NEW)
    async with pool.acquire() as conn:
        await prove_key(conn, new)
        for salon in made:
            account_id = salon.account.account_id
            known = await flow.load_account(conn, new, account_id)
            assert known
            assert known.hash_key == salon.account.hash_key
            assert await flow.credentials(conn, new, account_id, "uis")
            assert await flow.waiting_login(conn, new, account_id, "yclients", now=utc_now())
            urls = await flow.hook_urls(conn, new, account_id, "")
            assert urls["uis"].endswith(salon.hook_tokens["uis"])


async def test_a_run_that_was_ended_is_gone_on_with(pool: asyncpg.Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    await _salons(pool, Vault(OLD), 6)
    both = Vault(NEW, (OLD,))
    monkeypatch.setattr(rotation, "_BATCH", 2)
    sealed, times = both.seal, 0

    class Killed(BaseException):
        pass

    def dying(plain: bytes, **bound: object) -> bytes:
        nonlocal times
        times += 1
        if times > 9:
            raise Killed
        return sealed(plain, **bound)  # type: ignore[arg-type]

    monkeypatch.setattr(both, "seal", dying)
    with pytest.raises(Killed):
        await rotation.rotate(pool, both)
    monkeypatch.undo()
    left = await rotation.rotate(pool, both)
    assert 0 < left.sealed_anew < 6 * 5
    assert left.unreadable == 0


async def test_the_command_says_how_many(
    dsn: str, pool: asyncpg.Pool, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    await _salons(pool, Vault(OLD), 2)
    keys = {
        name: SecretStr(base64.b64encode(key).decode()) for name, key in (("master_key", NEW), ("master_key_old", OLD))
    }
    assert await administration.rotate_secrets(settings.model_copy(update=keys), dsn) == 0
    assert "10 values sealed anew" in capsys.readouterr().out
    assert await administration.rotate_secrets(settings.model_copy(update=keys), dsn) == 0
    assert "0 values sealed anew" in capsys.readouterr().out


async def test_what_no_key_opens_is_counted_and_left(pool: asyncpg.Pool) -> None:
    await _salons(pool, Vault(OTHER), 1)
    await _salons(pool, Vault(OLD), 1)
    done = await rotation.rotate(pool, Vault(NEW, (OLD,)))
    assert (done.sealed_anew, done.unreadable) == (5, 5)


async def test_every_column_of_bytes_is_sealed_anew_or_known_as_plain(pool: asyncpg.Pool) -> None:
    rows = await pool.fetch(
        "select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " where c.relnamespace = 'public'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition"
        " and a.atttypid = 'bytea'::regtype and a.attnum > 0 and not a.attisdropped"
    )
    found = {(row["relname"], row["attname"]) for row in rows}
    sealed = {(one.table, one.column) for one in rotation.SEALED}
    hashes = {one for one in found if one[1].endswith("_hash")}
    assert found - hashes - PLAIN == sealed


async def test_a_server_with_another_key_does_not_start(dsn: str, settings: Settings, tmp_path: Path) -> None:
    async with TestClient(TestServer(build(settings, dsn))):
        pass
    other = settings.model_copy(update={"data_dir": tmp_path / "another"})
    with pytest.raises(WrongMasterKey, match="YCLICK_MASTER_KEY"):
        async with TestClient(TestServer(build(other, dsn))):
            pass


async def test_a_database_sealed_before_there_was_a_check_is_proved_by_its_accounts(pool: asyncpg.Pool) -> None:
    await _salons(pool, Vault(OLD), 1)
    async with pool.acquire() as conn:
        with pytest.raises(WrongMasterKey):
            await prove_key(conn, Vault(NEW))
        assert await conn.fetchval("select count(*) from key_check") == 0
        await prove_key(conn, Vault(NEW, (OLD,)))


def test_the_file_may_hold_former_keys_below_its_first(tmp_path: Path) -> None:
    from uuid import uuid4

    account_id = uuid4()
    sealed = Vault(OLD).seal(b"secret", account_id=account_id, field="t")
    lines = [base64.b64encode(key) for key in (NEW, OLD)]
    (tmp_path / "master.key").write_bytes(b"\n".join(lines) + b"\n")
    ring = load_vault("", tmp_path)
    assert ring.open(sealed, account_id=account_id, field="t") == b"secret"
    assert ring.key_id == Vault(NEW).key_id
    by_settings = load_vault(lines[0].decode(), tmp_path, f" {lines[1].decode()} ,")
    assert by_settings.open(sealed, account_id=account_id, field="t") == b"secret"
