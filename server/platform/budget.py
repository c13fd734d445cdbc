"""The budget of one vendor's host: who may call now, by class, fairly by account, over all processes.

Facts: YCLIENTS allows 200 calls a minute and 5 a second, per address by its documents, per partner token by its
support; a 429 says little. So one count serves all accounts and all processes, and it never reaches the edge.

Promises: the limits hold in every window of that length, wherever the calls come from; a call of an operator waits
for about a second at most behind a backfill, because the lower classes leave a share of each window to the higher;
whoever waits long behind a better class, an operator's aside, gets one call in ten.
A pause longer than any window is not waited for: whoever asks is told how long it is.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol
from uuid import UUID

from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY, Pool

_log = logger(__name__)


class Priority(IntEnum):
    """Who goes first when the budget is short."""

    OPERATOR = 0
    WEBHOOK = 1
    RECONCILE = 2
    BACKFILL = 3


@dataclass(frozen=True, slots=True)
class Window:
    """At most `calls` in any `seconds`, and of them at most `by_class` by a class and those below it."""

    seconds: float
    calls: int
    by_class: Mapping[Priority, int] = field(default_factory=dict)
    #: The same while somebody has to be called at once now and then: a phone rings and does not wait.
    urgent: Mapping[Priority, int] = field(default_factory=dict)

    def limit(self, priority: Priority, *, urgent: bool = False) -> int:
        limit = min(self.calls, self.by_class.get(priority, self.calls))
        return min(limit, self.urgent.get(priority, limit)) if urgent else limit


_LOW = (Priority.RECONCILE, Priority.BACKFILL)
#: A little longer than the vendor's own: its clock starts when a call arrives, and calls are not equally long under way.
YCLIENTS_WINDOWS = (
    Window(1.15, 5, dict.fromkeys(_LOW, 4), {Priority.WEBHOOK: 3, **dict.fromkeys(_LOW, 1)}),
    Window(
        60.5,
        200,
        {Priority.WEBHOOK: 197, **dict.fromkeys(_LOW, 190)},
        {Priority.WEBHOOK: 180, **dict.fromkeys(_LOW, 120)},
    ),
)
#: For so long after an urgent call the others leave more room for the next.
URGENT_S = 120.0


#: Points of the tariff a minute, by account; a tighter tariff says so, and is then waited for (`pause`).
UIS_WINDOWS = (Window(60.5, 200, dict.fromkeys(_LOW, 180)),)


@dataclass(frozen=True, slots=True)
class Plan:
    """How a vendor counts: for everybody who calls from here, or for each account by itself."""

    windows: tuple[Window, ...]
    by_account: bool


PLANS: Mapping[str, Plan] = {
    "yclients": Plan(YCLIENTS_WINDOWS, by_account=False),
    "uis": Plan(UIS_WINDOWS, by_account=True),
}
_EVERYBODY = UUID(int=0)


def wait_s(
    spent: deque[float], windows: tuple[Window, ...], priority: Priority, now: float, *, urgent: bool = False
) -> float:
    """Seconds until a call of this class fits into every window; `spent` are the times of calls, oldest first."""
    longest = max(window.seconds for window in windows)
    while spent and spent[0] <= now - longest:
        spent.popleft()
    wait = 0.0
    for window in windows:
        limit = window.limit(priority, urgent=urgent)
        if len(spent) >= limit:
            wait = max(wait, spent[-limit] + window.seconds - now)
    return wait


#: Longer than any window, so that only a pause the vendor asked for takes more.
PATIENCE_S = 61.0


class LongPause(Exception):
    """The vendor asked for a pause that goes on for `seconds`: too long to stand and wait for it."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"paused for {seconds:.0f} s")
        self.seconds = seconds


class NoLongerWanted(Exception):
    """What waited for its turn is of no use any more; nothing was sent."""


Wanted = Callable[[], Awaitable[bool]]


class Tally(Protocol):
    """Where the calls are counted. `ask` answers 0 and has counted the call, or seconds to wait before asking again."""

    async def ask(self, priority: Priority, *, urgent: bool = False) -> float: ...
    async def pause(self, seconds: float) -> None: ...


