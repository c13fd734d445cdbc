"""Notifications of UIS on their way to whom they concern: read once, then given to the handlers of their event."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import datetime

from server.accounts.lookup import Known
from server.delivery.inbox import Letter, Outcome, Rejected
from server.platform.postgres import Conn
from server.uis.notifications import Notification, Unreadable, parse_notification, right_secret

#: Acts on one notification in the transaction of its letter; answers `stored`, `duplicate`, or `kept` where it
#: changes nothing. `now` is when it came.
TakeNotification = Callable[[Conn, Known, Notification, datetime], Awaitable[str]]
_STRONGEST = ("stored", "duplicate", "kept")


def table(*parts: Mapping[str, TakeNotification]) -> dict[str, tuple[TakeNotification, ...]]:
    """Who acts on which event: one event may concern several."""
    events: Iterable[str] = {event for part in parts for event in part}
    return {event: tuple(part[event] for part in parts if event in part) for event in events}


async def take_notification(
    conn: Conn, letter: Letter, known: Known, handlers: Mapping[str, Sequence[TakeNotification]]
) -> Outcome:
    """What nobody acts on is kept and shown."""
    if letter.body_size > len(letter.body):
        return Outcome("quarantined", (Rejected("oversized", f"{letter.body_size} bytes"),))
    told = parse_notification(letter.body, received_at=letter.received_at, zone=known.zone)
    if isinstance(told, Unreadable):
        return Outcome("quarantined", (Rejected(told.reason, told.detail),))
    if not right_secret(told, known.account.hash_key):
        return Outcome("quarantined", (Rejected("wrong_secret"),))
    states = [await take(conn, known, told, letter.received_at) for take in handlers.get(told.event, ())]
    return Outcome(next((name for name in _STRONGEST if name in states), "kept"), note=told.event)
