"""A chat is a function of the set of what was told of it; what is done about it follows from that and the settings."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.chats.model import (
    OWN_FORM,
    OWN_KEY,
    TRANSCRIPT_MOST,
    Decision,
    Line,
    Telling,
    Text,
    Want,
    decide,
    text_of,
    transcript_of,
)
from server.chats.settings import TextsIntegration, read_settings
from server.leads.sending import lead_key
from server.platform.ids import new_id
from server.vendors.uis import FORM_NAME

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
ON = NOON - timedelta(days=1)
CHAT = Text("chat", "going_on", NOON, read=True, site_id=1, site="salon.example", type="comagic", phone="79161234567")
FORM = Text("form", "sent", NOON, read=True, site_id=1, site="salon.example", type="Стандартная", phone="79161234567")


def telling(event: str, minute: int = 0, source: str = "report", **facts: Any) -> Telling:
    at = NOON + timedelta(minutes=minute)
    return Telling("chat", 5, event, source, f"{event}{minute}{sorted(facts.items())}", at, facts)  # type: ignore[arg-type]


def settings(**chats: Any) -> TextsIntegration:
    part = {"enabled": True, "default_company_id": 4564}
    return read_settings({"enabled": True, "forms": part, "chats": part | chats})


TOLD = [
    telling("report", 0, status="new", started_at=NOON.isoformat(), visitor_id=7, tags=[]),
    telling("report", 1, status="active", phone="79161234567", name="Анна"),
    telling("report", 3, status="active", phone="79160000002"),
    telling("tag", 2, "notification", tags=[[9, "Запись"]]),
    telling("end", 4, "notification", name="Посетитель 7", phone="", site="salon.example"),
    telling("report", 5, status="succeed", tags=[[9, "Запись"]]),
    telling("talk", 5, transcript="Клиент: Здравствуйте"),
    telling("lost", 6, "notification"),
]


@given(st.permutations(TOLD), st.lists(st.sampled_from(TOLD), max_size=5))
def test_a_chat_is_the_same_in_whatever_order_and_however_often_it_is_told(
    order: list[Telling], again: list[Telling]
) -> None:
    text = text_of([*again, *order])
    assert text == text_of(TOLD)
    assert (text.status, text.name, text.phone, text.tags) == ("ended", "Анна", "79160000002", ((9, "Запись"),))
    assert (text.started_at, text.ended_at) == (NOON, NOON + timedelta(minutes=4))


@given(st.lists(st.sampled_from(TOLD), min_size=1), st.lists(st.sampled_from(TOLD), min_size=1))
def test_what_has_ended_stays_ended_and_a_tag_stays_set(some: list[Telling], more: list[Telling]) -> None:
    before, after = text_of(some), text_of([*some, *more])
    assert before.status == "going_on" or after.status != "going_on"
    assert set(before.tags) <= set(after.tags)


def test_a_report_from_before_the_end_tells_nothing_of_it() -> None:
    before, end = telling("report", 0, status="new"), telling("end", 1, "notification")
    assert text_of([before]).read
    assert not text_of([before, end]).read
    assert text_of([before, end, telling("report", 2, status="succeed")]).read


def test_an_empty_conversation_is_known_to_be_empty() -> None:
    assert text_of([telling("end", 1, "notification")]).transcript is None
    assert text_of([telling("end", 1, "notification"), telling("talk", 2, transcript="")]).transcript == ""


ENDED = replace(CHAT, status="ended", ended_at=NOON, transcript="Клиент: Здравствуйте")
START, TALK = Want("start", make=True, say=False), Want("talk", make=True, say=True)


@pytest.mark.parametrize(
    ("text", "chats", "decision"),
    [
        (CHAT, {"create_on": "start"}, Decision("waiting", "waits_end", 4564, START)),
        (replace(CHAT, phone=""), {"create_on": "start"}, Decision("waiting", "waits_contact", 4564)),
        (CHAT, {"create_on": "end"}, Decision("waiting", "waits_end", 4564)),
        (replace(ENDED, transcript=None), {"create_on": "end"}, Decision("waiting", "unread", 4564, START)),
        (ENDED, {"create_on": "end"}, Decision("done", "", 4564, TALK)),
        (ENDED, {"create_on": "start"}, Decision("done", "", 4564, TALK)),
        (replace(ENDED, status="lost"), {"create_on": "end"}, Decision("done", "", 4564, TALK)),
        (replace(ENDED, status="refused"), {"create_on": "end"}, Decision("skipped", "refused", 4564)),
        (replace(ENDED, phone=""), {"create_on": "end"}, Decision("skipped", "no_phone", 4564)),
        (ENDED, {"create_on": "tag"}, Decision("waiting", "waits_tag", 4564, replace(TALK, make=False))),
        (replace(ENDED, tags=((9, "Запись"),)), {"create_on": "tag"}, Decision("done", "", 4564, TALK)),
        (replace(CHAT, tags=((9, None),)), {"create_on": "tag", "tags": [{"id": 9}]}, Decision("waiting", "waits_end", 4564, START)),
        (replace(CHAT, tags=((8, "Спам"),)), {"create_on": "tag", "tags": [{"id": 9}]}, Decision("waiting", "waits_tag", 4564)),
        (ENDED, {"create_client": False}, Decision("done", "create_off", 4564, replace(TALK, make=False))),
        (ENDED, {"enabled": False}, Decision("skipped", "chats_off")),
        (ENDED, {"default_company_id": None}, Decision("skipped", "no_branch")),
        (ENDED, {"filter": {"sites": [{"id": 2}]}}, Decision("skipped", "site")),
        (ENDED, {"filter": {"types": ["telegram"]}}, Decision("skipped", "type")),
        (ENDED, {"branches": [{"site": {"id": 1}, "company_id": 7}]}, Decision("done", "", 7, TALK)),
        (replace(ENDED, read=False), {}, Decision("waiting", "unread")),
    ],
)  # fmt: skip
def test_what_is_done_about_a_chat(text: Text, chats: dict[str, Any], decision: Decision) -> None:
    assert decide(text, settings(**chats), enabled_at=ON) == decision


def test_what_is_done_about_a_form() -> None:
    wanted = Decision("done", "", 4564, Want("form", make=True, say=True))
    assert decide(FORM, settings(), enabled_at=ON) == wanted
    assert decide(replace(FORM, phone=""), settings(), enabled_at=ON).reason == "no_phone"
    assert decide(replace(FORM, read=False), settings(), enabled_at=ON).reason == "unread"
    assert decide(replace(FORM, read=False), settings(), enabled_at=ON, readable=False) == wanted
    assert decide(FORM, settings(), enabled_at=NOON + timedelta(hours=1)).reason == "before_enabled"
    assert decide(FORM, settings(), enabled_at=NOON + timedelta(seconds=0.9)) == wanted, "reports tell whole seconds"
    assert decide(FORM, settings(), enabled_at=NOON + timedelta(hours=1), asked=True) == wanted
    assert decide(FORM, read_settings({}), enabled_at=None).reason == "off"


def test_our_own_leads_never_come_back() -> None:
    assert lead_key(new_id()).startswith(OWN_KEY)
    assert FORM_NAME == OWN_FORM
    for own in (replace(FORM, ext_id=lead_key(new_id())), replace(FORM, type="DataAPI", form_name=OWN_FORM)):
        assert decide(own, settings(), enabled_at=ON, asked=True) == Decision("skipped", "own_lead")
    assert decide(FORM, settings(), enabled_at=ON, own=True) == Decision("skipped", "own_lead")
    assert decide(replace(FORM, type="DataAPI", form_name="Другая система"), settings(), enabled_at=ON).state == "done"


# --- what was said

LINES = st.builds(
    Line, st.sampled_from(["visitor", "operator", "bot", "system"]), st.text(max_size=20), st.text(max_size=900),
    st.sampled_from(["", "photo.jpg"]),
)  # fmt: skip


@given(st.lists(LINES, max_size=60))
def test_a_conversation_is_bounded_and_one_message_a_line(lines: list[Line]) -> None:
    told = transcript_of(lines)
    assert len(told) <= TRANSCRIPT_MOST
    assert len(told.split("\n")) <= len(lines) + 1


def test_a_long_conversation_keeps_its_beginning_and_its_end() -> None:
    lines = [Line("visitor", "", f"{number} " + "а" * 100) for number in range(200)]
    told = transcript_of(lines).split("\n")
    assert told[0].startswith("Клиент: 0 ")
    assert told[-1].startswith("Клиент: 199 ")
    (gap,) = [line for line in told if line.startswith("…")]
    assert gap == f"… пропущено сообщений: {200 - (len(told) - 1)} …"


def test_who_speaks_is_named_and_the_system_is_silent() -> None:
    lines = [
        Line("system", "", "chat_started"), Line("visitor", "", "Здравствуйте\n<b>!</b>"), Line("operator", "Мария", "Добрый день"),
        Line("bot", "", "", "price.pdf"),
    ]  # fmt: skip
    assert transcript_of(lines) == "Клиент: Здравствуйте <b>!</b>\nОператор Мария: Добрый день\nБот: [файл price.pdf]"


def test_what_would_turn_a_page_about_is_not_kept() -> None:
    told = telling("report", name="\u202eАнна\u2066", site="salon.example\u200f", message="раз\u0007\nдва")
    assert (text_of([told]).name, text_of([told]).site, text_of([told]).message) == (
        "Анна",
        "salon.example",
        "раз\nдва",
    )
