"""The engine on days whose truth is known, beside the baseline of taking the visit nearest in time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import pytest

from server.matching.model import Level, Match, decide
from tests.unit.matching.generated import Day, nearest_in_time, play

_SEEDS = range(1, 21)


@dataclass(frozen=True, slots=True)
class Outcome:
    day: Day
    decided: dict[str, Match]
    nearest: dict[str, str | None]


@pytest.fixture(scope="module")
def outcomes() -> list[Outcome]:
    found = []
    for seed in _SEEDS:
        day = play(seed)
        decided = {item.booking_id: decide(item, day.evidence, day.claims) for item in day.bookings}
        found.append(
            Outcome(day, decided, {item.booking_id: nearest_in_time(item, day.evidence) for item in day.bookings})
        )
    return found


def _probable(outcomes: list[Outcome]) -> list[tuple[Match, bool]]:
    return [
        (match, match.visit_id == outcome.day.truth[name])
        for outcome in outcomes
        for name, match in outcome.decided.items()
        if match.level is Level.L5
    ]


def test_every_exact_mark_is_right(outcomes: list[Outcome]) -> None:
    for outcome in outcomes:
        for name, match in outcome.decided.items():
            assert (match.level is Level.L0) is (name in outcome.day.exact)
            if match.level is Level.L0:
                assert match.visit_id == outcome.day.truth[name]


def test_no_booking_of_staff_falls_on_a_visit(outcomes: list[Outcome]) -> None:
    wrong = [
        name
        for outcome in outcomes
        for name, match in outcome.decided.items()
        if name.startswith("staff") and match.visit_id
    ]
    assert wrong == []


def test_probable_answers_are_right_in_97_of_100_and_beat_the_nearest_in_time(
    outcomes: list[Outcome], record_property: Callable[[str, object], None]
) -> None:
    ours = [right for _, right in _probable(outcomes)]
    lost = [
        (outcome.day.truth[item.booking_id], outcome.nearest[item.booking_id], outcome.decided[item.booking_id])
        for outcome in outcomes
        for item in outcome.day.bookings
        if item.online and item.booking_id not in outcome.day.exact
    ]
    theirs = [truth == nearest for truth, nearest, _ in lost if nearest is not None]
    matchable = [match.visit_id == truth for truth, _, match in lost if truth is not None]
    precision, baseline = sum(ours) / len(ours), sum(theirs) / len(theirs)
    recall = sum(matchable) / len(matchable)
    report = f"L5 {precision:.3f} of {len(ours)}, recall {recall:.3f}; nearest in time {baseline:.3f} of {len(theirs)}"
    record_property("matching", report)
    print(report)
    assert precision >= 0.97, report
    assert precision > baseline, report
    assert len(ours) > 100, report


def test_what_is_called_probable_comes_true_about_that_often(outcomes: list[Outcome]) -> None:
    answers = _probable(outcomes)
    promised = sum(match.probability for match, _ in answers) / len(answers)
    kept = sum(right for _, right in answers) / len(answers)
    assert abs(promised - kept) < 0.03
