"""The door of the simulated Data API and Call API: one POST, the envelope to the letter, faults on cue, and the hand on it.

A sub-application: served alone by `start_uis`, or mounted under a prefix of the stand.
"""

from __future__ import annotations

import asyncio
import json
import secrets
from collections.abc import AsyncIterator, Callable
from dataclasses import asdict, dataclass
from datetime import timedelta
from ipaddress import ip_address, ip_network
from typing import Any

from aiohttp import web

from e2e.stand.uis import call_api, chat_api, hand, media, pages
from e2e.stand.uis.chat_hooks import ChatHooks
from e2e.stand.uis.keys import SENDER, TALKS, TELEPHONE, UIS
from e2e.stand.uis.methods import METHODS, perform
from e2e.stand.uis.notices import Sender
from e2e.stand.uis.state import DONE_BUT_UNSAID, Refused, Uis, limit_exceeded
from e2e.stand.uis.talks import Talks
from e2e.stand.uis.telephone import Player

routes = web.RouteTableDef()

_SECRETS = ("access_token", "password", "login")
#: Mnemonic → code and words, as the vendor's table has them.
ERRORS: dict[str, tuple[int, str]] = {
    "parse_error": (-32700, "Invalid JSON was received by the server."),
    "invalid_request": (-32600, "Invalid Request The JSON sent is not a valid Request object"),
    "method_not_found": (-32601, "The method does not exist / is not available"),
    "required_parameter_missed": (-32602, "The required parameter has been missed"),
    "invalid_parameter_value": (-32602, "Invalid parameter value"),
    "unexpected_parameters": (-32602, "Unexpected method parameter(s)"),
    "data_type_error": (-32602, "Data supplied is of wrong type"),
    "invalid_parameters_combination": (-32602, "The combination of parameters is not permitted"),
    "entity_not_found": (-32602, "Entity not found"),
    "duplicate_entity": (-32602, "Duplicate entity"),
    "campaign_is_inactive": (-32602, "Campaign is inactive"),
    "invalid_date_time": (-32602, "Invalid date time"),
    "data_limit_exceeded": (-32602, "A new data limit has been exceeded"),
    "tariff_restrictions": (-32602, "Action is not allowed for your tariff plan. You need contact support service"),
    "dependency_error": (-32602, "You have interdependet entities"),
    "sort_prohibited": (-32602, "Sort by parameter is prohibited"),
    "filter_prohibited": (-32602, "Filter by parameter is prohibited"),
    "date_interval_limit_reached": (-32602, "Max value of requested date interval is 3 months"),
    "internal_error": (-32603, "Internal error, contact the support service"),
    "access_token_expired": (-32001, "Access token has been expired"),
    "access_token_blocked": (-32001, "Access token has been blocked"),
    "access_token_invalid": (-32001, "Access token is invalid"),
    "auth_error": (-32001, "Login or password is wrong"),
    "ip_not_whitelisted": (-32003, "Your IP {ip} is not whitelisted"),
    "forbidden": (-32003, "Permission denied"),
    "method_component_disabled": (-32008, "You need at least on of the following components to access this method: {components}"),
    "parameter_component_disabled": (
        -32008, "You need at least on of the following components to access this paremeter: {components}",
    ),
    "account_inactive": (-32009, "Your account has been disabled, contact the support service"),
    "limit_exceeded": (
        -32029, "Limit per {limit_type} has been exceeded. Value of current limit per {limit_type} is {limit_max_value}",
    ),
    "batch_opreations_not_supported": (-32099, "Batch operations not supported"),
    "notifications_not_supported": (-32099, "Notifications not supported"),
}  # fmt: skip


@dataclass
class RunningUis:
    uis: Uis
    url: str
    _runner: web.AppRunner
    telephone: Player
    talks: Talks

    async def stop(self) -> None:
        await self._runner.cleanup()


def make_uis_app(uis: Uis) -> web.Application:
    app = web.Application(client_max_size=8 * 1024 * 1024)
    app[UIS], app[SENDER], app[TELEPHONE], app[TALKS] = uis, Sender(uis), Player(uis), Talks(uis)
    for part in (routes, hand.routes, media.routes, pages.routes, chat_api.routes):
        app.add_routes(part)

    async def playing(app: web.Application) -> AsyncIterator[None]:
        chat_hooks = ChatHooks(uis)
        await app[SENDER].start()
        await chat_hooks.start()
        yield
        await chat_hooks.stop()
        await app[TELEPHONE].stop()
        await app[TALKS].stop()
        await app[SENDER].stop()

    app.cleanup_ctx.append(playing)
    return app


async def start_uis(uis: Uis | None = None, *, host: str = "127.0.0.1", port: int = 0) -> RunningUis:
    """Serves until `stop()`. With port 0 the number is chosen by the system."""
    uis = uis or Uis()
    app = make_uis_app(uis)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, host, port).start()
    uis.origin = f"http://{host}:{runner.addresses[0][1]}"
    return RunningUis(uis, uis.origin, runner, app[TELEPHONE], app[TALKS])


