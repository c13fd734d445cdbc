"""How long an answer waits, and when a newer one replaces it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.matching.model import BookingFacts, Level, Match, Origin, better, decide, grace_until
from tests.unit.matching.salon import MARK, NOON, booked, booking, claim, contact, mark, opened, record

_SOON = NOON + timedelta(hours=1)
NOTHING = decide(booking(), [])
PROBABLE = decide(booking(), [booked("v1")])
BY_PHONE = decide(booking(), [contact("v2")])
EXACT = decide(booking(), [record("v3")])
LADDER = [NOTHING, PROBABLE, BY_PHONE, EXACT]


def replaces(old: Match | None, new: Match, **more: object) -> bool:
    return better(old, new, **({"booking": booking(), "now": _SOON} | more))  # type: ignore[arg-type]


def test_an_undecided_booking_waits_for_the_browser_from_when_it_was_heard_of() -> None:
    facts = booking()
    for match in (NOTHING, PROBABLE, BY_PHONE):
        assert grace_until(facts, match, grace_s=90) == facts.received_at + timedelta(seconds=90)


def test_an_exact_answer_waits_for_nothing() -> None:
    assert grace_until(booking(), EXACT, grace_s=90) is None


@pytest.mark.parametrize(
    "facts",
    [
        booking(origin=Origin.STAFF, online=False),
        booking(origin=Origin.API),
        booking(online=False),
        booking(received_at=NOON + timedelta(days=2)),
    ],
)
def test_a_booking_that_no_browser_will_report_is_decided_at_once(facts: BookingFacts) -> None:
    assert grace_until(facts, decide(facts, []), grace_s=90) is None


def test_a_higher_level_wins_and_a_lower_one_does_not() -> None:
    for lower, old in enumerate(LADDER):
        for higher, new in enumerate(LADDER):
            if higher > lower:
                assert replaces(old, new)
            if higher < lower:
                assert not replaces(old, new)


def test_the_first_answer_is_always_kept() -> None:
    assert all(replaces(None, match) for match in LADDER)


@pytest.mark.parametrize("match", LADDER)
def test_the_same_answer_again_replaces_nothing(match: Match) -> None:
    assert not replaces(match, match)


def test_after_a_day_nothing_changes_any_more() -> None:
    received = booking().received_at
    assert replaces(NOTHING, EXACT, now=received + timedelta(hours=24))
    assert not replaces(NOTHING, EXACT, now=received + timedelta(hours=24, seconds=1))
    assert not replaces(NOTHING, EXACT, now=received + timedelta(minutes=2), improvement_window_s=60)


def test_what_a_person_corrected_stays() -> None:
    assert not replaces(NOTHING, EXACT, hand_corrected=True)


def test_an_earlier_claim_of_the_same_record_that_came_late_takes_over() -> None:
    both = decide(booking(), [record("v3"), record("v9", at=NOON - timedelta(seconds=2))])
    assert (both.level, both.visit_id) == (Level.L0, "v9")
    assert replaces(EXACT, both)


def test_a_better_founded_answer_of_the_same_level_replaces_the_old_one() -> None:
    weaker = decide(booking(), [opened("v1")])
    assert (weaker.level, PROBABLE.level) == (Level.L5, Level.L5)
    assert replaces(weaker, PROBABLE)


def test_a_probable_answer_is_withdrawn_when_its_visit_is_contested_or_explained_otherwise() -> None:
    assert replaces(PROBABLE, decide(booking(), [booked("v1"), booked("v2")]))
    assert replaces(PROBABLE, decide(booking(), [booked("v1")], [claim("v1")]))


def test_an_exact_answer_that_became_contested_or_alone_again_says_so() -> None:
    contested = decide(booking(), [record("v3"), record("v4", at=NOON + timedelta(seconds=2))])
    assert (contested.visit_id, contested.reason_code) == ("v3", "record_contested")
    assert replaces(EXACT, contested)
    assert replaces(contested, EXACT)


@pytest.mark.parametrize("state", ["stranger", "expired"])
def test_a_mark_is_withdrawn_when_it_turns_out_to_speak_of_nobody(state: str) -> None:
    marked = booking(mark=MARK)
    by_mark = decide(marked, [mark("v1")])
    refused = decide(marked, [mark("v1", mark_state=state), opened("v2")])
    assert (by_mark.level, refused.level) == (Level.L1, Level.L5)
    assert replaces(by_mark, refused, booking=marked)
    assert replaces(by_mark, decide(marked, [mark("v1", mark_state=state)]), booking=marked)
    assert not replaces(by_mark, decide(marked, [opened("v2")]), booking=marked)


def test_missing_facts_withdraw_nothing() -> None:
    assert not replaces(PROBABLE, NOTHING)
    assert not replaces(PROBABLE, decide(booking(), [opened("other", at=NOON - timedelta(minutes=50))]))