class LocalTally:
    """Counts within this process."""

    def __init__(self, windows: tuple[Window, ...], *, now: Callable[[], float] = time.monotonic) -> None:
        self._windows, self._now = windows, now
        self._spent: deque[float] = deque()
        self._paused_until = 0.0
        self._urgent_until = 0.0

    async def ask(self, priority: Priority, *, urgent: bool = False) -> float:
        now = self._now()
        if urgent:
            self._urgent_until = now + URGENT_S
        soon = now < self._urgent_until
        wait = max(self._paused_until - now, wait_s(self._spent, self._windows, priority, now, urgent=soon))
        if wait <= 0:
            self._spent.append(now)
        return max(0.0, wait)

    async def pause(self, seconds: float) -> None:
        self._paused_until = max(self._paused_until, self._now() + seconds)


class SharedTally:
    """Counts in PostgreSQL, by its clock, for all processes: a few calls a second cost it nothing."""

    def __init__(self, pool: Pool, host: str, windows: tuple[Window, ...], *, account_id: UUID | None = None) -> None:
        self._pool, self._host, self._windows = pool, host, windows
        self._account_id = account_id or _EVERYBODY

    async def ask(self, priority: Priority, *, urgent: bool = False) -> float:
        async with self._pool.acquire(timeout=5) as conn, conn.transaction():
            await conn.execute(
                "insert into vendor_budget (account_id, host) values ($1, $2) on conflict do nothing",
                self._account_id, self._host,
            )  # fmt: skip
            row = await conn.fetchrow(
                "select spent, paused_until, urgent_at from vendor_budget where account_id = $1 and host = $2 for update",
                self._account_id, self._host,
            )  # fmt: skip
            assert row is not None
            # Read after the lock: another process may have counted while we waited for it.
            now: float = await conn.fetchval("select extract(epoch from clock_timestamp())::float8")
            spent = deque(row["spent"])
            urgent_at = now if urgent else row["urgent_at"]
            soon = now < urgent_at + URGENT_S
            wait = max(row["paused_until"] - now, wait_s(spent, self._windows, priority, now, urgent=soon))
            if wait > 0 and not urgent:
                return float(wait)
            if wait <= 0:
                spent.append(now)
            await conn.execute(
                "update vendor_budget set spent = $3, urgent_at = $4 where account_id = $1 and host = $2",
                self._account_id, self._host, list(spent), urgent_at,
            )  # fmt: skip
            if wait > 0:
                return float(wait)
        return 0.0

    async def pause(self, seconds: float) -> None:
        async with self._pool.acquire(timeout=5) as conn:
            await conn.execute(
                "insert into vendor_budget (account_id, host, paused_until)"
                " values ($1, $2, extract(epoch from clock_timestamp())::float8 + $3)"
                " on conflict (account_id, host) do update set"
                " paused_until = greatest(vendor_budget.paused_until, excluded.paused_until)",
                self._account_id, self._host, seconds,
            )  # fmt: skip


#: Whoever has waited for so long behind better classes gets one call in so many, an operator's and urgent ones aside:
#: on a server with many branches comparing alone could else keep a backfill waiting for ever.
STARVED_S = 20.0
ONE_IN = 10


@dataclass(slots=True)
class _Wish:
    priority: Priority
    account: str
    order: int
    since: float
    ready: asyncio.Future[None]
    wanted: Wanted | None = None


class Budgets:
    """The budgets of one process, each made when it is first asked for; shared over processes where there is a pool."""

    def __init__(self, pool: Pool | None) -> None:
        self._pool = pool
        self._known: dict[tuple[str, str], Budget] = {}

    def of(self, vendor: str, host: str, account: str) -> Budget:
        plan = PLANS[vendor]
        key = (host, account if plan.by_account else "")
        if key not in self._known:
            account_id = UUID(account) if plan.by_account and self._pool else None
            self._known[key] = Budget(
                SharedTally(self._pool, host, plan.windows, account_id=account_id)
                if self._pool
                else LocalTally(plan.windows)
            )
        return self._known[key]


