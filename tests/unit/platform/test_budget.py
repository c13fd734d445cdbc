"""The budget of a vendor's host: never over a window, best class first, fair by account, a share left for the operator."""

from __future__ import annotations

import asyncio
from collections import deque

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.platform.budget import (
    STARVED_S,
    YCLIENTS_WINDOWS,
    Budget,
    LocalTally,
    LongPause,
    NoLongerWanted,
    Priority,
    Window,
    wait_s,
)


class Time:
    """A clock that moves only by sleeping."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)
        self.now += seconds


def _budget(*windows: Window) -> tuple[Budget, Time]:
    time = Time()
    return Budget(LocalTally(windows or YCLIENTS_WINDOWS, now=time), sleep=time.sleep), time


def _most(times: list[float], seconds: float) -> int:
    return max(sum(start <= time < start + seconds for time in times) for start in times)


@pytest.mark.parametrize("priority", Priority)
async def test_the_vendors_limits_hold_in_every_window(priority: Priority) -> None:
    budget, time = _budget()
    calls = []
    for _ in range(450):
        await budget.take(priority, "a")
        calls.append(time.now)
    assert _most(calls, 1.0) <= 5
    assert _most(calls, 60.0) <= 200


async def test_a_backfill_alone_uses_nine_tenths_of_the_minute() -> None:
    budget, time = _budget()
    began = time.now
    for _ in range(1140):
        await budget.take(Priority.BACKFILL, "a")
    assert 1140 / ((time.now - began) / 60) >= 0.9 * 200


async def test_an_operator_finds_room_behind_a_backfill_that_never_ends() -> None:
    budget, time = _budget()
    waits = []

    async def backfill() -> None:
        while True:
            await budget.take(Priority.BACKFILL, "big")

    task = asyncio.ensure_future(backfill())
    for _ in range(60):
        end = time.now + 20
        while time.now < end:
            await asyncio.sleep(0)
        began = time.now
        await budget.take(Priority.OPERATOR, "small")
        waits.append(time.now - began)
    task.cancel()
    assert sorted(waits)[57] <= 2.0


async def test_the_best_class_goes_first_however_late_it_comes() -> None:
    budget, _ = _budget(Window(1.0, 1))
    order: list[str] = []

    async def take(priority: Priority, name: str) -> None:
        await budget.take(priority, "a")
        order.append(name)

    await budget.take(Priority.BACKFILL, "a")
    await asyncio.gather(
        *(take(Priority.BACKFILL, "backfill") for _ in range(3)), take(Priority.RECONCILE, "reconcile"),
        take(Priority.WEBHOOK, "webhook"), take(Priority.OPERATOR, "operator"),
    )  # fmt: skip
    assert order == ["operator", "webhook", "reconcile", "backfill", "backfill", "backfill"]


async def test_a_large_account_does_not_keep_a_small_one_waiting() -> None:
    budget, _ = _budget(Window(1.0, 1))
    order: list[str] = []

    async def take(account: str) -> None:
        await budget.take(Priority.BACKFILL, account)
        order.append(account)

    await asyncio.gather(*(take("large") for _ in range(20)), take("small"), take("small"))
    assert [number for number, name in enumerate(order) if name == "small"][1] <= 4


async def test_a_pause_holds_everybody_and_a_shorter_one_does_not_end_it() -> None:
    budget, time = _budget()
    began = time.now
    await budget.pause(30)
    await budget.pause(3)
    await budget.take(Priority.OPERATOR, "a")
    assert time.now - began >= 30


async def test_who_gives_up_takes_no_room() -> None:
    budget, time = _budget(Window(1.0, 1))
    await budget.take(Priority.WEBHOOK, "a")
    waiters = [asyncio.ensure_future(budget.take(Priority.WEBHOOK, "a")) for _ in range(100)]
    await asyncio.sleep(0)
    for waiter in waiters:
        waiter.cancel()
    await asyncio.gather(*waiters, return_exceptions=True)
    began = time.now
    await budget.take(Priority.WEBHOOK, "b")
    assert time.now - began <= 2.0


@given(st.lists(st.floats(0, 200), max_size=40).map(sorted), st.sampled_from(list(Priority)))
def test_after_the_wait_a_call_fits_into_every_window(times: list[float], priority: Priority) -> None:
    windows = (Window(1.0, 5, {Priority.BACKFILL: 4}), Window(60.0, 12, {Priority.BACKFILL: 9}))
    wait = wait_s(deque(times), windows, priority, 200.0)
    at = 200.0 + wait + 1e-6
    for window in windows:
        assert sum(time > at - window.seconds for time in times) < window.limit(priority)


async def test_a_pause_longer_than_any_window_is_told_to_everybody_who_asks_and_ends() -> None:
    budget, time = _budget()
    await budget.pause(3600)
    asked = [budget.take(priority, "a") for priority in (Priority.BACKFILL, Priority.OPERATOR, Priority.WEBHOOK)]
    for told in await asyncio.gather(*asked, return_exceptions=True):
        assert isinstance(told, LongPause)
        assert 3500 < told.seconds <= 3600
    time.now += 3590
    await budget.take(Priority.WEBHOOK, "a")
    assert time.now >= 4600


class _FailsOnce(LocalTally):
    """As when the database answers with an error that is not its absence."""

    failed = False

    async def ask(self, priority: Priority, *, urgent: bool = False) -> float:
        if not self.failed:
            self.failed = True
            raise asyncpg.UndefinedTableError
        return await super().ask(priority)


async def test_an_error_of_the_tally_keeps_nobody_waiting_for_ever() -> None:
    time = Time()
    budget = Budget(_FailsOnce(YCLIENTS_WINDOWS, now=time), sleep=time.sleep)
    async with asyncio.timeout(5):
        await asyncio.gather(*(budget.take(Priority.WEBHOOK, "a") for _ in range(3)))
    assert time.now > 1000


class _Open:
    """A count that is never full, and remembers as what it was asked."""

    def __init__(self) -> None:
        self.asked: list[Priority] = []

    async def ask(self, priority: Priority, *, urgent: bool = False) -> float:
        self.asked.append(priority)
        return 0.0

    async def pause(self, seconds: float) -> None: ...


async def _order(waited_s: float, **number: int) -> tuple[list[str], list[Priority]]:
    """In which order wishes of these classes are granted, when all have waited for so long."""
    time, tally, order = Time(), _Open(), list[str]()
    budget = Budget(tally, sleep=time.sleep, now=time)

    async def one(name: str) -> None:
        await budget.take(Priority[name], name)
        order.append(name)

    waiting = [asyncio.create_task(one(name)) for name, times in number.items() for _ in range(times)]
    await asyncio.sleep(0)
    time.now += waited_s
    await asyncio.gather(*waiting)
    return order, tally.asked


async def test_who_waits_long_behind_a_better_class_gets_one_call_in_ten() -> None:
    order, asked = await _order(STARVED_S + 1, BACKFILL=3, RECONCILE=40)
    assert [place for place, name in enumerate(order) if name == "BACKFILL"] == [9, 19, 29]
    assert set(asked) == {Priority.RECONCILE}, "counted as the class it goes before, or the share left to that stops it"


async def test_who_has_not_waited_long_waits_for_the_better_class() -> None:
    order, _ = await _order(STARVED_S / 2, BACKFILL=3, RECONCILE=40)
    assert order[-3:] == ["BACKFILL"] * 3


async def test_an_operator_goes_before_whoever_waits_long() -> None:
    order, _ = await _order(STARVED_S + 1, BACKFILL=3, RECONCILE=9, WEBHOOK=9, OPERATOR=15)
    assert order[:15] == ["OPERATOR"] * 15
    assert "BACKFILL" in order[15:17], "and then at once the one that has waited"
    assert sum(name in ("BACKFILL", "RECONCILE") for name in order[15:25]) <= 2


async def test_what_is_of_no_use_any_more_is_not_called_and_costs_nothing() -> None:
    budget, time = _budget(Window(10.0, 1))
    asked: list[bool] = []

    async def wanted() -> bool:
        asked.append(True)
        return len(asked) < 3

    await budget.take(Priority.OPERATOR, "a", wanted)
    began = time.now
    with pytest.raises(NoLongerWanted):
        await budget.take(Priority.OPERATOR, "a", wanted)
    await budget.take(Priority.OPERATOR, "a")
    assert time.now - began <= 10.0, "the one that was dropped took no place"


async def test_while_phones_ring_the_others_leave_room_for_the_next_and_take_it_back_later() -> None:
    """Three urgent calls a second beside a backfill that never ends: none waits long."""
    budget, time = _budget()
    waits = []

    async def yes() -> bool:
        return True

    async def backfill() -> None:
        while True:
            await budget.take(Priority.BACKFILL, "b")

    filling = asyncio.create_task(backfill())
    await budget.take(Priority.OPERATOR, "a", yes)
    await time_passes(time, 65)
    for _ in range(60):
        began = time.now
        await budget.take(Priority.OPERATOR, "a", yes)
        waits.append(time.now - began)
        await time_passes(time, max(0.0, began + 1 / 3 - time.now))
    filling.cancel()
    await asyncio.gather(filling, return_exceptions=True)
    assert sorted(waits)[int(len(waits) * 0.95)] <= 0.3
    assert wait_s(deque([0.0]), YCLIENTS_WINDOWS, Priority.BACKFILL, 0.1, urgent=True) > 0
    assert wait_s(deque([0.0]), YCLIENTS_WINDOWS, Priority.BACKFILL, 0.1) == 0


async def time_passes(time: Time, seconds: float) -> None:
    """For those who wait as well: in small steps."""
    until = time.now + seconds
    while time.now < until:
        await time.sleep(min(0.05, until - time.now + 1e-9))
        for _ in range(5):
            await asyncio.sleep(0)
