"""Processes of the server: one that does everything, or several that share the port."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator

import asyncpg

from server.accounts.sealing import WrongMasterKey, prove_key
from server.app import build, database, serve
from server.platform.embedded import EmbeddedPostgresError, die_with_parent
from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY, MigrationError, UnsafeDatabase
from server.platform.vault import VaultError, load_vault
from server.settings import Settings
from server.tracking.scripts import ScriptsNotBuilt

_log = logger(__name__)
_RESTART_PAUSE_S = 1.0
_PATIENCE_S = 30.0  # for a child that drains


async def serve_one(settings: Settings, *, role: str) -> int:
    """Serves in this process until it is told to stop; answers the exit code."""
    # With a database of its own a server is the only one of its data directory; with the operator's, the next
    # release may start on the same port before this one is told to stop.
    shares_port = bool(settings.database_url.get_secret_value())
    try:
        async with database(settings, owner="serve") as dsn:
            await serve(build(settings, dsn, role=role), reuse_port=shares_port)
    except (
        EmbeddedPostgresError,
        MigrationError,
        UnsafeDatabase,
        VaultError,
        WrongMasterKey,
        ScriptsNotBuilt,
        *DATABASE_AWAY,
    ) as error:
        _log.error("server.cannot_start", error=str(error) or type(error).__name__)
        return 1
    return 0


async def serve_many(settings: Settings, *, processes: int, role: str) -> int:
    """Owns the database and keeps `processes` children alive; SIGTERM drains them all."""
    if not settings.redis_url.get_secret_value():
        _log.warning(
            "bus.in_process", note="several processes without YCLICK_REDIS_URL: signals between them are polled"
        )
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    try:
        with _port_kept(settings):
            async with database(settings, owner="serve") as dsn:
                await _prove_key(settings, dsn)  # one sentence here, not one from each child again and again
                environment = {**os.environ, "YCLICK_DATABASE_URL": dsn}
                await asyncio.gather(*(_keep_alive(environment, role, stop) for _ in range(processes)))
    except (EmbeddedPostgresError, MigrationError, VaultError, WrongMasterKey, *DATABASE_AWAY) as error:
        _log.error("server.cannot_start", error=str(error) or type(error).__name__)
        return 1
    return 0


async def _prove_key(settings: Settings, dsn: str) -> None:
    vault = load_vault(
        settings.master_key.get_secret_value(), settings.data_dir, settings.master_key_old.get_secret_value()
    )
    conn = await asyncpg.connect(dsn, timeout=5)
    try:
        await prove_key(conn, vault)
    finally:
        await conn.close()


@contextlib.contextmanager
def _port_kept(settings: Settings) -> Iterator[None]:
    """Holds the address that the children will share, without listening: one that a stranger has is an error at once,
    not a child that dies again and again. Raises `OSError`."""
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    with socket.socket(family) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((settings.host, settings.port))
        yield


async def _keep_alive(environment: dict[str, str], role: str, stop: asyncio.Event) -> None:
    """One child, started again when it dies, ended by SIGTERM when we stop."""
    while not stop.is_set():
        child = subprocess.Popen(
            [sys.executable, "-m", "server", "serve", "--role", role],
            env=environment,
            start_new_session=True,
            preexec_fn=die_with_parent(signal.SIGTERM),  # noqa: PLW1509 -- only prctl runs there
        )
        ended = asyncio.create_task(asyncio.to_thread(child.wait))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait((ended, stopping), return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if stop.is_set():
            child.send_signal(signal.SIGTERM)
            done, _ = await asyncio.wait((ended,), timeout=_PATIENCE_S)
            if not done:
                _log.error("server.child_killed", pid=child.pid)
                child.kill()
            await ended
            return
        _log.error("server.child_died", code=child.returncode)
        await asyncio.sleep(_RESTART_PAUSE_S)
