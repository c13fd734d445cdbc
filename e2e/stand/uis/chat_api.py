"""The Chat API of the simulated account: adapters, the accounts connected to them, what an adapter may do, and its webhooks.

Times here are ISO 8601 with an offset, unlike everywhere else.
"""

from __future__ import annotations

import secrets
import time
from datetime import timedelta
from typing import Any

from aiohttp import web

from e2e.stand.uis.chat_hooks import chat_document, message_document
from e2e.stand.uis.keys import UIS
from e2e.stand.uis.state import Uis
from e2e.stand.uis.talks import Chat, close, say

routes = web.RouteTableDef()
_TYPES = (
    "comagic", "telegram", "auto_ru", "avito", "realty_yandex", "viber", "telegram_private", "whatsapp", "waba", "sms", "email",
)  # fmt: skip
_MAY_START = ("whatsapp", "waba", "telegram_private", "sms", "email")
_ADAPTER = ("type", "name", "login", "password", "webhook_url", "supported_channel_types")


def _refuse(status: int, detail: str) -> web.HTTPException:
    """Errors are not written down: a status and a word."""
    made: web.HTTPException = {401: web.HTTPUnauthorized, 404: web.HTTPNotFound}.get(
        status, web.HTTPUnprocessableEntity
    )()
    made.text = detail
    return made


# --- the owner's side


@routes.post("/api/auth/json_rpc")
async def login(request: web.Request) -> web.Response:
    uis, asked = request.app[UIS], await request.json()
    given = asked.get("params", {})
    answer: dict[str, Any] = {"jsonrpc": "2.0", "id": asked.get("id"), "error": None, "result": None}
    if asked.get("method") != "login" or uis.logins.get(given.get("login")) != given.get("password"):
        return web.json_response({**answer, "error": {"code": -32001, "message": "auth_error"}})
    token = secrets.token_hex(16)
    uis.chat_tokens[token] = ("owner", time.time() + 3600)
    return web.json_response(
        {**answer, "result": {"jwt": token, "refresh": secrets.token_hex(8), "is_2fa_enabled": False}}
    )


def _who(request: web.Request, kind: str) -> tuple[Uis, int]:
    """Whose token this is: 0 is the owner, else an adapter."""
    uis = request.app[UIS]
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    whose, until = uis.chat_tokens.get(token, ("", 0.0))
    if scheme.lower() != "bearer" or until < time.time() or (whose == "owner") != (kind == "owner"):
        raise _refuse(401, "not authorised")
    return uis, 0 if whose == "owner" else int(whose)


@routes.get("/v1/integration/adapter")
async def adapters(request: web.Request) -> web.Response:
    uis, _ = _who(request, "owner")
    return web.json_response([_shown(one) for one in uis.adapters.values()])


def _shown(one: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in one.items() if name not in ("password", "webhook_auth")}


@routes.post("/v1/integration/adapter")
async def create_adapter(request: web.Request) -> web.Response:
    uis, _ = _who(request, "owner")
    body = await request.json()
    missing = [name for name in _ADAPTER if not body.get(name)]
    taken = any(one["login"] == body.get("login") for one in uis.adapters.values())
    if missing or taken or not set(body["supported_channel_types"]) <= set(_TYPES):
        raise _refuse(422, missing[0] if missing else "login" if taken else "supported_channel_types")
    if not body["type"].replace("_", "").isalnum() or body["type"] != body["type"].lower():
        raise _refuse(422, "type")
    made = {
        "id": uis.new_id(), "status": "active", "owner": 1103, "visibility_status": "private", "webhook_kwargs": {},
        "webhook_version": "v2", **body,
    }  # fmt: skip
    uis.adapters[made["id"]] = made
    return web.json_response(_shown(made), status=201)


@routes.delete("/v1/integration/adapter/{id}")
async def delete_adapter(request: web.Request) -> web.Response:
    uis, _ = _who(request, "owner")
    if uis.adapters.pop(int(request.match_info["id"]), None) is None:
        raise _refuse(404, "adapter")
    return web.Response(status=204)


@routes.get("/v1/integration/channel")
async def channels(request: web.Request) -> web.Response:
    uis, _ = _who(request, "owner")
    return web.json_response(uis.chat_channels)


@routes.get("/v1/integration/account")
async def accounts(request: web.Request) -> web.Response:
    uis, _ = _who(request, "owner")
    return web.json_response(list(uis.chat_accounts.values()))


