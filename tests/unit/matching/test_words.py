"""Every code of the engine has plain words in both languages."""

from __future__ import annotations

import string
from datetime import UTC, datetime, timedelta
from typing import get_args
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given

from server.matching import words
from server.matching.facts import DetailCode, NoteCode, ReasonCode
from server.matching.model import Alternative, Origin, decide
from tests.unit.matching.salon import MARK, NOON, booked, booking, event, mark, opened, record
from tests.unit.matching.test_properties import some_booking, some_claims, some_evidence

MOSCOW = ZoneInfo("Europe/Moscow")


def test_every_code_has_words() -> None:
    assert set(words.REASONS) == set(get_args(ReasonCode))
    assert set(words.NOTES) == set(get_args(NoteCode))
    assert set(words.DETAILS) == set(get_args(DetailCode))


@pytest.mark.parametrize("table", [words.REASONS, words.NOTES, words.DETAILS])
def test_both_languages_say_something_of_their_own_and_ask_for_known_facts(table) -> None:
    known = {"record_id", "time", "percent", "visits", "count", "gap"}
    for code, (russian, english) in table.items():
        assert any("а" <= letter.lower() <= "я" for letter in russian), code
        assert not any("а" <= letter.lower() <= "я" for letter in english), code
        for text in (russian, english):
            assert {name for _, name, _, _ in string.Formatter().parse(text) if name} <= known, code
            sentence = table is not words.DETAILS
            assert text.endswith(".") is sentence, code
            assert text[0].isupper() is sentence, code


@given(some_booking(), some_evidence(), some_claims())
def test_whatever_is_decided_is_said_without_a_gap(facts, evidence, claims) -> None:
    match = decide(facts, evidence, claims)
    for locale in ("ru", "en"):
        told = [words.reason(match, locale, MOSCOW), *(words.detail(item, locale) for item in match.evidence)]
        told += [words.alternative(item, locale) for item in match.alternatives]
        assert all(told)
        assert not any("…" in text or "{" in text or "_" in text for text in told)


def test_a_booking_mark_is_told_with_its_number_and_the_branchs_clock() -> None:
    match = decide(booking(), [record()])
    assert words.reason(match, "ru", MOSCOW) == (
        "Отметка записи: форма сообщила номер записи 9001 сразу после оформления (24.11.2026 в 15:00) — совпадение точное."
    )
    assert words.reason(match, "en", UTC) == (
        "Booking mark: the form named booking 9001 right after it was made (24 Nov 2026 at 12:00) — an exact match."
    )


def test_a_booking_of_staff_is_told_plainly() -> None:
    match = decide(booking(origin=Origin.STAFF, online=False), [])
    assert words.reason(match, "ru") == "Записал сотрудник: визит на сайт не ищем."


def test_what_was_not_counted_is_told_in_a_second_sentence() -> None:
    match = decide(booking(mark=MARK), [mark(mark_state="stranger")])
    assert words.reason(match, "en").endswith(words.NOTES["mark_stranger"][1])


def test_waiting_names_a_minute_that_has_not_passed() -> None:
    assert words.waiting(NOON + timedelta(minutes=2), "ru", MOSCOW) == "Ждём отчёт браузера до 15:02."
    assert (
        words.waiting(NOON + timedelta(minutes=1, seconds=5), "en") == "Waiting for the browser's report until 12:02."
    )
    late = datetime(2026, 11, 24, 23, 59, 30, tzinfo=UTC)
    assert words.waiting(late, "ru") == "Ждём отчёт браузера до 00:00."


@pytest.mark.parametrize(
    ("count", "russian", "english"),
    [
        (2, "2 визита", "2 visits"),
        (5, "5 визитов", "5 visits"),
        (12, "12 визитов", "12 visits"),
        (21, "21 визит", "21 visits"),
        (23, "23 визита", "23 visits"),
        (1200, "1\u00a0200 визитов", "1,200 visits"),
    ],
)
def test_visits_are_counted_in_the_right_form(count: int, russian: str, english: str) -> None:
    params = {"count": str(count)}
    assert russian in words.reason_text("equal", params, "ru", UTC)
    assert english in words.reason_text("equal", params, "en", UTC)


@pytest.mark.parametrize(
    ("at", "russian", "english"),
    [
        (NOON - timedelta(seconds=8), "за 8 с до создания записи", "8 s before the booking was made"),
        (NOON - timedelta(minutes=3), "за 3 мин до создания записи", "3 min before the booking was made"),
        (NOON + timedelta(seconds=65), "через 1 мин 5 с после создания записи", "1 min 5 s after the booking was made"),
        (NOON, "в ту же секунду, что создана запись", "in the second the booking was made"),
    ],
)
def test_a_gap_is_told_in_minutes_and_seconds(at: datetime, russian: str, english: str) -> None:
    gap = next(item for item in decide(booking(), [booked(at=at)]).evidence if item.detail_code == "booked_gap")
    assert words.detail(gap, "ru") == f"форма сообщила об оформленной записи {russian}"
    assert words.detail(gap, "en") == f"the form reported a finished booking {english}"


def test_an_alternative_is_told_with_its_chance() -> None:
    assert words.alternative(Alternative("v", 0.314, 2.0), "ru") == "другой визит, вероятность 31\u00a0%"
    assert words.alternative(Alternative("v", 0.0, -9.0), "en") == "another visit, probability under 1%"


def test_a_code_of_a_newer_version_or_a_missing_fact_breaks_no_page() -> None:
    assert words.reason_text("by_telepathy", {}, "ru", UTC) == "by_telepathy"
    assert "…" in words.reason_text("record", {}, "ru", UTC)
    assert words.detail_text("by_telepathy", {}, "en", UTC) == "by_telepathy"


def test_a_call_reads_as_a_call_even_for_a_booking_of_staff() -> None:
    spoken = event("call", "v1", NOON - timedelta(minutes=4), phone_hash=booking().phone_hash)
    match = decide(booking(origin=Origin.STAFF, online=False), [spoken, opened()])
    assert words.reason(match, "ru", MOSCOW) == (
        "Клиент звонил с этого телефона во время визита на сайт 24.11.2026 в 14:56."
    )
