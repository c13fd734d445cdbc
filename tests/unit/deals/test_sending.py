"""What of a deal is still to be sent, over any course of tellings, and how a refused batch is taken apart."""

from __future__ import annotations

from collections import deque
from dataclasses import replace
from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.deals.history import Rules, Telling
from server.deals.model import Client, Deal, Lead, Line, Person
from server.deals.sending import Batch, Parcel, Sending, Sent, batches, parcel_of_row, split, what_to_send
from tests.unit.deals.salon import LIVES, NOON, VENDOR_RULES, OtherSystem, at, booking, deal, stored

CAME = booking(changed_at=at(60), attendance=1)


def sent(told: Deal, before: Sent | None = None, rules: Rules | None = None) -> Sent:
    then = what_to_send(told, before, rules or Rules()).then
    assert then is not None
    return then


def rows(parcel: Parcel) -> list[tuple[str, float, float]]:
    return [
        (
            entry.step.stage.key,
            (entry.step.at - NOON).total_seconds(),
            (entry.changed_at - NOON).total_seconds(),
        )
        for entry in parcel.entries
    ]


# --- what to send


def test_a_deal_not_sent_before_is_sent_with_all_its_stages() -> None:
    parcel = what_to_send(deal(CAME, Telling(at(30), 1, attendance=2)), None, Rules())
    assert parcel.kind is Sending.FULL
    assert rows(parcel) == [("waiting", 0, 0), ("confirmed", 30, 30), ("success", 60, 60)]
    assert [entry.closed_at for entry in parcel.entries] == [None, None, at(60)]


def test_what_was_accepted_is_not_sent_again() -> None:
    told = deal(CAME)
    parcel = what_to_send(told, sent(told), Rules())
    assert (parcel.kind, parcel.entries, parcel.then) == (Sending.NOTHING, (), None)


def test_only_the_new_stage_is_sent() -> None:
    parcel = what_to_send(deal(CAME), sent(deal()), Rules())
    assert (parcel.kind, rows(parcel)) == (Sending.STAGES, [("success", 60, 60)])


@pytest.mark.parametrize(
    "changed",
    [
        replace(CAME, lines=(Line("service", "Стрижка", Decimal("1999.91"), "Волосы"),)),
        replace(CAME, paid_full=True),
        replace(CAME, staff=Person(10, "Ольга")),
        replace(CAME, client=Client(78, "Анна", "+79000000001", "anna@example.com")),  # merged with another client
        replace(CAME, client=Client(77, "Анна", "+79000000002", "anna@example.com")),
        replace(CAME, starts_at=at(200_000)),
        replace(CAME, labels=("VIP",)),
    ],
)
def test_any_other_change_sends_the_stage_it_stands_in_once_more(changed) -> None:
    title = "{services} {client} {date}"
    held = sent(deal(CAME, title=title))
    told = deal(replace(changed, changed_at=at(600)), Telling(at(60), 1, attendance=1), title=title)
    parcel = what_to_send(told, held, Rules())
    assert (parcel.kind, rows(parcel)) == (Sending.CONTENT, [("success", 60, 600)])
    assert parcel.key == deal(CAME).key
    assert what_to_send(told, parcel.then, Rules()).kind is Sending.NOTHING


def test_a_change_that_is_no_change_of_the_booking_still_moves_the_time_of_change() -> None:
    held = sent(deal(CAME))
    told = deal(CAME, lead=Lead(5, NOON))
    assert rows(what_to_send(told, held, Rules())) == [("success", 60, 61)]
    shifted = what_to_send(told, held, Rules(content="stage_time"))
    assert rows(shifted) == [("success", 61, 61)]
    assert shifted.entries[0].closed_at == at(60)  # the deal was not closed later


def test_an_equal_sum_written_otherwise_is_no_change() -> None:
    told = replace(CAME, lines=(Line("service", "Стрижка", Decimal("5")),))
    other = replace(CAME, lines=(Line("service", "Стрижка", Decimal("5.000")),))
    assert what_to_send(deal(other), sent(deal(told)), Rules()).kind is Sending.NOTHING


def test_a_stage_told_too_late_is_not_sent_behind_a_later_one() -> None:
    late = deal(CAME, Telling(at(30), 1, attendance=2))
    assert [step.stage.key for step in late.steps] == ["waiting", "confirmed", "success"]
    assert what_to_send(late, sent(deal(CAME)), Rules()).kind is Sending.NOTHING


