"""The page «Рабочее место»: a code by one press, screens ended one by one, operators who see nothing else."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
import pytest
from aiohttp import CookieJar

from server.accounts import flow
from server.accounts.model import Role
from server.platform.clock import utc_now
from tests.conftest import Salon, make_salon
from tests.workplace_client import ScreenClient, make_person


class Cabinet:
    def __init__(self, salon: Salon, session: aiohttp.ClientSession) -> None:
        self.salon, self.session = salon, session

    async def page(self, path: str, *, status: int = 200, **fields: str) -> str:
        url = self.salon.http.make_url(path)
        async with self.session.post(url, data=fields) if fields else self.session.get(url) as answer:
            text = await answer.text()
            assert answer.status == status, text[:500]
            return text

    async def press(self, path: str, *, status: int = 200) -> str:
        async with self.session.post(self.salon.http.make_url(path)) as answer:
            assert answer.status == status
            return await answer.text()


@pytest.fixture
async def owner(salon: Salon, pool: asyncpg.Pool) -> AsyncIterator[Cabinet]:
    async with aiohttp.ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        async with pool.acquire() as conn:
            link = await flow.new_login_link(conn, salon.made.owner, "", now=utc_now())
        made = Cabinet(salon, session)
        await made.page(link)
        yield made


async def test_one_press_gives_a_code_that_pairs_and_the_list_ends_it(owner: Cabinet) -> None:
    page = await owner.press("/screens/pair")
    found = re.search(r'id="pairing-code" data-code="([A-Z2-9-]{14})"', page)
    assert found
    base = str(owner.salon.http.make_url("")).rstrip("/")
    async with owner.session.post(f"{base}/workplace/pair", json={"code": found[1], "kind": "extension"}) as answer:
        token = (await answer.json())["token"]
    page = await owner.page("/screens")
    assert "Расширение" in page
    assert found[1] not in page, "a code is shown once"
    end = re.search(r'action="(/screens/[0-9a-f-]{36}/end)"', page)
    assert end
    assert "Устройство отключено" in await owner.press(end[1])
    async with owner.session.post(f"{base}/workplace/ticket", json={}, headers={"Authorization": f"Bearer {token}"}) as answer:  # fmt: skip
        assert answer.status == 401
    await owner.press(end[1], status=404)


async def test_tab_beside_the_cabinet_needs_no_code(owner: Cabinet, pool: asyncpg.Pool) -> None:
    base = str(owner.salon.http.make_url("")).rstrip("/")
    async with owner.session.post(f"{base}/workplace/session", json={}) as answer:
        told = await answer.json()
        assert (answer.status, told["person"]["role"]) == (200, "owner")
    await owner.press("/logout")
    screen = ScreenClient(owner.session, base, told["token"])
    async with owner.session.post(f"{base}/workplace/ticket", json={}, headers=screen.bearer) as answer:
        assert answer.status == 401, "the log-out ends both"
    assert await pool.fetchval("select count(*) from device") == 0


async def test_operator_is_added_sees_the_workplace_alone_and_is_removed(owner: Cabinet, pool: asyncpg.Pool) -> None:
    page = await owner.page("/screens/operators", name="Olga <b>", email="Olga@Salon.example")
    link = re.search(r'id="c-link">([^<]+)<', page)
    assert link
    assert "Olga &lt;b&gt;" in page
    assert "уже есть" in await owner.page("/screens/operators", status=422, name="x", email="olga@salon.example")
    assert "не похоже" in await owner.page("/screens/operators", status=422, name="x", email="olga")
    number = re.search(r'action="(/screens/operators/[0-9a-f-]{36})/link"', page)
    assert number
    assert "Сохранено" in await owner.page(number[1], employee_id="25", virtual_number="+7 495 123-45-67")
    assert 'value="74951234567"' in await owner.page("/screens")
    await owner.page(number[1], status=422, employee_id="25x", virtual_number="")

    async with aiohttp.ClientSession(cookie_jar=CookieJar(unsafe=True)) as session:
        olga = Cabinet(owner.salon, session)
        path = "/login/" + link[1].rsplit("/", 1)[-1]
        home = await olga.page(path)
        assert "Подключить расширение" in home
        assert "Операторы" not in home
        for closed in ("/leads", "/integrations", "/bookings", "/install", "/intake"):
            assert "Подключить расширение" in await olga.page(closed), closed
        assert "Токены" not in await olga.page("/access")
        await olga.press("/access/tokens", status=403)
        await olga.page("/screens/operators", status=403, name="Evil", email="evil@salon.example")
        await olga.press(f"{number[1]}/remove", status=403)
        assert "Оператор убран" in await owner.press(f"{number[1]}/remove")
        assert "Вход" in await olga.page("/screens")
    assert await pool.fetchval("select count(*) from person where role = 'operator'") == 0


async def test_nobody_touches_another_accounts_screens_or_operators(
    owner: Cabinet, pool: asyncpg.Pool, settings: object
) -> None:
    from server.keys import SETTINGS

    assert owner.salon.http.app
    other = await make_salon(owner.salon.http, pool, owner.salon.http.app[SETTINGS], name="Other", company=77)
    person = await make_person(pool, other.made.account.account_id, role=Role.OPERATOR, name="Theirs")
    base = str(owner.salon.http.make_url("")).rstrip("/")
    async with aiohttp.ClientSession() as session:
        await ScreenClient.paired(session, base, pool, person)
    device_id = await pool.fetchval("select device_id from device")
    await owner.press(f"/screens/{device_id}/end", status=404)
    await owner.page(f"/screens/operators/{person.person_id}", status=404, employee_id="1", virtual_number="")
    for act in ("link", "remove"):
        await owner.press(f"/screens/operators/{person.person_id}/{act}", status=404)
        await owner.press(f"/screens/operators/{owner.salon.made.owner.person_id}/{act}", status=404)
    assert "Theirs" not in await owner.page("/screens")
    assert await pool.fetchval("select count(*) from device") == 1
