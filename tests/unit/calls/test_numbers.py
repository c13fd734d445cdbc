"""Numbers of the routing beside ours: which are the same, which are only written differently, which are missing."""

from __future__ import annotations

from server.calls.numbers import compare_numbers


def test_each_number_gets_its_verdict_and_what_differs_stands_first() -> None:
    told = compare_numbers(
        "74950000001\n+7 (495) 000-00-02, 74959999999; 101\n", ["74950000001", "74950000002", "74950000003"]
    )
    assert [(one.number, one.verdict) for one in told] == [
        ("+7 (495) 000-00-02", "written"),
        ("74959999999", "only_there"),
        ("101", "unreadable"),
        ("74950000003", "only_here"),
        ("74950000001", "same"),
    ]
    assert told[0].detail == "74950000002"


def test_a_number_dialled_with_eight_is_the_same_number_written_differently() -> None:
    (one,) = compare_numbers("84950000001", ["74950000001"])
    assert (one.verdict, one.detail) == ("written", "74950000001")


def test_nothing_copied_says_that_all_of_ours_are_missing() -> None:
    assert [one.verdict for one in compare_numbers(" \n", ["74950000001"])] == ["only_here"]
