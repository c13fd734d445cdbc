"""What every page of the cabinet has: who is logged in, the language, the line of health on top."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from urllib.parse import quote

import aiohttp_jinja2
from aiohttp import web

from server.accounts.lookup import Known
from server.accounts.model import LoginSession, Role
from server.accounts.web import current_session
from server.cabinet import words
from server.delivery import inbox, ledger, notices, relay
from server.keys import LOOKUP, POOL
from server.leads import store as leads
from server.platform.clock import utc_now
from server.platform.postgres import DATABASE_AWAY
from server.platform.web import Problem

#: Rows of one page of a journal.
PAGE = 50
LOCALE_COOKIE = "yclick_lang"
#: Where a request keeps who made it, for the page that tells of a refusal.
_ASKED = web.RequestKey("_ASKED", tuple[LoginSession, Known])
Page = Callable[[web.Request, LoginSession, Known], Awaitable[web.StreamResponse]]


def locale_before_login(request: web.Request) -> str:
    chosen = request.cookies.get(LOCALE_COOKIE)
    return chosen if chosen in ("ru", "en") else "ru"


def locale_of(session: LoginSession, known: Known) -> str:
    return session.person.locale or known.account.locale


def _is_for_operators(path: str) -> bool:
    """An operator has the workplace and their own login; settings, tokens and journals are the owner's."""
    return path in ("/access", "/access/end-others", "/screens") or path.startswith("/screens/")


def private(handler: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """For people who are logged in; others are asked to, and come back."""

    @wraps(handler)
    async def wrapped(request: web.Request) -> web.StreamResponse:
        session = await current_session(request)
        known = await request.app[LOOKUP].known(session.person.account_id) if session else None
        if session is None or known is None:
            if request.method == "GET":
                raise web.HTTPFound(f"/login?next={quote(request.path_qs, safe='')}")
            raise Problem(401, "not_authenticated", "Log in first.")
        request[_ASKED] = (session, known)
        if session.person.role is Role.OPERATOR and not _is_for_operators(request.path):
            if request.method == "GET":
                raise web.HTTPFound("/screens")
            raise Problem(403, "no_right", "Only the owner of the account may do this.")
        response = await handler(request, session, known)
        response.headers["Cache-Control"] = "no-store"
        return response

    return wrapped


async def render(
    request: web.Request, template: str, session: LoginSession, known: Known, context: dict[str, Any]
) -> web.StreamResponse:
    full = {
        "locale": locale_of(session, known), "zone": known.zone.key, "session": session, "account": known.account,
        "path": request.path, "here": here(request), "branch_count": len(known.branches),
        "health": await _health(request, known), **context,
    }  # fmt: skip
    return aiohttp_jinja2.render_template(template, request, full)


async def _health(request: web.Request, known: Known) -> dict[str, Any]:
    """The line on top: how the last day went, and what needs attention."""
    now, account_id = utc_now(), known.account.account_id
    async with request.app[POOL].acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        day = await leads.day_summary(conn, account_id, now - timedelta(days=1))
        sums = await ledger.sums(conn, account_id, now - timedelta(days=7), now + timedelta(hours=1))
        held = await inbox.count_quarantined(conn, account_id)
        on_the_way = await relay.counts(conn, account_id)
        outages = await notices.lasting(conn, account_id)
        paused = [way for way in await relay.ways(conn, account_id) if way.paused_at]
    return {
        "day": day, "held": held, "difference": sum(abs(line["difference"]) for line in sums.values()),
        "unsent": on_the_way.get("held", 0) + on_the_way.get("failed", 0), "silent": not any(line["accepted"] for line in sums.values()),
        "outages": outages, "paused": paused,
    }  # fmt: skip


def here(request: web.Request) -> str:
    """The address that shows this page again, for the switch of the language: a form's answer has none of its own."""
    if request.method == "GET":
        return request.path_qs
    path, pages = request.path, {route.resource.canonical for route in request.app.router.routes()
        if route.method == "GET" and route.resource is not None}  # fmt: skip
    while path.count("/") > 1 and path not in pages:
        path = path.rpartition("/")[0]
    return path


def outside_page(
    request: web.Request, template: str, *, status: int = 200, here: str = "/login", **context: Any
) -> web.StreamResponse:
    """A page for somebody who is not logged in."""
    full = {"locale": locale_before_login(request), "session": None, "account": None, "here": here, **context}
    response = aiohttp_jinja2.render_template(template, request, full)
    response.set_status(status)
    response.headers["Cache-Control"] = "no-store"
    return response


#: What is said of a refusal; of any other, `err_other`.
_ERRORS = {
    "not_found": "err_not_found",
    "method_not_allowed": "err_not_found",
    "unavailable": "err_unavailable",
    "not_authenticated": "err_not_authenticated",
    "no_right": "err_no_right",
}


async def error_page(request: web.Request, problem: Problem) -> web.StreamResponse:
    """What happened and what to do next, in the reader's language; with the menu for somebody who is logged in."""
    code = _ERRORS.get(problem.code, "err_other")
    response = await _error_inside(request, code, problem.status) if problem.status < 500 else None
    if response is None:
        message = words.text(code, locale_before_login(request))
        response = outside_page(
            request, "error.html", status=problem.status, message=message, to_login=problem.status == 401,
            login_next=here(request),
        )  # fmt: skip
    response.headers.update(problem.headers)
    return response


async def _error_inside(request: web.Request, code: str, status: int) -> web.StreamResponse | None:
    """The page for somebody who is logged in; None for others, also when the database cannot say."""
    try:
        asked = await _who_asked(request)
        if asked is None:
            return None
        message = words.text(code, locale_of(*asked))
        response = await render(request, "error.html", *asked, {"message": message, "to_login": False})
    except DATABASE_AWAY:
        return None
    response.set_status(status)
    response.headers["Cache-Control"] = "no-store"
    return response


async def _who_asked(request: web.Request) -> tuple[LoginSession, Known] | None:
    """Who is logged in, as the page found them or by the cookie."""
    if _ASKED in request:
        return request[_ASKED]
    session = await current_session(request)
    known = await request.app[LOOKUP].known(session.person.account_id) if session else None
    return (session, known) if session and known else None
