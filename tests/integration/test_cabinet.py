"""The owner's pages as forms: access, branches, what came. Real server, real database, cookies as a browser keeps them."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import CookieJar
from aiohttp.test_utils import TestClient

from server.accounts import flow
from server.platform.clock import utc_now
from server.settings import Settings
from tests.conftest import Salon, eventually, make_salon
from tests.factories import Browser, ident, webhook

PASSWORD = "волос 10 к 1"


class Owner:
    """A browser with the owner's session."""

    def __init__(self, salon: Salon, session: aiohttp.ClientSession) -> None:
        self.salon, self.session = salon, session

    async def page(self, path: str, *, status: int = 200) -> str:
        async with self.session.get(self.salon.http.make_url(path)) as answer:
            text = await answer.text()
            assert answer.status == status, text[:500]
            return text

    async def send(self, path: str, *, status: int = 200, **fields: str) -> str:
        async with self.session.post(self.salon.http.make_url(path), data=fields) as answer:
            text = await answer.text()
            assert answer.status == status, text[:800]
            return text

    async def log_in_by_link(self, pool: Any) -> None:
        async with pool.acquire() as conn:
            link = await flow.new_login_link(conn, self.salon.made.owner, "", now=utc_now())
        await self.page(link)


def browser(salon: Salon) -> Owner:
    return Owner(salon, aiohttp.ClientSession(cookie_jar=CookieJar(unsafe=True), headers={"User-Agent": "X11 Chrome"}))


@pytest.fixture
async def owner(salon: Salon, pool: Any) -> AsyncIterator[Owner]:
    one = browser(salon)
    await one.log_in_by_link(pool)
    yield one
    await one.session.close()


@pytest.fixture
async def stranger(salon: Salon) -> AsyncIterator[Owner]:
    one = browser(salon)
    yield one
    await one.session.close()


async def test_owner_sets_a_password_and_logs_in_with_it(owner: Owner, stranger: Owner) -> None:
    assert "Пароля ещё нет" in await owner.page("/access")
    assert "Сохранено" in await owner.send("/access", email="Olga@Salon.example", password=PASSWORD)
    await stranger.send("/login", status=401, email="olga@salon.example", password="wrong password")
    assert "Обращения и цели" in await stranger.send("/login", email="olga@salon.example", password=PASSWORD)


async def test_a_session_alone_cannot_change_the_password(owner: Owner) -> None:
    await owner.send("/access", email="olga@salon.example", password=PASSWORD)
    refused = await owner.send(
        "/access", status=422, email="evil@salon.example", password="0123456789", old_password="guess"
    )
    assert "не подходит" in refused
    assert "Сохранено" in await owner.send("/access", email="new@salon.example", password="", old_password=PASSWORD)


async def test_guesses_of_the_old_password_are_slowed_down(owner: Owner) -> None:
    await owner.send("/access", email="olga@salon.example", password=PASSWORD)
    for _ in range(5):
        await owner.send("/access", status=422, email="a@b.ru", old_password="guess")
    await owner.send("/access", status=429, email="a@b.ru", old_password=PASSWORD)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"email": "olga", "password": PASSWORD}, "не похоже на адрес"),
        ({"email": "olga@salon.example", "password": "short"}, "от 10 до 1000"),
        ({"email": "olga@salon.example", "password": ""}, "от 10 до 1000"),
    ],
)
async def test_an_access_that_cannot_be_is_refused_with_its_reason(
    owner: Owner, fields: dict[str, str], said: str
) -> None:
    assert said in await owner.send("/access", status=422, **fields)


async def test_a_new_password_ends_the_other_sessions(owner: Owner, stranger: Owner, pool: Any) -> None:
    await stranger.log_in_by_link(pool)
    assert "Выйти на других устройствах" in await owner.page("/access")
    await owner.send("/access", email="olga@salon.example", password=PASSWORD)
    assert "Пароль" in await stranger.page("/leads")  # the login page
    assert "Обращения" in await owner.page("/leads")


async def test_other_devices_are_logged_out_by_one_button(owner: Owner, stranger: Owner, pool: Any) -> None:
    await stranger.log_in_by_link(pool)
    await owner.send("/access/end-others")
    assert "Пароль" in await stranger.page("/leads")
    assert "Обращения" in await owner.page("/leads")


