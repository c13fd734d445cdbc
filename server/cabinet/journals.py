"""The journals: leads («Обращения и цели»), bookings, visits. Every query is by the session's account."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from aiohttp import web

from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.bookings import store as bookings
from server.bookings.model import booking_status
from server.cabinet import shown
from server.cabinet.frame import PAGE, locale_of, private, render
from server.keys import POOL
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
Journal = Callable[..., Awaitable[list[Row]]]
#: What the journal of visits can be narrowed to.
CHANNELS = (
    "ad", "organic", "social", "messenger", "email", "recommend", "qrcode", "referral", "direct", "internal", "saved",
    "undefined",
)  # fmt: skip
_PERIODS = {"day": 1, "week": 7, "month": 30}


@routes.get("/")
async def home(_: web.Request) -> web.StreamResponse:
    raise web.HTTPFound("/leads")


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


async def _lead_rows(
    request: web.Request, known: Known, wanted: LeadFilter, journal: Journal = leads.journal
) -> dict[str, Any]:
    async with request.app[POOL].acquire() as conn:
        rows = await journal(
            conn, known.account.account_id, wanted, before=paging.read_uuid_cursor(request.query), limit=PAGE + 1
        )
    cursor = (
        paging.write_cursor(rows[PAGE - 1]["created_at"], rows[PAGE - 1]["booking_id"]) if len(rows) > PAGE else None
    )
    narrowed = any(
        request.query.get(name) for name in ("q", "source", "campaign", "level", "origin", "period", "cursor")
    )
    return {
        "rows": [_shown_row(row) for row in rows[:PAGE]], "cursor": cursor, "query": request.query, "narrowed": narrowed,
        "clear_to": request.path.removesuffix("/live"),
    }  # fmt: skip


def _shown_row(row: Row) -> dict[str, Any]:
    return {**dict(row), "status": booking_status(row["attendance"], row["deleted"]).value}


@routes.get("/leads")
@private
async def leads_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    async with request.app[POOL].acquire() as conn:
        choices = await leads.choices(conn, known.account.account_id)
    context = {**await _lead_rows(request, known, _filter(request)), "choices": choices}
    return await render(request, "leads.html", session, known, context)


@routes.get("/leads/live")
@private
async def live_leads(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """The table and the line of health alone, for the page that refreshes itself."""
    return await render(request, "_live_leads.html", session, known, await _lead_rows(request, known, _filter(request)))


@routes.get("/leads/{id}")
@private
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
    locale, zone = locale_of(session, known), ZoneInfo(row["timezone"])
    evidence = [
        {**item, "text": detail_text(item["detail_code"], item["detail_params"], locale, zone)}
        for item in row["evidence"] or ()
    ]
    context = {
        "row": _shown_row(row), "booking": booking, "history": history, "decisions": decisions,
        "events": shown.steps_once(events), "evidence": evidence, "zone": row["timezone"],
        "why": reason_text(row["reason_code"] or "pending", row["reason_params"] or {}, locale, zone),
    }  # fmt: skip
    return await render(request, "lead.html", session, known, context)


# --- bookings


@routes.get("/bookings")
@private
async def bookings_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """All bookings, staff's too, also one so fresh that its lead is still to be made."""
    wanted = LeadFilter(search=paging.read_text(request.query, "q"), origin=paging.read_text(request.query, "origin"))
    rows = await _lead_rows(request, known, wanted, leads.booking_journal)
    return await render(request, "bookings.html", session, known, rows)


# --- visits


@routes.get("/visits")
@private
async def visits_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    query, account_id = request.query, known.account.account_id
    wanted = VisitFilter(channel=paging.read_text(query, "channel"), source=paging.read_text(query, "source"))
    async with request.app[POOL].acquire() as conn:
        rows = await tracking.visits(conn, account_id, wanted, before=paging.read_cursor(query), limit=PAGE + 1)
        sources = await tracking.visit_sources(conn, account_id)
    cursor = paging.write_cursor(rows[PAGE - 1]["started_at"], rows[PAGE - 1]["visit_id"]) if len(rows) > PAGE else None
    context = {
        "rows": rows[:PAGE], "cursor": cursor, "query": query, "sources": sources, "channels": CHANNELS,
        "narrowed": any(query.get(name) for name in ("channel", "source", "cursor")),
    }  # fmt: skip
    return await render(request, "visits.html", session, known, context)


@routes.get("/visits/{id}")
@private
async def visit_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    visit_id = request.match_info["id"].replace("\0", "")[:64]
    async with request.app[POOL].acquire() as conn:
        row = await tracking.visit_by_id(conn, known.account.account_id, visit_id)
        if row is None:
            raise Problem(404, "not_found", "There is no such visit.")
        events = await tracking.visit_events(conn, known.account.account_id, visit_id)
        brought = await bookings.of_visit(conn, known.account.account_id, visit_id)
    context = {"row": row, "brought": brought, "events": shown.steps_once(events)}
    return await render(request, "visit.html", session, known, context)
