"""From tellings in any order to the stages of a deal."""

from __future__ import annotations

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.bookings.model import BookingStatus, booking_status
from server.deals.history import History, Rules, Telling, stage_history
from tests.unit.deals.salon import LIVES, NOON, TELLINGS, VENDOR_RULES, at, funnel

WAITING, CONFIRMED, CAME, NO_SHOW = 0, 2, 1, -1


def told(second: float, attendance: int | None = 0, *, deleted: bool = False, rank: int = 1, amount: Any = None):
    return Telling(at(second), rank, deleted, attendance, None if amount is None else Decimal(amount))


def history(*tellings: Telling, created: float | None = 0, in_funnel=None, **rules: Any) -> History:
    *earlier, stands = tellings
    created_at = None if created is None else at(created)
    return stage_history(earlier, stands, created_at=created_at, funnel=in_funnel or funnel(), rules=Rules(**rules))


def passed(found: History) -> list[tuple[str, int]]:
    return [(step.stage.key, int((step.at - NOON).total_seconds())) for step in found.steps]


@pytest.mark.parametrize(
    ("tellings", "expected"),
    [
        ([told(0)], [("waiting", 0)]),
        ([told(0), told(5, CONFIRMED), told(9, CAME)], [("waiting", 0), ("confirmed", 5), ("success", 9)]),
        ([told(0), told(9, NO_SHOW)], [("waiting", 0), ("failed", 9)]),
        ([told(0), told(9, deleted=True)], [("waiting", 0), ("failed", 9)]),
        ([told(0), told(9, None, deleted=True)], [("waiting", 0), ("failed", 9)]),
        ([told(0, NO_SHOW), told(9, NO_SHOW, deleted=True)], [("failed", 0)]),
        ([told(0), told(5), told(9)], [("waiting", 0)]),
        ([told(0, CONFIRMED), told(9, None)], [("confirmed", 0)]),
        # restored, and a stage back
        ([told(0), told(5, deleted=True), told(9)], [("waiting", 0), ("failed", 5), ("waiting", 9)]),
        ([told(0, CONFIRMED), told(5, None, deleted=True), told(9, None)],
         [("confirmed", 0), ("failed", 5), ("confirmed", 9)]),
        ([told(0), told(5, CAME), told(9)], [("waiting", 0), ("success", 5), ("waiting", 9)]),
        # within one second: the kind decides, and the times move apart
        ([told(0, rank=0), told(0, CONFIRMED), told(0, CAME, rank=3)], [("waiting", 0), ("confirmed", 1), ("success", 2)]),
        ([told(0), told(0.4, CONFIRMED), told(0.9, CAME), told(2)],
         [("waiting", 0), ("confirmed", 1), ("success", 2), ("waiting", 3)]),
        ([told(0, rank=0), told(5, deleted=True, rank=2), told(5, CONFIRMED, rank=3), told(9, CAME)],
         [("waiting", 0), ("failed", 5), ("confirmed", 6), ("success", 9)]),
        # known only since later: it waited since its creation
        ([told(7, CAME)], [("waiting", 0), ("success", 7)]),
        ([told(7)], [("waiting", 0)]),
    ],
)  # fmt: skip
def test_a_booking_passes_the_stages_of_its_life(tellings: list[Telling], expected: list[tuple[str, int]]) -> None:
    assert passed(history(*tellings)) == expected


def test_a_deal_whose_creation_is_not_known_begins_with_the_first_telling() -> None:
    found = history(told(7, CAME), created=None)
    assert (passed(found), found.created_at) == ([("success", 7)], at(7))


def test_a_telling_before_the_creation_is_moved_behind_it() -> None:
    assert passed(history(told(3), told(4, CAME), created=10)) == [("waiting", 10), ("success", 11)]


def test_what_is_told_of_a_later_time_than_the_stored_booking_is_left_aside() -> None:
    assert passed(history(told(9, CAME), told(5, CONFIRMED))) == [("waiting", 0), ("confirmed", 5)]


@pytest.mark.parametrize(
    ("backward", "expected", "withheld"),
    [
        ("send", [("waiting", 0), ("confirmed", 1), ("waiting", 2), ("success", 3), ("waiting", 4), ("failed", 5)], []),
        ("closed_stays", [("waiting", 0), ("confirmed", 1), ("waiting", 2), ("success", 3), ("failed", 5)],
         [("waiting", "closed_stays")]),
        ("forward_only", [("waiting", 0), ("confirmed", 1), ("success", 3), ("failed", 5)],
         [("waiting", "forward_only"), ("waiting", "forward_only")]),
    ],
)  # fmt: skip
def test_a_move_backward_is_sent_or_held_back_and_shown(backward: str, expected: list, withheld: list) -> None:
    life = [told(0), told(1, CONFIRMED), told(2), told(3, CAME), told(4), told(5, NO_SHOW)]
    found = history(*life, backward=backward)
    assert passed(found) == expected
    assert [(move.stage.key, move.reason) for move in found.withheld] == withheld


