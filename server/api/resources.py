"""Handlers of `/api/v1`: parse, read, render."""

from __future__ import annotations

import asyncio
import base64
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from server.accounts import store as accounts
from server.accounts.lookup import Known
from server.api.authorized import authorized, not_found
from server.bookings import store as booking_store
from server.bookings.model import booking_status
from server.delivery import inbox, ledger, relay
from server.keys import HANDLERS, LOOKUP, POOL, SPOOL
from server.leads import store as leads
from server.leads.store import LeadFilter
from server.leads.views import (
    booking_part,
    contact_json,
    lead_json,
    local,
    match_json,
    visit_json,
)
from server.matching import store as matching
from server.platform import paging
from server.platform.clock import utc_now
from server.platform.postgres import Row
from server.platform.web import Problem
from server.tracking import store as tracking
from server.tracking.store import VisitFilter

routes = web.RouteTableDef()


def _locale(request: web.Request, known: Known) -> str:
    """Language of the sentences: what is asked for by `lang` or Accept-Language, else the account's."""
    asked = request.query.get("lang") or request.headers.get("Accept-Language", "")[:2].lower()
    return asked if asked in ("ru", "en") else known.account.locale


def _next(rows: list[Row], limit: int, at: str, row_id: str) -> tuple[list[Row], str | None]:
    """One row more than asked was read; it tells that there is a next page."""
    if len(rows) <= limit:
        return rows, None
    rows = rows[:limit]
    return rows, paging.write_cursor(rows[-1][at], rows[-1][row_id])


# --- leads


@routes.get("/api/v1/leads")
@authorized
async def list_leads(request: web.Request, known: Known) -> web.Response:
    query, limit = request.query, paging.read_limit(request.query)
    wanted = LeadFilter(
        since=paging.read_time(query, "since"), until=paging.read_time(query, "until"),
        search=paging.read_text(query, "q"), source=paging.read_text(query, "source"),
        campaign=paging.read_text(query, "campaign"), level=paging.read_text(query, "level"),
        origin=paging.read_text(query, "origin"), company_id=paging.read_number(query, "company_id"),
        online=paging.read_bool(query, "online"), record_id=paging.read_number(query, "record_id"),
    )  # fmt: skip
    async with request.app[POOL].acquire() as conn:
        rows = await leads.journal(
            conn, known.account.account_id, wanted, before=paging.read_uuid_cursor(query), limit=limit + 1
        )
    rows, cursor = _next(rows, limit, "created_at", "booking_id")
    locale = _locale(request, known)
    return web.json_response(paging.page([lead_json(row, locale=locale) for row in rows], cursor))


@routes.get("/api/v1/leads/{id}")
@authorized
async def one_lead(request: web.Request, known: Known) -> web.Response:
    lead_id = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn:
        row = await leads.lead_by_id(conn, known.account.account_id, lead_id)
    if row is None:
        raise not_found()
    return web.json_response(lead_json(row, locale=_locale(request, known)))


# --- bookings


def _booking_json(row: Row, *, locale: str) -> dict[str, Any]:
    zone = ZoneInfo(row["timezone"])
    return {
        **booking_part(row, zone),
        "created_at": local(row["booked_at"], zone),
        "changed_at": local(row["changed_at"], zone),
        "received_at": local(row["received_at"], zone),
        "status": booking_status(row["attendance"], row["deleted"]).value,
        "attendance": row["attendance"],
        "deleted": row["deleted"],
        "contact": contact_json(row),
        "staff": row["staff_name"],
        "comment": row["comment"],
        "origin_facts": row["origin_facts"],
        "lead_id": str(row["lead_id"]) if row["lead_id"] else None,
        "match": match_json(row, locale=locale, zone=zone),
        "visit": visit_json(row, zone) if row["visit_id"] else None,
    }


@routes.get("/api/v1/bookings")
@authorized
async def list_bookings(request: web.Request, known: Known) -> web.Response:
    query, limit = request.query, paging.read_limit(request.query)
    wanted = LeadFilter(
        since=paging.read_time(query, "since"), until=paging.read_time(query, "until"),
        search=paging.read_text(query, "q"), origin=paging.read_text(query, "origin"),
        company_id=paging.read_number(query, "company_id"), online=paging.read_bool(query, "online"),
        record_id=paging.read_number(query, "record_id"),
    )  # fmt: skip
    async with request.app[POOL].acquire() as conn:
        rows = await leads.booking_journal(
            conn, known.account.account_id, wanted, before=paging.read_uuid_cursor(query), limit=limit + 1
        )
    rows, cursor = _next(rows, limit, "created_at", "booking_id")
    locale = _locale(request, known)
    return web.json_response(paging.page([_booking_json(row, locale=locale) for row in rows], cursor))


async def _booking(request: web.Request, known: Known) -> Row:
    booking_id = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn:
        row = await leads.lead_of_booking(conn, known.account.account_id, booking_id)
    if row is None:
        raise not_found()
    return row


