"""The inbox: raw webhook bodies, committed (or spooled) before the answer, worked on afterwards.

A handler sees a body inside a transaction; what it stores and the body's end state are committed together, so a
crash at any point repeats the whole or nothing. A handler that fails is tried again by the schedule and ends in
quarantine: a poison body never stands in the way of others.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any, Literal
from uuid import UUID

from server.delivery import ledger
from server.delivery.spool import Spool, Spooled
from server.platform import metrics
from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY, Conn, Pool, Row

_log = logger(__name__)

BODY_LIMIT = 1024 * 1024  # bytes; real webhooks stay under 100 KB
KEPT_OF_OVERSIZED = 64 * 1024
TRIES = 5
_LEASE_S = 20.0
_GATHER = 64  # bodies committed by one statement
_DRAINED_AT_ONCE = 32  # spooled bodies read and stored together; each may be 1 MB
#: Of a body in a list; the whole is told by `one_quarantined`.
SHOWN_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True)
class Rejected:
    """One item of a body that cannot be used: `reason` is a code, `detail` carries no secret."""

    reason: str
    detail: str = ""
    position: int = 0
    company_id: int | None = None
    item: bytes | None = None  # None: the whole body


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a handler made of a body. Items it rejected go to quarantine; the rest keeps its effect."""

    state: str  # stored, kept, duplicate; a body with any rejected item ends as quarantined
    rejected: tuple[Rejected, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """One accepted body on its way through a handler."""

    account_id: UUID
    inbox_id: UUID
    received_at: datetime
    vendor: str
    body: bytes
    body_size: int


Handle = Callable[[Conn, Letter], Awaitable[Outcome]]
FindAccount = Callable[[Conn, bytes, str, datetime], Awaitable[UUID | None]]


@dataclass(slots=True)
class _Waiting:
    item: Spooled
    account_id: UUID
    done: asyncio.Future[None]


class InboxWriter:
    """Commits accepted bodies in groups: while one commit runs, the next group gathers."""

    def __init__(self, pool: Pool, spool: Spool, *, patience_s: float = 1.0) -> None:
        self._pool = pool
        self._spool = spool
        self._patience_s = patience_s
        self._queue: dict[UUID, _Waiting] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="inbox-writer")

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def accept(self, item: Spooled, account_id: UUID) -> None:
        """Returns when the body is durable: in PostgreSQL, or else, whatever hinders that, in the spool.

        Raises `SpoolFull`.
        """
        entry = _Waiting(item, account_id, asyncio.get_running_loop().create_future())
        self._queue[item.inbox_id] = entry
        self._wake.set()
        try:
            await asyncio.wait_for(entry.done, self._patience_s)
        except Exception as error:
            if not isinstance(error, DATABASE_AWAY):
                _log.warning("inbox.not_stored", inbox_id=str(item.inbox_id), error=type(error).__name__)
            await self.accept_without_database(item)
        finally:
            self._queue.pop(item.inbox_id, None)  # a queue before a database that hangs must not hold bodies

    async def accept_without_database(self, item: Spooled) -> None:
        metrics.SPOOLED.set(await asyncio.to_thread(self._put, item))

    def _put(self, item: Spooled) -> int:
        self._spool.put(item)
        return self._spool.waiting()

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            try:
                async with self._pool.acquire(timeout=self._patience_s) as conn:
                    # Kept while bodies keep coming: giving it back and taking it again costs round trips.
                    while self._queue and await self._committed(conn, self._take()):
                        pass
            except Exception as error:  # noqa: BLE001, RUF100 -- each waiter gets it, none is lost
                _tell(self._take(), error)
            if self._queue:
                self._wake.set()

    def _take(self) -> list[_Waiting]:
        group = list(islice(self._queue.values(), _GATHER))
        for entry in group:
            del self._queue[entry.item.inbox_id]
        return group

    async def _committed(self, conn: Conn, group: list[_Waiting]) -> bool:
        """Whether the connection may be used on. One bad body fails alone: a group that failed is tried one by one."""
        # A caller that lost patience has spooled its body; the same inbox_id makes a second copy harmless.
        try:
            await self._insert(conn, group)
        except DATABASE_AWAY as error:
            _tell(group, error)
            return False
        except Exception as error:  # noqa: BLE001, RUF100 -- each waiter gets it, none is lost
            if len(group) == 1:
                _tell(group, error)
                return True
            for place, entry in enumerate(group):
                if not await self._committed(conn, [entry]):
                    _tell(group[place:], error)
                    return False
            return True
        for entry in group:
            if not entry.done.done():
                entry.done.set_result(None)
        return True

    async def _insert(self, conn: Conn, group: Sequence[_Waiting]) -> None:
        await insert_bodies(conn, [(entry.item, entry.account_id) for entry in group], timeout_s=2 * self._patience_s)


