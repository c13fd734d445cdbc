"""What every page of the cabinet has: who is logged in, the language, the line of health on top."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Any

import aiohttp_jinja2
from aiohttp import web

from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.accounts.web import current_session
from server.cabinet import words
from server.delivery import inbox, ledger, relay
from server.keys import LOOKUP, POOL
from server.leads import store as leads
from server.platform.clock import utc_now
from server.platform.web import Problem

#: Rows of one page of a journal.
PAGE = 50
LOCALE_COOKIE = "yclick_lang"
Page = Callable[[web.Request, LoginSession, Known], Awaitable[web.StreamResponse]]


def locale_before_login(request: web.Request) -> str:
    chosen = request.cookies.get(LOCALE_COOKIE)
    return chosen if chosen in ("ru", "en") else "ru"


def locale_of(session: LoginSession, known: Known) -> str:
    return session.person.locale or known.account.locale


def private(handler: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    """For people who are logged in; others are asked to, and come back."""

    @wraps(handler)
    async def wrapped(request: web.Request) -> web.StreamResponse:
        session = await current_session(request)
        known = await request.app[LOOKUP].known(session.person.account_id) if session else None
        if session is None or known is None:
            if request.method == "GET":
                raise web.HTTPFound(f"/login?next={request.path}")
            raise Problem(401, "not_authenticated", "Log in first.")
        response = await handler(request, session, known)
        response.headers["Cache-Control"] = "no-store"
        return response

    return wrapped


async def render(
    request: web.Request, template: str, session: LoginSession, known: Known, context: dict[str, Any]
) -> web.StreamResponse:
    full = {
        "locale": locale_of(session, known), "zone": known.zone.key, "session": session, "account": known.account,
        "path": request.path, "health": await _health(request, known), **context,
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
    return {
        "day": day, "held": held, "difference": sum(abs(line["difference"]) for line in sums.values()),
        "unsent": on_the_way.get("held", 0) + on_the_way.get("failed", 0), "silent": not any(line["accepted"] for line in sums.values()),
    }  # fmt: skip


def outside_page(request: web.Request, template: str, *, status: int = 200, **context: Any) -> web.StreamResponse:
    """A page for somebody who is not logged in."""
    full = {"locale": locale_before_login(request), "session": None, "account": None, **context}
    response = aiohttp_jinja2.render_template(template, request, full)
    response.set_status(status)
    response.headers["Cache-Control"] = "no-store"
    return response


def error_page(request: web.Request, problem: Problem) -> web.StreamResponse:
    """What happened and what to do next, in the visitor's language."""
    code = {"not_found": "err_not_found", "unavailable": "err_unavailable"}.get(problem.code, "err_other")
    message = words.text(code, locale_before_login(request))
    response = outside_page(request, "error.html", status=problem.status, message=message)
    response.headers.update(problem.headers)
    return response
