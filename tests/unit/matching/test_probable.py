"""Probable evidence: who is accepted, who is only possible, and what each field counts."""

from __future__ import annotations

from datetime import timedelta

import pytest

from server.matching.model import (
    ACCEPT_MARGIN_BITS,
    COMMON_TABLE,
    BookingFacts,
    Evidence,
    FieldTable,
    Level,
    Match,
    Method,
    Origin,
    decide,
)
from server.matching.scoring import Pair
from tests.unit.matching.salon import (
    BRANCH,
    FORM,
    NOON,
    RECORD,
    SLOT,
    ago,
    booked,
    booking,
    claim,
    event,
    opened,
    record,
)


def bits_of(match: Match, code: str) -> float:
    return next(item.weight_bits for item in match.evidence if item.detail_code == code)


def codes(match: Match) -> set[str]:
    return {item.detail_code for item in match.evidence}


# --- acceptance


@pytest.mark.parametrize("seconds", [5, 60, 61, 300, 301, 599, 600])
def test_a_lone_visitor_who_opened_this_form_within_ten_minutes_is_accepted(seconds: int) -> None:
    match = decide(booking(), [opened(at=ago(seconds=seconds))])
    assert (match.level, match.method, match.visit_id) == (Level.L5, Method.PROBABLE, "v1")
    assert 0.90 <= match.probability < 0.99
    assert match.reason_code == "probable"
    assert match.margin_bits is not None
    assert match.margin_bits >= ACCEPT_MARGIN_BITS


def test_a_lone_visitor_who_opened_the_form_half_an_hour_before_is_not() -> None:
    match = decide(booking(), [opened(at=ago(minutes=29))])
    assert (match.level, match.probability, match.visit_id) == (Level.NONE, 0.0, None)
    assert [other.visit_id for other in match.alternatives] == ["v1"]


@pytest.mark.parametrize(("first", "second"), [(120, 120), (120, 200), (20, 590), (300, 301), (599, 5)])
def test_of_two_visitors_who_opened_this_form_within_ten_minutes_none_is_taken(first: int, second: int) -> None:
    match = decide(booking(), [opened("v1", at=ago(seconds=first)), opened("v2", at=ago(seconds=second))])
    assert match.level is Level.NONE
    assert {other.visit_id for other in match.alternatives} == {"v1", "v2"}
    assert sum(other.probability for other in match.alternatives) <= 1.0


def test_two_equal_visits_are_said_to_be_equal() -> None:
    match = decide(booking(), [opened("v1"), opened("v2"), opened("far", at=ago(minutes=50))])
    assert (match.reason_code, match.reason_params["count"]) == ("equal", "2")
    assert match.alternatives[0].probability == match.alternatives[1].probability


def test_a_possible_visit_is_named_with_its_chance_but_not_taken() -> None:
    match = decide(booking(), [opened(form_id=None)])
    assert (match.level, match.reason_code, match.visit_id) == (Level.NONE, "possible", None)
    assert int(match.reason_params["percent"]) == int(match.alternatives[0].probability * 100) >= 50


def test_the_forms_message_with_all_that_the_booking_has_is_nearly_certain() -> None:
    match = decide(booking(), [booked("v1"), opened("v2"), opened("v3", at=ago(minutes=1))])
    assert (match.level, match.visit_id, match.reason_code) == (Level.L5, "v1", "probable_booked")
    assert match.probability == pytest.approx(0.999, abs=0.0005)
    assert match.reason_params["percent"] == "99"


def test_probable_is_never_certain() -> None:
    sure = decide(booking(from_host="salon.ru"), [booked(site_host="www.salon.ru", is_mobile=False)])
    assert sure.probability <= COMMON_TABLE.ceiling < 1.0


def test_many_visitors_in_the_window_make_a_weak_sign_weaker() -> None:
    def chance(visitors: int) -> float:
        crowd = [opened(f"v{number}", at=ago(minutes=20)) for number in range(visitors)]
        return max(other.probability for other in decide(booking(), crowd).alternatives)

    assert chance(1) > chance(4) > chance(40)


def test_the_worked_example_of_the_design_comes_out_close_to_it() -> None:
    crowd = [opened(f"v{number}", at=ago(minutes=40), form_id=FORM + 1) for number in range(39)]
    match = decide(booking(bookform_id=None), [booked(form_id=None), *crowd])
    expected = {"booked_gap": 7.8, "services_same": 2.7, "master_same": 2.2, "slot_same": 6.6}
    assert {code: bits_of(match, code) for code in expected} == pytest.approx(expected, abs=0.1)
    assert match.probability > 0.99


