"""The hand on calls, chats, forms, tags and notifications: `/_stand/…` of the account, from this machine only."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import Any

from aiohttp import web

from e2e.stand.uis.keys import SENDER, TALKS, TELEPHONE, UIS
from e2e.stand.uis.marks import put_tag
from e2e.stand.uis.notices import TEMPLATES, Notice
from e2e.stand.uis.state import Refused, Uis
from e2e.stand.uis.talks import close, form, introduce, say
from e2e.stand.uis.telephone import SCENARIOS
from e2e.stand.uis.things import tagged

routes = web.RouteTableDef()


def _local(request: web.Request) -> Uis:
    if request.remote not in ("127.0.0.1", "::1"):
        raise web.HTTPForbidden
    return request.app[UIS]


async def _made(work: Callable[[dict[str, Any]], Awaitable[Any]], body: dict[str, Any]) -> web.Response:
    try:
        return web.json_response(await work(body), status=201)
    except (KeyError, TypeError, Refused) as error:
        return web.json_response({"error": f"not known: {error}"}, status=400)


@routes.post("/_stand/call")
async def call(request: web.Request) -> web.Response:
    """`{"scenario": …, "number": …, "caller": …, …}`: starts a call; `until_end` waits for its end."""
    _local(request)

    async def work(body: dict[str, Any]) -> Any:
        made = await request.app[TELEPHONE].call(**body)
        return {"call_session_id": made.id, "communication_id": made.id}

    return await _made(work, await request.json())


@routes.post("/_stand/chat")
async def chat(request: web.Request) -> web.Response:
    """`{"scenario": "finished" | "lost" | "refused" | "open", "contacts_at": …, "messages": […], "tag": …}`."""
    _local(request)

    async def work(body: dict[str, Any]) -> Any:
        made = await request.app[TALKS].chat(**body)
        return {"chat_id": made.id, "communication_id": made.communication_id, "visitor_id": made.visitor_id}

    return await _made(work, await request.json())


@routes.patch("/_stand/chats/{id}")
async def change_chat(request: web.Request) -> web.Response:
    """`{"say": text, "source": "visitor", "contacts": {name, phone, email}, "close": "succeed" | "lost" | …}`, any of them."""
    uis, body = _local(request), await request.json()
    found = uis.chats[int(request.match_info["id"])]
    if "say" in body:
        say(uis, found, body.get("source", "visitor"), body["say"])
    if "contacts" in body:
        introduce(uis, found.visitor_id, **body["contacts"])
    if "close" in body:
        close(uis, found, body["close"], body.get("cause", "closed_by_operator"))
    return web.json_response({})


@routes.post("/_stand/form")
async def site_form(request: web.Request) -> web.Response:
    """A form of the site is sent: `{"name": …, "phone": …, "email": …, "text": …, "site_id": …}`."""
    uis = _local(request)

    async def work(body: dict[str, Any]) -> Any:
        row = form(uis, **body)
        return {"offline_message_id": row["id"], "communication_id": row["communication_id"]}

    return await _made(work, await request.json())


@routes.post("/_stand/tag")
async def tag(request: web.Request) -> web.Response:
    """`{"communication_type": "chat" | "call" | "offline_message", "communication_id": …, "tag": id or name, "unset": false}`."""
    uis = _local(request)

    async def work(body: dict[str, Any]) -> Any:
        kind = body["communication_type"]
        tags, about = tagged(uis, kind, body["communication_id"])
        put_tag(uis, kind, tags, about, body["tag"], unset=body.get("unset", False))
        return {}

    return await _made(work, await request.json())


# --- notifications


@routes.get("/_stand/notifications")
async def notifications(request: web.Request) -> web.Response:
    """What is entered, and every attempt of sending."""
    uis = _local(request)
    return web.json_response({"notifications": [asdict(one) for one in uis.notices], "sent": uis.sent})


@routes.put("/_stand/notifications")
async def enter(request: web.Request) -> web.Response:
    """Replaces all: `{"notifications": [{event, url, method, body, content_type, conditions, active, name}]}`.

    Or with the vendor's default bodies: `{"url": …, "method": "POST", "events": [event]}`; without `events` every one.
    """
    uis, body = _local(request), await request.json()
    try:
        if "notifications" in body:
            uis.notices = [Notice(**one) for one in body["notifications"]]
        else:
            events, method = body.get("events") or list(TEMPLATES), body.get("method", "POST")
            uis.notices = [Notice(event, body["url"], method) for event in events if method in TEMPLATES[event]]
    except (KeyError, TypeError) as error:
        return web.json_response({"error": f"not known: {error}"}, status=400)
    return web.json_response({"notifications": len(uis.notices)})


@routes.post("/_stand/release")
async def release(request: web.Request) -> web.Response:
    _local(request)
    return web.json_response({"released": request.app[SENDER].release()})


@routes.get("/_stand/scenarios")
async def scenarios(request: web.Request) -> web.Response:
    uis = _local(request)
    lines = [{"number": one["virtual_phone_number"], "name": one["name"]} for one in uis.numbers]
    return web.json_response(
        {"scenarios": list(SCENARIOS), "numbers": lines, "tags": [one["name"] for one in uis.tags]}
    )
