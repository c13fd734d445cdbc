"""Pages of the cabinet: read, render. Every query is by the session's account."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import aiohttp_jinja2
from aiohttp import web

from server.accounts import flow, store
from server.accounts.lookup import Known
from server.accounts.model import LoginSession, ScriptSettings
from server.accounts.web import current_session, drop_session, set_session
from server.bookings import store as bookings
from server.bookings.model import booking_status
from server.cabinet import words
from server.delivery import inbox, ledger
from server.keys import HANDLERS, LOOKUP, POOL, SETTINGS, VAULT
from server.leads import store as leads
from server.leads.store import LeadFilter
from server.matching import store as matching
from server.matching.words import detail_text, reason_text
from server.platform import paging
from server.platform.clock import utc_now
from server.platform.postgres import Row
from server.platform.web import Problem
from server.tracking import store as tracking
from server.tracking.store import VisitFilter

routes = web.RouteTableDef()
_PAGE = 50
_LOCALE_COOKIE = "yclick_lang"
_PERIODS = {"day": 1, "week": 7, "month": 30}
Page = Callable[[web.Request, LoginSession, Known], Awaitable[web.StreamResponse]]


def locale_before_login(request: web.Request) -> str:
    chosen = request.cookies.get(_LOCALE_COOKIE)
    return chosen if chosen in ("ru", "en") else "ru"


def _private(handler: Page) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
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


async def _render(
    request: web.Request, template: str, session: LoginSession, known: Known, context: dict[str, Any]
) -> web.StreamResponse:
    locale = session.person.locale or known.account.locale
    zone = known.branches[0].timezone if known.branches else "Europe/Moscow"
    full = {
        "locale": locale, "zone": zone, "session": session, "account": known.account, "path": request.path,
        "channels": words.TEXTS, **context,
    }  # fmt: skip
    if not template.startswith("_"):
        full["health"] = await _health(request, known)
    return aiohttp_jinja2.render_template(template, request, full)


async def _health(request: web.Request, known: Known) -> dict[str, Any]:
    """The line on top: how the last day went, and what needs attention."""
    now, account_id = utc_now(), known.account.account_id
    async with request.app[POOL].acquire() as conn:
        day = await leads.day_summary(conn, account_id, now - timedelta(days=1))
        sums = await ledger.sums(conn, account_id, now - timedelta(days=7), now + timedelta(hours=1))
        held = await inbox.count_quarantined(conn, account_id)
    return {"day": day, "held": held, "difference": sum(abs(line["difference"]) for line in sums.values())}


# --- logging in


@routes.get("/")
async def home(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/leads")


def _login_page(request: web.Request, *, message: str = "", status: int = 200) -> web.StreamResponse:
    locale = locale_before_login(request)
    response = aiohttp_jinja2.render_template(
        "login.html", request,
        {"locale": locale, "message": message, "next": _own_path(request.query.get("next", "")), "session": None, "account": None},
    )  # fmt: skip
    response.set_status(status)
    response.headers["Cache-Control"] = "no-store"
    return response


def _own_path(text: str) -> str:
    """Where to go after the login: a path of ours, never another site (`//evil`, `/\\evil`)."""
    return text if re.fullmatch(r"/(?![/\\])[\w/-]{0,200}", text, re.ASCII) else "/leads"


@routes.get("/login")
async def login_page(request: web.Request) -> web.StreamResponse:
    return _login_page(request)


@routes.post("/login")
async def login(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    locale = locale_before_login(request)
    try:
        async with request.app[POOL].acquire() as conn:
            token = await flow.log_in(
                conn, str(form.get("email", "")), str(form.get("password", ""))[:1000], now=utc_now(),
                user_agent=request.headers.get("User-Agent", ""),
            )  # fmt: skip
    except flow.TooManyAttempts as error:
        response = _login_page(
            request, message=words.text("login_pause", locale, seconds=error.retry_after_s), status=429
        )
        response.headers["Retry-After"] = str(error.retry_after_s)
        return response
    if token is None:
        return _login_page(request, message=words.text("login_wrong", locale), status=401)
    redirect = web.HTTPFound(_own_path(str(form.get("next", ""))))
    set_session(request, redirect, token)
    raise redirect


@routes.get("/login/{token}")
async def login_by_link(request: web.Request) -> web.StreamResponse:
    """One use, one day. The link logs in by being opened: it is printed on the owner's own terminal, not mailed."""
    async with request.app[POOL].acquire() as conn:
        token = await flow.log_in_by_link(
            conn, request.match_info["token"], now=utc_now(), user_agent=request.headers.get("User-Agent", "")
        )
    if token is None:
        return _login_page(request, message=words.text("link_spent", locale_before_login(request)), status=410)
    redirect = web.HTTPFound("/leads")
    set_session(request, redirect, token)
    raise redirect


