"""The local spool: webhook bodies that could not reach PostgreSQL, each fsynced before the answer.

There is no second attempt of a webhook, so "the database is away" must not mean "lost". A record is one file,
written under a temporary name, synced, renamed, and its directory synced: after a crash a file is whole or absent.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from uuid import UUID

from server.platform.ids import new_id

_COUNT_LIFE_S = 1.0
#: Ends of the names of what is kept out of the way: no account has its token any more; it cannot be read.
UNPLACED, UNREADABLE = ".unplaced", ".unreadable"
ASIDE = (UNPLACED, UNREADABLE)


class SpoolFull(RuntimeError):
    """The spool has reached its limit or the disk has no room: nothing durable is left."""


@dataclass(frozen=True, slots=True)
class Spooled:
    """One accepted webhook. `token_hash` names the account when the database could not be asked."""

    inbox_id: UUID
    received_at: datetime
    vendor: str
    token_hash: bytes
    content_type: str
    body: bytes
    body_size: int


class Spool:
    """A folder of accepted bodies; bounded in bytes."""

    def __init__(self, folder: Path, *, limit_bytes: int = 512 * 1024 * 1024) -> None:
        self._folder = folder
        self._limit = limit_bytes
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for half_written in folder.glob("*.part"):
            if not _is_being_written(half_written):
                half_written.unlink(missing_ok=True)
        self._used = sum(path.stat().st_size for path in folder.glob("*.json"))
        self._count, self._count_until = 0, 0.0

    def put(self, item: Spooled) -> None:
        """Durable when it returns. Raises `SpoolFull`."""
        text = json.dumps(
            {
                "inbox_id": str(item.inbox_id),
                "received_at": item.received_at.isoformat(),
                "vendor": item.vendor,
                "token_hash": item.token_hash.hex(),
                "content_type": item.content_type,
                "body": base64.b64encode(item.body).decode(),
                "body_size": item.body_size,
            }
        ).encode()
        if self._used + len(text) > self._limit:
            raise SpoolFull("the spool is full")
        # The name orders the files by time; a fresh id keeps two processes apart.
        final = self._folder / f"{new_id()}.json"
        part = final.with_suffix(f".{os.getpid()}.part")
        try:
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            part.rename(final)
            self._sync_folder()
        except OSError as error:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)
            raise SpoolFull(f"the spool cannot be written: {error.strerror}") from error
        self._used += len(text)
        self._count += 1

    def waiting(self) -> int:
        """How many wait, for all processes. Looked up at most once a second: a long outage leaves many thousands."""
        if time.monotonic() >= self._count_until:
            self._count = sum(1 for entry in os.scandir(self._folder) if entry.name.endswith(".json"))
            self._count_until = time.monotonic() + _COUNT_LIFE_S
        return self._count

    def writable(self) -> bool:
        return os.access(self._folder, os.W_OK) and self._used < self._limit

    def paths(self) -> list[Path]:
        """What waits, oldest first; to be given to `read`."""
        return sorted(self._folder.glob("*.json"))

    def items(self) -> Iterator[tuple[Path, Spooled]]:
        """What waits, oldest first, read one by one."""
        for path in self.paths():
            item = self.read(path)
            if item is not None:
                yield path, item

    def read(self, path: Path) -> Spooled | None:
        """None: another process drained it, or it cannot be read; that is set aside, never deleted."""
        try:
            fields = json.loads(path.read_bytes())
            return Spooled(
                inbox_id=UUID(fields["inbox_id"]),
                received_at=datetime.fromisoformat(fields["received_at"]),
                vendor=fields["vendor"],
                token_hash=bytes.fromhex(fields["token_hash"]),
                content_type=fields["content_type"],
                body=base64.b64decode(fields["body"]),
                body_size=fields["body_size"],
            )
        except FileNotFoundError:
            return None
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            self._put_aside(path, UNREADABLE)
            return None

    def drop(self, path: Path) -> None:
        """Forgets a record that stands in the database now."""
        try:
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return
        self._used = max(0, self._used - size)
        self._count = max(0, self._count - 1)

    def set_aside(self, path: Path) -> None:
        """Keeps a record nobody can place (no account has its token any more) out of the way."""
        self._put_aside(path, UNPLACED)

    def aside(self) -> list[Path]:
        """What was set aside: `*.unplaced`, `*.unreadable`; oldest first. Nothing but a person's command removes it."""
        return sorted(path for suffix in ASIDE for path in self._folder.glob(f"*{suffix}"))

    def try_again(self) -> int:
        """What nobody could place waits again, to be placed if its account is back; answers how many."""
        number = 0
        for path in self._folder.glob(f"*{UNPLACED}"):
            with contextlib.suppress(FileNotFoundError):
                path.rename(path.with_suffix(".json"))
                number += 1
        self._sync_folder()
        return number

    def drop_aside(self, before: datetime) -> int:
        """Forgets what was received before a moment and set aside; answers how many."""
        number = 0
        for path in self.aside():
            with contextlib.suppress(FileNotFoundError):
                if path.stat().st_mtime < before.timestamp():  # a change of name leaves the time of writing
                    path.unlink()
                    number += 1
        return number

    def _put_aside(self, path: Path, suffix: str) -> None:
        """Under another name it takes no room of new records."""
        with contextlib.suppress(FileNotFoundError):  # another process did it
            size = path.stat().st_size
            path.rename(path.with_suffix(suffix))
            self._used = max(0, self._used - size)
            self._count = max(0, self._count - 1)

    def _sync_folder(self) -> None:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _is_being_written(part: Path) -> bool:
    """Another process of this server may be writing this very moment; its number stands in the name."""
    number = part.suffixes[-2].lstrip(".") if len(part.suffixes) > 1 else ""
    return number.isdigit() and int(number) != os.getpid() and Path(f"/proc/{number}").exists()
