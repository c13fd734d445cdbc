"""Exact evidence, contacts, calls; and bookings that no visit can have brought."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from server.matching.model import EXACT_BITS, Evidence, Level, Method, Origin, decide
from tests.unit.matching.salon import (
    BRANCH,
    EMAIL,
    MARK,
    NOON,
    PHONE,
    RECORD,
    ago,
    booked,
    booking,
    contact,
    event,
    mark,
    opened,
    record,
)

# --- L0: the form named the record


def test_the_visit_whose_form_named_the_record_is_taken_as_certain() -> None:
    match = decide(booking(), [record("v1"), opened("v2")])
    assert (match.level, match.method, match.visit_id) == (Level.L0, Method.RECORD, "v1")
    assert match.probability == 1.0
    assert match.reason_code == "record"
    assert match.reason_params["record_id"] == str(RECORD)
    assert (match.evidence[0].detail_code, match.evidence[0].weight_bits) == ("record", EXACT_BITS)


@pytest.mark.parametrize(
    "strange", [record(company_id=BRANCH + 1), record(record_id=RECORD + 1), record(company_id=None)]
)
def test_another_record_or_branch_is_no_mark_of_this_booking(strange: Evidence) -> None:
    assert decide(booking(), [strange]).level is Level.NONE


@pytest.mark.parametrize("gap", [timedelta(minutes=-10), timedelta(0), timedelta(hours=24)])
def test_a_record_named_within_the_window_counts(gap: timedelta) -> None:
    assert decide(booking(), [record(at=NOON + gap)]).level is Level.L0


@pytest.mark.parametrize(
    "gap", [timedelta(minutes=-10, seconds=-1), timedelta(hours=24, seconds=1), timedelta(days=-9)]
)
def test_a_record_named_at_an_impossible_time_is_kept_as_evidence_against(gap: timedelta) -> None:
    match = decide(booking(), [record("forger", at=NOON + gap)])
    assert match.level is Level.NONE
    assert match.reason_params["note"] == "record_absurd"
    assert [(item.detail_code, item.visit_id) for item in match.evidence] == [("record_absurd", "forger")]
    assert match.evidence[0].weight_bits < 0


def test_of_two_visits_naming_the_record_the_earlier_wins_and_the_other_is_said() -> None:
    match = decide(booking(), [record("late", at=NOON + timedelta(minutes=3)), record("first", at=NOON)])
    assert (match.visit_id, match.reason_code) == ("first", "record_contested")
    assert [other.visit_id for other in match.alternatives] == ["late"]
    assert match.probability < 1.0
    assert {item.detail_code: item.weight_bits > 0 for item in match.evidence} == {
        "record": True,
        "record_later": False,
    }


def test_two_visits_naming_the_record_in_the_same_instant_are_not_decided_between() -> None:
    match = decide(booking(), [record("v1"), record("v2")])
    assert match.level is Level.NONE
    assert match.reason_params["note"] == "tie"


def test_one_visit_naming_the_record_twice_is_not_contested() -> None:
    match = decide(booking(), [record(at=NOON), record(at=NOON + timedelta(seconds=4))])
    assert match.reason_code == "record"
    assert match.alternatives == ()


def test_a_visit_may_have_several_bookings() -> None:
    told = [record(event_id="a"), record(event_id="b", record_id=RECORD + 1)]
    other = booking(record_id=RECORD + 1)
    assert decide(booking(), told).visit_id == decide(other, told).visit_id == "v1"


# --- L1: our mark stands in the booking


def test_the_mark_inside_the_booking_names_its_visit() -> None:
    match = decide(booking(mark=MARK), [mark("v1"), mark("v2", mark="another")])
    assert (match.level, match.method, match.visit_id, match.probability) == (Level.L1, Method.MARK, "v1", 1.0)


def test_a_mark_without_a_state_is_as_good_as_bound() -> None:
    assert decide(booking(mark=MARK), [mark(mark_state=None)]).level is Level.L1


@pytest.mark.parametrize(
    ("state", "note"), [("stranger", "mark_stranger"), ("expired", "mark_expired"), ("unheard of", "mark_stranger")]
)
def test_a_strangers_or_expired_mark_never_matches_and_is_said(state: str, note: str) -> None:
    match = decide(booking(mark=MARK), [mark(mark_state=state)])
    assert match.level is Level.NONE
    assert match.reason_params["note"] == note
    assert match.evidence[0].weight_bits < 0


def test_a_mark_given_more_than_a_day_before_has_expired() -> None:
    match = decide(booking(mark=MARK), [mark(at=ago(hours=25))])
    assert (match.level, match.reason_params["note"]) == (Level.NONE, "mark_expired")


def test_a_booking_without_a_mark_matches_no_mark() -> None:
    assert decide(booking(mark=None), [mark(mark=None), mark("v2")]).level is Level.NONE


def test_the_record_outranks_the_mark_and_the_contradiction_is_said() -> None:
    match = decide(booking(mark=MARK), [mark("v2"), record("v1")])
    assert (match.level, match.visit_id, match.reason_params["note"]) == (Level.L0, "v1", "contradicted")
    assert [other.visit_id for other in match.alternatives] == ["v2"]
    assert {"record", "mark"} <= {item.detail_code for item in match.evidence}


def test_a_message_of_success_in_another_visit_is_shown_beside_an_exact_mark() -> None:
    match = decide(booking(), [record("v1"), booked("v2")])
    assert (match.visit_id, match.reason_params["note"]) == ("v1", "contradicted")
    assert "booked_gap" in {item.detail_code for item in match.evidence if item.visit_id == "v2"}


def test_what_agrees_with_an_exact_mark_is_shown_too() -> None:
    match = decide(booking(), [record(), booked()])
    assert "note" not in match.reason_params
    assert {"record", "booked_gap", "services_same", "master_same", "slot_same"} <= {
        item.detail_code for item in match.evidence
    }


# --- L2, L3, L4: phone, call, e-mail


def test_the_phone_typed_on_the_site_names_the_visit() -> None:
    match = decide(booking(), [contact("v1")])
    assert (match.level, match.method, match.visit_id, match.reason_code) == (Level.L2, Method.PHONE, "v1", "phone")
    assert match.probability == pytest.approx(0.97)


def test_the_call_and_the_mail_stand_below_the_phone() -> None:
    call = event("call", "v2", ago(minutes=20), phone_hash=PHONE)
    mail = event("contact_email", "v3", ago(minutes=10), email_hash=EMAIL)
    assert decide(booking(), [contact("v1"), call, mail]).visit_id == "v1"
    assert decide(booking(), [call, mail]).level is Level.L3
    assert decide(booking(), [mail]).level is Level.L4


@pytest.mark.parametrize(
    "strange", [contact(phone_hash=b"another"), contact(phone_hash=None), contact(at=ago(days=31))]
)
def test_another_phone_or_an_old_one_names_nobody(strange: Evidence) -> None:
    assert decide(booking(), [strange]).level is Level.NONE


def test_a_masked_phone_agrees_with_no_other_masked_phone() -> None:
    assert decide(booking(phone_hash=None), [contact(phone_hash=None)]).level is Level.NONE
    mail = event("contact_email", "v1", ago(hours=1), email_hash=None)
    assert decide(booking(email_hash=None), [mail]).level is Level.NONE


def test_of_several_visits_with_the_phone_the_nearest_wins() -> None:
    match = decide(booking(), [contact("old", at=ago(days=9)), contact("near", at=ago(hours=2))])
    assert (match.visit_id, match.reason_code) == ("near", "phone")
    assert [other.visit_id for other in match.alternatives] == ["old"]


def test_a_phone_left_by_two_visitors_is_said_and_less_sure() -> None:
    told = [contact("wife", at=ago(hours=2), visitor_id="w"), contact("husband", at=ago(hours=3), visitor_id="h")]
    match = decide(booking(), told)
    assert (match.visit_id, match.reason_code) == ("wife", "phone_shared")
    assert match.probability < decide(booking(), told[:1]).probability


def test_two_visits_of_one_visitor_are_no_shared_phone() -> None:
    told = [contact("v1", at=ago(hours=2), visitor_id="w"), contact("v2", at=ago(hours=3), visitor_id="w")]
    assert decide(booking(), told).reason_code == "phone"


# --- who made the booking


@pytest.mark.parametrize("origin", [Origin.STAFF, Origin.API, Origin.IMPORT])
def test_a_booking_not_made_on_the_web_falls_on_no_visit(origin: Origin) -> None:
    everything = [record(), mark(), booked(), opened(), contact(), event("contact_email", "v1", NOON, email_hash=EMAIL)]
    match = decide(booking(origin=origin, mark=MARK), everything)
    assert (match.level, match.visit_id, match.reason_code) == (Level.NONE, None, origin.value)


def test_an_offline_booking_falls_on_no_visit_whatever_its_origin_says() -> None:
    match = decide(booking(online=False, mark=MARK), [record(), mark(), booked(), contact()])
    assert (match.level, match.reason_code) == (Level.NONE, "not_online")


@pytest.mark.parametrize(("kind", "level"), [("call", Level.L3), ("chat_phone", Level.L2)])
def test_a_booking_written_down_by_staff_may_follow_a_call_or_a_chat(kind: str, level: Level) -> None:
    spoken = event(kind, "v1", ago(minutes=2), phone_hash=PHONE)
    for origin in (Origin.STAFF, Origin.API, Origin.IMPORT):
        match = decide(booking(origin=origin, online=False), [spoken, record("v2")])
        assert (match.level, match.visit_id) == (level, "v1")


@pytest.mark.parametrize("origin", [Origin.MOBILE_APP, Origin.UNKNOWN])
def test_the_form_knows_better_than_the_classifier_while_the_booking_is_online(origin: Origin) -> None:
    assert decide(booking(origin=origin), [record()]).level is Level.L0
    assert decide(booking(origin=origin, mark=MARK), [mark()]).level is Level.L1
    assert decide(booking(origin=origin, online=False), [record()]).level is Level.NONE


def test_a_booking_of_the_app_is_never_guessed() -> None:
    call = event("call", "v1", ago(minutes=2), phone_hash=PHONE)
    match = decide(booking(origin=Origin.MOBILE_APP), [booked(), opened(), contact(), call])
    assert (match.level, match.reason_code) == (Level.NONE, "mobile_app")


def test_an_old_booking_without_evidence_is_an_import() -> None:
    old = booking(received_at=NOON + timedelta(hours=25))
    assert decide(old, []).reason_code == "import"
    assert decide(booking(), []).reason_code == "nobody"


def test_an_old_booking_heard_of_late_still_finds_its_visit() -> None:
    assert decide(booking(received_at=NOON + timedelta(days=3)), [record()]).level is Level.L0


def test_a_deleted_booking_keeps_its_visit() -> None:
    assert replace(decide(booking(), [record()])) == decide(booking(deleted=True), [record()])
