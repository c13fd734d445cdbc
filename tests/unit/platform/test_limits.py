"""A limit of requests per key, in memory that does not grow."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from server.platform import limits
from server.platform.limits import Limiter

GUEST = "203.0.113.7"


class Clock:
    def __init__(self) -> None:
        self.now = 60_000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(limits, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


def _passed(limiter: Limiter, key: str, times: int) -> int:
    return sum(limiter.retry_after(key, GUEST) == 0 for _ in range(times))


@pytest.mark.parametrize("limit", [1, 5, 100])
def test_as_many_pass_as_the_limit_says(clock: Clock, limit: int) -> None:
    assert _passed(Limiter(limit=limit, window_s=60), "anna", limit * 3) == limit


def test_one_key_does_not_spend_the_limit_of_another(clock: Clock) -> None:
    limiter = Limiter(limit=5, window_s=60)
    assert _passed(limiter, "anna", 50) == 5
    assert _passed(limiter, "boris", 5) == 5


def test_after_two_quiet_windows_all_is_forgotten(clock: Clock) -> None:
    limiter = Limiter(limit=5, window_s=60)
    _passed(limiter, "anna", 500)
    clock.now += 120
    assert _passed(limiter, "anna", 50) == 5


def test_the_border_of_two_windows_gives_no_second_helping(clock: Clock) -> None:
    limiter = Limiter(limit=10, window_s=60)
    clock.now += 59
    assert _passed(limiter, "anna", 10) == 10
    clock.now += 2
    assert _passed(limiter, "anna", 10) == 0


def test_a_refusal_names_a_pause_of_at_least_a_second_and_no_longer_than_the_window(clock: Clock) -> None:
    limiter = Limiter(limit=1, window_s=60)
    limiter.retry_after("anna", GUEST)
    for _ in range(200):
        assert 1 <= limiter.retry_after("anna", GUEST) <= 60
        clock.now += 0.29


@pytest.mark.parametrize("into_window", [0, 15, 30, 59])
def test_who_waits_as_long_as_told_may_go_on(clock: Clock, into_window: float) -> None:
    limiter = Limiter(limit=5, window_s=60)
    clock.now += into_window
    _passed(limiter, "anna", 5)
    pause = limiter.retry_after("anna", GUEST)
    assert pause > 0
    clock.now += pause
    assert limiter.retry_after("anna", GUEST) == 0


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1"])
def test_loopback_is_never_limited(clock: Clock, address: str) -> None:
    limiter = Limiter(limit=1, window_s=60)
    assert not any(limiter.retry_after("anna", address) for _ in range(100))


@pytest.mark.parametrize("address", ["", "unknown", "10.0.0.1", "2001:db8::1", "127.0.0.1.example", "١٢٧.0.0.1"])
def test_everybody_else_is_limited_whatever_the_address_looks_like(clock: Clock, address: str) -> None:
    limiter = Limiter(limit=1, window_s=60)
    assert limiter.retry_after("anna", address) == 0
    assert limiter.retry_after("anna", address) > 0


def test_memory_is_bounded_and_the_oldest_key_goes_first(clock: Clock) -> None:
    limiter = Limiter(limit=1, window_s=60, keys=100)
    for number in range(1000):
        limiter.retry_after(f"guest {number}", GUEST)
    assert limiter.retry_after("guest 999", GUEST) > 0
    assert limiter.retry_after("guest 0", GUEST) == 0
    assert len(limiter._whole_at) == 100
