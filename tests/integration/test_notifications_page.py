"""The page «Уведомления UIS»: a body copied from it is taken, and the test shows what has come."""

from __future__ import annotations

import html
import json
import re
from typing import Any

from server.settings import Settings
from tests.conftest import eventually, make_salon
from tests.integration.test_cabinet import Owner, browser, owner

__all__ = ["owner"]


async def _copied(owner: Owner) -> tuple[str, dict[str, str]]:
    """The address and the bodies, as their buttons copy them."""
    page = await owner.page("/integrations/notifications")
    url = re.search(r'id="n-url">([^<]+)<', page)
    assert url
    return url[1], {
        event: html.unescape(body) for event, body in re.findall(r'<pre id="b-(\w+)">(.*?)</pre>', page, re.DOTALL)
    }


def _filled(body: str, **values: Any) -> str:
    """As UIS fills a template in."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: json.dumps(values.get(found[1])), body)


async def _tell(owner: Owner, url: str, body: str) -> None:
    path = url[url.index("/hooks/") :]
    async with owner.salon.http.post(path, data=body, headers={"Content-Type": "application/json"}) as answer:
        assert answer.status == 200


async def test_a_copied_body_arrives_and_is_shown_live_with_its_raw(owner: Owner) -> None:
    url, bodies = await _copied(owner)
    assert {"in_call_session", "call_session_finished", "talk_record_file", "offline_message", "chat_finished"} <= set(
        bodies
    )
    waiting = await owner.send("/integrations/notifications/check")
    assert "Ждём первое уведомление" in waiting
    since = re.search(r'data-live="(/integrations/notifications/live)"', waiting)
    assert since
    (asked,) = {str(found) for found in re.findall(r"since=(\d+)", waiting)} or {""}
    await _tell(
        owner, url, _filled(bodies["in_call_session"], call_session_id=777000777, contact_phone_number="79000000001")
    )

    async def shown() -> bool:
        page = await owner.page(f"/integrations/notifications/live?since={asked}")
        return "Уведомления приходят" in page and "in_call_session" in page and "777000777" in page

    await eventually(shown)

    async def noted() -> bool:
        return "приходило" in await owner.page("/integrations/notifications")

    await eventually(noted)


async def test_a_body_with_another_accounts_word_is_held_back(owner: Owner, pool: Any, settings: Settings) -> None:
    other = browser(await make_salon(owner.salon.http, pool, settings, name="Second", company=77))
    await other.log_in_by_link(pool)
    url, _ = await _copied(owner)
    _, foreign = await _copied(other)
    await _tell(owner, url, _filled(foreign["in_call_session"], call_session_id=1))

    async def held() -> bool:
        return any(item["reason"] == "wrong_secret" for item in (await owner.salon.get("/quarantine"))["data"])

    await eventually(held)
    await other.session.close()


async def test_nothing_is_shown_before_the_test_begins_nor_of_another_day(owner: Owner) -> None:
    for asked in ("", "?since=abc", "?since=1", "?since=99999999999", "?since=-5"):
        page = await owner.page(f"/integrations/notifications{asked}")
        assert "Ждём первое" not in page
        assert "Уведомления приходят" not in page


async def test_the_page_says_what_each_event_needs(owner: Owner) -> None:
    page = await owner.page("/integrations/notifications")
    for text in ("Запись разговоров", "Консультант", "Базовые отраслевые решения", "не приходило"):
        assert text in page
    await owner.send("/language", locale="en", next="/integrations/notifications")
    assert "Recording of talks" in await owner.page("/integrations/notifications")
