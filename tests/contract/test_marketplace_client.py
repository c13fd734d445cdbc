"""The marketplace's answers as they were seen, over a real socket: what each means for a branch that joins."""

from __future__ import annotations

import json
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from server.marketplace.model import Away, Refusal
from server.platform.egress import Egress
from server.vendors.yclients_app import AppOfYclients
from server.yclients.client import YclientsClient
from server.yclients.marketplace import MarketplaceClient

SALON, APPLICATION = 123, 777
STATUS = {
    "success": True,
    "data": {
        "logs": [{"changed_at": "2022-06-27 12:20:02", "status_from": "uninstalled", "status_to": "pending"}],
        "payments": [],
        "connection_status": {"status": "active", "created_at": "2022-06-27 12:20:02"},
    },
}


def refusal(message: str) -> dict[str, Any]:
    return {"success": False, "data": None, "meta": {"message": message}}


async def asked(what: str, status: int, body: Any) -> Any:
    """What the application makes of one answer; also what it sent."""
    sent: dict[str, Any] = {}

    async def answer(request: web.Request) -> web.Response:
        sent["authorization"] = request.headers["Authorization"]
        sent["path"], sent["body"] = request.path, await request.text()
        if isinstance(body, str):
            return web.Response(status=status, text=body, content_type="text/html")
        return web.json_response(body, status=status)

    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", answer)
    egress = Egress(allow_private=True)
    async with TestServer(app) as server:
        base = str(server.make_url(""))
        market = MarketplaceClient(
            egress, base_url=base, partner_token="partner", application_id=APPLICATION, account="a"
        )
        client = YclientsClient(egress, base_url=base, partner_token="partner", user_token="app", account="a")
        desk = AppOfYclients(market, client)
        try:
            found = await (
                desk.standing(SALON) if what == "standing" else desk.confirm(SALON, "https://y.example/hook")
            )
        finally:
            await egress.close()
    return found, sent


@pytest.mark.parametrize(
    ("told", "standing"),
    [("active", "active"), ("pending", "pending"), ("freezed", "frozen"), ("something new", "unknown")],
)
async def test_how_it_stands(told: str, standing: str) -> None:
    body = json.loads(json.dumps(STATUS))
    body["data"]["connection_status"]["status"] = told
    found, sent = await asked("standing", 200, body)
    assert found == standing
    assert sent["path"] == f"/marketplace/salon/{SALON}/application/{APPLICATION}"
    assert sent["authorization"] == "Bearer partner"


@pytest.mark.parametrize("body", [{"errors": {"code": 404, "message": "Не найдено"}}, refusal("Не найдено")])
async def test_a_branch_without_the_application(body: Any) -> None:
    assert (await asked("standing", 404, body))[0] == "absent"


@pytest.mark.parametrize(
    ("status", "body"),
    [(201, {"success": True, "data": {"user_id": 1}, "meta": []}), (200, {"success": True}), (301, "")],
)
async def test_every_way_to_say_done(status: int, body: Any) -> None:
    found, sent = await asked("confirm", status, body)
    assert found is None
    assert sent["path"] == "/marketplace/partner/callback"
    assert json.loads(sent["body"]) == {
        "salon_id": SALON, "application_id": APPLICATION, "webhook_urls": ["https://y.example/hook"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (400, refusal("Агрегатор не найден"), "aggregator"),
        (403, refusal("Пользователь уже установил это приложение."), "already"),
        (403, refusal("The user has already installed this application."), "already"),
        (401, refusal("Необходима авторизация"), "partner"),
        (422, refusal("Не указан филиал."), "refused"),
        (400, refusal("Недопустимый формат запроса"), "refused"),
        (200, refusal("Агрегатор занят"), "refused"),
        (404, refusal("Филиал не найден."), "refused"),
    ],
)
async def test_a_refusal_and_its_words(status: int, body: Any, code: str) -> None:
    with pytest.raises(Refusal) as refused:
        await asked("confirm", status, body)
    assert refused.value.code == code


@pytest.mark.parametrize("what", ["standing", "confirm"])
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "<html>Just a moment…</html>"),
        (403, "<html></html>"),
        (502, "<html></html>"),
        (429, ""),
        (201, " <!doctype html>"),
    ],
)
async def test_a_page_of_html_or_a_broken_answer_is_asked_again(what: str, status: int, body: str) -> None:
    with pytest.raises(Away):
        await asked(what, status, body)


@pytest.mark.parametrize(
    "body", [{"success": True, "data": []}, {"success": True, "data": {"connection_status": []}}, [], 5]
)
async def test_an_answer_that_says_nothing_is_no_standing(body: Any) -> None:
    with pytest.raises(Refusal, match="does not say"):
        await asked("standing", 200, body)
