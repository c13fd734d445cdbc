"""The hand on the switches: `/_stand/…`, from this machine only."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from aiohttp import web

from e2e.stand.rest import HOOKS, STAND

routes = web.RouteTableDef()


def _local(request: web.Request) -> None:
    if request.remote not in ("127.0.0.1", "::1"):
        raise web.HTTPForbidden


@routes.get("/_stand/switches")
async def show(request: web.Request) -> web.Response:
    _local(request)
    return web.json_response(asdict(request.app[STAND].switches))


@routes.put("/_stand/switches")
async def switch(request: web.Request) -> web.Response:
    _local(request)
    try:
        return web.json_response(request.app[STAND].switch(**await request.json()))
    except KeyError as error:
        return web.json_response({"error": f"no such switch: {error}"}, status=400)


@routes.get("/_stand/state")
async def state(request: web.Request) -> web.Response:
    _local(request)
    stand = request.app[STAND]
    return web.json_response(
        {"records": list(stand.records.values()), "hooks": {str(k): v for k, v in stand.hooks.items()}}
    )


@routes.get("/_stand/deliveries")
async def deliveries(request: web.Request) -> web.Response:
    _local(request)
    return web.json_response(request.app[STAND].deliveries)


@routes.post("/_stand/reset")
async def reset(request: web.Request) -> web.Response:
    _local(request)
    request.app[STAND].reset()
    return web.json_response({})


@routes.post("/_stand/hooks")
async def hooks(request: web.Request) -> web.Response:
    _local(request)
    body: dict[str, Any] = await request.json()
    request.app[STAND].hooks[int(body["company_id"])] = list(body["urls"])
    return web.json_response({})


@routes.post("/_stand/release")
async def release(request: web.Request) -> web.Response:
    _local(request)
    return web.json_response({"released": request.app[HOOKS].release()})


@routes.post("/_stand/records")
async def make(request: web.Request) -> web.Response:
    """A booking that no form made: `{"kind": "staff" | "mobile_app" | "api", …fields}`."""
    _local(request)
    body: dict[str, Any] = await request.json()
    record = request.app[STAND].make(int(body.pop("company_id", 4564)), body.pop("kind", "staff"), **body)
    request.app[HOOKS].record(record, "create")
    return web.json_response(record, status=201)


@routes.patch("/_stand/records/{id}")
async def change(request: web.Request) -> web.Response:
    _local(request)
    body: dict[str, Any] = await request.json()
    record = request.app[STAND].change(int(request.match_info["id"]), **body)
    request.app[HOOKS].record(record, "delete" if body.get("deleted") else "update")
    return web.json_response(record)
