"""Our data in the vendor's words, and its rows in ours; any row is survived."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.uis import mapping
from server.uis.model import ByDefault, Contact, DealStep, FieldValue, InSession, OfflineRequest, Options, SessionUpload
from tests.unit.uis.test_errors import anything

ZONE = ZoneInfo("Asia/Yekaterinburg")
AT = datetime(2026, 3, 16, 9, 30, 5, 999_000, tzinfo=UTC)
REQUEST = OfflineRequest("booking:1", AT, ByDefault(campaign_id=268176), phone="+7 (916) 555-01-01")


def sent(request: OfflineRequest, **options: Any) -> dict[str, Any]:
    return mapping.request_params(request, ZONE, Options(**options))


def test_a_time_is_the_accounts_and_never_rounded_up() -> None:
    assert sent(REQUEST)["date_time"] == "2026-03-16 14:30:05"
    elsewhere = replace(REQUEST, at=AT.astimezone(timezone(timedelta(hours=-7))))
    assert sent(elsewhere)["date_time"] == "2026-03-16 14:30:05"
    with pytest.raises(ValueError, match="zone"):
        sent(replace(REQUEST, at=AT.replace(tzinfo=None)))


def test_what_is_empty_is_not_sent() -> None:
    assert sent(replace(REQUEST, message=" \0 ", fields=(FieldValue("a", ""),))) == {
        "date_time": "2026-03-16 14:30:05", "phone": "79165550101", "campaign_id": 268176, "ext_id": "booking:1",
    }  # fmt: skip
    step = DealStep("deal:1", "Запись", AT, AT, "f", "s", revenue=Decimal(0))
    assert mapping.deal_params(step, ZONE)["revenue"] == 0


def test_a_session_is_sent_alone() -> None:
    params = sent(replace(REQUEST, origin=InSession(77)))
    assert params["visitor_session_id"] == 77
    assert not {"campaign_id", "site_id", "source_id"} & set(params)


@pytest.mark.parametrize(("option", "expected"), [(False, {"site_id": 5}), (True, {"site_id": 5, "campaign_id": -1})])
def test_no_campaign(option: bool, expected: dict[str, int]) -> None:
    params = sent(replace(REQUEST, origin=ByDefault(campaign_id=-1, site_id=5)), send_no_campaign=option)
    assert {name: params[name] for name in params if name in ("site_id", "campaign_id")} == expected


@pytest.mark.parametrize(
    ("revenue", "expected"),
    [("2500", "2500"), ("2500.50", "2500.5"), ("0.1", "0.1"), ("2500.456", "2500.46"), ("1E+3", "1000"), ("-5", "-5")],
)
def test_money_is_a_plain_number(revenue: str, expected: str) -> None:
    step = DealStep("deal:1", "Запись", AT, AT, "f", "s", revenue=Decimal(revenue))
    assert json.dumps(mapping.deal_params(step, ZONE)["revenue"]) == expected


def test_only_marks_the_vendor_knows_are_sent() -> None:
    visit = SessionUpload(
        "v", 5, AT, False, "203.0.113.7", marks=(("utm_source", "ya"), ("site_id", "9"), ("fbclid", "x"))
    )
    params = mapping.session_params(visit, ZONE)
    assert params["site_id"] == 5
    assert params["is_visitor_new"] is False
    assert params["utm_source"] == "ya"
    assert "fbclid" not in params


def test_a_contacts_lists_have_no_doubles_and_an_update_sends_empty_ones() -> None:
    contact = Contact("c", "Ольга", phones=("+79165550101", "79165550101"), emails=("a@b.example", "a@b.example"))
    params = mapping.contact_params(contact, ZONE, Options())
    assert (params["phone_numbers"], params["emails"]) == (["79165550101"], ["a@b.example"])
    bare = Contact("c", "Ольга")
    assert "emails" not in mapping.contact_params(bare, ZONE, Options())
    assert mapping.contact_params(bare, ZONE, Options(), whole=True)["emails"] == []


@given(st.text(max_size=40), st.text(max_size=40))
def test_any_text_can_be_sent(name: str, message: str) -> None:
    params = sent(replace(REQUEST, name=name, message=message))
    text = json.dumps(params, ensure_ascii=False)
    assert "\\u0000" not in text
    text.encode()


def test_a_text_with_half_a_sign_can_be_sent() -> None:
    json.dumps(sent(replace(REQUEST, name="О\ud83dля")), ensure_ascii=False).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-03-16 14:30:05", datetime(2026, 3, 16, 9, 30, 5, tzinfo=UTC)),
        ("2022-10-19T23:12:09+03:00", datetime(2022, 10, 19, 20, 12, 9, tzinfo=UTC)),
        ("yesterday", None), ("", None), (None, None), (17, None), ("2026-13-01 00:00:00", None),
    ],
)  # fmt: skip
def test_a_time_comes_back(text: Any, expected: datetime | None) -> None:
    assert mapping.moment_of(text, ZONE) == expected


def test_a_row_of_the_report() -> None:
    row = {
        "id": 12, "ext_id": "booking:1", "date_time": "2026-03-16 14:30:05", "communication_id": "13", "form_type": "DataAPI",
        "campaign_id": -1, "site_id": 5.0, "visitor_session_id": True, "source_id": None, "form_name": None,
    }  # fmt: skip
    found = mapping.loaded_request_of(row, ZONE)
    assert found is not None
    assert (found.id, found.communication_id, found.campaign_id, found.site_id) == (12, 13, -1, 5)
    assert (found.session_id, found.by_api, found.form_name) == (None, True, "")


def test_a_funnel_without_its_ends_is_none() -> None:
    stage = {"stage_ext_id": "1", "stage_name": "x", "stage_status": "in_process", "stage_order": 10}
    assert (
        mapping.funnel_of({"ext_id": "f", "name": "x", "stages": [stage, "odd", {"stage_status": "success"}]}) is None
    )


@given(st.dictionaries(
    st.sampled_from([
        "id", "ext_id", "name", "date_time", "stages", "stage_ext_id", "revenue", "communication_id", "communication_type",
        "components", "phone_numbers", "emails", "created_date_time", "timezone", "app_id", "form_type", "data_type", "status",
        "modified_stage_date_time", "is_generated", "contact_ext_ids", "state", "domain_name",
    ]),
    anything,
))  # fmt: skip
def test_any_row_is_survived(row: dict[str, Any]) -> None:
    for read in (
        mapping.account_of, mapping.plan_of, mapping.site_of, mapping.campaign_of, mapping.source_of, mapping.field_of,
        mapping.funnel_of, mapping.employee_of,
    ):  # fmt: skip
        read(row)
    for read_in_zone in (mapping.loaded_request_of, mapping.contact_of, mapping.loaded_step_of):
        read_in_zone(row, ZONE)
