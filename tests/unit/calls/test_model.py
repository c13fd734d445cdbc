"""A call is a function of the set of what was told of it; the report wins over notifications, and both over a guess."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.calls.model import (
    Event,
    Rules,
    Signal,
    call_of,
    entry_of,
    kept,
    needs_report,
    phone_digits,
    signal_of,
    why_no_history,
    why_no_popup,
)
from server.calls.settings import TelephonyIntegration

T0 = datetime(2026, 3, 1, 9, 0, tzinfo=UTC)
NETWORK = "0194f0c0-0000-7000-8000-000000000001"


def at(event: Event, seconds: float, key: str = "", **facts: Any) -> Signal:
    return Signal(key or f"{event}@{seconds}", event, T0 + timedelta(seconds=seconds), **facts)


RING = at("ring", 0, contact="79165550101", number="74950000001", direction="in")
ANSWER = at("answer", 5, employee=(7, "Анна"), direction="in")
TALKED = at("talk_over", 35, employee=(7, "Анна"), talk_s=30)
OVER = at("over", 36, contact="79165550101", number="74950000001", direction="in", talk_s=30, wait_s=5)
RECORD = at("record", 40, record="abc", talk_s=30)
LOST = at("lost", 31, contact="79165550101", number="74950000001", wait_s=31)
OVER_LOST = at("over", 31.2, contact="79165550101", number="74950000001", direction="in", talk_s=0, wait_s=31)
REPORT = at(
    "report", 90, key="report", contact="79165550101", number="74950000001", direction="in", talked=True, talk_s=29, wait_s=6,
    started_at=T0, ended_at=T0 + timedelta(seconds=36), employee=(7, "Анна Лён"), source=(5, "Директ"),
)  # fmt: skip
ANSWERED = [
    RING,
    at("leg", 1, employee=(7, "Анна")),
    ANSWER,
    TALKED,
    OVER,
    RECORD,
    at("tag", 50, tags=((5, "Целевой"),)),
]


def test_a_call_rings_talks_and_is_over() -> None:
    ringing, talking, over = call_of([RING]), call_of([RING, ANSWER]), call_of(ANSWERED)
    assert (ringing.state, talking.state, over.state) == ("ringing", "talking", "over")
    assert (over.outcome, over.talk_s, over.wait_s, over.record, over.told) == ("answered", 30, 5, "abc", True)
    assert (over.contact, over.number, over.employee, over.tags) == (
        "79165550101", "74950000001", (7, "Анна"), ((5, "Целевой"),)
    )  # fmt: skip


@pytest.mark.parametrize(
    ("signals", "outcome", "talk_s"),
    [
        ([RING, LOST], "missed", 0), ([RING, OVER_LOST], "missed", 0), ([RING, LOST, OVER_LOST], "missed", 0),
        ([RING, LOST, at("voice", 30, record="vm")], "voice_mail", 0), ([OVER], "answered", 30),
        ([RING, LOST, replace(OVER_LOST, talk_s=8)], "missed", 0), ([LOST, REPORT], "answered", 29),
        ([RING, ANSWER, OVER, replace(REPORT, talked=False)], "missed", 0), ([RING, ANSWER, TALKED, REPORT], "answered", 29),
        ([ANSWER, replace(OVER, talk_s=None), TALKED], "answered", 30),
    ],
)  # fmt: skip
def test_how_it_ended(signals: list[Signal], outcome: str, talk_s: int) -> None:
    call = call_of(signals)
    assert (call.state, call.outcome, call.talk_s) == ("over", outcome, talk_s)


def test_silence_ends_what_rang_and_a_later_word_takes_that_back() -> None:
    silence = at("silence", 60, key="silence", phase="ringing")
    call = call_of([RING, silence])
    assert (call.state, call.outcome, call.told, call.phase) == ("over", "missed", False, "ringing")
    assert call_of([RING, silence, at("answer", 70)]).state == "talking"
    assert call_of([RING, silence, ANSWER]).state == "talking", "it was told late, but it talked"
    assert call_of([RING, silence, OVER]).told


@given(st.permutations([*ANSWERED, REPORT]), st.lists(st.integers(0, 7), max_size=8))
def test_order_and_repetition_change_nothing(order: list[Signal], again: list[int]) -> None:
    assert call_of([*order, *(order[place % len(order)] for place in again)]) == call_of([*ANSWERED, REPORT])


@given(st.sets(st.sampled_from(range(len(ANSWERED))), min_size=1), st.booleans(), st.randoms())
@settings(max_examples=200)
def test_what_is_lost_costs_nothing_once_the_report_came(kept_ones: set[int], lost_too: bool, chance: Any) -> None:
    some = [ANSWERED[place] for place in kept_ones] + ([LOST] if lost_too else [])
    chance.shuffle(some)
    whole, part = call_of([*ANSWERED, REPORT]), call_of([*some, REPORT])
    for name in (
        "state",
        "outcome",
        "told",
        "direction",
        "started_at",
        "ended_at",
        "contact",
        "number",
        "talk_s",
        "wait_s",
        "employee",
    ):
        assert getattr(part, name) == getattr(whole, name), name


SIGNALS = st.builds(
    at, st.sampled_from(["ring", "leg", "out", "answer", "talk_over", "over", "lost", "record", "voice", "tag", "untag", "silence"]),
    st.integers(0, 100), st.sampled_from(["", "a", "b"]),
    direction=st.sampled_from([None, "in", "out", "internal"]), talk_s=st.sampled_from([None, 0, 9]),
    phase=st.sampled_from([None, "ringing", "talking"]), tags=st.sampled_from([(), ((1, "x"),), ((None, "x"),)]),
)  # fmt: skip


@given(st.lists(SIGNALS, min_size=1, max_size=8), st.randoms())
def test_any_set_of_signals_is_one_call_in_any_order(signals: list[Signal], chance: Any) -> None:
    shuffled = list(signals)
    chance.shuffle(shuffled)
    call = call_of(signals)
    assert call_of(shuffled) == call
    assert (call.outcome == "") == (call.state != "over")
    for one in signals:
        assert signal_of(one.key, one.event, one.at, kept(one)) == one


def test_directions() -> None:
    assert call_of([at("out", 0), at("over", 5, talk_s=3)]).direction == "out"
    assert call_of([at("out", 0), at("lost", 5)]).direction == "out"
    assert call_of([RING, at("over", 5, direction="internal")]).direction == "internal"
    assert call_of([at("answer", 0)]).direction == "in"


def test_two_who_talked_are_a_transfer() -> None:
    other = at("answer", 20, employee=(8, "Мира"))
    assert call_of([RING, ANSWER, other]).transferred
    assert not call_of([RING, ANSWER, TALKED]).transferred
    assert not call_of([RING, at("leg", 1, employee=(8, "Мира")), ANSWER]).transferred


@pytest.mark.parametrize(
    ("raw", "digits"),
    [
        ("+7 (916) 555-01-01", "79165550101"), ("89165550101", "79165550101"), ("9165550101", "79165550101"),
        ("79165550101", "79165550101"), ("+4915123456789", "4915123456789"), ("101", "101"), ("anonymous", ""),
        ("Номер скрыт", ""), ("", ""), ("7916XXX0101", ""), ("79165***101", ""), ("12", ""),
    ],
)  # fmt: skip
def test_numbers_are_told_as_digits_and_hidden_ones_not_at_all(raw: str, digits: str) -> None:
    assert phone_digits(raw) == digits


def rules(**changes: Any) -> Rules:
    network = {"network_id": NETWORK, "numbers": [{"number": "74950000001", "company_id": 4564}], **changes}
    made = TelephonyIntegration.model_validate({"enabled": True, "networks": [network]})
    return Rules(made, T0 - timedelta(hours=1), made.networks[0], connected=True)


def test_why_nothing_is_done() -> None:
    own, ringing, over = rules(), call_of([RING]), call_of([RING, LOST])
    assert (why_no_popup(ringing, own), why_no_history(over, own)) == ("", "")
    assert why_no_popup(over, own) == "ended"
    assert why_no_history(over, replace(own, enabled_at=T0 + timedelta(hours=1))) == "before"
    assert why_no_history(over, replace(own, enabled_at=T0 + timedelta(hours=1)), asked=True) == ""
    assert why_no_history(over, replace(own, enabled_at=None)) == "off"
    assert why_no_history(over, replace(own, network=None)) == "no_branch"
    assert why_no_history(over, replace(own, connected=False)) == "not_connected"
    hidden = call_of([replace(RING, contact="anonymous")])
    assert why_no_popup(hidden, own) == "hidden"
    assert why_no_popup(call_of([at("leg", 0, contact="79165550101")]), own) == "no_number"


def test_a_filter_that_asks_for_what_nobody_said_waits_for_the_report() -> None:
    own = rules(filter={"sources": [{"name": "Директ"}]})
    told = call_of([RING, OVER])
    assert why_no_popup(call_of([RING]), own) == "", "while it rings, better too many than none"
    assert needs_report(told, own)
    assert why_no_history(told, own) == "filter_source"
    reported = call_of([RING, OVER, REPORT])
    assert not needs_report(reported, own)
    assert why_no_history(reported, own) == ""
    assert needs_report(call_of([RING]), rules())


def test_a_network_that_is_not_connected_lets_no_filtered_call_through() -> None:
    own = replace(rules(filter={"types": ["missed"]}), connected=False)
    answered, missed = call_of(ANSWERED), call_of([RING, LOST])
    assert (why_no_history(answered, own), why_no_history(missed, own)) == ("filter_type", "not_connected")
    assert why_no_popup(call_of([RING]), replace(rules(), connected=False)) == "not_connected"


def test_our_number_is_one_however_it_was_written() -> None:
    for written in ("+7 (495) 000-00-01", "8 495 000-00-01", "84950000001", "4950000001"):
        assert call_of([replace(RING, number=written)]).number == "74950000001", written
    assert call_of([replace(RING, number="sip:101")]).number == "101"


def test_a_length_that_cannot_be_one_is_cut() -> None:
    told = call_of(
        [
            RING,
            at("talk_over", 5, talk_s=99_999_999),
            at("talk_over", 6, talk_s=99_999_999),
            replace(OVER, talk_s=None, wait_s=10**12),
        ]
    )
    assert (told.talk_s, told.wait_s) == (10**7, 10**7)


def test_an_entry_says_what_happened() -> None:
    answered = entry_of("1", call_of(ANSWERED), "https://a/")
    assert (answered.kind, answered.missed, answered.duration_s, answered.at, answered.link) == (
        "incoming", False, 30, T0, "https://a/"
    )  # fmt: skip
    spoken = entry_of("1", call_of([RING, LOST, at("voice", 30, record="vm", talk_s=9)]), "")
    assert (spoken.missed, spoken.duration_s) == (True, 0)
    assert "https://a/" not in repr(answered)
