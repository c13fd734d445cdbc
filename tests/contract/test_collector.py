"""The collector's door: what is taken, what is refused and how, and what of it the owner sees."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from tests.conftest import Salon
from tests.factories import Browser
from tests.integration.test_intake import quiet

BARE: dict[str, Any] = {"v": 1, "sent_at": 1, "events": []}


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    """A body sent without telling its length."""
    for start in range(0, len(body), 10_000):
        yield body[start : start + 10_000]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"", 400, "not_json"),
        (b"{torn", 400, "not_json"),
        (b"[]", 400, "not_a_batch"),
        (json.dumps({**BARE, "v": 2}).encode(), 400, "not_a_batch"),
        (json.dumps({**BARE, "events": [{}] * 51}).encode(), 413, "too_large"),
        (b" " * 65_537, 413, "too_large"),
    ],
    ids=["empty", "torn", "an array", "another version", "51 events", "over 64 KB"],
)
@pytest.mark.parametrize("told", [True, False], ids=["with its length", "in pieces"])
async def test_a_body_that_is_no_batch_is_refused_and_the_owner_sees_why(
    salon: Salon, body: bytes, status: int, code: str, told: bool
) -> None:
    address, data = f"/c?k={salon.key()}", body if told else _pieces(body)
    async with salon.http.post(address, data=data, headers={"Content-Type": "text/plain"}) as answer:
        assert (answer.status, answer.content_type) == (status, "application/problem+json")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert (await answer.json())["code"] == code
    (refusal,) = (await salon.get("/ledger"))["refusals"]
    assert (refusal["door"], refusal["reason"], refusal["count"]) == ("collector", code, 1)


@pytest.mark.parametrize("query", ["", "?k=", "?k=nobodyskey", "?k=%00", "?k=" + "x" * 5000, "?K={key}"])
async def test_a_key_that_nobody_has_is_a_404_that_any_page_may_read(salon: Salon, query: str) -> None:
    browser = Browser()
    address = "/c" + query.replace("{key}", salon.key())
    async with salon.http.post(address, json=browser.batch(browser.hit())) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "unknown_key")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert (await salon.get("/ledger"))["refusals"] == []


@pytest.mark.parametrize("media", ["text/plain", "text/plain;charset=UTF-8", "application/json", ""])
async def test_any_kind_of_body_is_taken_and_answered_with_nothing(salon: Salon, media: str) -> None:
    browser = Browser()
    body = json.dumps(browser.batch(browser.hit())).encode()
    async with salon.http.post(f"/c?k={salon.key()}", data=body, headers={"Content-Type": media}) as answer:
        assert (answer.status, await answer.read()) == (204, b"")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert not {"Set-Cookie", "Access-Control-Allow-Credentials"} & set(answer.headers)


async def test_a_pages_own_sender_may_ask_before_it_sends_json(salon: Salon) -> None:
    asked = {
        "Origin": "https://salon.example", "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "content-type",
    }  # fmt: skip
    async with salon.http.options(f"/c?k={salon.key()}", headers=asked) as answer:
        assert answer.status == 204
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Headers"].lower() == "content-type"


async def test_an_event_that_describes_its_visit_needs_no_list_of_visits(salon: Salon) -> None:
    browser = Browser("https://salon.example/?utm_source=vk&utm_medium=cpc&utm_campaign=%D0%BB%D0%B5%D1%82%D0%BE")
    about = browser.batch()["visits"][browser.visit] | {"id": browser.visit}
    assert await salon.collect({**BARE, "sent_at": browser.now, "events": [browser.hit() | {"visit": about}]}) == 204
    await quiet(salon, "collector")
    (visit,) = (await salon.get("/visits"))["data"]
    assert (visit["id"], visit["channel"], visit["source"], visit["campaign"]) == (browser.visit, "ad", "vk", "лето")


async def test_what_a_form_says_of_the_clients_contact_is_not_kept(salon: Salon, pool: asyncpg.Pool) -> None:
    browser = Browser()
    said = {"service_selected": {"id": 5}, "send_contacts": {"fullname": "Anna", "phone": "79161234567"}}
    steps = [browser.event("step", name=name, params=params) for name, params in said.items()]
    assert await salon.collect(browser.batch(*steps)) == 204
    rows = await pool.fetch("select payload ->> 'name' as name, payload -> 'params' as params from hit")
    kept = {row["name"]: row["params"] for row in rows}
    assert kept == {"service_selected": said["service_selected"], "send_contacts": None}


async def test_what_a_page_put_into_its_address_is_not_kept(salon: Salon) -> None:
    browser = Browser(
        "https://salon.example/thanks/8%20(916)%20123-45-67/?phone=79161234567&name=Anna&utm_source=anna%40mail.ru",
        "https://mail.example/?to=anna@mail.ru",
    )
    await salon.collect(browser.batch(browser.hit()))
    await quiet(salon, "collector")
    (visit,) = (await salon.get("/visits"))["data"]
    told = json.dumps(visit)
    assert not any(part in told for part in ("45-67", "4567", "anna", "Anna"))
    assert visit["landing_page"] == "https://salon.example/thanks/[phone]/?utm_source=[e-mail]"


async def test_only_the_doors_take_what_another_site_sends(salon: Salon) -> None:
    other = {"Origin": "https://salon.example", "Sec-Fetch-Site": "cross-site"}
    browser = Browser()
    taken = {f"/c?k={salon.key()}": 204, salon.hook: 200, "/calls": 403, "/c/": 403, "/login": 403, "/logout": 403}
    for path, status in taken.items():
        async with salon.http.post(path, json=browser.batch(browser.hit()), headers=other) as answer:
            assert answer.status == status, path
