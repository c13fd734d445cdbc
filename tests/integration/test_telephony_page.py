"""The page «Подключение телефонии»: credentials, what is set for each network, and what is wrong is said there."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.uis.app import RunningUis
from server.accounts import flow
from server.app import build
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import eventually, make_salon
from tests.integration.test_cabinet import Owner, browser

KEY = "stand-key-0123456789"
TOKEN = "0f9c1b2a-canary-network-token"
FORM: dict[str, Any] = {
    "enabled": "1", "used": "1", "title": "Сеть салонов", "number": "+7 (495) 000-00-01", "number_company": "4564",
    "default_company_id": "4564", "types": "in", "create_client": "1", "recording_grace_s": "60", "card_name": "Клиент {phone}",
    "card_comment": "Звонок {date}", "card_source": "UIS",
}  # fmt: skip


@pytest.fixture
async def owner(dsn: str, pool: Any, uis: RunningUis, settings: Settings) -> AsyncIterator[Owner]:
    own = settings.model_copy(update={"uis_data_api_url": uis.url})
    async with TestClient(TestServer(build(own, dsn))) as client:
        one = browser(await make_salon(client, pool, own))
        await one.log_in_by_link(pool)
        yield one
        await one.session.close()


async def _network(owner: Owner, name: str = "Основная сеть", token: str = TOKEN) -> str:
    """The id under which a token was kept."""
    page = await owner.send("/integrations/telephony/credentials", name=name, token=token)
    assert "Учетные данные добавлены" in page
    found = re.search(r'name="network_id" value="([0-9a-f-]{36})"', page)
    assert found
    return found[1]


async def _settings(owner: Owner) -> dict[str, Any]:
    found: dict[str, Any] = await owner.salon.get("/integrations/telephony")
    return found


async def test_every_setting_of_the_help_page_stands_here_in_its_order(owner: Owner) -> None:
    await _network(owner)
    page = await owner.page("/integrations/telephony")
    steps = (
        "Подключение телефонии</h1>", "Базовые отраслевые решения", "Учетные данные", "потребуются две авторизации",
        "Подключение учетной записи", "Добавьте User token", "поле «Токен»", "Добавить учетные данные",
        "Введите логин и пароль от Yclients", "Обработка звонков", "Сеть</h3>", "Внешние номера филиалов",
        "Филиал по умолчанию", "Условия фильтрации", "Сайты", "Источники", "Сценарии", "Типы", "Создавать клиента",
        "Сохранить", "Интеграция подключена", "История звонков сети и всех салонов",
        "История звонков сети и уведомленных салонов", "без плюса, скобок, дефисов", "Проверить номера",
    )  # fmt: skip
    places = [page.find(step, page.find("<h1>")) for step in steps]
    assert -1 not in places, steps[places.index(-1)]
    assert places == sorted(places)
    assert "филлиал" in page.lower()  # as the help page writes it: who searches for that finds it, too


async def test_a_network_is_set_and_its_token_is_never_shown(owner: Owner, pool: Any) -> None:
    network_id = await _network(owner)
    assert "Сохранено." in await owner.send("/integrations/telephony", network_id=network_id, **FORM)
    kept = await _settings(owner)
    (network,) = kept["networks"]
    assert (kept["enabled"], network["network_id"], network["title"]) == (True, network_id, "Сеть салонов")
    assert network["numbers"] == [{"number": "74950000001", "company_id": 4564}]
    assert (network["default_company_id"], network["create_client"], network["filter"]["types"]) == (4564, True, ["in"])
    page = await owner.page("/integrations/telephony")
    assert TOKEN not in page
    assert 'value="74950000001"' in page
    assert await pool.fetchval("select wanted from network") is True
    assert not await pool.fetchval("select position($1::bytea in sealed_token) > 0 from network", TOKEN.encode())


async def test_two_networks_keep_their_settings_apart(owner: Owner, pool: Any) -> None:
    first = await _network(owner)
    await owner.send("/integrations/telephony", network_id=first, **FORM)
    second = await _network(owner, "Вторая", "another-canary-token")
    await owner.send(
        "/integrations/telephony", network_id=second, **FORM | {"number": "84950000002", "title": "Вторая"}
    )
    await owner.send("/integrations/telephony", network_id=first, **{**FORM, "used": ""})
    networks = (await _settings(owner))["networks"]
    assert [(one["network_id"], one["enabled"]) for one in networks] == [(first, False), (second, True)]
    assert [one["numbers"][0]["number"] for one in networks] == ["74950000001", "74950000002"]
    told = await pool.fetch("select name, wanted from network order by created_at")
    assert [row["wanted"] for row in told] == [False, True]


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"number": "звоните нам"}, "«звоните нам» — не номер телефона"),
        ({"card_name": "{secret}"}, "подстановка, которой нет в списке"),
        ({"recording_grace_s": "завтра"}, "от 0 до 3600"),
        ({"number_company": "", "default_company_id": ""}, "звонкам некуда попасть"),
    ],
)
async def test_what_cannot_be_used_is_told_shown_again_and_not_kept(
    owner: Owner, changed: dict[str, str], said: str
) -> None:
    network_id = await _network(owner)
    before = await _settings(owner)
    page = await owner.send("/integrations/telephony", status=422, network_id=network_id, **FORM | changed)
    assert said in page
    assert 'value="Сеть салонов"' in page  # what was typed is not lost
    assert await _settings(owner) == before


async def test_a_token_that_cannot_be_one_is_told(owner: Owner) -> None:
    refused = await owner.send("/integrations/telephony/credentials", status=422, name="Сеть", token="два слова")
    assert "не похоже на User token" in refused


async def test_another_accounts_network_is_not_ones_own(owner: Owner, pool: Any, settings: Settings) -> None:
    stranger = browser(await make_salon(owner.salon.http, pool, settings, name="Second", company=77))
    await stranger.log_in_by_link(pool)
    network_id = await _network(stranger, "Чужая сеть", "foreign-canary-token")
    assert "Сначала добавьте" in await owner.send("/integrations/telephony", status=422, network_id=network_id, **FORM)
    assert "Чужая сеть" not in await owner.page(f"/integrations/telephony?network={network_id}")
    await stranger.session.close()


async def test_lists_come_from_uis_and_what_is_ticked_is_kept_with_its_name(owner: Owner) -> None:
    await owner.send("/integrations/uis", access_token=KEY)
    network_id = await _network(owner)
    page = await owner.page("/integrations/telephony")
    site = re.search(r'name="sites" value="(43525\|[^"]+)"', page)
    assert site, "the sites of UIS are there to be ticked"
    await owner.send(
        "/integrations/telephony", network_id=network_id, **FORM, sites=site[1], scenarios_more="Вечерний\nВыходной"
    )
    chosen = (await _settings(owner))["networks"][0]["filter"]
    assert [one["id"] for one in chosen["sites"]] == [43525]
    assert "." in chosen["sites"][0]["name"]  # a notification tells a site by its domain
    assert [one["name"] for one in chosen["scenarios"]] == ["Вечерний", "Выходной"]
    assert "Вечерний" in await owner.page("/integrations/telephony")


async def test_numbers_are_compared_with_those_of_the_routing(owner: Owner) -> None:
    network_id = await _network(owner)
    await owner.send("/integrations/telephony", network_id=network_id, **FORM)
    page = await owner.send(
        "/integrations/telephony/numbers", network_id=network_id, theirs="+7 495 000-00-01\n74959999999"
    )
    for text in ("Номера расходятся", "в YCLIENTS должно быть 74950000001", "нет в настройке здесь"):
        assert text in page
    page = await owner.send("/integrations/telephony/numbers", network_id=network_id, theirs="74950000001")
    assert "Все номера совпадают" in page


async def test_credentials_added_before_are_chosen_from_the_list(owner: Owner, pool: Any, settings: Settings) -> None:
    async with pool.acquire() as conn:
        await flow.connect(
            conn, load_vault("", settings.data_dir), owner.salon.made.account.account_id, "yclients", "Логин салона", {}
        )
    await _network(owner)
    page = await owner.page("/integrations/telephony")
    assert "Логин салона" in page
    assert "Основная сеть" in page


async def test_the_page_is_whole_in_english(owner: Owner) -> None:
    await _network(owner)
    await owner.send("/language", locale="en", next="/integrations/telephony")
    page = await owner.page("/integrations/telephony")
    for text in ("Outside numbers of branches", "Default branch", "Conditions", "Create client", "Check the numbers"):
        assert text in page


async def test_past_calls_are_asked_for_once_telephony_is_on_and_the_page_shows_how_far_they_are(
    owner: Owner, pool: Any, uis: RunningUis, settings: Settings
) -> None:
    network_id = await _network(owner)
    page = await owner.page("/integrations/telephony")
    assert re.search(r"<button[^>]* disabled[^>]*>Передать", page)
    assert "Сначала включите" in await owner.send("/integrations/telephony/past", status=422, months="1")
    await owner.send("/integrations/telephony", network_id=network_id, **FORM)
    for length in (5, 0):
        await uis.telephone.call(
            scenario="answered" if length else "lost", scale=0.0, talk_s=length or None, until_end=True
        )
    async with pool.acquire() as conn:
        secret = {"access_token": KEY}
        account_id = owner.salon.made.account.account_id
        await flow.connect(conn, load_vault("", settings.data_dir), account_id, "uis", "test", secret)
    assert "Чтение звонков" in await owner.send("/integrations/telephony/past", months="3")

    async def done() -> Any:
        page = await owner.page("/integrations/telephony")
        return page if "звонков 2, новых 2" in page and "Загружено" in page else None

    page = await eventually(done)
    assert re.search(r"<progress[^>]*value=\"1.0\"", page)
    assert not re.search(r"<button[^>]* disabled[^>]*>Передать", page)
    calls = await pool.fetch("select outcome, asked, history, history_why from call order by outcome")
    assert [tuple(row.values()) for row in calls] == [
        ("answered", True, "wanted", ""), ("missed", True, "skipped", "filter_type"),
    ], "what is set counts for them, too"  # fmt: skip
    assert (
        await pool.fetchval("select extract(day from until - since)::int from call_reading where what = 'past'") == 90
    )


async def test_numbers_are_judged_by_what_shows_and_by_what_was_copied_at_once(owner: Owner) -> None:
    network_id = await _network(owner)
    nothing = await owner.send("/integrations/telephony/numbers", network_id=network_id, theirs="")
    assert "Номеров нет" in nothing
    await owner.send("/integrations/telephony", network_id=network_id, **FORM)
    looked = await owner.send("/integrations/telephony/numbers", network_id=network_id, theirs="")
    assert "74950000001</b> судить пока не по чему" in looked
    both = await owner.send(
        "/integrations/telephony/numbers", network_id=network_id, theirs="+74950000001\n74950000009"
    )
    assert "74950000001</b> записан иначе: в YCLIENTS должно быть 74950000001; судить пока не по чему" in both
    assert "74950000009</b> нет в настройке здесь" in both
    assert "настройке здесь: его звонки идут в филиал по умолчанию</li>" in both
