"""Two accounts side by side: no list, no page and no address of one ever shows a row of the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from aiohttp import ClientSession, CookieJar
from aiohttp.test_utils import TestClient

from server.accounts import flow, store
from server.platform.clock import utc_now
from server.settings import Settings
from tests.communications import call, replayed, text
from tests.conftest import Salon, eventually, make_salon
from tests.factories import Browser, ident, webhook


class Seeded:
    """An account with one of everything, and the words by which its rows are recognised."""

    def __init__(self, salon: Salon, word: str, record_id: int, visit: str) -> None:
        self.salon, self.word, self.record_id, self.visit = salon, word, record_id, visit
        self.ids: dict[str, str] = {}

    def marks(self) -> list[str]:
        return [self.word, self.visit, *self.ids.values()]


async def seeded(http: TestClient, pool: asyncpg.Pool, settings: Settings, word: str, company: int) -> Seeded:
    salon = await make_salon(http, pool, settings, name=word, company=company)
    browser, mark, record_id = Browser(f"https://salon.example/?utm_campaign={word}"), ident(), company * 10
    await salon.collect(browser.batch(browser.hit(), browser.open(mark)))
    await salon.collect(browser.batch(browser.form(mark), browser.record(mark, record_id, company_id=company)), "form")
    person = {"id": company, "name": f"Клиент {word}", "phone": f"+7916{company:07d}", "email": ""}
    await salon.webhook(webhook(record_id, company_id=company, client=person, comment=f"comment {word}"))
    await salon.webhook(f'{{"torn by {word}": '.encode())
    await salon.webhook(webhook(1, company_id=company + 1000))
    async with http.post(f"/c?k={salon.key()}", data=f'{{"{word}": '.encode()) as answer:
        assert answer.status == 400

    async def there() -> Any:
        leads = (await salon.get("/leads"))["data"]
        held = (await salon.get("/quarantine"))["data"]
        return leads and leads[0]["visit"] and len(held) == 2 and (leads[0], held)

    lead, held = await eventually(there, within_s=20)
    made = Seeded(salon, word, record_id, browser.visit)
    made.ids = {
        "leads": lead["id"],
        "bookings": lead["booking"]["id"],
        "visits": browser.visit,
        "quarantine": held[0]["id"],
        "calls": str(await call(pool, salon.made.account.account_id, "1", employee=word, company_id=company)),
        "chats": str(await text(pool, salon.made.account.account_id, 1, facts={"name": word}, company_id=company)),
        "deliveries": str(await replayed(pool, salon.made.account.account_id)),
    }
    return made


@pytest.fixture
async def both(http: TestClient, pool: asyncpg.Pool, settings: Settings) -> tuple[Seeded, Seeded]:
    return await seeded(http, pool, settings, "Ours", 4564), await seeded(http, pool, settings, "Theirs", 5675)


@pytest.fixture
async def cabinet(http: TestClient, pool: asyncpg.Pool, both: tuple[Seeded, Seeded]) -> AsyncIterator[ClientSession]:
    """A browser in which the first account's owner is logged in."""
    account_id = both[0].salon.made.account.account_id
    async with pool.acquire() as conn:
        owner = await store.first_owner(conn, account_id)
        assert owner
        link = await flow.new_login_link(conn, owner, "", now=utc_now())
    async with ClientSession(str(http.make_url("/")), cookie_jar=CookieJar(unsafe=True)) as browser:
        async with browser.get(link) as answer:
            assert answer.status == 200, await answer.text()
        yield browser


def _patterns(http: TestClient, start: str) -> list[str]:
    """Every address we answer by GET, from the table of routes itself: a new one cannot be forgotten here."""
    assert http.app
    return sorted(
        {
            route.resource.canonical
            for route in http.app.router.routes()
            if route.method == "GET" and route.resource and route.resource.canonical.startswith(start)
        }
    )