@routes.get("/api/v1/bookings/{id}")
@authorized
async def one_booking(request: web.Request, known: Known) -> web.Response:
    return web.json_response(_booking_json(await _booking(request, known), locale=_locale(request, known)))


@routes.get("/api/v1/bookings/{id}/journey")
@authorized
async def journey(request: web.Request, known: Known) -> web.Response:
    """Everything known of a booking on one line of time: the visit's events, the booking's changes, the decisions."""
    row = await _booking(request, known)
    account_id, zone = known.account.account_id, ZoneInfo(row["timezone"])
    async with request.app[POOL].acquire() as conn:
        events = await tracking.visit_events(conn, account_id, row["visit_id"]) if row["visit_id"] else []
        history = await booking_store.history(conn, account_id, row["booking_id"])
        decisions = await matching.log_of(conn, account_id, row["booking_id"])
    line: list[tuple[datetime, dict[str, Any]]] = [
        *((item["occurred_at"], {"kind": item["kind"], "facts": item["payload"]}) for item in events),
        *(
            (
                item["changed_at"],
                {
                    "kind": "booking",
                    "facts": {"status": item["status"], "applied": item["applied"], "changes": item["changes"]},
                },
            )
            for item in history
        ),
        *(
            (
                item["at"],
                {"kind": "match", "facts": {"cause": item["cause"], "before": item["before"], "after": item["after"]}},
            )
            for item in decisions
        ),
    ]
    line.sort(key=lambda pair: pair[0])
    return web.json_response({"data": [{"at": local(at, zone), **fact} for at, fact in line], "next_cursor": None})


# --- visits


@routes.get("/api/v1/visits")
@authorized
async def list_visits(request: web.Request, known: Known) -> web.Response:
    query, limit = request.query, paging.read_limit(request.query)
    wanted = VisitFilter(
        since=paging.read_time(query, "since"), until=paging.read_time(query, "until"),
        channel=paging.read_text(query, "channel"), source=paging.read_text(query, "source"),
        visitor_id=paging.read_text(query, "visitor_id"), bots=paging.read_bool(query, "bots") or False,
    )  # fmt: skip
    async with request.app[POOL].acquire() as conn:
        rows = await tracking.visits(
            conn, known.account.account_id, wanted, before=paging.read_cursor(query), limit=limit + 1
        )
    rows, cursor = _next(rows, limit, "started_at", "visit_id")
    return web.json_response(paging.page([_visit_json(row, known) for row in rows], cursor))


@routes.get("/api/v1/visits/{id}")
@authorized
async def one_visit(request: web.Request, known: Known) -> web.Response:
    async with request.app[POOL].acquire() as conn:
        row = await tracking.visit_by_id(
            conn, known.account.account_id, request.match_info["id"].replace("\0", "")[:64]
        )
    if row is None:
        raise not_found()
    return web.json_response(_visit_json(row, known))


def _visit_json(row: Row, known: Known) -> dict[str, Any]:
    zone = known.zone
    return {
        **visit_json(row, zone),
        "visitor_id": row["visitor_id"],
        "last_seen_at": local(row["last_seen_at"], zone),
        "hits": row["hits"],
        "device": row["device"],
        "browser": row["browser"],
        "bot": row["bot"],
        "place": row["place"],
        "referral_kind": row["referral_kind"],
        "advice": row["advice"],
        "rules_version": row["rules_version"],
    }


# --- intake: quarantine and ledger


@routes.get("/api/v1/quarantine")
@authorized
async def list_quarantine(request: web.Request, known: Known) -> web.Response:
    query, limit = request.query, paging.read_limit(request.query)
    state = query.get("state", "open")
    if state not in ("open", "replayed", "dismissed", "all"):
        raise Problem(400, "bad_state", "state is open, replayed, dismissed or all.")
    async with request.app[POOL].acquire() as conn:
        rows = await inbox.quarantined(
            conn, known.account.account_id, state=None if state == "all" else state,
            before=paging.read_uuid_cursor(query), limit=limit + 1,
        )  # fmt: skip
    more = len(rows) > limit
    rows = rows[:limit]
    cursor = paging.write_cursor(rows[-1]["received_at"], rows[-1]["quarantine_id"]) if more else None
    return web.json_response(paging.page([_quarantine_json(row, known.zone) for row in rows], cursor))


def _quarantine_json(row: dict[str, Any], zone: ZoneInfo) -> dict[str, Any]:
    body = bytes(row["body"])
    return {
        "id": str(row["quarantine_id"]),
        "received_at": local(row["received_at"], zone),
        "source": row["source"],
        "reason": row["reason"],
        "detail": row["detail"],
        "company_id": row["company_id"],
        "state": row["state"],
        "replayed_at": local(row["replayed_at"], zone),
        "body": body.decode("utf-8", "backslashreplace"),
        "body_base64": base64.b64encode(body).decode(),
        "body_size": row["body_size"],
        "body_cut": len(body) < row["body_size"],
    }


