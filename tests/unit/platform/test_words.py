"""Texts of the cabinet and of the engine: whole in both languages, and every code that a page asks for is there."""

from __future__ import annotations

import string
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import jinja2
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import nodes

from server.accounts.model import Role
from server.bookings.flow import SHOWN
from server.bookings.model import RANK, BookingStatus
from server.cabinet import (
    access,
    deals_page,
    install,
    intake,
    integrations,
    shown,
    telephony_page,
    texts_page,
    words,
    yclients_page,
)
from server.calls import model as calls
from server.calls import views as call_views
from server.calls.numbers import Verdict
from server.calls.settings import CallType
from server.chats import model as chats
from server.chats import views as chat_views
from server.chats.settings import ClientOn
from server.marketplace.model import WHY, State
from server.matching import words as engine
from server.matching.model import Method
from server.tracking.model import KINDS
from server.tracking.sources import rules
from server.uis.notification_bodies import notification_bodies
from server.yclients.records import Origin

TEMPLATES = Path(__file__).parents[3] / "templates" / "cabinet"
#: Codes that a template makes of a part and a value: every value the code can have.
MADE: dict[str, set[str]] = {
    "advice_": {"conflict", "macro"},
    "again_": {"failed", "held"},
    "cn_seen_": {"equal", "differs", "unknown"},
    "again_run_": {"running", "done", "cancelled"},
    "nt_": {"lead", "deal", "call", "client"},
    "ch_": {
        "ad",
        "email",
        "messenger",
        "social",
        "recommend",
        "organic",
        "qrcode",
        "referral",
        "internal",
        "saved",
        "undefined",
        "direct",
    },
    "consent_": {"granted", "required"},
    "aty_": {"delivered", "retry", "uncertain", "refused", "held"},
    "ce_": set(get_args(calls.Event)),
    "chs_": {*call_views.HISTORY, "goes_on", "off"},
    "client_": {"made", "found", "absent", "wanted", "skipped"},
    "cp_": {"wanted", "shown", "dropped", "failed", "skipped"},
    "cr_": set(call_views.RESULTS),
    "role_": set(Role),
    "screen_": {"extension", "frame"},
    "src_": {"notification", "report"},
    "te_": set(get_args(chats.Event)),
    "ts_": set(chat_views.STATES),
    "tx_": set(get_args(chats.Status)),
    "cn_": set(get_args(Verdict)),
    "ct_": set(get_args(CallType)) | {"internal"},
    "on_": set(get_args(ClientOn)),
    "opt_": {option for one in notification_bodies(b"") for group in one.options for option in group},
    "nt_for_": {use for one in notification_bodies(b"") for use in one.uses},
    "d_": {"mobile", "tablet", "desktop", "unknown"},
    "door_": {"yclients", "yclients-app", "uis", "collector"},
    "at_": {"delivered", "retry", "uncertain", "refused", "held"},
    "ds_": {"waiting", "retrying", "held", "failed", "delivered", "off"},
    "e_": set(KINDS),
    "f_": set(SHOWN),
    "fill_": {"running", "paused", "done", "cancelled"},
    "gpc_": {"respect", "ignore"},
    "h_": set(RANK),
    "kind_": {"lead", "deal", "call", "client"},
    "hook_rotate_": {"yclients", "uis"},
    "ns_": {"failing", "exhausted", "recovered"},
    "m_": {method.value for method in Method},
    "mk_": set(get_args(State)),
    "mk_why_": {*WHY, "frozen", "uninstalled"},
    "o_": set(get_args(Origin)),
    "s_": {status.value for status in BookingStatus},
}
#: Codes of what is turned away or held, as the modules write them.
REASONS = {
    "empty",
    "encoding",
    "too_deep",
    "not_json",
    "too_many_items",
    "not_an_event",
    "bad_id",
    "missing_company",
    "missing_resource",
    "bad_status",
    "contradiction",
    "no_data",
    "oversized",
    "unknown_branch",
    "handler_failed",
    "no_account",
    "rate_limit",
    "too_large",
    "not_a_batch",
    "bad_event",
    "no_object",
    "wrong_secret",
}