@routes.post("/logout")
async def logout(request: web.Request) -> web.StreamResponse:
    session = await current_session(request)
    if session:
        async with request.app[POOL].acquire() as conn:
            await store.delete_session(conn, session.person.account_id, session.session_hash)
    redirect = web.HTTPFound("/login")
    drop_session(request, redirect)
    raise redirect


@routes.post("/language")
async def language(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    chosen = "en" if form.get("locale") == "en" else "ru"
    session = await current_session(request)
    if session:
        async with request.app[POOL].acquire() as conn:
            await store.save_locale(conn, session.person.account_id, session.person.person_id, chosen)
    redirect = web.HTTPFound(_own_path(str(form.get("next", ""))))
    redirect.set_cookie(_LOCALE_COOKIE, chosen, max_age=31_536_000, samesite="Lax", httponly=True)
    raise redirect


# --- leads


def _filter(request: web.Request) -> LeadFilter:
    query = request.query
    days = _PERIODS.get(query.get("period", ""))
    return LeadFilter(
        since=utc_now() - timedelta(days=days) if days else None,
        search=paging.read_text(query, "q"), source=paging.read_text(query, "source"),
        campaign=paging.read_text(query, "campaign"), level=paging.read_text(query, "level"),
        online=None if query.get("staff") == "1" else True,
    )  # fmt: skip


async def _lead_rows(request: web.Request, known: Known, wanted: LeadFilter) -> dict[str, Any]:
    async with request.app[POOL].acquire() as conn:
        rows = await leads.journal(
            conn, known.account.account_id, wanted, before=paging.read_uuid_cursor(request.query), limit=_PAGE + 1
        )
    cursor = (
        paging.write_cursor(rows[_PAGE - 1]["created_at"], rows[_PAGE - 1]["booking_id"]) if len(rows) > _PAGE else None
    )
    return {"rows": [_shown_row(row) for row in rows[:_PAGE]], "cursor": cursor, "query": request.query}


def _shown_row(row: Row) -> dict[str, Any]:
    return {**dict(row), "status": booking_status(row["attendance"], row["deleted"]).value}


@routes.get("/leads")
@_private
async def leads_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    wanted = _filter(request)
    async with request.app[POOL].acquire() as conn:
        choices = await leads.choices(conn, known.account.account_id)
    narrowed = any(request.query.get(name) for name in ("q", "source", "campaign", "level", "period", "cursor"))
    context = {**await _lead_rows(request, known, wanted), "choices": choices, "narrowed": narrowed}
    return await _render(request, "leads.html", session, known, context)


@routes.get("/leads/rows")
@_private
async def lead_rows(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """The table alone, for the page that refreshes itself."""
    return await _render(request, "_lead_rows.html", session, known, await _lead_rows(request, known, _filter(request)))


@routes.get("/bookings")
@_private
async def bookings_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    wanted = LeadFilter(search=paging.read_text(request.query, "q"), origin=paging.read_text(request.query, "origin"))
    return await _render(request, "bookings.html", session, known, await _lead_rows(request, known, wanted))


@routes.get("/leads/{id}")
@_private
async def lead_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    account_id = known.account.account_id
    lead_id: UUID = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn:
        row = await leads.lead_by_id(conn, account_id, lead_id)
        if row is None:
            raise Problem(404, "not_found", "There is no such lead.")
        booking = await bookings.by_id(conn, account_id, row["booking_id"])
        history = await bookings.history(conn, account_id, row["booking_id"])
        decisions = await matching.log_of(conn, account_id, row["booking_id"])
        events = await tracking.visit_events(conn, account_id, row["visit_id"]) if row["visit_id"] else []
    locale, zone = session.person.locale or known.account.locale, ZoneInfo(row["timezone"])
    evidence = [
        {**item, "text": detail_text(item["detail_code"], item["detail_params"], locale, zone)}
        for item in row["evidence"] or ()
    ]
    context = {
        "row": _shown_row(row), "booking": booking, "history": history, "decisions": decisions, "events": events,
        "evidence": evidence, "zone": row["timezone"],
        "why": reason_text(row["reason_code"] or "pending", row["reason_params"] or {}, locale, zone),
    }  # fmt: skip
    return await _render(request, "lead.html", session, known, context)


# --- visits


@routes.get("/visits")
@_private
async def visits_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    async with request.app[POOL].acquire() as conn:
        rows = await tracking.visits(
            conn, known.account.account_id, VisitFilter(), before=paging.read_cursor(request.query), limit=_PAGE + 1
        )
    cursor = (
        paging.write_cursor(rows[_PAGE - 1]["started_at"], rows[_PAGE - 1]["visit_id"]) if len(rows) > _PAGE else None
    )
    return await _render(request, "visits.html", session, known, {"rows": rows[:_PAGE], "cursor": cursor})


@routes.get("/visits/{id}")
@_private
async def visit_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    visit_id = request.match_info["id"].replace("\0", "")[:64]
    async with request.app[POOL].acquire() as conn:
        row = await tracking.visit_by_id(conn, known.account.account_id, visit_id)
        if row is None:
            raise Problem(404, "not_found", "There is no such visit.")
        events = await tracking.visit_events(conn, known.account.account_id, visit_id)
    return await _render(request, "visit.html", session, known, {"row": row, "events": events})


# --- intake


@routes.get("/intake")
@_private
async def intake_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    now, account_id = utc_now(), known.account.account_id
    async with request.app[POOL].acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        doors = await ledger.sums(conn, account_id, now - timedelta(days=7), now + timedelta(hours=1))
        held = await inbox.quarantined(conn, account_id, limit=_PAGE)
        refused = await ledger.refusals(conn, account_id, now - timedelta(days=7))
    context = {
        "doors": doors, "held": [{**item, "text": inbox.as_text(bytes(item["body"])[:20_000])} for item in held],
        "refused": refused, "message": request.query.get("done", "") if request.query.get("done") in _DONE else "",
    }  # fmt: skip
    return await _render(request, "intake.html", session, known, context)


_DONE = ("replayed", "dismissed", "still_bad")


@routes.post("/intake/{id}/{act:replay|dismiss}")
@_private
async def intake_act(request: web.Request, _: LoginSession, known: Known) -> web.StreamResponse:
    account_id, item = known.account.account_id, paging.read_uuid(request.match_info["id"])
    request.app[LOOKUP].forget()  # a branch added a second ago must count
    async with request.app[POOL].acquire() as conn, conn.transaction():
        if request.match_info["act"] == "dismiss":
            done = "dismissed" if await inbox.dismiss(conn, account_id, item) else ""
        else:
            outcome = await inbox.replay(conn, request.app[HANDLERS], account_id, item, now=utc_now())
            done = "" if outcome is None else "still_bad" if outcome.rejected else "replayed"
    if not done:
        raise Problem(404, "not_found", "There is no such item.")
    raise web.HTTPFound(f"/intake?done={done}")


# --- set-up


@routes.get("/install")
@_private
async def install_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    return await _install(request, session, known)


async def _install(
    request: web.Request, session: LoginSession, known: Known, *, error: str = "", saved: bool = False
) -> web.StreamResponse:
    account_id, base_url = known.account.account_id, request.app[SETTINGS].base_url
    async with request.app[POOL].acquire() as conn:
        hooks = await flow.hook_urls(conn, request.app[VAULT], account_id, base_url)
        tokens = await store.hook_tokens(conn, account_id)
        visits = await tracking.visits(conn, account_id, VisitFilter(), before=None, limit=1)
        found = await leads.journal(conn, account_id, LeadFilter(level="L0"), before=None, limit=1)
    context = {
        "codes": flow.public_json(known.sites[0], known.branches, base_url), "hooks": hooks, "branches": known.branches,
        "script": known.account.script, "error": error, "saved": saved,
        "seen": {
            "first_visit": visits[0]["last_seen_at"] if visits else None,
            "first_webhook": max((row["last_used_at"] for row in tokens if row["vendor"] == "yclients" and row["last_used_at"]), default=None),
            "first_match": found[0]["created_at"] if found else None,
        },
    }  # fmt: skip
    return await _render(request, "install.html", session, known, context)


@routes.post("/install")
@_private
async def save_install(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    form = await request.post()
    try:
        script = ScriptSettings(
            form_hosts=_hosts(str(form.get("form_hosts", ""))),
            consent="required" if form.get("consent") == "required" else "granted",
            gpc="ignore" if form.get("gpc") == "ignore" else "respect",
            visit_timeout_s=60 * min(240, max(5, int(str(form.get("timeout", "30")) or "30"))),
            excluded_referrers=_hosts(str(form.get("excluded", ""))),
        )
    except (flow.BadAccount, ValueError) as error:
        return await _install(request, session, known, error=str(error))
    async with request.app[POOL].acquire() as conn:
        await store.save_script_settings(conn, known.account.account_id, script)
    request.app[LOOKUP].forget()
    fresh = await request.app[LOOKUP].known(known.account.account_id)
    return await _install(request, session, fresh or known, saved=True)


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(flow.clean_domain(line) for line in text.split()[:50]))