async def test_one_person_with_two_accounts_enters_the_one_whose_password_was_given(
    owner: Owner, stranger: Owner, http: TestClient, pool: Any, settings: Settings
) -> None:
    other = browser(await make_salon(http, pool, settings, name="Second", company=77))
    await other.log_in_by_link(pool)
    await owner.send("/access", email="olga@salon.example", password=PASSWORD)
    await other.send("/access", email="olga@salon.example", password="another long one")
    await other.session.close()
    assert "Second" in await stranger.send("/login", email="olga@salon.example", password="another long one")


async def test_an_added_branch_frees_what_waited_for_it(owner: Owner, salon: Salon) -> None:
    assert await salon.webhook(webhook(501, company_id=31337)) == 200

    async def held() -> bool:
        return bool((await salon.get("/quarantine"))["data"])

    await eventually(held)
    assert "/install?branch=31337#branch" in await owner.page("/intake")
    assert 'value="31337"' in await owner.page("/install?branch=31337")
    assert "Филиал подключён" in await owner.send(
        "/install/branches", company_id="31337", timezone="Asia/Yekaterinburg"
    )
    assert (await salon.get("/quarantine"))["data"] == []
    (booking,) = (await salon.get("/bookings", record_id="501"))["data"]
    assert (booking["company_id"], booking["created_at"][-6:]) == (31337, "+05:00")


@pytest.mark.parametrize(("number", "zone"), [("abc", "Europe/Moscow"), ("0", "Europe/Moscow"), ("5", "Moscow/Center")])
async def test_a_branch_that_cannot_be_is_refused(owner: Owner, salon: Salon, number: str, zone: str) -> None:
    refused = await owner.send("/install/branches", status=422, company_id=number, timezone=zone)
    assert "часовой пояс — город" in refused
    assert f'value="{number}"' in refused
    assert f'required value="{zone}"' in refused


@pytest.mark.parametrize("typed", ["Екатеринбург", "yekaterinburg", "Asia/Yekaterinburg"])
async def test_a_zone_is_understood_by_its_city_and_its_change_is_said(owner: Owner, salon: Salon, typed: str) -> None:
    assert "уже подключён" in await owner.send("/install/branches", company_id="4564", timezone="Москва")
    changed = await owner.send("/install/branches", company_id="4564", timezone=typed)
    assert "Часовой пояс филиала изменён" in changed
    assert "Asia/Yekaterinburg</span>" in changed


@pytest.mark.parametrize(
    ("typed", "shown"),
    [("https://Запись.рф/", "запись.рф"), ("localhost:8100", "localhost:8100"), ("f.localhost", "f.localhost")],
)
async def test_an_own_domain_is_shown_as_it_is_written_and_stands_in_the_example(
    owner: Owner, typed: str, shown: str
) -> None:
    assert "АДРЕС-ВАШЕЙ-СТРАНИЦЫ-ЗАПИСИ" in await owner.page("/install")
    saved = await owner.send("/install", form_hosts=typed)
    assert f">{shown}</textarea>" in saved
    assert f"https://{shown}/" in saved
    assert "n822081" not in saved


async def test_bodies_that_cannot_be_read_are_best_removed(owner: Owner, salon: Salon) -> None:
    assert await salon.webhook(b'{"torn": ') == 200

    async def held() -> Any:
        return (await salon.get("/quarantine"))["data"]

    (item,) = await eventually(held)
    page = await owner.page("/intake")
    assert page.index('/dismiss"><button class="button main">') < page.index('/replay"><button class="button">')
    again = await owner.send(f"/intake/{item['id']}/replay")
    assert "Снова не вышло: Данные пришли оборванными" in again
    assert 'class="note bad" role="alert"' in again
    assert "Убрано." in await owner.send(f"/intake/{item['id']}/dismiss")
    assert "Уже убрано." in await owner.send(f"/intake/{item['id']}/dismiss")
    assert "Уже убрано." in await owner.send(f"/intake/{item['id']}/replay")


async def test_a_filter_by_origin_that_finds_nothing_is_cleared_on_its_own_page(owner: Owner) -> None:
    page = await owner.page("/bookings?origin=mobile_app")
    assert "По этому отбору ничего нет" in page
    assert 'href="/bookings">Сбросить отбор' in page


