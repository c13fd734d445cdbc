"""What the owner may set for telephony, whose branch a call is, and which calls pass the filter."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from server.calls.settings import CallFacts, CallFilter, read_settings

NORTH, SOUTH = str(UUID(int=1)), str(UUID(int=2))


def test_nothing_set_is_off_and_reads_back_the_same() -> None:
    told = read_settings(None)
    assert (told.enabled, told.networks) == (False, ())
    assert read_settings(told.model_dump(mode="json")) == told


@pytest.mark.parametrize(
    "written", ["+7 (495) 000-00-01", "74950000001", "8 495 000 00 01", "4950000001", "+7.495.000.00.01"]
)
def test_a_number_is_found_however_it_is_written(written: str) -> None:
    settings = read_settings(
        {"networks": [{"network_id": NORTH, "numbers": [{"number": written, "company_id": 4564}]}]}
    )
    network = settings.network_of("+7 495 000-00-01")
    assert network is not None
    assert network.numbers[0].number == "74950000001"
    assert network.branch_of("84950000001") == 4564


def test_a_number_of_no_table_goes_to_the_default_branch_or_nowhere() -> None:
    settings = read_settings(
        {
            "networks": [
                {"network_id": NORTH, "numbers": [{"number": "74950000001", "company_id": 1}]},
                {"network_id": SOUTH, "numbers": [{"number": "74950000002", "company_id": 2}], "default_company_id": 3},
            ]
        }
    )
    named, other = settings.network_of("74950000001"), settings.network_of("74959999999")
    assert named is not None
    assert other is not None
    assert (named.network_id, named.branch_of("74950000001")) == (UUID(NORTH), 1)
    assert (other.network_id, other.branch_of("74959999999")) == (UUID(SOUTH), 3)
    assert read_settings({"networks": [{"network_id": NORTH}]}).network_of("74959999999") is None


def test_a_network_that_is_off_has_no_calls() -> None:
    off = {
        "network_id": NORTH,
        "enabled": False,
        "numbers": [{"number": "74950000001", "company_id": 1}],
        "default_company_id": 1,
    }
    other = {"network_id": SOUTH, "default_company_id": 2}
    for networks in ([off], [off, other], [other, off]):
        assert read_settings({"networks": networks}).network_of("74950000001") is None


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"networks": [{"network_id": NORTH}, {"network_id": NORTH}]}, "stands twice"),
        (
            {"networks": [{"network_id": NORTH, "numbers": [{"number": "84950000001", "company_id": 1},
                                                           {"number": "+74950000001", "company_id": 2}]}]},
            "74950000001 stands twice",
        ),
        ({"networks": [{"network_id": NORTH, "numbers": [{"number": "call me", "company_id": 1}]}]}, "not a phone number"),
        ({"networks": [{"network_id": NORTH, "surprise": 1}]}, "not permitted"),
        ({"card": {"name": "{secret}"}}, "no placeholder"),
        ({"networks": [{"network_id": NORTH, "filter": {"sites": [{}]}}]}, "an id or a name"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_refused_with_a_sentence(told: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValidationError, match=sentence):
        read_settings(told)


def _why(told: dict[str, Any], call: CallFacts, *, ringing: bool = False) -> str | None:
    return CallFilter.model_validate(told).why_not(call, ringing=ringing)


def test_an_empty_filter_lets_everything_through() -> None:
    assert _why({}, CallFacts("internal", missed=True)) is None


def test_sites_are_told_apart_by_id_and_by_name_where_there_is_no_id() -> None:
    chosen = {"sites": [{"id": 7, "name": "salon.example"}]}
    assert _why(chosen, CallFacts("in", site=(7, None))) is None
    assert _why(chosen, CallFacts("in", site=(8, "salon.example"))) == "site"
    assert _why(chosen, CallFacts("in", site=(None, "Salon.Example"))) is None


def test_what_is_not_told_yet_stops_no_ringing_call_but_counts_at_the_end() -> None:
    chosen = {"sources": [{"name": "Яндекс"}]}
    assert _why(chosen, CallFacts("in"), ringing=True) is None
    assert _why(chosen, CallFacts("in")) == "source"


@pytest.mark.parametrize(
    ("types", "call", "ringing", "passes"),
    [
        (["in"], CallFacts("in", missed=False), False, True),
        (["in"], CallFacts("in", missed=True), False, False),
        (["in"], CallFacts("in"), True, True),
        (["missed"], CallFacts("in", missed=True), False, True),
        (["missed"], CallFacts("in"), True, False),
        (["missed"], CallFacts("out", missed=True), False, False),
        (["out", "missed"], CallFacts("out", missed=True), False, True),
        (["tag"], CallFacts("in", missed=False, tags=[(5, "Целевой")]), False, True),
        (["tag"], CallFacts("in", missed=False), False, False),
    ],
)
def test_a_call_passes_when_one_of_the_types_fits(
    types: list[str], call: CallFacts, ringing: bool, passes: bool
) -> None:
    assert (_why({"types": types}, call, ringing=ringing) is None) is passes


def test_of_the_type_tag_only_the_tags_that_were_chosen() -> None:
    chosen = {"types": ["tag"], "tags": [{"id": 5, "name": "Целевой"}]}
    assert _why(chosen, CallFacts("in", tags=[(None, "целевой")])) is None
    assert _why(chosen, CallFacts("in", tags=[(6, "Спам")])) == "type"
