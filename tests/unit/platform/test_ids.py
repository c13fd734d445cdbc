"""Ids that grow with time, texts that nobody guesses, and the one clock."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from uuid import RFC_4122

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.platform import ids
from server.platform.clock import utc_now


def test_an_id_is_a_uuid_of_version_7_of_this_moment() -> None:
    before = time.time_ns() // 1_000_000
    made = [ids.new_id() for _ in range(200)]
    after = time.time_ns() // 1_000_000
    assert {(item.version, item.variant) for item in made} == {(7, RFC_4122)}
    assert all(before <= item.int >> 80 <= after for item in made)
    assert len(set(made)) == 200


@pytest.mark.parametrize("step_ms", [1, 1000, 86_400_000])
def test_later_ids_come_after_earlier_ones_as_numbers_text_and_bytes(
    monkeypatch: pytest.MonkeyPatch, step_ms: int
) -> None:
    moment = time.time_ns()
    made = []
    for number in range(50):
        monkeypatch.setattr(time, "time_ns", lambda at=moment + number * step_ms * 1_000_000: at)
        made.append(ids.new_id())
    assert made == sorted(made)
    assert [str(item) for item in made] == sorted(str(item) for item in made)
    assert [item.bytes for item in made] == sorted(item.bytes for item in made)


def test_ids_of_one_millisecond_differ_and_fill_their_randomness(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_764_000_000_000_000_000)
    made = {ids.new_id().int for _ in range(1000)}
    assert len(made) == 1000
    seen, always = 0, (1 << 128) - 1
    for value in made:
        seen, always = seen | value, always & value
    assert (seen & ~always).bit_count() == 74


@pytest.mark.parametrize("length", [1, 22, 64])
def test_random_text_is_letters_and_digits(length: int) -> None:
    text = ids.random_text(length)
    assert len(text) == length
    assert text.isascii()
    assert text.isalnum()


def test_random_text_does_not_repeat_and_uses_the_whole_alphabet() -> None:
    made = [ids.random_text(22) for _ in range(500)]
    assert len(set(made)) == 500
    assert len(set("".join(made))) == 62


@given(st.text(max_size=100))
def test_a_token_of_any_text_has_a_digest_of_32_bytes(token: str) -> None:
    assert len(ids.digest(token)) == 32
    assert ids.digest(token) == ids.digest(token) != ids.digest(token + "x")


def test_the_clock_tells_utc() -> None:
    assert utc_now().utcoffset() == timedelta(0)
    assert abs(utc_now() - datetime.now(UTC)) < timedelta(seconds=5)