async def test_what_changes_nothing_is_still_seen(owner: Owner, salon: Salon) -> None:
    goods = {"company_id": 4564, "resource": "good", "resource_id": 9, "status": "update", "data": {"id": 9}}
    assert await salon.webhook(goods) == 200

    async def kept() -> bool:
        return "Товар № 9 изменён" in await owner.page("/intake?state=kept")

    await eventually(kept)
    assert "Товар № 9" not in await owner.page("/intake?state=stored")
    assert "Товар № 9" in await owner.page("/intake")


async def test_settings_that_cannot_be_say_why_and_keep_the_old_ones(owner: Owner) -> None:
    refused = await owner.send("/install", status=422, form_hosts="zapis.salon.ru\nне домен", timeout="45")
    assert "Не сохранено: «не»" in refused
    assert "zapis.salon.ru\nне домен</textarea>" in refused  # what was typed stays
    assert 'value="45"' in refused
    assert "Не сохранено: «soon»" in await owner.send("/install", status=422, timeout="soon")
    assert "не домен" not in await owner.page("/install")
    saved = await owner.send("/install", form_hosts="https://Zapis.Salon.ru/", timeout="45", excluded="pay.bank.ru")
    assert "zapis.salon.ru" in saved
    assert "pay.bank.ru" in saved


async def test_pages_are_for_those_who_are_logged_in(stranger: Owner) -> None:
    for path in ("/leads", "/leads/live", "/bookings", "/visits", "/intake", "/install", "/access"):
        assert "Пароль" in await stranger.page(path)
    for path in ("/install", "/install/branches", "/access", "/access/end-others"):
        await stranger.send(path, status=401)


async def test_a_flood_of_logins_takes_no_place_of_webhooks(salon: Salon, stranger: Owner) -> None:
    async def guess(number: int) -> int:
        url = salon.http.make_url("/login")
        async with stranger.session.post(url, data={"email": f"x{number}@a.ru", "password": "guess"}) as answer:
            return answer.status

    flood = [asyncio.ensure_future(guess(number)) for number in range(40)]
    await asyncio.sleep(0)
    for record_id in range(900, 905):
        assert await salon.webhook(webhook(record_id)) == 200
    assert set(await asyncio.gather(*flood)) <= {401, 429}


async def test_a_neighbours_login_does_not_wipe_out_guesses(
    owner: Owner, stranger: Owner, http: TestClient, pool: Any, settings: Settings
) -> None:
    neighbour = browser(await make_salon(http, pool, settings, name="Second", company=77))
    await neighbour.log_in_by_link(pool)
    await owner.send("/access", email="olga@salon.example", password=PASSWORD)
    await neighbour.send("/access", email="olga@salon.example", password="another long one")
    statuses = []
    for _ in range(3):
        for _ in range(4):
            async with stranger.session.post(
                owner.salon.http.make_url("/login"), data={"email": "olga@salon.example", "password": "guess"}
            ) as answer:
                statuses.append(answer.status)
        async with neighbour.session.post(
            owner.salon.http.make_url("/login"),
            data={"email": "olga@salon.example", "password": "another long one"},
        ) as answer:
            statuses.append(answer.status)
    await neighbour.session.close()
    assert 429 in statuses


async def test_an_origin_that_is_no_address_is_refused(salon: Salon) -> None:
    async with salon.http.post("/login", data={}, headers={"Origin": "http://["}) as answer:
        assert answer.status == 403


# --- the language, errors, coming back


async def test_the_language_keeps_the_page_and_its_query(owner: Owner) -> None:
    page = await owner.page("/leads?q=%D0%9C%D0%B0%D1%80%D0%B8%D1%8F&level=none")
    assert 'name="next" value="/leads?q=%D0%9C%D0%B0%D1%80%D0%B8%D1%8F&amp;level=none"' in page
    kept = await owner.send("/language", locale="en", next="/leads?q=%D0%9C%D0%B0%D1%80%D0%B8%D1%8F&level=none")
    assert "Leads and goals" in kept
    assert 'value="Мария"' in kept


@pytest.mark.parametrize("path", ["/install/branches", "/access", "/intake/0/replay", "/integrations/yclients/code"])
async def test_the_language_of_an_answered_form_leads_to_a_page(owner: Owner, path: str) -> None:
    async with owner.session.post(
        owner.salon.http.make_url(path), data={"company_id": "x"}, headers={"Accept": "text/html"}
    ) as answer:
        told = await answer.text()
    (there,) = re.findall(r'name="next" value="([^"]+)"', told)
    assert path.startswith(there)
    assert "Установка" in await owner.page(there)