def test_a_booking_restored_while_closed_deals_stay_closed_succeeds_later() -> None:
    life = [told(0), told(1, deleted=True), told(2), told(3, CAME)]
    assert passed(history(*life, backward="closed_stays")) == [("waiting", 0), ("failed", 1), ("success", 3)]
    assert history(*life[:3], backward="closed_stays").status is BookingStatus.WAITING


def test_between_the_two_closed_stages_there_is_no_forward_and_no_back() -> None:
    life = [told(0), told(1, NO_SHOW), told(2, CAME), told(3, None, deleted=True)]
    for backward in ("closed_stays", "forward_only"):
        assert passed(history(*life, backward=backward)) == [
            ("waiting", 0),
            ("failed", 1),
            ("success", 2),
            ("failed", 3),
        ]


@pytest.mark.parametrize(
    ("tellings", "expected"),
    [
        ([told(0), told(9, CAME)], [("waiting", 0), ("confirmed", 1), ("success", 9)]),
        ([told(0), told(0, CAME)], [("waiting", 0), ("confirmed", 1), ("success", 2)]),
        ([told(0, CAME)], [("waiting", 0), ("confirmed", 1), ("success", 2)]),
        ([told(0), told(9, deleted=True)], [("waiting", 0), ("failed", 9)]),
        ([told(0, CONFIRMED), told(9)], [("waiting", 0), ("confirmed", 1), ("waiting", 9)]),
    ],
)
def test_stages_passed_over_are_filled_where_the_other_system_wants_them(tellings: list, expected: list) -> None:
    assert passed(history(*tellings, skipped="filled")) == expected


def test_a_stage_of_lost_bookings_is_never_filled_into_a_success() -> None:
    lost = {
        "in_process": [{"key": "waiting", "name": "W"}, {"key": "missed", "name": "M"}],
        "stage_of": {"confirmed": "waiting", "no_show": "missed"},
    }
    found = history(told(0), told(9, CAME), in_funnel=funnel(**lost), skipped="filled")
    assert passed(found) == [("waiting", 0), ("success", 9)]


def test_each_stage_carries_the_sum_known_when_it_was_entered_and_the_last_the_sum_of_now() -> None:
    found = history(told(0), told(1, CONFIRMED, amount="10"), told(2, CAME), told(3, CAME, amount="12.50"))
    assert [step.amount for step in found.steps] == [None, Decimal(10), Decimal("12.50")]


# --- properties


@given(LIVES, TELLINGS, VENDOR_RULES, st.randoms(use_true_random=False), st.booleans())
def test_any_order_and_doubling_of_tellings_makes_the_same_stages(life, stands, rules, random, dated) -> None:
    created = NOON if dated else None
    again = [*life, *random.choices(life, k=random.randint(0, 5)), stands]
    random.shuffle(again)
    first = stage_history([*life, stands], stands, created_at=created, funnel=funnel(), rules=Rules(**rules))
    second = stage_history(again, stands, created_at=created, funnel=funnel(), rules=Rules(**rules))
    assert first == second


@given(LIVES, TELLINGS, VENDOR_RULES, st.integers(-5, 20))
def test_times_of_stages_strictly_increase_in_whole_seconds_from_the_creation_on(life, stands, rules, created) -> None:
    found = stage_history(life, stands, created_at=at(created), funnel=funnel(), rules=Rules(**rules))
    times = [step.at for step in found.steps]
    assert all(later - earlier >= timedelta(seconds=1) for earlier, later in itertools.pairwise(times))
    assert times[0] >= found.created_at
    assert all(moment.microsecond == 0 for moment in times)


@given(LIVES, TELLINGS)
def test_the_last_stage_is_that_of_the_booking_as_it_stands(life, stands) -> None:
    known = [telling for telling in life if telling.changed_at <= stands.changed_at]
    stands = Telling(stands.changed_at, stands.rank, stands.deleted, stands.attendance or 0, stands.amount)
    found = stage_history(known, stands, created_at=NOON, funnel=funnel(), rules=Rules())
    status = booking_status(stands.attendance, stands.deleted)
    assert found.status is status
    assert found.steps[-1].stage == funnel().stage(status)


@given(LIVES, TELLINGS, VENDOR_RULES)
def test_no_two_neighbouring_stages_are_equal(life, stands, rules) -> None:
    found = stage_history(life, stands, created_at=NOON, funnel=funnel(), rules=Rules(**rules))
    keys = [step.stage.key for step in found.steps]
    assert all(one != other for one, other in itertools.pairwise(keys))
