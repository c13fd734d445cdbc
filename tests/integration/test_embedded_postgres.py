"""The private PostgreSQL: as root and as an ordinary user, alone on its socket, gone with its owner, up again after a crash."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import asyncpg
import pytest

from server.platform.embedded import EmbeddedPostgres, EmbeddedPostgresError, die_with_parent, unprivileged_user
from tests.server_process import ROOT

_OWNER = """
import asyncio, os, pwd, sys
from pathlib import Path
import asyncpg.connect_utils, concurrent.futures.thread, encodings.idna, getpass
from server.platform.embedded import EmbeddedPostgres

folder, user = Path(sys.argv[1]), sys.argv[2]
if user:  # the interpreter itself may lie where that user may not look: it is loaded before
    entry = pwd.getpwnam(user)
    os.setgroups([])
    os.setgid(entry.pw_gid)
    os.setuid(entry.pw_uid)

async def main():
    database = EmbeddedPostgres(folder)
    dsn = await database.start()
    print(database.pid, dsn, flush=True)
    await asyncio.to_thread(sys.stdin.read)
    await database.stop()

asyncio.run(main())
"""


@pytest.fixture
def folder() -> Iterator[Path]:
    """A place every user may pass through."""
    place = Path(tempfile.mkdtemp(prefix="yclick-embedded-"))
    place.chmod(0o755)
    yield place
    shutil.rmtree(place, ignore_errors=True)


class Owner:
    """A process that owns a cluster, as the server does."""

    def __init__(self, data: Path, *, user: str = "") -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", _OWNER, str(data), user], env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self.process.stdout
        line = self.process.stdout.readline()
        assert line, "the owner could not start its cluster"
        number, self.dsn = line.split()
        self.postgres = int(number)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.communicate(timeout=30)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


def _until(true: Callable[[], bool], within_s: float = 15) -> None:
    deadline = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


async def _ask(dsn: str, sql: str) -> object:
    conn = await asyncpg.connect(dsn)
    try:
        return await conn.fetchval(sql)
    finally:
        await conn.close()


def _uid(pid: int) -> int:
    return Path(f"/proc/{pid}").stat().st_uid


def _ports_listened_on(pid: int) -> list[str]:
    """TCP ports of one process: its sockets found in the kernel's table of listeners."""
    sockets = set()
    for handle in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            sockets.add(os.readlink(handle))
    found = []
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.append(fields[1])
    return found


def _users() -> list[str]:
    """Us, and when we are root an ordinary user as well."""
    return ["", "nobody"] if os.geteuid() == 0 else [""]


@pytest.mark.parametrize("user", _users())
async def test_cluster_is_private_unprivileged_and_on_its_socket_alone(folder: Path, user: str) -> None:
    data = folder / "data"
    if user:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    owner = Owner(data, user=user)
    try:
        assert _uid(owner.postgres) != 0
        assert _ports_listened_on(owner.postgres) == []
        # Root's own rights open any door; the database's user must have been given the doors it needs.
        assert await _ask(owner.dsn, "show listen_addresses") == ""
        sockets = Path(owner.dsn.partition("host=")[2])
        assert (data / "postgres").stat().st_mode & 0o777 == 0o700
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert data.stat().st_mode & 0o077 == (0o011 if os.geteuid() == 0 and not user else 0)
        assert folder.stat().st_mode & 0o777 == 0o755
    finally:
        owner.end()
    assert not _lives(owner.postgres)


@pytest.mark.parametrize("user", _users())
def test_killed_owner_takes_the_cluster_along_and_the_data_stay(folder: Path, user: str) -> None:
    if user:
        entry = pwd.getpwnam(user)
        os.chown(folder, entry.pw_uid, entry.pw_gid)
    owner = Owner(folder / "data", user=user)
    asyncio.run(_ask(owner.dsn, "create table kept as select 42 as answer"))
    owner.process.kill()
    owner.process.wait(10)
    _until(lambda: not _lives(owner.postgres))
    second = Owner(folder / "data", user=user)
    try:
        assert asyncio.run(_ask(second.dsn, "select answer from kept")) == 42
    finally:
        second.end()


async def test_a_crash_of_owner_and_cluster_at_once_keeps_the_data(folder: Path) -> None:
    owner = Owner(folder / "data")
    await _ask(owner.dsn, "create table kept as select 42 as answer")
    os.kill(owner.postgres, signal.SIGKILL)
    owner.process.kill()
    owner.process.wait(10)
    assert (folder / "data" / "postgres" / "postmaster.pid").exists()
    second = Owner(folder / "data")
    try:
        assert await _ask(second.dsn, "select answer from kept") == 42
    finally:
        second.end()


