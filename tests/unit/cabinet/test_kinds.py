"""Whatever is delivered has its words in both languages, on every page that names it, and stands in the API."""

from __future__ import annotations

import pytest

from server.api import deliveries
from server.api.documents import openapi
from server.cabinet import shown, words
from server.delivery import relay


@pytest.mark.parametrize("kind", relay.JOBS)
def test_a_kind_has_its_words_and_stands_in_the_api(kind: relay.Kind) -> None:
    for start in ("kind_", "nt_"):
        russian, english = words.TEXTS[f"{start}{kind}"]
        assert russian != english
    assert kind in deliveries.KINDS
    assert kind in openapi()["components"]["schemas"]["Delivery"]["properties"]["kind"]["enum"]
    outcomes = ("delivered", "retry", "uncertain", "refused", "held")
    start = "at_" if relay.OVER[kind] == "uis" else "aty_"
    assert all(f"{start}{outcome}" in words.TEXTS for outcome in outcomes)


@pytest.mark.parametrize("code", ["unavailable", "limit", "not_connected"])
@pytest.mark.parametrize("locale", ["ru", "en"])
def test_what_yclients_did_is_not_said_of_uis(code: str, locale: str) -> None:
    assert "UIS" not in shown.delivery_error(code, None, locale, "yclients")
    assert "UIS" in shown.delivery_error(code, None, locale, "uis")
