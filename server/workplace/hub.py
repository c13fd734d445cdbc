"""Keeps the screens of this process up to date: new events by number, who is here, who is answering, heartbeats.

Woken by the bus, and by itself every half second: a lost signal is a short delay. Works the same over either bus.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from server.accounts import device_store
from server.feed import store as feed
from server.feed.flow import FEED_TOPIC
from server.feed.model import masked
from server.platform.bus import Bus
from server.platform.clock import utc_now
from server.platform.ids import new_id
from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY, Pool, Row
from server.workplace import store
from server.workplace.screens import Room, Screen
from server.workplace.wire import Built, as_text

_log = logger(__name__)
#: Signal of the bus: presence, locks or sessions of some account changed.
PRESENT_TOPIC = "workplace"
BEAT_S = 15.0
#: Nothing heard from a socket for this long: it is gone.
SILENT_MOST_S = 50.0
BEHIND_MOST_S = 20.0
#: A gap of more events than this is answered with a snapshot.
CATCH_UP_MOST = 1000
_PAGE = 200
_ITEMS_MOST = 300
_SHOWN_FOR = timedelta(hours=24)
_LOOK_S = 0.5

GOING_AWAY, OVER, SILENT, SLOW = 1001, 4401, 4408, 4490


class Hub:
    def __init__(self, pool: Pool, bus: Bus) -> None:
        self._pool, self._bus = pool, bus
        self._place = new_id()
        self._rooms: dict[UUID, Room] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._catching: dict[Screen, asyncio.Task[None]] = {}

    def start(self) -> None:
        loops = {
            "feed": self._listen(FEED_TOPIC, self.pump, _LOOK_S),
            "present": self._listen(PRESENT_TOPIC, self._show_present, 2.0),
            "upkeep": self._every(5.0, self._keep_up),
            "beat": self._every(BEAT_S, self._beat),
        }
        self._tasks = [asyncio.create_task(loop, name=f"workplace-{name}") for name, loop in loops.items()]

    def send_away(self) -> None:
        for screen in self.screens():
            screen.end(GOING_AWAY)

    async def stop(self) -> None:
        self.send_away()
        tasks = [*self._tasks, *self._catching.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(1), self._pool.acquire() as conn:
                await store.leave(conn, self._place)
        except DATABASE_AWAY:
            pass  # the others see it in 25 seconds

    def screens(self) -> list[Screen]:
        return [screen for room in self._rooms.values() for screen in room.screens]

    def count(self, device_id: UUID) -> int:
        return sum(screen.device.device_id == device_id for screen in self.screens())

    async def changed(self) -> None:
        """Tells all processes that presence, locks or sessions changed."""
        await self._bus.publish(PRESENT_TOPIC)

    async def told(self) -> None:
        """Tells all processes that there are new events."""
        await self._bus.publish(FEED_TOPIC)

    # --- coming and going

    async def enter(self, screen: Screen, *, after: int | None) -> None:
        """Welcomes a screen: what it missed after a number, or a snapshot; from then on it is live."""
        account_id = screen.account_id
        room = self._rooms.get(account_id)
        if room is None:
            async with self._pool.acquire() as conn:
                newest = (await feed.heads(conn, [account_id])).get(account_id, 0)
            room = self._rooms.setdefault(account_id, Room(account_id, newest))
        room.screens.add(screen)
        screen.seq = -1 if after is None else after
        screen.tell(
            {
                "type": "welcome", "seq": room.seq, "beat_s": BEAT_S,
                "person_id": str(screen.device.person.person_id), "now": utc_now().isoformat(),
            }
        )  # fmt: skip
        if room.present:
            screen.tell(json.loads(room.present))
        self.catch_up(screen)
        async with self._pool.acquire() as conn:
            person_id = screen.device.person.person_id
            await store.be_present(conn, self._place, [(account_id, person_id)], now=utc_now())
        await self.changed()

    async def leave(self, screen: Screen) -> None:
        room = self._rooms.get(screen.account_id)
        if task := self._catching.pop(screen, None):
            task.cancel()
        if room is None:
            return
        room.screens.discard(screen)
        if not room.screens:
            del self._rooms[screen.account_id]
        person_id = screen.device.person.person_id
        if any(other.device.person.person_id == person_id for other in room.screens):
            return
        try:
            async with self._pool.acquire() as conn:
                await store.be_gone(conn, self._place, screen.account_id, person_id)
        except DATABASE_AWAY:
            return
        await self.changed()

    # --- events

    async def pump(self) -> None:
        """Writes to every live screen what is new."""
        if not self._rooms:
            return
        async with self._pool.acquire() as conn:
            told = {account_id: room.seq for account_id, room in self._rooms.items()}
            heads = await feed.heads(conn, list(told))
            for account_id, known in told.items():
                newest, room = heads.get(account_id, 0), self._rooms.get(account_id)
                if room is not None and newest < known:  # an older database was put back: start over
                    room.seq = newest
                    for screen in room.screens:
                        self.start_over(screen)
                while room is not None and room.screens and newest > room.seq:
                    rows = await feed.after(conn, account_id, room.seq, limit=_PAGE)
                    if not rows:
                        break
                    for row in rows:
                        self._broadcast(room, row)

    def _broadcast(self, room: Room, row: Row) -> None:
        if row["seq"] <= room.seq:
            return  # another pump was quicker
        whole, veiled = _built(row)
        for screen in room.screens:
            if screen.live and screen.seq == room.seq:
                if screen.can_take():
                    screen.write(veiled if screen.masked else whole)
                    screen.seq = row["seq"]
                else:
                    screen.fall_behind()
                    self.catch_up(screen)
        room.seq = row["seq"]

    def start_over(self, screen: Screen) -> None:
        screen.seq = -1
        self.catch_up(screen)

    def catch_up(self, screen: Screen) -> None:
        """Brings a screen from its number to that of its room; it is live then."""
        screen.fall_behind()
        if screen not in self._catching:
            self._catching[screen] = asyncio.create_task(self._catch_up(screen))

    async def _catch_up(self, screen: Screen) -> None:
        try:
            while not screen.live and not screen.code and screen.account_id in self._rooms:
                if time.monotonic() - screen.behind_since > BEHIND_MOST_S and not screen.can_take():
                    screen.end(SLOW)
                    return
                if screen.transport.get_write_buffer_size() > 0:
                    await asyncio.sleep(0.05)
                    continue
                try:
                    await self._one_step(screen, self._rooms[screen.account_id])
                except DATABASE_AWAY:
                    await asyncio.sleep(0.5)
        except Exception:
            _log.exception("workplace.catch_up_failed")
            screen.end(SLOW)
        finally:
            self._catching.pop(screen, None)

    async def _one_step(self, screen: Screen, room: Room) -> None:
        async with self._pool.acquire() as conn:
            newest = (await feed.heads(conn, [room.account_id])).get(room.account_id, 0)
            rows: list[Row] = []
            if 0 <= screen.seq <= newest and newest - screen.seq <= CATCH_UP_MOST:
                rows = await feed.after(conn, room.account_id, screen.seq, limit=_PAGE)
            if screen.seq != newest and not (rows and rows[0]["seq"] == screen.seq + 1):
                # No number yet, too old a one, or one from a future this database does not know.
                async with conn.transaction(isolation="repeatable_read", readonly=True):
                    screen.seq = (await feed.heads(conn, [room.account_id])).get(room.account_id, 0)
                    items = await feed.items(conn, room.account_id, since=utc_now() - _SHOWN_FOR, limit=_ITEMS_MOST)
                shown = [masked(item) for item in items] if screen.masked else items
                screen.tell({"type": "reset", "seq": screen.seq, "items": shown})
        for row in rows:
            whole, veiled = _built(row)
            screen.write(veiled if screen.masked else whole)
            screen.seq = row["seq"]
        if screen.seq == room.seq:  # no await since: nothing came between
            screen.live, screen.behind_since = True, 0.0
        elif screen.seq > room.seq:
            await self.pump()

    # --- who is here

    async def _show_present(self) -> None:
        """The whole of it to every room in which it changed."""
        if not self._rooms:
            return
        now, accounts = utc_now(), list(self._rooms)
        async with self._pool.acquire() as conn:
            people, locks = await store.present(conn, accounts, now=now), await store.locks(conn, accounts, now=now)
        told: dict[UUID, dict[str, list[Any]]] = defaultdict(lambda: {"people": [], "answering": []})
        for row in people:
            told[row["account_id"]]["people"].append(
                {"person_id": str(row["person_id"]), "name": store.shown_name(row)}
            )
        for row in locks:
            told[row["account_id"]]["answering"].append(
                {
                    "subject": row["subject"], "person_id": str(row["person_id"]), "name": store.shown_name(row),
                    "until": row["until"].isoformat(),
                }
            )  # fmt: skip
        for account_id, room in self._rooms.items():
            message = {"type": "present", **told[account_id]}
            if (text := as_text(message)) != room.present:
                room.present = text
                room.tell(message)

    async def _keep_up(self) -> None:
        """Ends screens whose session is over or that stay silent; takes over changed roles; says who is here."""
        screens = self.screens()
        if not screens:
            return
        async with self._pool.acquire() as conn:
            open_ = await device_store.still_open(conn, [screen.device.device_id for screen in screens], now=utc_now())
            await store.forget_old_locks(conn, now=utc_now())
        for screen in screens:
            person = open_.get(screen.device.device_id)
            if person is None:
                screen.end(OVER)
            elif person != screen.device.person:
                screen.is_of(person)
            if screen.kind == "socket" and time.monotonic() - screen.heard_at > SILENT_MOST_S:
                screen.end(SILENT)
            elif screen.transport.is_closing():
                screen.end(GOING_AWAY)  # nothing else tells a stream that its other end is gone
        # Not those that were just ended: their leaving may be noted before this is.
        people = {(one.account_id, one.device.person.person_id) for one in self.screens() if not one.code}
        async with self._pool.acquire() as conn:
            await store.be_present(conn, self._place, sorted(people), now=utc_now())
            await store.forget_absent(conn, now=utc_now())

    async def _beat(self) -> None:
        for room in self._rooms.values():
            room.tell({"type": "beat", "seq": room.seq})

    # --- loops

    async def _listen(self, topic: str, work: Callable[[], Awaitable[None]], every_s: float) -> None:
        async with self._bus.subscribe(topic) as signal:
            while True:
                await self._guarded(work)
                if await signal.next(every_s) is not None:
                    signal.clear()  # many signals at once are one

    async def _every(self, every_s: float, work: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(every_s)
            await self._guarded(work)

    async def _guarded(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await work()
        except DATABASE_AWAY as error:
            _log.warning("workplace.database_away", error=type(error).__name__)
            await asyncio.sleep(0.5)
        except Exception:
            _log.exception("workplace.loop_failed")
            await asyncio.sleep(0.5)


def _built(row: Row) -> tuple[Built, Built]:
    """The event as it is, and as those see it who may not see phones; bytes are made when somebody needs them."""
    message = {
        "type": "event", "seq": row["seq"], "kind": row["kind"], "subject": row["subject"], "at": row["at"].isoformat(),
    }  # fmt: skip
    payload: dict[str, Any] = row["payload"]
    return Built({**message, **payload}), Built({**message, **masked(payload)})
