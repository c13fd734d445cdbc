"""`/api/v1/calls` and `/api/v1/chats`: the journals «Звонки» and «Чаты» (chats and forms), with what was done and why not."""

from __future__ import annotations

from aiohttp import web

from server.accounts.lookup import Known
from server.api.authorized import authorized
from server.calls import recordings
from server.calls import views as calls
from server.calls.views import CallFilter
from server.chats import views as chats
from server.chats.views import TextFilter
from server.keys import POOL, SETTINGS
from server.platform import paging
from server.platform.clock import utc_now
from server.platform.web import Problem

routes = web.RouteTableDef()


def _one_of(request: web.Request, name: str, values: tuple[str, ...]) -> str | None:
    told = request.query.get(name) or None
    if told and told not in values:
        raise Problem(400, f"bad_{name}", f"{name} is one of: {', '.join(values)}.")
    return told


@routes.get("/api/v1/calls")
@authorized
async def list_calls(request: web.Request, known: Known) -> web.Response:
    query, limit = request.query, paging.read_limit(request.query)
    wanted = CallFilter(
        since=paging.read_time(query, "since"), until=paging.read_time(query, "until"), search=paging.read_text(query, "q"),
        direction=_one_of(request, "direction", calls.DIRECTIONS), result=_one_of(request, "result", calls.RESULTS),
        history=_one_of(request, "history", calls.HISTORY), company_id=paging.read_number(query, "company_id"),
        number=paging.read_text(query, "number"),
    )  # fmt: skip
    async with request.app[POOL].acquire() as conn:
        rows = await calls.journal(
            conn, known.account.account_id, wanted, before=paging.read_uuid_cursor(query), limit=limit + 1
        )
    cursor = (
        paging.write_cursor(rows[limit - 1]["started_at"], rows[limit - 1]["call_id"]) if len(rows) > limit else None
    )
    return web.json_response(paging.page([calls.call_json(row, known.zone) for row in rows[:limit]], cursor))


@routes.get("/api/v1/calls/{id}")
@authorized
async def show_call(request: web.Request, known: Known) -> web.Response:
    call_id = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn:
        found = await calls.one(conn, known.account.account_id, call_id)
    if found is None:
        raise Problem(404, "not_found", "There is no such call.")
    row, events = found
    link = ""
    if row["has_record"]:
        until = utc_now() + recordings.PLAYER_LIFE
        link = recordings.link(request.app[SETTINGS].base_url, known.account, call_id, until=until)
    return web.json_response(calls.call_json(row, known.zone, events, recording=link))


@routes.get("/api/v1/chats")
@authorized
async def list_chats(request: web.Request, known: Known) -> web.Response:
    query, limit = request.query, paging.read_limit(request.query)
    wanted = TextFilter(
        since=paging.read_time(query, "since"), until=paging.read_time(query, "until"), search=paging.read_text(query, "q"),
        kind=_one_of(request, "kind", chats.KINDS), state=_one_of(request, "state", chats.STATES),
        company_id=paging.read_number(query, "company_id"),
    )  # fmt: skip
    async with request.app[POOL].acquire() as conn:
        rows = await chats.journal(
            conn, known.account.account_id, wanted, before=paging.read_uuid_cursor(query), limit=limit + 1
        )
    cursor = (
        paging.write_cursor(rows[limit - 1]["started_at"], rows[limit - 1]["text_id"]) if len(rows) > limit else None
    )
    return web.json_response(paging.page([chats.text_json(row, known.zone) for row in rows[:limit]], cursor))


@routes.get("/api/v1/chats/{id}")
@authorized
async def show_chat(request: web.Request, known: Known) -> web.Response:
    text_id = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn:
        found = await chats.one(conn, known.account.account_id, text_id)
    if found is None:
        raise Problem(404, "not_found", "There is no such chat.")
    return web.json_response(chats.text_json(found[0], known.zone, found[1]))
