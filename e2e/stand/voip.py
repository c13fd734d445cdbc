"""Telephony over REST: the address providers post to, and the list of calls of a branch."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from e2e.stand.rest import API, STAND, answer, needs_user
from e2e.stand.state import Refused
from e2e.stand.telephony import STATUSES, TYPES, Invalid, listed

routes = web.RouteTableDef()


@routes.post(API + "/voip/integration")
async def integration(request: web.Request) -> web.Response:
    """202 says that it was taken, nothing more; an answer to an unknown token or a bad body is a switch."""
    stand = request.app[STAND]
    if "Authorization" not in request.headers:
        raise Refused(401, 401, "Необходима авторизация")
    body = await _body(request)
    network = stand.telephony.by_token(body.get("crm_token"))
    if network is None:
        _unknown(stand.switches.voip_unknown_token)
        return _accepted()
    try:
        stand.telephony.command(network, body, twice=stand.switches.voip_call_twice, match=stand.switches.voip_match)
    except Invalid:
        if stand.switches.voip_invalid != 202:
            raise Refused(stand.switches.voip_invalid, 422, "Недопустимый формат запроса") from None
    return _accepted()


def _accepted() -> web.Response:
    return web.json_response({"success": True, "data": None, "meta": {"message": "Accepted"}}, status=202)


def _unknown(status: int) -> None:
    if status == 401:
        raise Refused(401, 401, "Необходима авторизация")
    if status == 404:
        raise Refused(404, 404, "Не найдено")


async def _body(request: web.Request) -> dict[str, Any]:
    try:
        body = await request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(422, 422, "Недопустимый формат запроса")
    return body


@routes.get(API + "/voip/integration/calls")
async def calls(request: web.Request) -> web.Response:
    """A GET with a JSON body, to the letter of the vendor's page."""
    needs_user(request)
    stand, body = request.app[STAND], await _body(request)
    company = stand.companies.get(body.get("salon_id", 0))
    limit, page = body.get("limit", 25), body.get("page", 1)
    sound = all(isinstance(body.get(name), str) and len(body[name]) == 10 for name in ("date_from", "date_to"))
    sound = sound and set(body.get("types", [])) <= set(TYPES) and set(body.get("statuses", [])) <= set(STATUSES)
    if not sound or not isinstance(limit, int) or not 1 <= limit <= 1000 or not isinstance(page, int) or page < 1:
        raise Refused(422, 422, "Недопустимый формат запроса")
    network = stand.telephony.of_company(company.id) if company else None
    if company is None or network is None:
        raise Refused(404, 404, "Филиал не найден.")
    found = listed(
        network, company.id, wall=lambda at: at.astimezone(ZoneInfo(company.timezone)),
        client_of=lambda phone: (stand.people.by_phone(company.id, phone) or {"id": 0})["id"],
        since=body["date_from"], till=body["date_to"], phone=str(body.get("phone", "")), types=body.get("types", ()),
        statuses=body.get("statuses", ()),
    )  # fmt: skip
    return answer(request, found[(page - 1) * limit : page * limit])


# --- the hand on it


def _local(request: web.Request) -> None:
    if request.remote not in ("127.0.0.1", "::1"):
        raise web.HTTPForbidden


@routes.get("/_stand/telephony")
async def state(request: web.Request) -> web.Response:
    """Networks with their routes, pop-ups, history and every command."""
    _local(request)
    return web.json_response(request.app[STAND].telephony.snapshot())


@routes.put("/_stand/telephony/{network}")
async def change(request: web.Request) -> web.Response:
    """`{"enabled": …, "routing": {number: route}, "routes": {route: {"history": …, "company_ids": […]}}}`, any of them."""
    _local(request)
    network = request.app[STAND].telephony.networks[int(request.match_info["network"])]
    body: dict[str, Any] = await request.json()
    network.enabled = body.get("enabled", network.enabled)
    network.routing = body.get("routing", network.routing)
    for number, route in body.get("routes", {}).items():
        network.routes[int(number)].history = route.get("history", network.routes[int(number)].history)
        network.routes[int(number)].company_ids = route.get("company_ids", network.routes[int(number)].company_ids)
    return web.json_response({})


@routes.post("/_stand/telephony/{network}/popups/{id}/close")
async def close(request: web.Request) -> web.Response:
    _local(request)
    network = request.app[STAND].telephony.networks[int(request.match_info["network"])]
    for popup in network.popups:
        if popup["id"] == int(request.match_info["id"]):
            popup["closed"] = True
    return web.json_response({})