async def test_locks_with_a_strangers_number_do_not_keep_the_cluster_down(folder: Path) -> None:
    """After a crash of the machine the numbers in the lock files belong to anybody."""
    database = EmbeddedPostgres(folder / "data")
    dsn = await database.start()
    await database.stop()
    cluster, sockets = folder / "data" / "postgres", Path(dsn.partition("host=")[2])
    # PostgreSQL believes a number only of a process of its own user, and never of its parent.
    user = unprivileged_user()
    with subprocess.Popen(["sleep", "600"], user=user.uid if user else None, preexec_fn=die_with_parent()) as stranger:
        try:
            for lock in (cluster / "postmaster.pid", sockets / ".s.PGSQL.5432.lock"):
                lock.write_text(f"{stranger.pid}\n{cluster}\n0\n5432\n{sockets}\n\n\n")
            assert await database.start() == dsn
            await database.stop()
        finally:
            stranger.kill()


async def test_cluster_that_dies_under_its_owner_is_started_again(folder: Path) -> None:
    database = EmbeddedPostgres(folder / "data")
    dsn = await database.start()
    watch = asyncio.create_task(database.watch())
    try:
        await _ask(dsn, "create table kept as select 42 as answer")
        first = database.pid
        assert first
        os.kill(first, signal.SIGKILL)
        deadline = time.monotonic() + 30
        answer: object = None
        while answer != 42:
            assert time.monotonic() < deadline
            with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                answer = await _ask(dsn, "select answer from kept") if database.pid != first else None
            await asyncio.sleep(0.05)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await database.stop()
    assert database.pid is None


async def test_second_server_is_refused_by_name_and_a_command_uses_the_first_ones_cluster(folder: Path) -> None:
    owner = Owner(folder / "data")
    try:
        second = EmbeddedPostgres(folder / "data")
        with pytest.raises(EmbeddedPostgresError, match=f"another server \\(process {owner.process.pid}\\)"):
            await second.start(wait_s=0.3)
        command = EmbeddedPostgres(folder / "data", owner="command")
        assert await command.start() == owner.dsn
        await command.stop()
        assert _lives(owner.postgres)  # who only used it does not end it
    finally:
        owner.end()


async def test_next_server_waits_for_the_one_that_is_ending(folder: Path) -> None:
    owner = Owner(folder / "data")
    second = EmbeddedPostgres(folder / "data")
    starting = asyncio.create_task(second.start())
    await asyncio.to_thread(owner.end)
    await starting
    assert second.pid
    await second.stop()


async def test_place_too_deep_for_a_socket_gets_one_elsewhere(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("e" * 60)
    deep.parent.mkdir()
    database = EmbeddedPostgres(deep)
    dsn = await database.start()
    try:
        sockets = Path(dsn.partition("host=")[2])
        assert deep not in sockets.parents
        assert len(str(sockets / ".s.PGSQL.5432")) <= 107
        assert sockets.stat().st_mode & 0o777 == 0o700
        assert await _ask(dsn, "select 1") == 1
    finally:
        await database.stop()
        shutil.rmtree(sockets, ignore_errors=True)


async def test_link_laid_in_the_sockets_place_is_refused(folder: Path) -> None:
    deep = folder / ("d" * 60) / ("f" * 60)
    deep.mkdir(mode=0o755, parents=True)
    database = EmbeddedPostgres(deep)
    sockets = database._socket_dir()
    victim = folder / "victim"
    victim.mkdir(mode=0o700)
    before = victim.stat().st_uid
    sockets.symlink_to(victim)
    try:
        with pytest.raises(EmbeddedPostgresError, match="not a private directory of ours"):
            await database.start(wait_s=5)
        assert victim.stat().st_uid == before
    finally:
        sockets.unlink()


async def test_errors_of_the_database_quote_no_values_in_its_log(folder: Path) -> None:
    database = EmbeddedPostgres(folder / "data")
    dsn = await database.start()
    try:
        conn = await asyncpg.connect(dsn)
        await conn.execute("create table person (phone text primary key)")
        with pytest.raises(asyncpg.UniqueViolationError):
            await conn.executemany("insert into person values ($1)", [("+79161234567",), ("+79161234567",)])
        await conn.close()
    finally:
        await database.stop()
    log = folder / "data" / "postgres.log"
    assert "duplicate key" in log.read_text()
    assert "+79161234567" not in log.read_text()
    assert log.stat().st_mode & 0o077 == 0
