"""The feed: `publish` an event in the transaction that makes it true; whoever reads asks for what is after a number."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from server.feed import store
from server.feed.model import CallEnded, CallLapsed, Event, fold, once, plain
from server.platform.postgres import Conn, Pool

#: Signal of the bus: some account has new events. Whoever listens looks at `feed_head`, and every half second anyway.
FEED_TOPIC = "feed"
RINGING_MOST = timedelta(seconds=55)  # a pop-up without an end closes within a minute
TALKING_MOST = timedelta(hours=4)


async def publish(conn: Conn, account_id: UUID, event: Event, *, now: datetime) -> int | None:
    """Adds an event to the account's feed; answers its number, or None when it says nothing new.

    Must run inside the transaction of its cause, and best as its last step: until that transaction ends, nobody else
    can add an event to this account's feed. The caller signals `FEED_TOPIC` after the commit.
    """
    newest = await store.lock_head(conn, account_id)
    before = await store.item(conn, account_id, event.subject)
    item = fold(before, event, at=now)
    key = once(event)
    if await store.is_told(conn, account_id, key) if key else item == before:
        return None
    payload = {"event": plain(event), "item": item}
    await store.add(
        conn, account_id, newest + 1, kind=event.kind, subject=event.subject, once=key, payload=payload, at=now
    )
    return newest + 1


async def lapse(pool: Pool, *, now: datetime, limit: int = 100) -> int:
    """Closes calls whose end never came; answers how many events that gave."""
    told = 0
    for state, most in (("ringing", RINGING_MOST), ("talking", TALKING_MOST)):
        async with pool.acquire() as conn:
            for row in await store.silent_calls(conn, state, before=now - most, limit=limit):
                told += await _lapse(conn, row["account_id"], row["subject"], state, before=now - most, now=now)
    return told


async def _lapse(conn: Conn, account_id: UUID, subject: str, state: str, *, before: datetime, now: datetime) -> bool:
    call_id = subject.partition(":")[2]
    event: Event = CallLapsed(call_id=call_id) if state == "ringing" else CallEnded(call_id=call_id, ended_at=now)
    async with conn.transaction():
        await store.lock_head(conn, account_id)
        if not await store.is_silent(conn, account_id, subject, state, before=before):
            return False  # something was heard of it meanwhile
        return await publish(conn, account_id, event, now=now) is not None
