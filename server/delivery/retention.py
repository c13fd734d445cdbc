"""Upkeep of the time-series tables: days are made ahead, and dropped whole when their time is over."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from server.platform.log import logger
from server.platform.postgres import Conn, Pool

_log = logger(__name__)


@dataclass(frozen=True, slots=True)
class Kept:
    """How long a table's days are kept, and which of its rows outlive even that: what is not worked on is not lost."""

    days: int
    unfinished: str = "false"


#: Raw events 90 days, bodies of webhooks 30 (reliability: long enough to replay from).
KEPT = {
    "hit": Kept(
        90, "exists (select 1 from hit_batch b where b.account_id = hit.account_id and b.batch_id = hit.batch_id)"
    ),
    "inbox": Kept(30, "state = 'waiting'"),
}
_AHEAD_DAYS = 7
_EVENT_IDS_KEPT = timedelta(days=14)
_CONTACTS_KEPT = timedelta(days=90)  # a booking looks 30 days back; its decision may be made anew for longer
_FEED_KEPT = timedelta(days=30)  # so long a chat can be read back and a missed call be found
#: Longer than past months can be asked for: what is forgotten could be told a second time.
_TALKS_KEPT = timedelta(days=1130)
_PORTION = 5000  # rows deleted by one statement, in a transaction of its own
_RETRY_S = 60.0
_LOCK_KEY = 0x79636C6B656570  # "yclkeep": one process keeps up, the others pass on
_next_run = 0.0


async def keep_up(pool: Pool, *, now: datetime, every_s: float = 3600) -> None:
    """Runs at most once an hour in a process; a run that fails is tried again in a minute.

    Every step is a short transaction of its own: nobody who stores something waits for the whole.
    """
    global _next_run  # noqa: PLW0603 -- a memory of this process about itself
    if time.monotonic() < _next_run:
        return
    _next_run = time.monotonic() + _RETRY_S
    async with pool.acquire() as conn:
        if not await conn.fetchval("select pg_try_advisory_lock($1)", _LOCK_KEY):
            return
        try:
            await _keep_up(conn, now)
        finally:
            await conn.execute("select pg_advisory_unlock($1)", _LOCK_KEY)
    _next_run = time.monotonic() + every_s


async def _keep_up(conn: Conn, now: datetime) -> None:
    for table, kept in KEPT.items():
        await make_days(conn, table, now)
        await drop_days(conn, table, now - timedelta(days=kept.days))
    await delete_portions(conn, "event_once", "seen_at < $1", now - _EVENT_IDS_KEPT)
    await delete_portions(conn, "session_contact", "at < $1", now - _CONTACTS_KEPT)
    await delete_portions(conn, "feed", "at < $1", now - _FEED_KEPT)
    await delete_portions(conn, "feed_item", "changed_at < $1", now - _FEED_KEPT)
    await delete_portions(conn, "call", "started_at < $1", now - _TALKS_KEPT)
    await delete_portions(conn, "text_communication", "started_at < $1", now - _TALKS_KEPT)
    await delete_portions(conn, "device", "expires_at < $1", now)
    await delete_portions(conn, "once_token", "expires_at < $1", now)
    await delete_portions(conn, "workplace_command", "at < $1", now - _FEED_KEPT)
    await delete_portions(conn, "login_session", "expires_at < $1", now)
    await delete_portions(conn, "waiting_login", "until < $1", now)
    await delete_portions(conn, "login_link", "expires_at < $1", now - timedelta(days=7))


async def make_days(conn: Conn, table: str, now: datetime) -> None:
    """Partitions for the coming days. Today's is left to the default one if that already holds rows of today."""
    today = now.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for offset in range(_AHEAD_DAYS):
        first = today + timedelta(days=offset)
        last = first + timedelta(days=1)
        name = f"{table}_{first:%Y%m%d}"
        if await conn.fetchval("select to_regclass($1) is not null", name):
            continue
        strayed = await conn.fetchval(
            f"select exists (select 1 from {table}_default where received_at >= $1 and received_at < $2)", first, last
        )
        if not strayed:
            await _change(
                conn,
                f"create table {name} partition of {table}"
                f" for values from ('{first.isoformat()}') to ('{last.isoformat()}')",
            )


async def drop_days(conn: Conn, table: str, before: datetime) -> None:
    """Days that are over go whole; one with something unfinished in it stays until that is done."""
    unfinished = KEPT[table].unfinished
    rows = await conn.fetch(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::text::regclass",
        table,
    )
    for row in rows:
        name: str = row["relname"]
        found = re.fullmatch(rf"{table}_(\d{{8}})", name)
        if not found or found[1] >= f"{before:%Y%m%d}":
            continue
        if await conn.fetchval(f"select exists (select 1 from {name} {table} where {unfinished})"):
            _log.warning("retention.unfinished", table=name)
            continue
        await _change(conn, f"drop table {name}")
        _log.info("retention.dropped", table=name)
    await delete_portions(conn, f"{table}_default", f"received_at < $1 and not {unfinished}", before, known_as=table)


async def _change(conn: Conn, statement: str) -> None:
    """A change of tables gives up soon: while it waits for its lock, everybody else waits behind it."""
    async with conn.transaction():
        await conn.execute("set local lock_timeout = '2s'")
        await conn.execute(statement)


async def delete_portions(conn: Conn, table: str, condition: str, before: datetime, *, known_as: str = "") -> None:
    """Deletes what lies before a moment, a portion a transaction."""
    while True:
        done = await conn.execute(
            f"delete from {table} where ctid = any(array("
            f"select ctid from {table} {known_as} where {condition} limit {_PORTION}))",
            before,
        )
        if int(done.split()[-1]) < _PORTION:
            return
