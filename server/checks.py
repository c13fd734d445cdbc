"""`yclick check`: the effective settings with secrets masked, and a test of everything they lead to."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable

import asyncpg

from server.app import database, places
from server.delivery.spool import Spool
from server.platform.budget import Priority
from server.platform.bus import open_bus
from server.platform.egress import Egress, VendorError
from server.platform.postgres import refuse_unsafe
from server.platform.vault import load_vault
from server.settings import Settings, masked
from server.tracking.scripts import ScriptRenderer

Check = Callable[[Settings], Awaitable[str]]


async def run(settings: Settings) -> int:
    write = sys.stdout.write
    for name, value in masked(settings).items():
        write(f"YCLICK_{name.upper():24} {value}\n")
    write("\n")
    failed = False
    checks: tuple[tuple[str, Check], ...] = (
        ("database", _database), ("redis", _redis), ("scripts", _scripts), ("master key", _vault), ("spool", _spool),
        ("YCLIENTS", _yclients),
    )  # fmt: skip
    for name, check in checks:
        try:
            write(f"{name:12} ok       {await check(settings)}\n")
        except Exception as error:
            failed = failed or name != "YCLIENTS"
            write(
                f"{name:12} {'FAILED' if name != 'YCLIENTS' else 'not reached'}   {str(error) or type(error).__name__}\n"
            )
    return int(failed)


async def _database(settings: Settings) -> str:
    async with database(settings, owner="command") as dsn:
        conn = await asyncpg.connect(dsn, timeout=5)
        try:
            await refuse_unsafe(conn)
            release = await conn.fetchval("show server_version")
            difference_s = time.time() - float(await conn.fetchval("select extract(epoch from clock_timestamp())"))
        finally:
            await conn.close()
    return f"PostgreSQL {release}, migrated; clock differs by {difference_s * 1000:+.0f} ms"


async def _redis(settings: Settings) -> str:
    if not settings.redis_url.get_secret_value():
        return "not set: one process, in-process bus"
    bus = await open_bus(settings.redis_url.get_secret_value())
    try:
        await bus.ping()
        return "answers"
    finally:
        await bus.close()


async def _scripts(settings: Settings) -> str:
    built, templates, _ = places()
    return f"built, version {ScriptRenderer(built, templates, base_url=settings.base_url).version}"


async def _vault(settings: Settings) -> str:
    load_vault(settings.master_key.get_secret_value(), settings.data_dir, settings.master_key_old.get_secret_value())
    return "from the settings" if settings.master_key.get_secret_value() else "in the data directory: back it up"


async def _spool(settings: Settings) -> str:
    spool = Spool(settings.data_dir / "spool")
    aside = len(spool.aside())
    return f"{spool.waiting()} waiting" + (f"; {aside} set aside: look with `yclick spool`" if aside else "")


async def _yclients(settings: Settings) -> str:
    egress = Egress(allow_private=settings.allow_private_egress)
    try:
        answer = await egress.call(
            "GET",
            f"{settings.yclients_api_url}/api/v1/",
            vendor="yclients",
            account="check",
            priority=Priority.OPERATOR,
        )
    except VendorError as error:
        raise RuntimeError(f"{settings.yclients_api_url}: {error}") from None
    finally:
        await egress.close()
    return f"{settings.yclients_api_url} answers ({answer.status})"
