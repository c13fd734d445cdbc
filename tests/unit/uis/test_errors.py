"""What the vendor says when it refuses → a type, a reason, one sentence; and nothing of what was sent."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.platform.egress import RateLimited, Unavailable, VendorError
from server.uis.errors import AccessRefused, PointsSpent, RequestRefused, RightRefused, error_of, limits_of, sentence

REASONS = (
    "access_token_expired", "access_token_blocked", "access_token_invalid", "auth_error", "ip_not_whitelisted", "forbidden",
    "method_component_disabled", "parameter_component_disabled", "account_inactive", "tariff_restrictions",
)  # fmt: skip


def refusal(mnemonic: str, code: int = -32602, message: str = "", **data: Any) -> dict[str, Any]:
    return {"code": code, "message": message, "data": {"mnemonic": mnemonic, **data}}


@pytest.mark.parametrize("reason", REASONS)
@pytest.mark.parametrize("lang", ["en", "ru"])
def test_each_reason_is_one_whole_sentence_in_both_languages(reason: str, lang: str) -> None:
    text = sentence(reason, facts={"ip": "203.0.113.7", "components": "sales_funnel"}, lang=lang)
    assert text.endswith(".")
    assert "{" not in text
    assert any("а" <= sign <= "я" for sign in text) or lang == "en"
    without = sentence(reason, lang=lang)
    assert "  " not in without
    assert "«»" not in without


@pytest.mark.parametrize(
    ("message", "params", "ip"),
    [
        ("Your IP 203.0.113.7 is not whitelisted", {}, "203.0.113.7"),
        ("Your IP {ip} is not whitelisted", {"ip": "203.0.113.8"}, "203.0.113.8"),
        ("Your IP 2001:db8::7 is not whitelisted", {}, "2001:db8::7"),
        ("", {}, None),
    ],
)
def test_the_address_is_found_in_words_or_parameters(message: str, params: dict[str, str], ip: str | None) -> None:
    error = error_of(refusal("ip_not_whitelisted", -32003, message, params=params))
    assert isinstance(error, RightRefused)
    assert error.facts.get("ip") == ip
    assert ip is None or ip in str(error)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"components": "sales_funnel"}, ""), ({"components": ["sales_funnel"]}, ""),
        ({}, "You need at least on of the following components to access this method: sales_funnel"),
    ],
)  # fmt: skip
def test_the_component_is_found_in_words_or_parameters(params: dict[str, Any], message: str) -> None:
    error = error_of(refusal("method_component_disabled", -32008, message, params=params))
    assert isinstance(error, RightRefused)
    assert error.facts == {"components": "sales_funnel"}


def test_forbidden_is_a_missing_right_or_a_thing_that_cannot_be_deleted() -> None:
    assert isinstance(error_of(refusal("forbidden", -32003)), RightRefused)
    assert isinstance(error_of(refusal("forbidden", -32602)), RequestRefused)


@pytest.mark.parametrize(
    ("field", "where", "index"),
    [
        ("offline_messages.phone", "offline_messages.phone", None), ("deals.3.name", "deals.3.name", 3),
        ("deals[17].name", "deals[17].name", 17), ("deals.12", "deals.12", 12), ("2x.name", "2x.name", None),
        (None, "", None), ("a b", "", None), ("x" * 200, "", None), (7, "", None),
    ],
)  # fmt: skip
def test_the_field_and_the_number_of_the_item(field: Any, where: str, index: int | None) -> None:
    error = error_of(refusal("invalid_parameter_value", field=field))
    assert isinstance(error, RequestRefused)
    assert (error.where, error.index) == (where, index)


@pytest.mark.parametrize(
    ("data", "window", "seconds"),
    [
        ({"params": {"limit_type": "minute"}, "metadata": {"limits": {"minute_reset": 39, "day_reset": 9}}}, "minute", 39),
        ({"metadata": {"limits": {"day_remaining": 0, "day_reset": 35139}}}, "day", 35139),
        ({}, "minute", 60), ({"params": {"limit_type": "day"}}, "day", 3600),
        ({"metadata": {"limits": {"minute_reset": 0}}}, "minute", 1),
        ({"metadata": {"limits": {"minute_reset": -4}}}, "minute", 60),
        ({"params": {"limit_type": "day"}, "metadata": {"limits": {"day_reset": 10**12}}}, "day", 86_400),
    ],
)  # fmt: skip
def test_spent_points_ask_for_the_pause_of_their_window(data: dict[str, Any], window: str, seconds: int) -> None:
    error = error_of({"code": -32029, "message": "", "data": {"mnemonic": "limit_exceeded", **data}})
    assert isinstance(error, PointsSpent)
    assert isinstance(error, RateLimited)
    assert (error.window, error.retry_after_s) == (window, float(seconds))


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (-32001, AccessRefused),
        (-32003, RightRefused),
        (-32029, PointsSpent),
        (-32603, Unavailable),
        (-1, RequestRefused),
    ],
)
def test_a_refusal_without_a_mnemonic_is_told_by_its_code(code: int, kind: type[VendorError]) -> None:
    assert type(error_of({"code": code, "message": "x"})) is kind


def test_own_secrets_are_cut_out_whatever_they_look_like() -> None:
    error = error_of(refusal("error", message="no user o w n e r with kittens"), secrets=("kittens", "o w n e r", ""))
    assert str(error) == "error: no user [secret] with [secret]"


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=12), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.fixed_dictionaries({
        "code": anything, "message": anything,
        "data": anything | st.fixed_dictionaries({
            "mnemonic": anything | st.sampled_from(REASONS) | st.just("limit_exceeded"), "field": anything, "params": anything,
            "metadata": anything | st.fixed_dictionaries({"limits": st.dictionaries(st.sampled_from(["minute_reset"]), anything)}),
        }),
    })
)  # fmt: skip
def test_any_refusal_is_a_typed_error(error: dict[str, Any]) -> None:
    found = error_of(error)
    assert isinstance(found, VendorError)
    assert str(found)


@given(anything)
def test_any_metadata_has_limits_or_none(metadata: Any) -> None:
    assert all(isinstance(value, int) for value in limits_of(metadata).values())