def _tell(group: Sequence[_Waiting], error: Exception) -> None:
    for entry in group:
        if not entry.done.done():
            entry.done.set_exception(error)
            entry.done.exception()  # the waiter may be gone


#: One statement, so one round trip. Counted in order of the accounts, so that two groups cannot deadlock.
_ACCEPT = """
    with kept as (
        insert into inbox (account_id, received_at, inbox_id, vendor, content_type, body, body_size, run_at)
        select t.*, t.received_at from unnest($1::uuid[], $2::timestamptz[], $3::uuid[], $4::text[], $5::text[],
            $6::bytea[], $7::int[]) t (account_id, received_at, inbox_id, vendor, content_type, body, body_size)
        on conflict do nothing returning account_id, vendor, received_at
    )
    insert into ledger (account_id, hour, door, outcome, count)
    select account_id, date_trunc('hour', received_at), vendor, 'accepted', count(*)
        from kept group by 1, 2, 3 order by 1, 2, 3
    on conflict (account_id, hour, door, outcome) do update set count = ledger.count + excluded.count
"""


async def insert_bodies(conn: Conn, items: Sequence[tuple[Spooled, UUID]], *, timeout_s: float | None = None) -> None:
    """Stores bodies and counts them as accepted; one stored before (by its inbox_id) is left as it is."""
    await conn.execute(
        _ACCEPT,
        [account_id for _, account_id in items],
        [item.received_at for item, _ in items],
        [item.inbox_id for item, _ in items],
        [item.vendor for item, _ in items],
        [_plain(item.content_type)[:100] for item, _ in items],
        [item.body for item, _ in items],
        [item.body_size for item, _ in items],
        timeout=timeout_s,
    )


def _plain(text: str) -> str:
    """A header as the database can hold it: a sender may put any bytes there."""
    return text.encode("utf-8", "backslashreplace").decode().replace("\0", "")


async def drain_spool(pool: Pool, spool: Spool, find_account: FindAccount) -> int:
    """Moves spooled bodies into the inbox, some at a time; answers how many.

    Stops quietly while the database is away or refuses everything. A body that it refuses alone stays where it is.
    """
    moved = 0
    paths = await asyncio.to_thread(spool.paths)
    for first in range(0, len(paths), _DRAINED_AT_ONCE):
        group = await asyncio.to_thread(_read_all, spool, paths[first : first + _DRAINED_AT_ONCE])
        try:
            stored = await _drain(pool, group, find_account)
        except DATABASE_AWAY:
            break
        await asyncio.to_thread(_forget_all, spool, stored)
        moved += sum(stored.values())
        if group and not stored:
            break
    metrics.SPOOLED.set(await asyncio.to_thread(spool.waiting))
    metrics.SET_ASIDE.set(len(await asyncio.to_thread(spool.aside)))
    return moved


def _read_all(spool: Spool, paths: Sequence[Path]) -> list[tuple[Path, Spooled]]:
    return [(path, item) for path in paths if (item := spool.read(path)) is not None]


