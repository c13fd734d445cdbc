"""The simulated marketplace: «Подключить» and its redirect, the callback, how the application stands, lifecycle events."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from e2e.stand.rest import STAND
from e2e.stand.state import Stand

routes = web.RouteTableDef()
_HTML = "<html><title>YCLIENTS</title><body>Что-то пошло не так</body></html>"
USER = {
    "id": 1000001, "name": "Иван Тестовый", "phone": "79000000001", "email": "test@example.com", "is_approved": True,
    "avatar": "", "salon_name": "Студия «Лён»",
}  # fmt: skip


def connect(stand: Stand, salon_ids: list[int]) -> str:
    """Somebody pressed «Подключить»: the installation waits to be confirmed, and this is where the browser is sent."""
    for salon_id in salon_ids:
        install(stand, salon_id, "pending", "marketplace")
    return redirect_url(stand, salon_ids)


def redirect_url(stand: Stand, salon_ids: list[int]) -> str:
    query: list[tuple[str, str]] = []
    if len(salon_ids) == 1:
        query.append(("salon_id", str(salon_ids[0])))
    elif stand.switches.app_ids == "csv":
        query.append(("salon_ids", ",".join(map(str, salon_ids))))
    else:
        query += [(f"salon_ids[{number}]", str(salon_id)) for number, salon_id in enumerate(salon_ids)]
    if stand.switches.app_user_data:
        data, sign = signed_user(stand)
        query += [("user_data", data), ("user_data_sign", sign)]
    return f"{stand.config.app_connect_url}?{urlencode(query)}"


def signed_user(stand: Stand) -> tuple[str, str]:
    """`user_data` and `user_data_sign`."""
    plain = json.dumps(USER, ensure_ascii=False).encode()
    data = base64.b64encode(plain)
    signed = plain if stand.switches.app_sign == "decoded" else data
    return data.decode(), hmac.new(stand.config.partner_token.encode(), signed, hashlib.sha256).hexdigest()


def install(stand: Stand, salon_id: int, status: str, source: str) -> None:
    now = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
    known = stand.installations.setdefault(salon_id, {"status": "uninstalled", "created_at": now, "logs": []})
    known["logs"].append(
        {"changed_at": now, "status_from": known["status"], "status_to": status, "source": source}
    )  # fmt: skip
    known["status"] = status


async def tell(stand: Stand, salon_id: int, event: str) -> int:
    """A lifecycle event to the address of the application's card; answers its status."""
    body = {
        "salon_id": salon_id, "application_id": stand.config.application_id, "event": event,
        "partner_token": stand.config.partner_token,
    }  # fmt: skip
    async with aiohttp.ClientSession() as session, session.post(stand.config.app_hook_url, json=body) as answer:
        return answer.status


# --- partner routes


def _refused(status: int, message: str) -> web.Response:
    return web.json_response({"success": False, "data": None, "meta": {"message": message}}, status=status)


def _known_partner(request: web.Request) -> bool:
    return request.headers.get("Authorization", "").split(",")[0] == f"Bearer {request.app[STAND].config.partner_token}"


async def _fault(kind: str) -> web.Response | None:
    if kind in ("html", "html_done"):
        return web.Response(text=_HTML, content_type="text/html")
    if kind == "500":
        return web.Response(status=500, text="")
    if kind == "hang":
        await asyncio.sleep(30)
    if kind == "400":
        return _refused(400, "Агрегатор не найден")
    if kind == "403":
        return _refused(403, "Пользователь уже установил это приложение.")
    return _refused(401, "Необходима авторизация") if kind == "401" else None


@routes.get("/marketplace/salon/{salon}/application/{app}")
async def status(request: web.Request) -> web.Response:
    stand, salon_id = request.app[STAND], int(request.match_info["salon"])
    stand.app_calls.append(("status", salon_id))
    if (fault := await _fault(stand.switches.app_status)) is not None:
        return fault
    if not _known_partner(request):
        return _refused(401, "Необходима авторизация")
    known = stand.installations.get(salon_id)
    right = int(request.match_info["app"]) == stand.config.application_id
    if known is None or known["status"] == "uninstalled" or not right:
        return _refused(404, "Не найдено")
    data = {
        "connection_status": {"status": known["status"], "created_at": known["created_at"]}, "payments": [],
        "logs": known["logs"],
    }  # fmt: skip
    return web.json_response({"success": True, "data": data})


@routes.post("/marketplace/partner/callback")
async def callback(request: web.Request) -> web.Response:
    stand = request.app[STAND]
    body: dict[str, Any] = await request.json()
    salon_id, kind = int(body["salon_id"]), stand.switches.app_callback
    stand.app_calls.append(("callback", salon_id))
    if kind != "html_done" and (fault := await _fault(kind)) is not None:
        return fault
    known = stand.installations.get(salon_id)
    if not _known_partner(request):
        return _refused(401, "Необходима авторизация")
    if known is None or int(body["application_id"]) != stand.config.application_id:
        return _refused(422, "Приложение не подключается")
    if known["status"] != "pending":
        return _refused(403, "Пользователь уже установил это приложение.")
    install(stand, salon_id, "active", "partner_api")
    if kind == "html_done":  # seen: shown as installed, and no webhook entered
        return web.Response(text=_HTML, content_type="text/html")
    hooks = stand.hooks.setdefault(salon_id, [])
    hooks += [url for url in body.get("webhook_urls", []) if url not in hooks]
    return web.json_response({"success": True, "data": {"user_id": 900_000 + salon_id}, "meta": []}, status=201)


@routes.post("/marketplace/salon/{salon}/application/{app}/uninstall")
async def uninstall(request: web.Request) -> web.Response:
    install(request.app[STAND], int(request.match_info["salon"]), "uninstalled", "partner_api")
    return web.json_response({"success": True, "data": None, "meta": []})


# --- the hand on the switches, and the owner's button


@routes.post("/_stand/marketplace/connect")
async def press(request: web.Request) -> web.Response:
    """`{"salon_ids": [4564, 4565]}`: answers where the browser is sent."""
    _local(request)
    body = await request.json()
    return web.json_response({"url": connect(request.app[STAND], [int(item) for item in body["salon_ids"]])})


@routes.post("/_stand/marketplace/{salon}")
async def lifecycle(request: web.Request) -> web.Response:
    """`{"event": "freeze" | "uninstall" | "unfreeze", "tell": true}`: what becomes of the application in a branch."""
    _local(request)
    stand, body = request.app[STAND], await request.json()
    salon_id, event = int(request.match_info["salon"]), body["event"]
    install(stand, salon_id, {"freeze": "freezed", "uninstall": "uninstalled"}.get(event, "active"), "marketplace")
    told = await tell(stand, salon_id, event) if body.get("tell", True) and event != "unfreeze" else None
    return web.json_response({"status": told})


@routes.get("/_stand/marketplace")
async def state(request: web.Request) -> web.Response:
    _local(request)
    stand = request.app[STAND]
    return web.json_response({"installations": stand.installations, "calls": stand.app_calls})


@routes.get("/connect-app")
async def button(request: web.Request) -> web.Response:
    """The card of the application: «Подключить» for both branches, then the browser goes to the application."""
    raise web.HTTPFound(connect(request.app[STAND], list(request.app[STAND].companies)))


def _local(request: web.Request) -> None:
    if request.remote not in ("127.0.0.1", "::1"):
        raise web.HTTPForbidden
