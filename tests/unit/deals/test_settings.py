"""What the owner may set for deals, and the sentences of what they may not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from server.bookings.model import BookingStatus
from server.deals.funnel import FunnelRefused
from server.deals.settings import FIELD_WORDS, VALUE_WORDS, DealsIntegration, read_settings
from server.deals.titles import TitleRefused


def test_nothing_set_is_a_funnel_of_the_life_of_a_booking_switched_off() -> None:
    told = read_settings(None)
    assert told.enabled is False
    funnel = told.funnel_of(4564, "Центр")
    assert (funnel.key, [stage.kind for stage in funnel.stages]) == (
        "yclick",
        ["in_process", "in_process", "success", "failed"],
    )
    assert {status.value: funnel.stage(status).kind for status in BookingStatus} == {
        "waiting": "in_process", "confirmed": "in_process", "came": "success", "no_show": "failed", "deleted": "failed",
    }  # fmt: skip


def test_what_is_stored_is_read_back_the_same() -> None:
    told = read_settings({"enabled": True, "title": "{client}", "responsible": {"fallback": {"name": "Салон"}}})
    assert read_settings(told.model_dump(mode="json")) == told


@pytest.mark.parametrize(
    ("told", "where", "sentence"),
    [
        ({"title": "{phone}"}, "title", "there is no placeholder {phone}"),
        ({"title": ""}, "title", "the title is empty"),
        ({"title": "{client"}, "title", "write a brace"),
        ({"funnel": {"in_process": []}}, "funnel", "a funnel needs a stage in process"),
        ({"funnel": {"stage_of": {"no_show": "gone"}}}, "funnel", "there is no stage «gone»"),
        ({"funnel": {"failed": {"key": "success", "name": "Нет"}}}, "funnel", "two stages have the key «success»"),
        ({"funnel": {"success": {"key": "a b", "name": "Да"}}}, "funnel.success.key", ""),
        ({"funnel": {"success": {"key": "a", "name": "  "}}}, "funnel.success.name", ""),
        ({"branch_funnels": [{"company_id": 5, "funnel": {}}] * 2}, "branch_funnels", "the branch 5 has two funnels"),
        ({"funnel": {"key": "SF"}, "branch_funnels": [{"company_id": 5, "funnel": {"key": "SF", "name": "B"}}]},
         "", "the funnel «SF» is described twice"),
        ({"responsible": {"staff": [{"id": 9, "name": "A"}, {"id": 9, "name": "B"}]}}, "responsible.staff",
         "9 stands twice"),
        ({"fields": {"custom": [{"code": "a", "name": "A"}] * 2}}, "fields.custom", "«a» stands twice"),
        ({"fields": {"colour": True}}, "fields.colour", ""),
        ({"vendor_rules": {"backward": "sideways"}}, "vendor_rules.backward", ""),
    ],
)  # fmt: skip
def test_a_setting_that_cannot_be_used_is_refused_at_its_place(told: dict[str, Any], where: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as refused:
        DealsIntegration.model_validate(told)
    (error,) = refused.value.errors()
    assert ".".join(map(str, error["loc"])) == where
    assert sentence in error["msg"]


def test_a_refusal_keeps_its_type() -> None:
    for told, kind in ({"title": "{x}"}, TitleRefused), ({"funnel": {"in_process": []}}, FunnelRefused):
        with pytest.raises(ValidationError) as refused:
            DealsIntegration.model_validate(told)
        assert isinstance(refused.value.errors()[0]["ctx"]["error"], kind)


def test_a_branch_has_its_own_funnel_where_the_owner_wants_it() -> None:
    own = {"company_id": 5, "funnel": {"name": "Север"}}
    told = read_settings({"funnels": "per_branch", "branch_funnels": [own]})
    assert [(funnel.key, funnel.name) for funnel in (told.funnel_of(5, "N"), told.funnel_of(6, "Юг"))] == [
        ("yclick_5", "Север"),
        ("yclick_6", "Записи YCLIENTS — Юг"),
    ]
    one = read_settings({"branch_funnels": [own]})
    assert {one.funnel_of(branch, "N").key for branch in (5, 6)} == {"yclick"}


def test_a_funnel_that_exists_already_is_used_by_its_key_and_under_its_name() -> None:
    told = read_settings({"funnels": "per_branch", "funnel": {"key": "SF_1", "name": "Продажи"}})
    assert (told.funnel_of(5, "N").key, told.funnel_of(6, "S").name) == ("SF_1", "Продажи")


def test_fields_to_be_made_are_those_that_deals_carry() -> None:
    told = read_settings({"fields": {"goods": False, "custom": [{"code": "from", "name": "Откуда узнали"}]}})
    made = told.fields.made("ru")
    assert [key for key, _, _ in made] == [rule.key for rule in told.settings().fields]
    assert ("yclick_custom_from", "Откуда узнали", "string") in made
    assert {name for name, _, kind in ((key, name, kind) for key, name, kind in made) if kind == "numeric"} <= {
        "yclick_paid_share"
    }


def test_both_languages_have_every_word() -> None:
    assert FIELD_WORDS["ru"].keys() == FIELD_WORDS["en"].keys()
    assert VALUE_WORDS["ru"].keys() == VALUE_WORDS["en"].keys()
    assert {status.value for status in BookingStatus} <= VALUE_WORDS["ru"].keys()


def test_the_settings_draw_their_schema() -> None:
    schema = DealsIntegration.model_json_schema(ref_template="#/components/schemas/{model}")
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == {
        "enabled", "funnels", "funnel", "branch_funnels", "title", "responsible", "fields", "vendor_rules",
    }  # fmt: skip