def test_a_deal_found_to_be_closed_earlier_tells_its_true_closing_time() -> None:
    held = sent(deal(CAME))
    earlier = deal(replace(CAME, changed_at=at(90)), Telling(at(40), 1, attendance=1))
    parcel = what_to_send(earlier, held, Rules())
    assert (parcel.kind, rows(parcel), parcel.entries[0].closed_at) == (Sending.CONTENT, [("success", 60, 90)], at(40))


def test_after_an_unknown_outcome_what_is_held_is_sent_once_more_and_no_stage_twice() -> None:
    told = deal(CAME, Telling(at(30), 1, attendance=2))
    found = Sent("yclick", "confirmed", at(30), at(30), "")
    parcel = what_to_send(told, found, Rules())
    assert (parcel.kind, rows(parcel)) == (Sending.STAGES, [("success", 60, 60)])
    whole = what_to_send(told, Sent("yclick", "success", at(60), at(60), ""), Rules())
    assert (whole.kind, rows(whole)) == (Sending.CONTENT, [("success", 60, 61)])


def test_the_newer_of_one_second_moves_behind_what_was_sent() -> None:
    held = sent(deal(replace(CAME, attendance=2)))
    parcel = what_to_send(deal(replace(CAME, attendance=-1)), held, Rules())
    assert (parcel.kind, rows(parcel)) == (Sending.STAGES, [("failed", 61, 61)])
    assert parcel.ready_at == at(61)


def test_deletion_and_restoration_reach_the_same_deal() -> None:
    new = deal()
    held = sent(new)
    deleted = deal(booking(changed_at=at(5), deleted=True))
    parcel = what_to_send(deleted, held, Rules())
    assert (rows(parcel), parcel.entries[0].closed_at) == ([("failed", 5, 5)], at(5))
    assert parcel.then is not None
    restored = deal(booking(changed_at=at(9)), Telling(at(5), 2, deleted=True))
    back = what_to_send(restored, parcel.then, Rules())
    assert (rows(back), back.entries[0].closed_at) == ([("waiting", 9, 9)], None)
    assert {new.key, deleted.key, restored.key} == {new.key}


def test_a_restored_booking_whose_closed_deal_stays_closed_sends_nothing_and_says_so() -> None:
    rules = {"backward": "closed_stays"}
    deleted = Telling(at(5), 2, deleted=True)
    held = sent(deal(booking(changed_at=at(5), deleted=True), vendor_rules=rules, fields={"status": False}))
    restored = deal(booking(changed_at=at(9)), deleted, vendor_rules=rules, fields={"status": False})
    assert what_to_send(restored, held, Rules(backward="closed_stays")).kind is Sending.NOTHING
    assert [(move.stage.key, move.reason) for move in restored.withheld] == [("waiting", "closed_stays")]


def test_a_deal_whose_funnel_is_another_now_goes_into_it() -> None:
    held = sent(deal(CAME))
    moved = deal(CAME, funnels="per_branch")
    parcel = what_to_send(moved, held, Rules())
    assert (parcel.deal.funnel_key, rows(parcel)) == ("yclick_4564", [("success", 61, 61)])


@given(LIVES, VENDOR_RULES, st.randoms(use_true_random=False))
def test_whatever_the_order_of_tellings_the_other_system_ends_where_the_booking_stands(life, rules, random) -> None:
    arriving = [*life, *random.choices(life, k=random.randint(0, len(life)))]
    random.shuffle(arriving)
    other, held, arrived = OtherSystem(), None, []
    for telling in arriving:
        arrived.append(telling)
        told = deal(stored(arrived), *arrived, vendor_rules=rules)
        parcel = what_to_send(told, held, Rules(**rules))
        if parcel.kind is not Sending.NOTHING:
            assert other.takes((parcel,))
            held = parcel.then
        assert what_to_send(told, held, Rules(**rules)).kind is Sending.NOTHING
    last = deal(stored(life), *life, vendor_rules=rules)
    ((key, history),) = other.held.items()
    stage, _, content = history[-1]
    assert (key, stage, content) == (last.key, last.steps[-1].stage.key, last.content)
    times = [moment for _, moment, _ in history]
    assert all(one < next_ for one, next_ in pairwise(dict.fromkeys(times)))


