"""The menu's groups, and the line on top of each integration: on or off, what it lacks, what has gone and what not."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.uis.app import RunningUis
from server.app import build
from server.settings import Settings
from tests.conftest import eventually, make_salon
from tests.factories import webhook
from tests.integration.test_cabinet import Owner, browser

KEY = "stand-key-0123456789"
SAVED: dict[str, Any] = {
    "enabled": "1",
    "default_entity": "source",
    "default_source_id": "8",
    "default_site_id": "43525",
}


@pytest.fixture
async def owner(dsn: str, pool: Any, uis: RunningUis, settings: Settings) -> AsyncIterator[Owner]:
    own = settings.model_copy(update={"uis_data_api_url": uis.url, "retry_schedule_s": (0.05, 0.05)})
    async with TestClient(TestServer(build(own, dsn))) as client:
        one = browser(await make_salon(client, pool, own))
        await one.log_in_by_link(pool)
        yield one
        await one.session.close()


async def _standing(owner: Owner, page: str) -> str:
    text = await owner.page(f"/integrations/{page}")
    return text[text.index('id="standing"') : text.index("</section>", text.index('id="standing"'))]


async def test_what_an_integration_lacks_is_told_with_the_place_where_it_is_mended(owner: Owner) -> None:
    lacks = {
        "leads": ("/integrations/leads#uis", "/install"),
        "deals": ("/integrations/leads#uis", "/integrations/yclients", "/install"),
        "telephony": ("#credentials", "/integrations/yclients", "/integrations/notifications"),
        "texts": ("/integrations/yclients", "/integrations/notifications"),
    }
    for page, places in lacks.items():
        told = await _standing(owner, page)
        assert "Выключено" in told
        assert "ещё не было" in told
        for place in places:
            assert f'href="{place}"' in told, (page, place)


async def test_the_line_tells_of_success_and_then_lacks_nothing(owner: Owner) -> None:
    await owner.send("/integrations/uis", access_token=KEY)
    await owner.send("/integrations/leads", **SAVED)
    await owner.salon.webhook(webhook(911))

    async def gone() -> bool:
        return "ещё не было" not in await _standing(owner, "leads")

    await eventually(gone)
    told = await _standing(owner, "leads")
    assert "Включено" in told
    assert "Чего не хватает" not in told
    assert "В очереди ничего нет" in told


async def test_what_is_held_is_counted_and_leads_to_its_list(owner: Owner, uis: RunningUis) -> None:
    await owner.send("/integrations/uis", access_token=KEY)
    await owner.send("/integrations/leads", **SAVED)
    uis.uis.keys.clear()
    await owner.salon.webhook(webhook(912))

    async def held() -> bool:
        return 'href="/deliveries?kind=lead&amp;state=held"' in await _standing(owner, "leads")

    await eventually(held)
    assert "UIS не принимает ключ" in await _standing(owner, "leads")


async def test_a_form_that_was_refused_does_not_show_as_switched_on(owner: Owner) -> None:
    await owner.send("/integrations/uis", access_token=KEY)
    page = await owner.send("/integrations/leads", status=422, **{**SAVED, "default_site_id": ""})
    assert "Выключено</span>" in page


@pytest.mark.parametrize(
    ("path", "group", "entry"),
    [
        ("/leads", "Сырые данные", "Обращения и цели"), ("/deals", "Сырые данные", "Сделки"),
        ("/integrations/texts", "Интеграции", "Подключение текстовых коммуникаций"), ("/deliveries", "Состояние", "Отправка"),
    ],
)  # fmt: skip
async def test_the_menu_shows_where_one_stands(owner: Owner, path: str, group: str, entry: str) -> None:
    page = await owner.page(path)
    menu = page[page.index('<nav class="wide-menu"') : page.index("</nav>")]
    assert menu.count('class="here"') == 1
    assert f'class="here">{group}</summary>' in menu
    assert menu.count("aria-current") == 1
    assert f'<a href="{path}" aria-current="page">{entry}' in menu