class Budget:
    """The queue of one process before the tally of a host: best class first, then the account served least.

    One in ten goes to who has waited long behind better classes (`STARVED_S`).
    """

    def __init__(
        self,
        tally: Tally,
        *,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._tally, self._sleep, self._now = tally, sleep, now
        self._since_share = 0
        self._wishes: list[_Wish] = []
        self._served: dict[str, int] = {}
        self._counter = 0
        self._came = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def take(self, priority: Priority, account: str, wanted: Wanted | None = None) -> None:
        """Returns when this call may be made. Raises `LongPause`.

        A call with `wanted` is urgent: it is asked before each look at the count, and one that is of no use any more
        ends as `NoLongerWanted` without having cost anything.
        """
        self._counter += 1
        wish = _Wish(priority, account, self._counter, self._now(), asyncio.get_running_loop().create_future(), wanted)
        self._wishes.append(wish)
        self._came.set()
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._serve(), name="egress-budget")
        try:
            await wish.ready
        finally:
            if wish in self._wishes:
                self._wishes.remove(wish)

    async def pause(self, seconds: float) -> None:
        """The vendor asked for a pause: nobody calls before it ends."""
        with suppress(*DATABASE_AWAY):
            await self._tally.pause(seconds)

    async def _serve(self) -> None:
        while self._wishes:
            wish, priority = self._next()
            self._came.clear()
            try:
                if wish.wanted and not await wish.wanted():
                    self._refuse(wish, NoLongerWanted())
                    continue
                wait = await self._tally.ask(priority, urgent=wish.wanted is not None)
            except DATABASE_AWAY as error:
                # Nobody can say what the others have spent: wait rather than break the vendor's limit.
                _log.warning("budget.database_away", error=type(error).__name__)
                wait = 1.0
            except Exception:
                # This task serves everybody who waits: without it they would wait for ever.
                _log.exception("budget.ask_failed")
                wait = 1.0
            if wait > PATIENCE_S:
                self._refuse(wish, LongPause(wait))
            elif wait > 0:
                await self._nap(wait)
            else:
                self._grant(wish)

    def _next(self) -> tuple[_Wish, Priority]:
        """Whose turn it is, and the class it is counted as."""
        best = min(self._wishes, key=lambda wish: (wish.priority, self._served.get(wish.account, 0), wish.order))
        urgent = best.priority is Priority.OPERATOR or best.wanted is not None
        if not urgent and self._since_share >= ONE_IN - 1:
            long_ago = self._now() - STARVED_S
            behind = [wish for wish in self._wishes if wish.priority > best.priority and wish.since <= long_ago]
            if behind:
                # Counted as the class it goes before: else the share of each window that is left to that would stop it.
                return min(behind, key=lambda wish: wish.order), best.priority
        return best, best.priority

    def _refuse(self, wish: _Wish, error: Exception) -> None:
        self._wishes = [other for other in self._wishes if other is not wish]
        if not wish.ready.done():
            wish.ready.set_exception(error)

    def _grant(self, wish: _Wish) -> None:
        before, behind = (any(other.priority < wish.priority for other in self._wishes),
            any(other.priority > wish.priority for other in self._wishes))  # fmt: skip
        self._since_share = self._since_share + 1 if behind and not before else 0
        if wish in self._wishes:
            self._wishes.remove(wish)
        self._served[wish.account] = self._served.get(wish.account, 0) + 1
        if not self._wishes:
            self._served.clear()  # nobody waits: past service is no reason to wait later
        if not wish.ready.done():
            wish.ready.set_result(None)

    async def _nap(self, seconds: float) -> None:
        """Until the time is over, or a wish comes that may go before the one that waits."""
        nap = asyncio.ensure_future(self._sleep(min(seconds, 5.0)))
        came = asyncio.ensure_future(self._came.wait())
        try:
            await asyncio.wait((nap, came), return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in (nap, came):
                one.cancel()
            await asyncio.gather(nap, came, return_exceptions=True)
