"""What must hold for any evidence: order, doubling, strangers, clocks and names change nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.matching.model import BookingFacts, Claim, Evidence, Level, Match, Origin, better, decide
from tests.unit.matching.salon import BRANCH, EMAIL, FORM, MARK, NOON, PHONE, RECORD, SLOT, booking, mark, record

_VISITS = ("v0", "v1", "v2", "v3", "v4")
_KINDS = (
    "record", "mark", "booked", "open", "form", "step", "contact_phone", "contact_email", "chat_phone", "call", "hit",
)  # fmt: skip
_STEPS = (None, "widget_loaded", "service_selected", "time_selected", "send_contacts")
_SECONDS = (-86_400, -100, -31, -29, -1, 0, 1, 9, 60, 250, 599, 601, 1_700, 3_500, 4_000, 90_000, 1_000_000)


def _optional(*values: Any) -> st.SearchStrategy[Any]:
    return st.sampled_from((None, *values))


@st.composite
def some_evidence(draw: st.DrawFn) -> list[Evidence]:
    count = draw(st.integers(0, 12))
    return [
        Evidence(
            kind=draw(st.sampled_from(_KINDS)),
            event_id=f"e{number}",
            visit_id=draw(st.sampled_from(_VISITS)),
            at=NOON - timedelta(seconds=draw(st.sampled_from(_SECONDS))),
            company_id=draw(_optional(BRANCH, BRANCH, BRANCH + 1)),
            record_id=draw(_optional(RECORD, RECORD, RECORD + 1)),
            form_id=draw(_optional(FORM, FORM + 1)),
            service_ids=draw(st.frozensets(st.sampled_from((11, 12, 13)), max_size=2)),
            staff_id=draw(_optional(7, 8)),
            slot=draw(_optional(SLOT, "2026-11-25T16:00")),
            is_mobile=draw(_optional(True, False)),
            phone_hash=draw(_optional(PHONE, b"other")),
            email_hash=draw(_optional(EMAIL, b"other")),
            mark=draw(_optional(MARK, "other")),
            mark_state=draw(_optional("bound", "stranger", "expired")),
            site_host=draw(_optional("salon.ru", "www.salon.ru", "other.ru")),
            step=draw(st.sampled_from(_STEPS)),
            visitor_id=draw(_optional("anna", "boris")),
        )
        for number in range(count)
    ]


@st.composite
def some_claims(draw: st.DrawFn) -> list[Claim]:
    return [
        Claim(
            draw(st.sampled_from(_VISITS)), BRANCH, RECORD + draw(st.integers(0, 3)),
            NOON - timedelta(seconds=draw(st.sampled_from(_SECONDS))),
        )
        for _ in range(draw(st.integers(0, 3)))
    ]  # fmt: skip


@st.composite
def some_booking(draw: st.DrawFn) -> BookingFacts:
    return booking(
        origin=draw(st.sampled_from(tuple(Origin))),
        online=draw(st.sampled_from((True, True, False))),
        received_at=NOON + timedelta(hours=draw(st.sampled_from((0, 30)))),
        bookform_id=draw(_optional(FORM, 0)),
        is_mobile=draw(_optional(0, 1, 2)),
        from_host=draw(_optional("salon.ru")),
        staff_id=draw(_optional(7)),
        mark=draw(_optional(MARK)),
        phone_hash=draw(_optional(PHONE)),
        email_hash=draw(_optional(EMAIL)),
    )


def essence(match: Match, names: Mapping[str, str] | None = None, shift: timedelta = timedelta(0)) -> dict[str, Any]:
    """A match without the order that equal items stand in, its visits renamed and its moments moved."""
    new = names or {visit: visit for visit in _VISITS}
    params = dict(match.reason_params)
    if "at" in params:
        params["at"] = (datetime.fromisoformat(params["at"]) + shift).isoformat()
    return {
        "answer": (match.level, match.method, match.probability, match.margin_bits, match.reason_code, params),
        "visit": new[match.visit_id] if match.visit_id else None,
        "evidence": Counter(
            (
                item.kind,
                item.at + shift,
                item.weight_bits,
                item.detail_code,
                str(item.detail_params),
                new[item.visit_id],
            )
            for item in match.evidence
        ),
        "alternatives": Counter(
            (new[item.visit_id], round(item.probability, 12), round(item.bits, 9)) for item in match.alternatives
        ),
    }


@given(some_booking(), some_evidence(), some_claims(), st.randoms(use_true_random=False))
def test_the_order_of_facts_changes_nothing(facts, evidence, claims, chance) -> None:
    mixed, mixed_claims = list(evidence), list(claims)
    chance.shuffle(mixed)
    chance.shuffle(mixed_claims)
    assert decide(facts, mixed, mixed_claims) == decide(facts, evidence, claims)


@given(some_booking(), some_evidence(), some_claims(), st.data())
def test_a_fact_told_again_changes_nothing(facts, evidence, claims, data) -> None:
    again = data.draw(st.lists(st.sampled_from(evidence), max_size=8)) if evidence else []
    assert decide(facts, [*again, *evidence], [*claims, *claims]) == decide(facts, evidence, claims)


@given(some_booking(), some_evidence(), some_claims(), some_evidence(), some_claims())
def test_another_companys_traffic_changes_nothing(facts, evidence, claims, others, other_claims) -> None:
    strangers = [
        replace(
            item, event_id=f"far-{item.event_id}", visit_id=f"far-{item.visit_id}", company_id=BRANCH + 9,
            form_id=FORM + 9, mark="far", phone_hash=b"far", email_hash=b"far",
        )
        for item in others
    ]  # fmt: skip
    strange_claims = [replace(item, visit_id=f"far-{item.visit_id}", company_id=BRANCH + 9) for item in other_claims]
    with_them = decide(facts, [*strangers, *evidence], [*strange_claims, *claims])
    assert with_them == decide(facts, evidence, claims)


@given(some_booking(), some_evidence(), some_claims(), st.integers(-500_000, 500_000))
def test_moving_all_clocks_alike_changes_nothing(facts, evidence, claims, seconds) -> None:
    shift = timedelta(seconds=seconds)
    moved = decide(
        replace(facts, created_at=facts.created_at + shift, received_at=facts.received_at + shift),
        [replace(item, at=item.at + shift) for item in evidence],
        [replace(item, at=item.at + shift) for item in claims],
    )
    assert essence(moved) == essence(decide(facts, evidence, claims), shift=shift)


@given(some_booking(), some_evidence(), some_claims(), st.permutations(_VISITS), st.permutations(range(12)))
def test_names_of_visits_and_events_mean_nothing(facts, evidence, claims, others, numbers) -> None:
    names = dict(zip(_VISITS, others, strict=True))
    renamed = [
        replace(item, visit_id=names[item.visit_id], event_id=f"n{number}")
        for item, number in zip(evidence, numbers, strict=False)
    ]
    renamed_claims = [replace(item, visit_id=names[item.visit_id]) for item in claims]
    back = {new: old for old, new in names.items()}
    assert essence(decide(facts, renamed, renamed_claims), back) == essence(decide(facts, evidence, claims))


@given(some_booking(), some_evidence(), some_claims())
def test_chances_are_chances_and_a_visit_is_named_exactly_when_matched(facts, evidence, claims) -> None:
    match = decide(facts, evidence, claims)
    chances = [match.probability, *(item.probability for item in match.alternatives)]
    assert all(0.0 <= chance <= 1.0 for chance in chances)
    assert sum(chances) <= 1.0 + 1e-9
    assert (match.visit_id is None) is (match.level is Level.NONE)
    assert (match.probability > 0.0) is (match.visit_id is not None)
    assert match.visit_id not in {item.visit_id for item in match.alternatives}
    assert len(match.alternatives) == len({item.visit_id for item in match.alternatives})


@given(some_booking(), some_evidence(), some_claims())
def test_what_staff_or_a_program_made_follows_a_call_or_a_chat_or_nothing(facts, evidence, claims) -> None:
    for origin in (Origin.STAFF, Origin.API, Origin.IMPORT):
        match = decide(replace(facts, origin=origin), evidence, claims)
        spoken = {item.visit_id for item in evidence if item.kind in ("call", "chat_phone")}
        assert match.level in (Level.L2, Level.L3, Level.NONE)
        assert match.visit_id is None or match.visit_id in spoken


@given(some_booking(), some_evidence(), some_claims(), st.sampled_from(_VISITS))
def test_an_agreeing_exact_fact_never_lowers_the_level(facts, evidence, claims, visit_id) -> None:
    height = [level.value for level in Level].index
    before = decide(facts, evidence, claims)
    agreeing = record(before.visit_id or visit_id, at=NOON + timedelta(seconds=3), event_id="exact")
    after = decide(facts, [*evidence, agreeing], claims)
    assert height(after.level.value) <= height(before.level.value)


_MOMENTS = st.sampled_from([NOON + timedelta(seconds=second) for second in (-700, -5, 0, 2, 2, 30)])
_NAMED = st.lists(st.builds(record, st.sampled_from(_VISITS), _MOMENTS), max_size=4)
_STATES = st.sampled_from(("bound", "stranger", "expired"))


@given(_NAMED, _STATES, st.lists(_STATES, min_size=5, max_size=5), st.randoms(use_true_random=False))
def test_exact_answers_end_the_same_whatever_was_thought_of_record_and_mark_before(
    named, state, thought, chance
) -> None:
    """The form's reports come one by one, and what is known of the mark changes with them."""
    facts, kept = booking(mark=MARK), None
    chance.shuffle(named)
    for count, seen in enumerate([*thought[: len(named)], state]):
        match = decide(facts, [*named[:count], mark("v1", mark_state=seen)])
        if better(kept, match, booking=facts, now=NOON + timedelta(hours=1)):
            kept = match
    whole = decide(facts, [*named, mark("v1", mark_state=state)])
    assert kept is not None
    assert (kept.level, kept.visit_id, kept.probability) == (whole.level, whole.visit_id, whole.probability)


@given(some_booking(), some_evidence(), some_claims())
def test_a_refused_mark_decides_nothing(facts, evidence, claims) -> None:
    refused = [replace(item, mark_state="stranger") if item.kind == "mark" else item for item in evidence]
    assert decide(facts, refused, claims).level is not Level.L1
