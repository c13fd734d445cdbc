"""The schema: applied once by any number of runners, and every row belongs to a tenant."""

from __future__ import annotations

import asyncio
from pathlib import Path

import asyncpg
import pytest

from server.platform.ids import random_text
from server.platform.postgres import MIGRATIONS, MigrationError, migrate
from tests.conftest import database_of

#: Tables that belong to no account, each with its reason.
WITHOUT_ACCOUNT = {
    "schema_migration": "the runner's own",
    "login_failure": "counts guesses before anybody is known",
    "vendor_budget": "a vendor's limit counts per address of ours, over all accounts",
}


@pytest.fixture
async def empty(cluster: str):
    name = f"t_{random_text(12).lower()}"
    conn = await asyncpg.connect(cluster)
    await conn.execute(f"create database {name}")
    yield database_of(cluster, name)
    await conn.execute(f"drop database {name} with (force)")
    await conn.close()


async def test_four_runners_at_once_apply_each_migration_once(empty: str) -> None:
    applied = await asyncio.gather(*(migrate(empty) for _ in range(4)))
    every = sorted(path.name for path in MIGRATIONS.glob("*.sql"))
    assert sorted(name for names in applied for name in names) == every
    assert await migrate(empty) == []


async def test_migration_that_fails_leaves_nothing_behind_and_is_tried_again(empty: str, tmp_path: Path) -> None:
    (tmp_path / "0001_half.sql").write_text("create table half (); select 1/0;")
    for _ in range(2):
        with pytest.raises(asyncpg.DivisionByZeroError):
            await migrate(empty, directory=tmp_path)
    (tmp_path / "0001_half.sql").write_text("create table half ();")
    assert await migrate(empty, directory=tmp_path) == ["0001_half.sql"]


async def test_migration_changed_after_it_was_applied_is_refused(empty: str, tmp_path: Path) -> None:
    (tmp_path / "0001_first.sql").write_text("create table first ();")
    await migrate(empty, directory=tmp_path)
    (tmp_path / "0001_first.sql").write_text("create table second ();")
    with pytest.raises(MigrationError, match=r"0001_first\.sql was changed"):
        await migrate(empty, directory=tmp_path)


async def test_every_table_starts_with_the_account(pool: asyncpg.Pool) -> None:
    rows = await pool.fetch(
        "select c.relname as table, a.attname as first, a.attnotnull as required from pg_class c"
        " join pg_namespace n on n.oid = c.relnamespace and n.nspname = 'public'"
        " join pg_attribute a on a.attrelid = c.oid and a.attnum = 1 where c.relkind in ('r', 'p')"
    )
    tables = {row["table"]: (row["first"], row["required"]) for row in rows}
    assert len(tables) > 20
    wrong = {name: first for name, first in tables.items() if first != ("account_id", True)}
    assert set(wrong) - set(WITHOUT_ACCOUNT) == set()


async def test_every_key_and_unique_index_contains_the_account(pool: asyncpg.Pool) -> None:
    rows = await pool.fetch(
        "select t.relname as table, i.relname as index, exists (select 1 from pg_attribute a"
        "  where a.attrelid = t.oid and a.attname = 'account_id' and a.attnum = any(x.indkey)) as contains"
        " from pg_index x join pg_class i on i.oid = x.indexrelid join pg_class t on t.oid = x.indrelid"
        " join pg_namespace n on n.oid = t.relnamespace and n.nspname = 'public' where x.indisunique"
    )
    assert len(rows) > 20
    assert [row["index"] for row in rows if not row["contains"] and row["table"] not in WITHOUT_ACCOUNT] == []
    keyless = await pool.fetch(
        "select c.relname as table from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " and n.nspname = 'public' where c.relkind in ('r', 'p') and not c.relispartition"
        " and not exists (select 1 from pg_index x where x.indrelid = c.oid and x.indisprimary)"
    )
    # Events as they came, loaded by COPY; `event_once` keeps their ids.
    assert {row["table"] for row in keyless} == {"hit"}


async def test_every_foreign_key_stays_inside_one_account(pool: asyncpg.Pool) -> None:
    rows = await pool.fetch(
        "select k.conrelid::regclass::text as table, k.conname, exists (select 1 from pg_attribute a"
        "  where a.attrelid = k.conrelid and a.attname = 'account_id' and a.attnum = any(k.conkey)) as contains"
        " from pg_constraint k where k.contype = 'f'"
    )
    assert rows
    assert [row["conname"] for row in rows if not row["contains"]] == []