async def test_login_comes_back_to_the_page_with_its_query(owner: Owner, stranger: Owner) -> None:
    await owner.send("/access", email="olga@salon.example", password=PASSWORD)
    page = await stranger.page("/intake?state=kept")
    assert 'value="/intake?state=kept"' in page
    assert 'value="/login?next=%2Fintake%3Fstate%3Dkept"' in page  # the switch of the language
    wrong = await stranger.send(
        "/login", status=401, email="olga@salon.example", password="wrong password", next="/intake?state=kept"
    )
    assert 'value="olga@salon.example"' in wrong
    assert 'value="/intake?state=kept"' in wrong
    entered = await stranger.send("/login", email="olga@salon.example", password=PASSWORD, next="/intake?state=kept")
    assert "/intake?state=kept#letters" in entered
    assert "aria-current" in entered


@pytest.mark.parametrize(
    "next_", ["//evil.test", "/\\evil.test", "https://evil.test/", "/a\r\nX: y", "/leads?a=\nb", "javascript:alert(1)"]
)
async def test_login_never_leads_to_another_site(owner: Owner, stranger: Owner, next_: str) -> None:
    await owner.send("/access", email="olga@salon.example", password=PASSWORD)
    fields = {"email": "olga@salon.example", "password": PASSWORD, "next": next_}
    url = owner.salon.http.make_url("/login")
    async with stranger.session.post(url, data=fields, allow_redirects=False) as answer:
        assert (answer.status, answer.headers["Location"]) == (302, "/leads")


async def test_an_error_has_the_menu_for_those_who_are_logged_in(owner: Owner, stranger: Owner) -> None:
    html = {"Accept": "text/html"}
    for path in ("/no/such/page", "/leads/0190f0a0-0000-7000-8000-000000000000"):
        async with owner.session.get(owner.salon.http.make_url(path), headers=html) as answer:
            told = await answer.text()
            assert answer.status == 404
        assert "Здесь ничего нет" in told
        assert 'href="/intake"' in told
    async with stranger.session.post(owner.salon.http.make_url("/install/branches"), headers=html) as answer:
        told = await answer.text()
        assert answer.status == 401
    assert "Войти снова" in told
    assert 'href="/login?next=/install"' in told


async def test_a_refused_access_keeps_what_was_typed(owner: Owner) -> None:
    assert 'value="olga@nowhere"' in await owner.send("/access", status=422, email="olga@nowhere", password=PASSWORD)


async def test_visits_are_narrowed_and_lead_to_their_bookings(owner: Owner, salon: Salon) -> None:
    """A visit and its booking name each other; a filter that finds nothing says so on its own page."""
    guest = Browser("https://salon.example/?utm_source=yandex&utm_medium=cpc&utm_campaign=spring")
    mark = ident()
    await salon.collect(guest.batch(guest.hit(), guest.open(mark)))
    await salon.collect(guest.batch(guest.form(mark), guest.record(mark, 801)), place="form")
    await salon.webhook(webhook(801, client={"id": 1, "name": "Вера Ким", "phone": "", "email": ""}))

    async def exact() -> Any:
        return [item for item in (await salon.get("/leads"))["data"] if item["match"]["level"] == "L0"]

    (lead,) = await eventually(exact)
    visit = await owner.page(f"/visits/{guest.visit}")
    assert f'<a href="/leads/{lead["id"]}">' in visit
    assert "№ 801" in visit
    assert f'<a href="/visits/{guest.visit}">Визит на сайт' in await owner.page(f"/leads/{lead['id']}")
    assert guest.visit in await owner.page("/visits?channel=ad&source=yandex")
    other = await owner.page("/visits?channel=social")
    assert guest.visit not in other
    assert "По этому отбору ничего нет" in other
    assert 'href="/visits">Сбросить отбор' in other


async def test_branches_are_told_apart_where_there_are_several(owner: Owner, salon: Salon) -> None:
    await salon.webhook(webhook(811))

    async def there() -> bool:
        return bool((await salon.get("/bookings"))["data"])

    await eventually(there)
    assert "филиал 4564" not in await owner.page("/bookings")
    await owner.send("/install/branches", company_id="777001", timezone="Москва")
    assert "филиал 4564" in await owner.page("/bookings")
