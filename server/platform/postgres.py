"""PostgreSQL: the pool, and migrations that any number of processes may run at once.

Migrations are numbered SQL files, forward only. A file named ``NNNN_name.sql`` is applied once, in order, in one
transaction, under an advisory lock.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg

if TYPE_CHECKING:  # the classes are generic for the checker only
    Conn = asyncpg.Connection[asyncpg.Record] | asyncpg.pool.PoolConnectionProxy[asyncpg.Record]
    Pool = asyncpg.Pool[asyncpg.Record]
else:
    Conn = Pool = Any
Row = asyncpg.Record

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
_LOCK_KEY = 0x79636C69636B  # "yclick"


class MigrationError(RuntimeError):
    """An applied migration differs from its file, or the database is newer than the program."""


class UnsafeDatabase(RuntimeError):
    """The server is set to lose acknowledged data (`fsync` or `synchronous_commit` off)."""


#: What a caller sees when the database is away; everything else is a mistake of ours.
DATABASE_AWAY = (
    OSError,
    TimeoutError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # a connection that broke in the middle of an operation
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
    asyncpg.DiskFullError,
)


async def open_pool(dsn: str, *, min_size: int = 2, max_size: int = 12) -> Pool:
    pool = await asyncpg.create_pool(
        dsn, min_size=min_size, max_size=max_size, init=_init_connection, command_timeout=30,
        max_inactive_connection_lifetime=120,
    )  # fmt: skip
    assert pool is not None
    return pool


async def _init_connection(connection: asyncpg.Connection[asyncpg.Record]) -> None:
    # Binary, for COPY takes no other form: one byte of version, then the text.
    await connection.set_type_codec(
        "jsonb", encoder=_dump_jsonb, decoder=_load_jsonb, schema="pg_catalog", format="binary"
    )


_as_text = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode


def _dump_jsonb(value: Any) -> bytes:
    return b"\x01" + _as_text(value).encode()


def _load_jsonb(data: bytes) -> Any:
    return json.loads(data[1:])


async def refuse_unsafe(conn: Conn) -> None:
    """Raises `UnsafeDatabase` when an answer 'accepted' could be lost by a crash."""
    for name in ("fsync", "synchronous_commit"):
        if await conn.fetchval("select current_setting($1)", name) == "off":
            raise UnsafeDatabase(f"PostgreSQL runs with {name}=off: acknowledged bookings could be lost; switch it on")


async def migrate(dsn: str, *, directory: Path = MIGRATIONS) -> list[str]:
    """Applies what is missing and answers the names applied; safe to call from many processes at once."""
    files = sorted(directory.glob("[0-9][0-9][0-9][0-9]_*.sql"))
    conn = await asyncpg.connect(dsn, timeout=10)
    try:
        await conn.execute("select pg_advisory_lock($1)", _LOCK_KEY)
        await conn.execute(
            "create table if not exists schema_migration"
            " (name text primary key, sha256 text not null, applied_at timestamptz not null default now())"
        )
        known: dict[str, str] = {
            row["name"]: row["sha256"] for row in await conn.fetch("select * from schema_migration")
        }
        return [path.name for path in files if await _apply(conn, path, known)]
    finally:
        await conn.close()  # also releases the advisory lock


async def _apply(conn: asyncpg.Connection[asyncpg.Record], path: Path, known: dict[str, str]) -> bool:
    sql = path.read_text(encoding="utf-8")
    checksum = hashlib.sha256(sql.encode()).hexdigest()
    if path.name in known:
        if known[path.name] != checksum:
            raise MigrationError(f"migration {path.name} was changed after it had been applied")
        return False
    async with conn.transaction():
        await conn.execute(sql)
        await conn.execute("insert into schema_migration (name, sha256) values ($1, $2)", path.name, checksum)
    return True


async def pending_migrations(conn: Conn, *, directory: Path = MIGRATIONS) -> list[str]:
    """Names of migrations the database still lacks; readiness depends on an empty answer."""
    if not await conn.fetchval("select to_regclass('schema_migration') is not null"):
        return [path.name for path in sorted(directory.glob("[0-9]*.sql"))]
    known = {row["name"] for row in await conn.fetch("select name from schema_migration")}
    return [path.name for path in sorted(directory.glob("[0-9]*.sql")) if path.name not in known]
