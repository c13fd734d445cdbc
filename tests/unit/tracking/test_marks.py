"""Whose a mark is, by when things happened: the same for any order and doubling of what is known."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import reduce

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.tracking.marks import Mark, Opening, Use, stranger_visit_id, visit_of

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
NAME = "k3v9Qw2LmN7xYz0aBcDeFg"
CLIENTS = ("", "anna", "boris")

moments = st.sampled_from([NOON + timedelta(seconds=second) for second in (0, 5, 120, 1799, 1800, 1801, 7200)])
openings = st.builds(lambda at, visit: Mark(opening=Opening(at, visit, "")), moments, st.sampled_from(("v1", "v2")))
uses = st.builds(lambda at, client: Mark(use=Use(at, client)), moments, st.sampled_from(CLIENTS))
facts = st.lists(st.one_of(openings, uses), max_size=8)


def joined(known: list[Mark]) -> Mark:
    return reduce(Mark.joined, known, Mark())


def used(client_id: str, seconds: float) -> Mark:
    return Mark(use=Use(NOON + timedelta(seconds=seconds), client_id))


OPENED = Mark(opening=Opening(NOON, "v1", "n1.yclients.com"))


@given(facts, st.randoms(use_true_random=False), st.data())
def test_the_order_and_doubling_of_what_is_known_changes_nothing(known, chance, data) -> None:
    again = data.draw(st.lists(st.sampled_from(known), max_size=4)) if known else []
    mixed = [*known, *again]
    chance.shuffle(mixed)
    assert joined(mixed) == joined(known)


@given(facts, facts)
def test_what_two_workers_know_apart_is_what_one_knows(some, others) -> None:
    assert joined(some).joined(joined(others)) == joined([*some, *others])


@given(facts, st.sampled_from(CLIENTS), openings)
def test_a_browser_is_the_clickers_or_has_a_visit_of_its_own(known, client_id, opening) -> None:
    mark = joined([*known, opening])
    assert mark.opening is not None
    assert visit_of(NAME, mark, client_id) in ("v1", "v2", stranger_visit_id(NAME, client_id))
    at_home = [one for one in CLIENTS if visit_of(NAME, mark, one) == mark.opening.visit_id]
    assert at_home == ([] if mark.expired else [mark.use.client_id] if mark.use else list(CLIENTS))


def test_the_earliest_browser_owns_the_mark_whoever_reports_first() -> None:
    mark = joined([OPENED, used("boris", 120), used("anna", 5)])
    assert visit_of(NAME, mark, "anna") == "v1"
    assert visit_of(NAME, mark, "boris") == stranger_visit_id(NAME, "boris")


@pytest.mark.parametrize(("seconds", "expired"), [(-3, False), (1800, False), (1800.001, True), (7200, True)])
def test_the_form_must_open_within_half_an_hour_of_the_click(seconds: float, expired: bool) -> None:
    mark = joined([used("anna", seconds), OPENED])
    assert mark.expired is expired
    assert visit_of(NAME, mark, "anna") == (stranger_visit_id(NAME, "anna") if expired else "v1")


def test_a_mark_that_nobody_announced_stands_for_no_visit_yet_but_strangers_are_strangers() -> None:
    mark = joined([used("anna", 5), used("boris", 60)])
    assert visit_of(NAME, mark, "anna") is None
    assert visit_of(NAME, mark, "boris") == stranger_visit_id(NAME, "boris")


def test_strangers_do_not_share_a_visit() -> None:
    names = {stranger_visit_id(name, client) for name in (NAME, NAME[::-1]) for client in CLIENTS}
    assert len(names) == 6
    assert all(16 <= len(name) <= 64 for name in names)
