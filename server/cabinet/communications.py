"""The journals «Звонки» and «Чаты» (chats and forms): each event, what was done in YCLIENTS, and why not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web

from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.cabinet import choosing
from server.cabinet.frame import PAGE, locale_of, private, render
from server.calls import recordings
from server.calls import views as calls
from server.calls.views import CallFilter
from server.chats import views as chats
from server.chats.views import TextFilter
from server.delivery import relay
from server.keys import POOL
from server.platform import paging
from server.platform.clock import utc_now
from server.platform.postgres import Row
from server.platform.web import Problem

routes = web.RouteTableDef()
_PERIODS = {"day": 1, "week": 7, "month": 30}


def _since(request: web.Request) -> Any:
    days = _PERIODS.get(request.query.get("period", ""))
    return utc_now() - timedelta(days=days) if days else None


def _one_of(request: web.Request, name: str, values: tuple[str, ...]) -> str | None:
    told = request.query.get(name, "")
    return told if told in values else None


def _branch(request: web.Request) -> int | None:
    told = request.query.get("branch", "")
    return int(told) if told.isascii() and told.isdigit() and len(told) < 16 else None


# --- calls


@routes.get("/calls")
@private
async def calls_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    return await render(request, "calls.html", session, known, await _calls(request, session, known))


@routes.get("/calls/live")
@private
async def live_calls(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """The table and the line of health alone, for the page that refreshes itself."""
    return await render(request, "_live_calls.html", session, known, await _calls(request, session, known))


async def _calls(request: web.Request, session: LoginSession, known: Known) -> dict[str, Any]:
    query = request.query
    wanted = CallFilter(
        since=_since(request), search=paging.read_text(query, "q"), direction=_one_of(request, "direction", calls.DIRECTIONS),
        result=_one_of(request, "result", calls.RESULTS), history=_one_of(request, "history", calls.HISTORY),
        company_id=_branch(request),
    )  # fmt: skip
    async with request.app[POOL].acquire() as conn:
        rows = await calls.journal(
            conn, known.account.account_id, wanted, before=paging.read_uuid_cursor(query), limit=PAGE + 1
        )
    cursor = paging.write_cursor(rows[PAGE - 1]["started_at"], rows[PAGE - 1]["call_id"]) if len(rows) > PAGE else None
    return {
        "rows": rows[:PAGE], "cursor": cursor, "query": query, "directions": calls.DIRECTIONS, "results": calls.RESULTS,
        "histories": calls.HISTORY, "branches": choosing.branch_choices(known.branches, locale_of(session, known)),
        "narrowed": any(query.get(name) for name in ("q", "direction", "result", "history", "branch", "period", "cursor")),
    }  # fmt: skip


@routes.get("/calls/{id}")
@private
async def call_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    call_id, account_id = paging.read_uuid(request.match_info["id"]), known.account.account_id
    async with request.app[POOL].acquire() as conn:
        found = await calls.one(conn, account_id, call_id)
        if found is None:
            raise Problem(404, "not_found", "There is no such call.")
        row, events = found
        attempts = await _attempts(conn, account_id, row)
    until = utc_now() + recordings.PLAYER_LIFE
    context = {
        "row": row,
        "events": events,
        "attempts": attempts,
        "zone": row["timezone"] or known.zone.key,
        # Of the host this page came from: its CSP plays no other.
        "recording": recordings.link("", known.account, call_id, until=until) if row["has_record"] else "",
    }
    return await render(request, "call.html", session, known, context)


async def _attempts(conn: Any, account_id: Any, row: Row) -> list[Row]:
    """Tries to bring it to YCLIENTS, oldest first."""
    if row["delivery_id"] is None:
        return []
    return (await relay.attempts_of(conn, account_id, [row["delivery_id"]])).get(row["delivery_id"], [])


# --- chats and forms


@routes.get("/chats")
@private
async def chats_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    return await render(request, "chats.html", session, known, await _chats(request, session, known))


@routes.get("/chats/live")
@private
async def live_chats(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """The table and the line of health alone, for the page that refreshes itself."""
    return await render(request, "_live_chats.html", session, known, await _chats(request, session, known))


async def _chats(request: web.Request, session: LoginSession, known: Known) -> dict[str, Any]:
    query = request.query
    wanted = TextFilter(
        since=_since(request), search=paging.read_text(query, "q"), kind=_one_of(request, "kind", chats.KINDS),
        state=_one_of(request, "state", chats.STATES), company_id=_branch(request),
    )  # fmt: skip
    async with request.app[POOL].acquire() as conn:
        rows = await chats.journal(
            conn, known.account.account_id, wanted, before=paging.read_uuid_cursor(query), limit=PAGE + 1
        )
    cursor = paging.write_cursor(rows[PAGE - 1]["started_at"], rows[PAGE - 1]["text_id"]) if len(rows) > PAGE else None
    return {
        "rows": rows[:PAGE], "cursor": cursor, "query": query, "kinds": chats.KINDS, "text_states": chats.STATES,
        "branches": choosing.branch_choices(known.branches, locale_of(session, known)),
        "narrowed": any(query.get(name) for name in ("q", "kind", "state", "branch", "period", "cursor")),
    }  # fmt: skip


@routes.get("/chats/{id}")
@private
async def chat_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    account_id = known.account.account_id
    async with request.app[POOL].acquire() as conn:
        found = await chats.one(conn, account_id, paging.read_uuid(request.match_info["id"]))
        if found is None:
            raise Problem(404, "not_found", "There is no such chat.")
        row, events = found
        attempts = await _attempts(conn, account_id, row)
    context = {"row": row, "events": events, "attempts": attempts, "zone": row["timezone"] or known.zone.key}
    return await render(request, "chat.html", session, known, context)