@routes.post("/v1/integration/account")
async def create_account(request: web.Request) -> web.Response:
    """Connects channels to an adapter, which is told of the account and of each channel."""
    uis, _ = _who(request, "owner")
    body = await request.json()
    known = {one["id"]: one for one in uis.chat_channels}
    if body.get("adapter_id") not in uis.adapters or not set(body.get("channels") or ()) <= set(known):
        raise _refuse(422, "adapter_id" if body.get("adapter_id") not in uis.adapters else "channels")
    made = {"context": {}, **body, "id": uis.new_id(), "status": "active"}
    uis.chat_accounts[made["id"]] = made
    told = {name: made[name] for name in ("id", "name", "adapter_id", "status")}
    uis.tell_adapters("/account", {**told, "client_id": 1, "context": {"app_id": 1103}}, account_id=made["id"])
    for number in body["channels"]:
        channel = {
            "id": known[number]["channel_id"], "name": known[number]["name"], "type": known[number]["type"], "account_id": made["id"],
            "context": {"app_id": 1103, "chat_channel_id": number}, "status": "active",
        }  # fmt: skip
        uis.tell_adapters("/channel", channel, account_id=made["id"])
    return web.json_response(made, status=201)


@routes.delete("/v1/integration/account/{id}")
async def delete_account(request: web.Request) -> web.Response:
    uis, _ = _who(request, "owner")
    if uis.chat_accounts.pop(int(request.match_info["id"]), None) is None:
        raise _refuse(404, "account")
    return web.Response(status=204)


# --- the adapter's side


@routes.post("/v1/adapter/login")
async def adapter_login(request: web.Request) -> web.Response:
    uis, form = request.app[UIS], await request.post()
    for one in uis.adapters.values():
        if (one["login"], one["password"]) == (form.get("username"), form.get("password")):
            token, until = secrets.token_hex(16), int((uis.clock() + timedelta(hours=1)).timestamp())
            uis.chat_tokens[token] = (str(one["id"]), float(until))
            return web.json_response({"access_token": token, "token_type": "bearer", "expires_at": until})
    raise _refuse(401, "login")


def _own(uis: Uis, adapter_id: int, body: dict[str, Any]) -> dict[str, Any]:
    account = uis.chat_accounts.get(body.get("account_id", 0))
    if account is None or account["adapter_id"] != adapter_id:
        raise _refuse(404, "account")
    return account


def _chat(uis: Uis, adapter_id: int, body: dict[str, Any]) -> Chat:
    _own(uis, adapter_id, body)
    chat: Chat | None = uis.chats.get(body.get("chat_id", 0))
    if chat is None or chat.ended:
        raise _refuse(404, "chat")
    return chat


@routes.post("/v1/adapter/chat")
async def start_chat(request: web.Request) -> web.Response:
    """Only in channels where one may write first."""
    uis, adapter_id = _who(request, "adapter")
    body = await request.json()
    account = _own(uis, adapter_id, body)
    channel = next((one for one in uis.chat_channels if one["channel_id"] == body.get("channel_id")), None)
    if channel is None or channel["id"] not in account["channels"] or channel["type"] not in _MAY_START:
        raise _refuse(422, "channel_id")
    number = uis.new_id()
    uis.visitors[number] = {"id": number, "name": "", "phones": [body["visitor_phone"]], "emails": [], "usernames": []}
    chat = Chat(
        uis.new_id(), uis.new_id(), number, 43525, -1, None, uis.clock(), "operator", channel["type"], channel["channel_id"], "active"
    )  # fmt: skip
    uis.chats[chat.id] = chat
    return web.json_response(chat_document(uis, chat, account["id"]), status=201)


@routes.post("/v1/adapter/message")
async def send_message(request: web.Request) -> web.Response:
    uis, adapter_id = _who(request, "adapter")
    body = await request.json()
    chat = _chat(uis, adapter_id, body)
    if body.get("source") != "operator" or not str(body.get("text") or "").strip():
        raise _refuse(422, "source" if body.get("source") != "operator" else "text")
    chat.employee = next((one for one in uis.staff if one["id"] == body.get("operator_id")), uis.staff[0])
    chat.status = "active"
    made = say(uis, chat, "operator", body["text"], told=False)
    sent = {
        "account_id": body["account_id"],
        "channel_id": chat.channel_id,
        "chat_id": chat.id,
        "message_id": made["id"],
    }
    uis.tell_adapters("/message/status", {**sent, "status": "delivered", "context": {}}, account_id=body["account_id"])
    return web.json_response(message_document(uis, chat, made, body["account_id"]), status=201)


@routes.post("/v1/adapter/chat/close")
async def close_chat(request: web.Request) -> web.Response:
    uis, adapter_id = _who(request, "adapter")
    chat = _chat(uis, adapter_id, await request.json())
    close(
        uis,
        chat,
        "succeed" if any(one["source"] == "visitor" for one in chat.messages) else "refused",
        "closed_by_operator",
    )
    return web.Response(status=204)