@routes.get("/api/v1/quarantine/{id}")
@authorized
async def one_quarantined(request: web.Request, known: Known) -> web.Response:
    """One item with its whole body; a list shows the beginnings."""
    quarantine_id = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn:
        row = await inbox.one_quarantined(conn, known.account.account_id, quarantine_id)
    if row is None:
        raise not_found()
    return web.json_response(_quarantine_json(row, known.zone))


@routes.post("/api/v1/quarantine/{id}/replay")
@authorized
async def replay(request: web.Request, known: Known) -> web.Response:
    """Gives one item to its handler again, after what was wrong has been mended."""
    quarantine_id = paging.read_uuid(request.match_info["id"])
    request.app[LOOKUP].forget()  # a branch added a second ago must count
    async with request.app[POOL].acquire() as conn, conn.transaction():
        outcome = await inbox.replay(
            conn, request.app[HANDLERS], known.account.account_id, quarantine_id, now=utc_now()
        )
    if outcome is None:
        raise not_found()
    if outcome.rejected:
        raise Problem(409, outcome.rejected[0].reason, "It still cannot be used; the reason stands in `code`.")
    return web.json_response({"state": "replayed", "outcome": outcome.state})


@routes.get("/api/v1/ledger")
@authorized
async def show_ledger(request: web.Request, known: Known) -> web.Response:
    now = utc_now()
    since = paging.read_time(request.query, "since") or now - timedelta(days=7)
    until = paging.read_time(request.query, "until") or now + timedelta(hours=1)
    account_id = known.account.account_id
    async with request.app[POOL].acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        doors = await ledger.sums(conn, account_id, since, until)
        hours = await ledger.by_hour(conn, account_id, since, until)
        refused = await ledger.refusals(conn, account_id, since, until)
    total = {name: sum(line[name] for line in doors.values()) for name in next(iter(doors.values()), {})}
    zone = known.zone
    return web.json_response(
        {
            "since": local(since, zone),
            "until": local(until, zone),
            "total": total,
            "doors": doors,
            "hours": [{**line, "hour": local(line["hour"], zone)} for line in hours],
            "refusals": [
                {**line, "hour": local(line["hour"], zone), "last_at": local(line["last_at"], zone)} for line in refused
            ],
        }
    )


# --- health


@routes.get("/api/v1/health")
@authorized
async def health(request: web.Request, known: Known) -> web.Response:
    """One word and its reasons: what an owner would want to be told."""
    now, account_id = utc_now(), known.account.account_id
    async with request.app[POOL].acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        day = await leads.day_summary(conn, account_id, now - timedelta(hours=24))
        doors = await ledger.sums(conn, account_id, now - timedelta(days=7), now + timedelta(hours=1))
        held = await inbox.count_quarantined(conn, account_id)
        hooks = await accounts.hook_tokens(conn, account_id)
        connection = await accounts.connection_row(conn, account_id, "yclients")
        uis = await accounts.connection_row(conn, account_id, "uis")
        on_the_way = await relay.counts(conn, account_id)
        paused = [way for way in await relay.ways(conn, account_id) if way.paused_at]
    troubles = []
    if held:
        troubles.append({"code": "quarantine", "count": held})
    if any(line["difference"] for line in doors.values()):
        troubles.append({"code": "ledger_difference", "count": sum(abs(line["difference"]) for line in doors.values())})
    if connection is not None and connection["state"] == "refused":
        troubles.append({"code": "yclients_refused", "count": 1})
    if uis is not None and uis["state"] == "refused":
        troubles.append({"code": "uis_refused", "count": 1})
    for state in ("held", "failed"):
        if on_the_way.get(state):
            troubles.append({"code": f"deliveries_{state}", "count": on_the_way[state]})
    if paused:
        troubles.append({"code": "deliveries_paused", "count": sum(way.waiting for way in paused)})
    spooled = await asyncio.to_thread(request.app[SPOOL].waiting)
    if spooled:
        troubles.append({"code": "spool_waiting", "count": spooled})
    last_hook = max((row["last_used_at"] for row in hooks if row["last_used_at"]), default=None)
    return web.json_response(
        {
            "status": "attention" if troubles else "well",
            "troubles": troubles,
            "last_24h": {
                "visits": day["visits"], "bookings": day["bookings"], "matched": day["matched"], "waiting": day["waiting"],
            },
            "last_webhook_at": local(last_hook, known.zone),
            "yclients_connected": known.yclients_connected,
        }
    )  # fmt: skip


@routes.get("/api/v1/reports/{name}")
@authorized
async def nothing_there_yet(_: web.Request, __: Known) -> web.Response:
    """There are no reports in this version."""
    raise not_found()