def _fields(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name is not None}


def _russian(text: str) -> bool:
    return any("а" <= letter.lower() <= "я" for letter in text)


def _calls() -> Iterator[tuple[str, nodes.Call]]:
    for path in sorted(TEMPLATES.glob("*.html")):
        for call in jinja2.Environment().parse(path.read_text("utf-8")).find_all(nodes.Call):
            if isinstance(call.node, nodes.Name) and call.node.name == "t":
                yield path.name, call


def _named(node: nodes.Node) -> Iterator[str]:
    """Codes written out in an expression; a part that a value is added to ends in an underscore."""
    if isinstance(node, nodes.Const):
        yield node.value
    elif isinstance(node, nodes.CondExpr):
        yield from _named(node.expr1)
        if node.expr2 is not None:
            yield from _named(node.expr2)
    elif isinstance(node, nodes.Concat):
        yield from _named(node.nodes[0])


# --- the cabinet


@pytest.mark.parametrize("code", words.TEXTS)
def test_a_text_has_both_languages_and_asks_for_the_same_facts_in_each(code: str) -> None:
    russian, english = words.TEXTS[code]
    assert russian.strip() == russian != ""
    assert english.strip() == english != ""
    assert _fields(russian) == _fields(english)
    assert not _russian(english)
    assert _russian(russian) or (russian == english and english in ("API", "UIS", "YCLIENTS"))


def test_templates_are_looked_at_and_ask_for_many_texts() -> None:
    assert len({name for name, _ in _calls()}) >= 10
    assert len(list(_calls())) > 100


def test_every_text_that_a_page_asks_for_is_there() -> None:
    asked = {(name, code) for name, call in _calls() for code in _named(call.args[0])}
    missing = {(name, code) for name, code in asked if code not in words.TEXTS and code not in MADE}
    assert missing == set()


def test_every_text_that_a_loop_of_a_page_names_is_there() -> None:
    """`{% for name in ['source', …] %}{{ t(name, locale) }}`."""
    asked = set()
    for path in TEMPLATES.glob("*.html"):
        for loop in jinja2.Environment().parse(path.read_text("utf-8")).find_all(nodes.For):
            names = {call.args[0].name for call in loop.find_all(nodes.Call)
                if isinstance(call.node, nodes.Name) and call.node.name == "t" and isinstance(call.args[0], nodes.Name)}  # fmt: skip
            for item in loop.iter.items if isinstance(loop.iter, nodes.List) else []:
                targets = loop.target.items if isinstance(loop.target, nodes.Tuple) else [loop.target]
                values = item.items if isinstance(item, nodes.Tuple) else [item]
                pairs = zip(targets, values, strict=True)
                asked |= {value.as_const() for target, value in pairs if getattr(target, "name", "") in names}
    assert len(asked) > 15
    assert asked <= set(words.TEXTS)


@pytest.mark.parametrize("part", MADE)
def test_every_value_that_a_code_is_made_of_has_a_text(part: str) -> None:
    assert {part + value for value in MADE[part]} <= set(words.TEXTS)


def test_pages_make_codes_of_the_parts_known_here() -> None:
    made = {code for _, call in _calls() if isinstance(call.args[0], nodes.Concat) for code in _named(call.args[0])}
    assert made == set(MADE)


def test_a_text_gets_all_the_facts_it_asks_for() -> None:
    for name, call in _calls():
        given_facts = {item.key for item in call.kwargs}
        for code in _named(call.args[0]):
            for whole in [code + value for value in MADE[code]] if code in MADE else [code]:
                assert _fields(words.TEXTS[whole][0]) <= given_facts, (name, whole)


