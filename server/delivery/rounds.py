"""One round of a kind for one account: what is due is taken, sent in one small group, and settled.

Whatever goes to another system goes this way; only the sending itself is the kind's. Promises: while the integration is
off or the connection does not work, all is held with one reason; what one thing met that concerns all, holds all; one
that got through lets the held ones go. A pause that was asked for is waited for, however often, and costs no try.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol, TypeGuard
from uuid import UUID

from server.delivery import notices, relay
from server.delivery.relay import Delivered, Held, Kind, Parcel, Result, TryAgain
from server.platform.postgres import Conn, Pool


@dataclass(frozen=True, slots=True)
class Round:
    """How a kind is sent: how many at once, and in which pauses it is tried again. `own`: codes of holds that concern
    a part of the kind; whom else they hold, and until when, is the kind's own business."""

    kind: Kind
    schedule_s: Sequence[float]
    group: int
    own: Sequence[str] = ()


@dataclass(slots=True)
class Told:
    """What became of a group: each parcel once in the end, with its result or put off until a moment, not tried."""

    results: list[tuple[Parcel, Result]] = field(default_factory=list)
    later: list[tuple[Parcel, datetime]] = field(default_factory=list)


Send = Callable[[Sequence[Parcel]], Awaitable[Told]]


class Connections(Protocol):
    """What is known of an account's connections (`accounts.store`)."""

    async def why_held(self, conn: Conn, account_id: UUID, vendor: str, /) -> tuple[str, str]: ...
    async def refuse_connection(
        self, conn: Conn, account_id: UUID, vendor: str, note: str, /, *, tried_at: datetime
    ) -> bool:
        """False: the connection was mended since `tried_at`, and stays as it is."""
        ...


async def deliver(
    pool: Pool,
    one: Round,
    account_id: UUID,
    connections: Connections,
    send: Send | None,
    *,
    enabled: bool,
    now: datetime,
) -> datetime | None:
    """One round; answers when something is due next. `send` None: the connection does not work.

    `now` is before `send` got its credentials, so that what was mended since is not taken for refused.
    """
    if send is None or not enabled:
        async with pool.acquire() as conn:
            held, why = (
                await connections.why_held(conn, account_id, relay.OVER[one.kind])
                if enabled
                else ("integration_off", "")
            )
            await relay.hold_all(conn, account_id, one.kind, held or "not_connected", why, now=now)
            if held == "connection_refused":  # by what else goes over it
                async with conn.transaction():
                    await notices.exhausted(conn, account_id, relay.OVER[one.kind], held, why, now=now)
        return None
    due = await relay.take_due(pool, account_id, one.kind, one.schedule_s, now=now, limit=one.group)
    begun = time.monotonic()
    told = await send(due) if due else Told()
    ended = now + timedelta(seconds=time.monotonic() - begun)
    results = [result for _, result in told.results]
    async with pool.acquire() as conn:
        for parcel, until in told.later:
            await relay.put_off(conn, account_id, parcel, until)
        for parcel, result in told.results:
            if _asks_for_pause(result):
                await relay.pause(conn, account_id, parcel, result, now=ended)
            else:
                await relay.settle(conn, account_id, parcel, result, one.schedule_s, now=ended)
        await _after(conn, one, account_id, connections, results, now=now)
        if told.results:
            async with conn.transaction():
                await notices.note(conn, account_id, one.kind, told.results, one.schedule_s, one.own, now=ended)
        next_at = await relay.next_due(conn, account_id, one.kind, one.schedule_s)
    return max(next_at, ended + _pause(results)) if next_at else None


def _asks_for_pause(result: Result) -> TypeGuard[TryAgain]:
    return isinstance(result, TryAgain) and result.code == "limit"


def _pause(results: Sequence[Result]) -> timedelta:
    """A pause that was asked for is everybody's: the rest would be refused one after the other."""
    asked = [result.after_s or 0.0 for result in results if _asks_for_pause(result)]
    return timedelta(seconds=max(asked, default=0.0))


async def _after(
    conn: Conn, one: Round, account_id: UUID, connections: Connections, results: Sequence[Result], *, now: datetime
) -> None:
    """What one thing met concerns all: a hold stops them, and one that got through lets the held ones go."""
    held = next((result for result in results if isinstance(result, Held) and result.code not in one.own), None)
    if held is None:
        go_on = any(isinstance(result, Delivered) for result in results)
    elif held.scope == "connection" and not await connections.refuse_connection(
        conn, account_id, relay.OVER[one.kind], held.detail, tried_at=now
    ):
        go_on = True  # mended while this try was under way
    else:
        go_on = not await relay.hold_if_unmended(
            conn, account_id, one.kind, held.code, held.detail, tried_at=now, now=now
        )
    if go_on:
        await relay.release(conn, account_id, one.kind, now=now, but=one.own)