def _forget_all(spool: Spool, stored: Mapping[Path, bool]) -> None:
    for path, has_account in stored.items():
        (spool.drop if has_account else spool.set_aside)(path)


async def _drain(pool: Pool, group: Sequence[tuple[Path, Spooled]], find_account: FindAccount) -> dict[Path, bool]:
    """Which are in the inbox now (True), or have no account any more (False); one the database refuses is neither."""
    done: dict[Path, bool] = {}
    async with pool.acquire() as conn:
        for path, item in group:
            try:
                async with conn.transaction():
                    account_id = await find_account(conn, item.token_hash, item.vendor, item.received_at)
                    if account_id is not None:
                        await insert_bodies(conn, [(item, account_id)])
            except DATABASE_AWAY:
                if done:
                    break  # what is stored is told first; the next group finds out
                raise
            except Exception:
                _log.exception("spool.not_drained", inbox_id=str(item.inbox_id))
                continue
            done[path] = account_id is not None
    return done


#: Which bodies a loop takes. Written out, so that the index of each is used.
_TAKEN = {"": "", "uis": " and vendor = 'uis'", "others": " and vendor <> 'uis'"}


async def work_inbox(
    pool: Pool,
    handlers: dict[str, Handle],
    *,
    now: datetime,
    limit: int = 50,
    only: Literal["", "uis", "others"] = "",
) -> int:
    """Works on due bodies, oldest first, each in a transaction of its own; answers how many were taken.

    Two workers never hold the same body: a claimed one is not due again until its lease ends.
    """
    async with pool.acquire() as conn:
        claimed = await conn.fetch(
            "update inbox i set run_at = $1::timestamptz + $3 * interval '1 second', attempts = attempts + 1"
            " from (select account_id, received_at, inbox_id from inbox where state = 'waiting' and run_at <= $1"
            f" {_TAKEN[only]} order by run_at, inbox_id limit $2 for update skip locked) due"
            " where i.account_id = due.account_id and i.received_at = due.received_at and i.inbox_id = due.inbox_id"
            " returning i.account_id, i.inbox_id, i.received_at, i.vendor, i.body, i.body_size, i.attempts",
            now, limit, _LEASE_S,
        )  # fmt: skip
    for row in sorted(claimed, key=lambda row: (row["received_at"], row["inbox_id"])):
        letter = Letter(
            *(row[name] for name in ("account_id", "inbox_id", "received_at", "vendor", "body", "body_size"))
        )
        await _work_one(pool, handlers[letter.vendor], letter, attempts=row["attempts"], now=now)
    return len(claimed)


async def release_claimed(pool: Pool, *, now: datetime) -> int:
    """Makes claimed bodies due again, when their claimers are known to be dead; answers how many."""
    async with pool.acquire() as conn:
        done = await conn.execute(
            "update inbox set run_at = $1 where state = 'waiting' and attempts > 0 and run_at > $1", now
        )
    return int(done.split()[-1])


async def _work_one(pool: Pool, handle: Handle, letter: Letter, *, attempts: int, now: datetime) -> None:
    try:
        async with pool.acquire() as conn, conn.transaction():
            await finish(conn, letter, await handle(conn, letter), now=now)
    except DATABASE_AWAY:
        raise
    except Exception as error:
        _log.exception("inbox.handler_failed", inbox_id=str(letter.inbox_id), attempts=attempts)
        async with pool.acquire() as conn, conn.transaction():
            if attempts >= TRIES:
                rejected = Rejected("handler_failed", type(error).__name__)
                await finish(conn, letter, Outcome("quarantined", (rejected,)), now=now)
            else:
                await conn.execute(
                    "update inbox set run_at = $4, note = $5"
                    " where account_id = $1 and received_at = $2 and inbox_id = $3 and state = 'waiting'",
                    letter.account_id, letter.received_at, letter.inbox_id,
                    now + timedelta(seconds=2**attempts), type(error).__name__,
                )  # fmt: skip