# --- fields


@pytest.mark.parametrize(
    "other", [{"slot": "2026-11-25T15:30"}, {"service_ids": frozenset({99})}, {"staff_id": 8}, {"at": ago(minutes=6)}]
)
def test_whatever_differs_in_the_forms_message_makes_it_weaker(other: dict) -> None:
    def bits(told: Evidence) -> float:
        match = decide(booking(), [told])
        return sum(item.weight_bits for item in match.evidence)

    assert bits(booked(**other)) < bits(booked()) - 3


def test_another_slot_in_the_same_second_is_another_booking() -> None:
    match = decide(booking(), [booked(slot="2026-11-25T15:30")])
    assert match.level is Level.NONE
    assert bits_of(match, "slot_other") < -10


def test_the_form_writes_the_slot_with_a_blank_and_seconds() -> None:
    assert "slot_same" in codes(decide(booking(), [booked(slot="2026-11-25 15:00:00")]))


def test_a_service_added_by_staff_leaves_the_message_agreeing() -> None:
    assert "services_same" in codes(decide(booking(), [booked(service_ids=frozenset({11}))]))


@pytest.mark.parametrize(
    ("change", "with_it", "code"),
    [
        ({"form_id": FORM + 1}, {}, "form_other"),
        ({"is_mobile": True}, {}, "device_other"),
        ({"is_mobile": False}, {}, "device_same"),
        ({"site_host": "www.salon.ru:443"}, {"from_host": "salon.ru"}, "from_site_same"),
        ({"form_id": None, "company_id": BRANCH}, {}, "branch_same"),
    ],
)
def test_each_field_that_is_known_on_both_sides_is_weighed(change: dict, with_it: dict, code: str) -> None:
    match = decide(booking(**with_it), [opened(**change)])
    assert code in codes(match)
    assert (bits_of(match, code) > 0) is code.endswith("same")


@pytest.mark.parametrize(
    ("change", "with_it"),
    [
        ({"is_mobile": True}, {"is_mobile": 0}),
        ({"is_mobile": None}, {}),
        ({"site_host": "yandex.ru"}, {"from_host": "vk.com"}),
    ],
)
def test_a_field_that_says_nothing_is_not_weighed(change: dict, with_it: dict) -> None:
    assert codes(decide(booking(**with_it), [opened(**change)])) == {"activity_gap", "form_same"}


def test_the_further_a_visitor_came_in_the_form_the_likelier() -> None:
    def bits(name: str) -> float:
        return decide(booking(), [opened(), event("step", "v1", ago(minutes=4), step=name)]).margin_bits or 0.0

    assert bits("widget_loaded") < bits("master_selected") < bits("time_selected") < bits("send_contacts")


def test_what_was_chosen_last_in_the_steps_is_compared() -> None:
    steps = [
        event("step", "v1", ago(minutes=5), step="service_selected", service_ids=frozenset({11, 12})),
        event("step", "v1", ago(minutes=4), step="time_selected", slot="2026-11-25T10:00"),
        event("step", "v1", ago(minutes=3), step="time_selected", slot=SLOT),
        event("step", "v1", ago(minutes=3, seconds=30), step="master_selected", staff_id=8),
    ]
    assert {"services_same", "slot_same", "master_other", "step_time"} <= codes(decide(booking(), steps))


def test_activity_that_began_after_the_booking_cannot_have_brought_it() -> None:
    match = decide(booking(), [opened(at=NOON + timedelta(seconds=90))])
    assert match.level is Level.NONE
    assert bits_of(match, "activity_gap") < 0


@pytest.mark.parametrize(
    "far",
    [
        opened(at=ago(minutes=61)),
        opened(at=NOON + timedelta(minutes=3)),
        booked(at=ago(minutes=11)),
        booked(company_id=BRANCH + 1),
        opened(company_id=BRANCH + 1, form_id=FORM + 1),
        event("hit", "v1", ago(minutes=1)),
    ],
)
def test_what_is_out_of_reach_makes_no_candidate(far: Evidence) -> None:
    assert decide(booking(), [far]).reason_code == "nobody"


def test_the_form_of_a_chain_may_be_entered_through_another_branch() -> None:
    assert decide(booking(), [opened(company_id=BRANCH + 1)]).level is Level.L5