@pytest.mark.parametrize(
    "code",
    [
        *intake.DONE,
        *install.DONE,
        *access.DONE,
        *integrations.DONE,
        *deals_page.DONE,
        *(f"deals_bad{part}" for part in ("", "_title", "_funnel", "_fields")),
        *yclients_page.DONE,
        *(f"why_{code}" for code in (*get_args(calls.Why), *get_args(chats.Reason)) if code),
        *(f"why_{code}" for code in ("unsure", "report", "record", "unavailable", "limit")),
        *telephony_page.DONE,
        *texts_page.DONE,
        *(f"tel_{code}" for code in ("bad_token", "bad_number", "twice", "bad_template", "bad_grace", "bad", "lacks")),
        "tel_no_network",
        "tx_twice",
        "tx_lacks",
        *(f"yc_{code}" for code in ("nothing", "wrong", "partner", "away")),
        *(f"mk_bad_{code}" for code in ("signature", "no_branch", "too_many", "off")),
        *("mk_choose", "mk_taken"),
        "bad_months",
        "backfill_running",
        "leads_saved",
        "leads_incomplete",
        "uis_nothing",
        *(f"access_{code}" for code in ("wrong", "email", "short", "taken")),
        "bad_branch",
        "bad_domain",
        "bad_timeout",
        "err_not_authenticated",
        *(f"w_{what}_{action}" for what in shown.RESOURCES for action in shown.ACTIONS),
        "yes",
        "no",
        "err_not_found",
        "err_unavailable",
        "err_other",
        "login_wrong",
        "login_pause",
        "link_spent",
        "first_visit",
        "first_webhook",
        "first_match",
    ],
)
def test_a_message_that_the_server_chooses_has_a_text(code: str) -> None:
    assert code in words.TEXTS


@pytest.mark.parametrize("locale", ["ru", "en"])
@pytest.mark.parametrize("code", sorted(REASONS))
def test_every_reason_is_told_in_words(code: str, locale: str) -> None:
    told = words.reason(code, "5 {x} %s", locale)
    assert told != code
    assert _russian(told) is (locale == "ru")
    assert ("5 {x} %s" in told) is ("detail" in _fields(words.TEXTS[f"r_{code}"][0]))


def test_the_reasons_with_a_text_are_those_that_exist() -> None:
    assert {code[2:] for code in words.TEXTS if code.startswith("r_")} == REASONS


def test_a_channel_of_the_rules_has_a_name() -> None:
    known = rules()
    told = set(known.mediums.values()) | {channel for _, channel in known.click_ids.values()}
    assert told <= MADE["ch_"]


def test_a_code_without_a_text_shows_itself() -> None:
    assert words.text("by_telepathy", "ru") == words.text("by_telepathy", "en") == "by_telepathy"
    assert words.reason("by_telepathy", "twice", "en") == "by_telepathy twice"
    assert words.reason("by_telepathy", "", "en") == "by_telepathy"


@given(st.text(max_size=30), st.text(max_size=30), st.sampled_from(["ru", "en"]))
def test_any_reason_can_be_told(code: str, detail: str, locale: str) -> None:
    words.reason(code, detail, locale)
    assert detail in words.reason("bad_event", detail, locale)


@pytest.mark.parametrize(
    ("number", "russian", "english"),
    [
        (0, "0 визитов", "0 visits"),
        (1, "1 визит", "1 visit"),
        (2, "2 визита", "2 visits"),
        (5, "5 визитов", "5 visits"),
        (11, "11 визитов", "11 visits"),
        (21, "21 визит", "21 visits"),
        (112, "112 визитов", "112 visits"),
        (1200, "1\u00a0200 визитов", "1,200 visits"),
    ],
)
def test_things_are_counted_in_the_right_form(number: int, russian: str, english: str) -> None:
    assert words.counted("visits", number, "ru") == russian
    assert words.counted("visits", number, "en") == english
    assert words.counted("bookings", number, "ru").startswith(russian.split(" ", maxsplit=1)[0])


# --- the engine (more of it in tests/unit/matching/test_words.py)


@pytest.mark.parametrize("table", [engine.REASONS, engine.NOTES, engine.DETAILS], ids=["reasons", "notes", "details"])
def test_the_engine_asks_for_the_same_facts_in_both_languages(table) -> None:
    """A count of visits may stand as words in one language and as a number in the other."""
    for code, (russian, english) in table.items():
        one, other = ({"count" if name == "visits" else name for name in _fields(text)} for text in (russian, english))
        assert one == other, code