async def finish(conn: Conn, letter: Letter, outcome: Outcome, *, now: datetime) -> None:
    """Ends a body: its state, its quarantined items and its line in the ledger, in the caller's transaction."""
    state = "quarantined" if outcome.rejected else outcome.state
    done = await conn.execute(
        "update inbox set state = $4, note = $5, done_at = $6"
        " where account_id = $1 and received_at = $2 and inbox_id = $3 and state = 'waiting'",
        letter.account_id, letter.received_at, letter.inbox_id, state, outcome.note[:500], now,
    )  # fmt: skip
    if not done.endswith(" 1"):
        return  # another worker, after a lost lease, has already counted it
    for rejected in outcome.rejected:
        await _quarantine(conn, letter, rejected)
    await ledger.count(conn, letter.account_id, letter.vendor, state, letter.received_at)
    metrics.WEBHOOKS.labels(letter.vendor, state).inc()


async def _quarantine(conn: Conn, letter: Letter, rejected: Rejected) -> None:
    await conn.execute(
        "insert into quarantine (account_id, quarantine_id, inbox_id, received_at, position, source, reason, detail,"
        " company_id, body) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing",
        letter.account_id, _quarantine_id(letter, rejected), letter.inbox_id, letter.received_at, rejected.position,
        letter.vendor, rejected.reason, rejected.detail[:500], rejected.company_id,
        letter.body if rejected.item is None else rejected.item,
    )  # fmt: skip


def _quarantine_id(letter: Letter, rejected: Rejected) -> UUID:
    """Derived, so that a repeated attempt names the same row."""
    return UUID(int=(letter.inbox_id.int + rejected.position + 1) & ((1 << 128) - 1))


# --- quarantine: look, replay, dismiss


async def quarantined(
    conn: Conn,
    account_id: UUID,
    *,
    state: str | None = "open",
    before: tuple[datetime, UUID] | None = None,
    limit: int = 50,
) -> list[dict[str, Any]]:
    """Newest first; of each body at most `SHOWN_BYTES` and its whole size."""
    rows = await conn.fetch(
        f"select {_QUARANTINED}, substring(body from 1 for $6) as body"
        " from quarantine where account_id = $1 and ($2::text is null or state = $2)"
        " and ($3::timestamptz is null or (received_at, quarantine_id) < ($3, $4::uuid))"
        " order by received_at desc, quarantine_id desc limit $5",
        account_id, state, before[0] if before else None, before[1] if before else None, limit, SHOWN_BYTES,
    )  # fmt: skip
    return [dict(row) for row in rows]


async def one_quarantined(conn: Conn, account_id: UUID, quarantine_id: UUID) -> dict[str, Any] | None:
    """One item in any state, with all of its body that was kept."""
    row = await conn.fetchrow(
        f"select {_QUARANTINED}, body from quarantine where account_id = $1 and quarantine_id = $2",
        account_id, quarantine_id,
    )  # fmt: skip
    return dict(row) if row else None


_QUARANTINED = (
    "quarantine_id, inbox_id, received_at, source, reason, detail, company_id, state, replayed_at,"
    " octet_length(body) as body_size"
)


async def recent(
    conn: Conn, account_id: UUID, *, state: str | None, before: tuple[datetime, UUID] | None, limit: int
) -> list[Row]:
    """What came last, newest first, with the beginnings of the bodies: what was only kept is seen here."""
    return await conn.fetch(
        "select inbox_id, received_at, vendor, state, note, substring(body from 1 for $6) as body, body_size from inbox"
        " where account_id = $1 and ($2::text is null or state = $2)"
        " and ($3::timestamptz is null or (received_at, inbox_id) < ($3, $4::uuid))"
        " order by received_at desc, inbox_id desc limit $5",
        account_id, state, before[0] if before else None, before[1] if before else None, limit, SHOWN_BYTES,
    )  # fmt: skip