# --- the call


@routes.post("/v2.0")
async def data_api(request: web.Request) -> web.StreamResponse:
    return await _serve(request, "data")


@routes.post("/v4.0")
async def calls(request: web.Request) -> web.StreamResponse:
    return await _serve(request, "call")


async def _serve(request: web.Request, api: str) -> web.StreamResponse:
    uis = request.app[UIS]
    body = await request.read()
    asked: dict[str, Any] = {}
    fault = ""
    try:
        asked = _request(request, body)
        fault = uis.fault_for(asked["method"])
        if fault and fault not in DONE_BUT_UNSAID:
            _note(uis, asked, fault)
            return await _fault(request, uis, asked, fault)
        answer = _answer(request, uis, asked, api)
        _note(uis, asked, fault or "ok")
    except Refused as refused:
        answer = _error(uis, asked, refused, api)
        _note(uis, asked, refused.mnemonic)
    if fault in DONE_BUT_UNSAID:
        return await _unsaid(request, uis, answer, fault)
    return _json(answer, uis.switches.error_status if "error" in answer else 200)


def _request(request: web.Request, body: bytes) -> dict[str, Any]:
    if request.content_type != "application/json" or (request.charset or "utf-8").lower() != "utf-8":
        raise Refused("invalid_request")
    try:
        asked = json.loads(body)
    except ValueError:
        raise Refused("parse_error") from None
    if isinstance(asked, list):
        raise Refused("batch_opreations_not_supported")
    if not isinstance(asked, dict):
        raise Refused("invalid_request")
    if asked.get("id") is None:
        raise Refused("notifications_not_supported")
    sound = isinstance(asked.get("method"), str) and isinstance(asked.get("params"), dict)
    if asked.get("jsonrpc") != "2.0" or not isinstance(asked["id"], (str, int, float)) or not sound:
        raise Refused("invalid_request")
    return asked


def _answer(request: web.Request, uis: Uis, asked: dict[str, Any], api: str) -> dict[str, Any]:
    name, params, remote = asked["method"], asked["params"], request.remote or ""
    if not _listed(uis, remote):
        raise Refused("ip_not_whitelisted", params={"ip": remote})
    if name == "login.user":
        return {"jsonrpc": "2.0", "id": asked["id"], "result": {"data": _login(uis, params)}}
    if name not in (METHODS if api == "data" else call_api.METHODS) and name != "logout.user":
        raise Refused("method_not_found")
    _check_token(uis, params)
    if name == "logout.user":
        uis.sessions_of_login.pop(params["access_token"], None)
        return {"jsonrpc": "2.0", "id": asked["id"], "result": {"data": {}}}
    if api == "data":
        result, with_metadata = perform(uis, name, params)
    else:
        result, with_metadata = call_api.perform(uis, request.app[TELEPHONE], name, params), True
    uis.charge(api)
    if with_metadata:
        metadata = {**result.get("metadata", {}), "limits": uis.limits(api) if uis.switches.limits_shown else {}}
        result = {**result, "metadata": metadata}
    return {"jsonrpc": "2.0", "id": asked["id"], "result": result}


def _listed(uis: Uis, remote: str) -> bool:
    return any(one == "0.0.0.0/0" or ip_address(remote) in ip_network(one) for one in uis.listed)


def _login(uis: Uis, params: dict[str, Any]) -> dict[str, Any]:
    if set(params) != {"login", "password"}:
        raise Refused("unexpected_parameters" if set(params) - {"login", "password"} else "required_parameter_missed")
    if uis.logins.get(params["login"]) != params["password"]:
        raise Refused("auth_error")
    token, until = secrets.token_hex(16), uis.clock() + timedelta(hours=1)
    uis.sessions_of_login[token] = until
    return {"access_token": token, uis.switches.login_expiry: int(until.timestamp()), "app_id": 1103}


def _check_token(uis: Uis, params: dict[str, Any]) -> None:
    token = params.get("access_token")
    if not isinstance(token, str) or not token:
        raise Refused("required_parameter_missed", field="access_token")
    state = uis.keys.get(token)
    if state in ("expired", "blocked"):
        raise Refused(f"access_token_{state}", value=token)
    if state is None and uis.sessions_of_login.get(token, uis.clock()) <= uis.clock():
        raise Refused("access_token_invalid", field="access_token", value=token)
    if not uis.switches.active:
        raise Refused("account_inactive")


