"""Upkeep of the time-series tables: days are made ahead, and dropped whole when their time is over."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta

from server.platform.log import logger
from server.platform.postgres import Conn, Pool

_log = logger(__name__)

#: Table -> days kept. Raw events 90 days, bodies of webhooks 30 (reliability: long enough to replay from).
KEPT_DAYS = {"hit": 90, "inbox": 30}
_AHEAD_DAYS = 7
_EVENT_IDS_KEPT = timedelta(days=14)
_last_run = 0.0


async def keep_up(pool: Pool, *, now: datetime, every_s: float = 3600) -> None:
    """Runs at most once an hour in a process; any number of processes may run it at once."""
    global _last_run  # noqa: PLW0603 -- a memory of this process about itself
    if _last_run and time.monotonic() - _last_run < every_s:
        return
    _last_run = time.monotonic()
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute("select pg_advisory_xact_lock(hashtext('yclick retention'))")
        for table, days in KEPT_DAYS.items():
            await make_days(conn, table, now)
            await drop_days(conn, table, now - timedelta(days=days))
        await conn.execute("delete from event_once where seen_at < $1", now - _EVENT_IDS_KEPT)
        await conn.execute("delete from login_session where expires_at < $1", now)
        await conn.execute("delete from login_link where expires_at < $1", now - timedelta(days=7))


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
            await conn.execute(
                f"create table {name} partition of {table}"
                f" for values from ('{first.isoformat()}') to ('{last.isoformat()}')"
            )


async def drop_days(conn: Conn, table: str, before: datetime) -> None:
    rows = await conn.fetch(
        "select c.relname from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = $1::text::regclass",
        table,
    )
    for row in rows:
        found = re.fullmatch(rf"{table}_(\d{{8}})", row["relname"])
        if found and found[1] < f"{before:%Y%m%d}":
            await conn.execute(f"drop table {row['relname']}")
            _log.info("retention.dropped", table=row["relname"])
    await conn.execute(f"delete from {table}_default where received_at < $1", before)