@given(LIVES, VENDOR_RULES)
def test_stages_sent_strictly_increase_in_time_and_a_repeat_of_content_keeps_its_stage(life, rules) -> None:
    held, sent_rows = None, []
    for count in range(1, len(life) + 1):
        told = deal(stored(life[:count]), *life[:count], vendor_rules=rules)
        parcel = what_to_send(told, held, Rules(**rules))
        if parcel.kind is not Sending.NOTHING:
            sent_rows += [(parcel.kind, entry) for entry in parcel.entries]
            held = parcel.then
    for (_, one), (kind, following) in pairwise(sent_rows):
        assert following.changed_at >= one.changed_at
        if kind is Sending.CONTENT:
            assert following.step.stage == one.step.stage
            assert following.changed_at > one.changed_at
        else:
            assert following.step.at > one.step.at


# --- batches


def parcels(count: int, *, stages: int = 1) -> list[Parcel]:
    told = [
        booking(number=number, changed_at=at(60), attendance=1 if stages > 1 else 0) for number in range(1, count + 1)
    ]
    return [what_to_send(deal(one), None, Rules()) for one in told]


def load(other: OtherSystem, made: list[Batch], *, names_the_bad: bool = False) -> list[str]:
    """Sends batches as the flow will; answers the keys found bad."""
    queue, bad = deque(made), []
    while queue:
        batch = queue.popleft()
        if other.takes(batch):
            continue
        named = {parcel.key for parcel in batch if parcel.key in other.bad} if names_the_bad else set()
        parts = split(batch, named=named)
        if parts.bad is not None:
            bad.append(parts.bad.key)
        queue.extendleft(reversed(parts.again))
    return bad


def test_a_batch_holds_no_more_rows_than_allowed_and_no_deal_is_cut() -> None:
    told = parcels(7, stages=2)  # two rows each
    made = batches(told, limit=5)
    assert [len(batch) for batch in made] == [2, 2, 2, 1]
    assert [parcel for batch in made for parcel in batch] == told


def test_nothing_to_send_is_no_request() -> None:
    told = deal()
    assert batches([what_to_send(told, sent(told), Rules())]) == []


def test_a_deal_of_more_rows_than_a_request_travels_alone() -> None:
    long, short = parcels(1, stages=2)[0], parcels(2)[1]
    assert batches([short, long, short], limit=1) == [(short,), (long,), (short,)]


@pytest.mark.parametrize(("names_the_bad", "at_most"), [(False, 21), (True, 3)])
def test_one_bad_deal_never_sinks_a_thousand(names_the_bad: bool, at_most: int) -> None:
    told = parcels(1000)
    other = OtherSystem(bad=frozenset({told[613].key}))
    assert load(other, batches(told), names_the_bad=names_the_bad) == [told[613].key]
    assert len(other.held) == 999
    assert other.requests <= at_most


def test_a_refusal_that_names_the_wrong_deals_still_ends() -> None:
    told = tuple(parcels(4))
    assert split(told, named={"none of them"}).again == (told[:2], told[2:])
    assert split(told, named={parcel.key for parcel in told}).again == (told[:2], told[2:])
    assert split(told, named={told[1].key}).again == ((told[0], *told[2:]), (told[1],))
    assert split(told[:1]).bad == told[0]


@given(st.integers(1, 40), st.sets(st.integers(0, 39)), st.integers(1, 15), st.booleans())
def test_every_good_deal_arrives_once_and_every_bad_one_is_singled_out(count, bad, limit, named) -> None:
    told = parcels(count)
    wrong = {told[place].key for place in bad if place < count}
    other = OtherSystem(bad=frozenset(wrong))
    assert sorted(load(other, batches(told, limit=limit), names_the_bad=named)) == sorted(wrong)
    assert {key: len(rows) for key, rows in other.held.items()} == {one.key: 1 for one in told if one.key not in wrong}


def test_a_row_named_by_its_place_is_found() -> None:
    told = tuple(parcels(3, stages=2))
    assert [parcel_of_row(told, row) for row in (0, 1, 2, 5, 6, -1)] == [told[0], told[0], told[1], told[2], None, None]
