"""What the owner may set for texts, whose branch a site is, and on which event a client is made."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from server.chats.settings import ChatsSettings, TextFilter, read_settings


def test_nothing_set_is_off_and_reads_back_the_same() -> None:
    told = read_settings(None)
    assert (told.enabled, told.forms.enabled, told.chats.enabled) == (False, False, False)
    assert read_settings(told.model_dump(mode="json")) == told


def test_a_site_without_a_row_goes_to_the_default_branch() -> None:
    told = read_settings(
        {"forms": {"branches": [{"site": {"id": 7, "name": "a.example"}, "company_id": 1}], "default_company_id": 2}}
    )
    assert told.forms.branch_of(7, None) == told.forms.branch_of(None, "A.example") == 1
    assert told.forms.branch_of(8, "b.example") == 2
    assert told.chats.branch_of(7, None) is None


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"chats": {"create_on": "never"}}, "start"),
        (
            {"forms": {"branches": [{"site": {"id": 7}, "company_id": 1}, {"site": {"id": 7}, "company_id": 2}]}},
            "twice",
        ),
        ({"forms": {"filter": {"types": [" "]}}}, "a type needs a name"),
        ({"chats": {"card": {"comment": "{phone"}}}, "no placeholder"),
        ({"surprise": 1}, "not permitted"),
    ],
)
def test_what_cannot_be_used_is_refused_with_a_sentence(told: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        read_settings(told)


def test_the_filter_names_the_condition_that_is_not_met() -> None:
    chosen = TextFilter.model_validate({"sites": [{"name": "a.example"}], "types": ["whatsapp"]})
    assert chosen.why_not(site=(1, "a.example"), type="WhatsApp") is None
    assert chosen.why_not(site=(1, "b.example"), type="whatsapp") == "site"
    assert chosen.why_not(site=(1, "a.example"), type="comagic") == "type"
    assert TextFilter().why_not(site=(None, None), type=None) is None


def test_a_client_is_made_on_the_chosen_event_alone() -> None:
    def chats(**told: Any) -> ChatsSettings:
        return ChatsSettings.model_validate(told)

    assert chats(create_on="start").creates("start")
    assert not chats(create_on="start").creates("end")
    assert not chats(create_on="start", create_client=False).creates("start")
    assert chats(create_on="tag").creates("tag", [(5, "Целевой")])
    assert not chats(create_on="tag").creates("tag")
    assert not chats(create_on="tag", tags=[{"name": "Целевой"}]).creates("tag", [(6, "Спам")])
    assert chats(create_on="tag", tags=[{"name": "Целевой"}]).creates("tag", [(6, "Спам"), (None, "целевой")])