async def test_no_answer_of_the_api_shows_the_others_rows(http: TestClient, both: tuple[Seeded, Seeded]) -> None:
    ours, theirs = both
    seen = 0
    for pattern in _patterns(http, "/api/v1/"):
        path = pattern.replace("{name}", "leads") if "integrations" in pattern else pattern.replace("{name}", "deals")
        for kind, own in ours.ids.items():
            async with http.get(path.replace("{id}", own), params={"limit": "200"}, headers=ours.salon.token) as answer:
                shown = await answer.text()
            assert not [mark for mark in theirs.marks() if mark in shown], (path, kind)
            seen += ours.word in shown or ours.visit in shown
    assert seen >= 5


async def test_the_others_ids_are_unknown_everywhere(http: TestClient, both: tuple[Seeded, Seeded]) -> None:
    ours, theirs = both
    for pattern in _patterns(http, "/api/v1/"):
        if "{id}" not in pattern:
            continue
        kind = pattern.split("/")[3]
        async with http.get(pattern.replace("{id}", theirs.ids[kind]), headers=ours.salon.token) as answer:
            assert answer.status == 404, pattern
        async with http.get(pattern.replace("{id}", ours.ids[kind]), headers=ours.salon.token) as answer:
            assert answer.status == 200, pattern
    path = f"/api/v1/quarantine/{theirs.ids['quarantine']}/replay"
    async with http.post(path, headers=ours.salon.token) as answer:
        assert answer.status == 404


async def test_filters_and_searches_find_nothing_of_the_other(http: TestClient, both: tuple[Seeded, Seeded]) -> None:
    ours, theirs = both
    for path, wanted in (
        ("/leads", {"q": "Theirs"}), ("/leads", {"campaign": "Theirs"}), ("/leads", {"company_id": "5675"}),
        ("/leads", {"record_id": str(theirs.record_id)}), ("/bookings", {"record_id": str(theirs.record_id)}),
        ("/bookings", {"q": "Theirs"}), ("/calls", {"q": "Theirs"}), ("/calls", {"company_id": "5675"}),
        ("/chats", {"q": "Theirs"}), ("/chats", {"company_id": "5675"}),
    ):  # fmt: skip
        assert (await ours.salon.get(path, **wanted))["data"] == [], (path, wanted)
        assert len((await theirs.salon.get(path, **wanted))["data"]) == 1, (path, wanted)


async def test_no_page_of_the_cabinet_shows_the_others_rows(
    http: TestClient, both: tuple[Seeded, Seeded], cabinet: ClientSession
) -> None:
    ours, theirs = both
    seen = 0
    for pattern in _patterns(http, "/"):
        if pattern.startswith(
            (
                "/api/",
                "/hooks",
                "/static",
                "/s/",
                "/f/",
                "/login",
                "/metrics",
                "/healthz",
                "/readyz",
                "/marketplace/",
                "/recordings/",
                "/workplace",  # its own doors: test_workplace_entering.py
            )
        ):
            continue
        kind = pattern.split("/")[1]
        own, foreign = (one.ids.get(kind, one.ids["leads"]) for one in (ours, theirs))
        async with cabinet.get(pattern.replace("{id}", own)) as answer:
            shown = (await answer.read()).decode("utf-8", "replace")  # the packed extension is no text
            assert answer.status == 200, pattern
        assert not [mark for mark in (*theirs.marks(), theirs.salon.key(), theirs.salon.hook) if mark in shown], pattern
        seen += ours.word in shown or ours.visit in shown
        if "{id}" in pattern:
            async with cabinet.get(pattern.replace("{id}", foreign)) as answer:
                assert answer.status == 404, pattern
                assert theirs.word not in await answer.text()
    assert seen >= 5


async def test_the_others_key_and_token_open_no_door_of_ours(both: tuple[Seeded, Seeded], pool: asyncpg.Pool) -> None:
    """A webhook of our branch sent to their address stays theirs: quarantined as a branch they do not have."""
    ours, theirs = both
    before = (await ours.salon.get("/ledger"))["doors"]["yclients"]
    await theirs.salon.webhook(webhook(ours.record_id, company_id=4564, comment="forged"))

    async def held() -> bool:
        return any(item["company_id"] == 4564 for item in (await theirs.salon.get("/quarantine"))["data"])

    await eventually(held)
    assert (await ours.salon.get("/ledger"))["doors"]["yclients"] == before
    assert await pool.fetchval("select count(*) from booking where comment = 'forged'") == 0