def _error(uis: Uis, asked: dict[str, Any], refused: Refused, api: str = "data") -> dict[str, Any]:
    code, words = ERRORS.get(refused.mnemonic) or call_api.ERRORS[refused.mnemonic]
    shown = {key: ", ".join(value) if isinstance(value, list) else value for key, value in refused.params.items()}
    data: dict[str, Any] = {"mnemonic": refused.mnemonic, "metadata": {}}
    data |= {"field": refused.field} if refused.field else {}
    data |= {"value": refused.value} if refused.value is not None else {}
    data |= {"params": shown} if shown else {}
    if uis.switches.limits_shown:
        data["metadata"] = {"limits": uis.limits(api)}
    message = words.format(**shown) if shown else words
    number = asked.get("id") if uis.switches.error_id else None
    return {"jsonrpc": "2.0", "id": number, "error": {"code": refused.code or code, "message": message, "data": data}}


def _note(uis: Uis, asked: dict[str, Any], outcome: str) -> None:
    params = {key: value for key, value in asked.get("params", {}).items() if key not in _SECRETS}
    uis.journal.append({"method": asked.get("method", ""), "params": params, "outcome": outcome})


def _json(document: Any, status: int = 200) -> web.Response:
    return web.json_response(document, status=status, dumps=lambda value: json.dumps(value, ensure_ascii=False))


# --- faults


async def _fault(request: web.Request, uis: Uis, asked: dict[str, Any], fault: str) -> web.StreamResponse:
    """Nothing was done."""
    if fault.startswith("limit_"):
        window = fault.removeprefix("limit_")
        limit = uis.switches.minute_limit if window == "minute" else uis.switches.day_limit
        return _json(_error(uis, asked, limit_exceeded(window, limit)), uis.switches.error_status)
    if fault == "internal_error":
        return _json(_error(uis, asked, Refused("internal_error")), uis.switches.error_status)
    if fault == "html":
        return web.Response(status=403, text="<html><title>Forbidden</title></html>", content_type="text/html")
    if fault == "hang":
        await asyncio.sleep(uis.switches.hang_s)
    if fault == "reset":
        return _cut(request)
    if fault == "both":
        return _json({"jsonrpc": "2.0", "id": asked["id"], "result": {"data": {}}, "error": {"code": 1, "message": ""}})
    return web.Response(status=int(fault.removeprefix("http_")) if fault.startswith("http_") else 502, text="")


async def _unsaid(request: web.Request, uis: Uis, answer: dict[str, Any], fault: str) -> web.StreamResponse:
    """The work is done; the answer is lost or spoilt."""
    if fault == "late_hang":
        await asyncio.sleep(uis.switches.hang_s)
    if fault == "torn":
        return web.Response(text=json.dumps(answer)[:-9], content_type="application/json")
    if fault == "wrong_id":
        return _json({**answer, "id": "another"})
    if fault == "no_version":
        return _json({name: value for name, value in answer.items() if name != "jsonrpc"})
    if fault == "empty":
        return web.Response(text="", content_type="application/json")
    return _cut(request)


def _cut(request: web.Request) -> web.StreamResponse:
    if request.transport is not None:
        request.transport.close()
    return web.Response()


# --- the hand on it


def _local(request: web.Request) -> Uis:
    if request.remote not in ("127.0.0.1", "::1"):
        raise web.HTTPForbidden
    return request.app[UIS]


async def _try(change: Callable[[], Any]) -> web.Response:
    try:
        return web.json_response(change())
    except KeyError as error:
        return web.json_response({"error": f"not known: {error}"}, status=400)


@routes.get("/_stand/switches")
async def show(request: web.Request) -> web.Response:
    return web.json_response(asdict(_local(request).switches))


@routes.put("/_stand/switches")
async def switch(request: web.Request) -> web.Response:
    uis, changes = _local(request), await request.json()
    return await _try(lambda: uis.switch(**changes))


@routes.put("/_stand/access")
async def access(request: web.Request) -> web.Response:
    """`{"keys": {token: state}, "logins": {login: password}, "listed": [address], "components": [id]}`, any of them."""
    uis, body = _local(request), await request.json()
    uis.keys, uis.logins = body.get("keys", uis.keys), body.get("logins", uis.logins)
    uis.listed, uis.components = body.get("listed", uis.listed), set(body.get("components", uis.components))
    return web.json_response({})


@routes.get("/_stand/state")
async def state(request: web.Request) -> web.Response:
    return web.json_response(_local(request).snapshot(), dumps=lambda value: json.dumps(value, default=str))


@routes.post("/_stand/reset")
async def reset(request: web.Request) -> web.Response:
    _local(request).reset()
    return web.json_response({})


@routes.post("/_stand/cue")
async def cue(request: web.Request) -> web.Response:
    """`{"fault": …, "method": …, "times": …}`: what the next calls meet."""
    uis, body = _local(request), await request.json()
    return await _try(lambda: uis.cue(body["fault"], method=body.get("method", ""), times=body.get("times", 1)))


@routes.post("/_stand/visit")
async def visit(request: web.Request) -> web.Response:
    """A visit of the site: what `Comagic.getSessionId()` gives there."""
    uis, body = _local(request), await request.json()
    return web.json_response({"session_id": uis.visit(**body)}, status=201)