async def since(conn: Conn, account_id: UUID, vendor: str, at: datetime, *, limit: int) -> list[Row]:
    """What this vendor sent from a moment on, newest first, with the beginnings of the bodies."""
    return await conn.fetch(
        "select inbox_id, received_at, state, note, content_type, substring(body from 1 for $5) as body from inbox"
        " where account_id = $1 and vendor = $2 and received_at >= $3 order by received_at desc, inbox_id desc limit $4",
        account_id, vendor, at, limit, SHOWN_BYTES,
    )  # fmt: skip


async def came(conn: Conn, account_id: UUID, vendor: str) -> bool:
    """Whether this vendor has told anything lately (letters are kept for a while only)."""
    told: bool = await conn.fetchval(
        "select exists (select from inbox where account_id = $1 and vendor = $2)", account_id, vendor
    )
    return told


async def last_of_notes(conn: Conn, account_id: UUID, vendor: str, *, among: int = 2000) -> dict[str, datetime]:
    """When each kind of body (its note) came last, among the latest ones of this vendor."""
    rows = await conn.fetch(
        "select note, max(received_at) as at from (select note, received_at from inbox where account_id = $1"
        " and vendor = $2 order by received_at desc limit $3) latest where note <> '' group by note",
        account_id, vendor, among,
    )  # fmt: skip
    return {row["note"]: row["at"] for row in rows}


async def open_ids(conn: Conn, account_id: UUID) -> list[UUID]:
    """All that waits in quarantine, oldest first."""
    rows = await conn.fetch(
        "select quarantine_id from quarantine where account_id = $1 and state = 'open'"
        " order by received_at, quarantine_id",
        account_id,
    )
    return [row["quarantine_id"] for row in rows]


async def held_for_company(conn: Conn, account_id: UUID, company_id: int, *, limit: int = 1000) -> list[UUID]:
    """Open items that were held because their branch was unknown, oldest first."""
    rows = await conn.fetch(
        "select quarantine_id from quarantine where account_id = $1 and state = 'open' and reason = 'unknown_branch'"
        " and company_id = $2 order by received_at, position limit $3",
        account_id, company_id, limit,
    )  # fmt: skip
    return [row["quarantine_id"] for row in rows]


async def count_quarantined(conn: Conn, account_id: UUID) -> int:
    number: int = await conn.fetchval(
        "select count(*) from quarantine where account_id = $1 and state = 'open'", account_id
    )
    return number


async def replay(
    conn: Conn, handlers: dict[str, Handle], account_id: UUID, quarantine_id: UUID, *, now: datetime
) -> Outcome | None:
    """Gives one quarantined item to its handler again. None: there is no such open item.

    The item counts as replayed only when nothing of it is rejected again.
    """
    row = await conn.fetchrow(
        "select inbox_id, received_at, source, body from quarantine"
        " where account_id = $1 and quarantine_id = $2 and state = 'open' for update",
        account_id, quarantine_id,
    )  # fmt: skip
    if row is None:
        return None
    body = bytes(row["body"])
    letter = Letter(account_id, row["inbox_id"], row["received_at"], row["source"], body, len(body))
    outcome = await handlers[letter.vendor](conn, letter)
    if not outcome.rejected:
        await conn.execute(
            "update quarantine set state = 'replayed', replayed_at = $3 where account_id = $1 and quarantine_id = $2",
            account_id, quarantine_id, now,
        )  # fmt: skip
    return outcome


async def dismiss(conn: Conn, account_id: UUID, quarantine_id: UUID) -> bool:
    done = await conn.execute(
        "update quarantine set state = 'dismissed' where account_id = $1 and quarantine_id = $2 and state = 'open'",
        account_id, quarantine_id,
    )  # fmt: skip
    return done.endswith(" 1")


def as_text(body: bytes) -> str:
    """A raw body for the eye: JSON set out in lines where it is JSON, else text with what cannot be read escaped."""
    try:
        return json.dumps(json.loads(body), ensure_ascii=False, indent=2)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "backslashreplace").replace("\0", "\\x00")