def test_a_rare_service_and_a_rare_master_say_more_than_popular_ones() -> None:
    def bits(services: dict[int, int], masters: dict[int, int]) -> tuple[float, float]:
        table = FieldTable(services_seen=services, masters_seen=masters)
        match = decide(booking(service_ids=frozenset({11})), [booked(service_ids=frozenset({11}))], table=table)
        return bits_of(match, "services_same"), bits_of(match, "master_same")

    popular, rare = bits({11: 900, 5: 100}, {7: 900, 5: 100}), bits({11: 10, 5: 990}, {7: 10, 5: 990})
    assert all(few > many for few, many in zip(rare, popular, strict=True))
    assert bits({11: 1000}, {7: 1000}) == (0.0, 0.0)  # it agrees by chance as often as not


def test_an_unknown_origin_made_online_is_weighed_too() -> None:
    assert decide(booking(origin=Origin.UNKNOWN), [booked()]).level is Level.L5


# --- what another booking explains already


@pytest.mark.parametrize("told", [booked(), opened(at=ago(minutes=2))])
def test_what_a_visit_did_for_another_booking_is_spent(told: Evidence) -> None:
    match = decide(booking(), [told], [claim()])
    assert (match.level, match.reason_code) == (Level.NONE, "spent")
    assert bits_of(match, "spent") < -10


def test_a_record_named_by_the_form_spends_the_visit_before_its_booking_is_matched() -> None:
    other = record("v1", at=ago(seconds=2), record_id=RECORD + 5)
    assert decide(booking(), [booked(), other]).reason_code == "spent"


def test_a_claim_leaves_the_other_of_two_equal_visits_alone() -> None:
    match = decide(booking(), [opened("v1"), opened("v2")], [claim("v1", at=ago(minutes=1))])
    assert (match.level, match.visit_id, match.reason_code) == (Level.L5, "v2", "probable_best")


def test_the_same_visit_may_book_again_after_a_claim() -> None:
    again = opened(at=ago(minutes=3))
    assert decide(booking(), [opened(at=ago(minutes=22)), again], [claim(at=ago(minutes=20))]).visit_id == "v1"


def test_a_group_booking_has_one_message_for_each_of_its_records() -> None:
    told = [booked(event_id="e#0", service_ids=frozenset({31}), staff_id=3), booked(event_id="e#1")]
    assert decide(booking(), told, [claim(at=NOON)]).visit_id == "v1"
    assert decide(booking(), told, [claim(at=NOON), claim(at=NOON, record_id=RECORD + 2)]).reason_code == "spent"


def test_one_booking_told_by_both_scripts_is_spent_by_one_claim() -> None:
    assert decide(booking(), [booked(event_id="site"), booked(event_id="form")], [claim()]).reason_code == "spent"


def test_who_booked_in_another_branch_did_not_book_here() -> None:
    visit = [opened(at=ago(minutes=2)), booked(company_id=BRANCH + 1)]
    match = decide(booking(), visit)
    assert match.reason_code == "spent"
    assert "booked_elsewhere" in codes(match)


def test_a_claim_about_this_very_booking_or_long_ago_changes_nothing() -> None:
    plain = decide(booking(), [booked()])
    assert decide(booking(), [booked()], [claim(record_id=RECORD), claim(at=ago(hours=3))]) == plain


def test_a_second_booking_in_a_visit_takes_its_own_message() -> None:
    first = booked(at=ago(minutes=5), slot="2026-11-26T11:00", staff_id=3)
    match = decide(booking(), [first, booked()], [claim(at=ago(minutes=5))])
    assert (match.level, match.visit_id) == (Level.L5, "v1")


# --- what is shown


def test_the_evidence_of_rivals_is_shown_in_one_order() -> None:
    match = decide(booking(), [opened("v1"), opened("v2", at=ago(minutes=8))])
    assert {item.visit_id for item in match.evidence} == {"v1", "v2"}
    weights = [item.weight_bits for item in match.evidence]
    assert weights == sorted(weights, reverse=True)


def test_a_column_of_the_common_table_is_a_distribution() -> None:
    for bins in (COMMON_TABLE.booked_gap, COMMON_TABLE.activity_gap):
        assert sum(m for _, m, _ in bins) == pytest.approx(1.0)
        assert sum(u for _, _, u in bins) == pytest.approx(1.0)


def test_a_field_that_agrees_by_chance_as_often_counts_nothing() -> None:
    assert Pair(0.5, 0.5).bits(True) == Pair(0.5, 0.5).bits(False) == 0.0


def test_a_booking_that_names_nothing_is_still_decided() -> None:
    bare: BookingFacts = booking(
        bookform_id=None, is_mobile=None, service_ids=frozenset(), staff_id=None, starts_at_local=None, phone_hash=None,
        email_hash=None,
    )  # fmt: skip
    assert codes(decide(bare, [booked()])) == {"booked_gap", "branch_same"}
