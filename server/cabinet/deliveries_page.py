"""The page of deliveries: what is on its way, pauses of each kind, once more for one or for many by a filter."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.bookings import store as bookings
from server.cabinet import words
from server.cabinet.frame import PAGE, locale_of, private, render
from server.delivery import relay, replays
from server.delivery.outbox import JOBS_TOPIC
from server.keys import BUS, POOL
from server.leads import store as leads
from server.platform import paging
from server.platform.clock import utc_now
from server.platform.web import Problem

routes = web.RouteTableDef()
#: What may stand after `?done=`; a text of `words` each.
DONE = ("replayed_delivery", "way_paused", "way_resumed", "again_started", "again_cancelled")
STATES = ("waiting", "retrying", "held", "failed", "delivered")
KINDS = tuple(relay.JOBS)


@routes.get("/deliveries")
@private
async def deliveries_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    account_id = known.account.account_id
    state, kind = request.query.get("state", ""), request.query.get("kind", "")
    async with request.app[POOL].acquire() as conn:
        rows = await relay.deliveries(
            conn, account_id, kind=kind if kind in KINDS else None, state=state if state in STATES else None,
            before=paging.read_uuid_cursor(request.query), limit=PAGE + 1,
        )  # fmt: skip
        shown = rows[:PAGE]
        attempts = await relay.attempts_of(conn, account_id, [row["delivery_id"] for row in shown])
        subjects = [row["subject_id"] for row in shown]
        heads, lead_ids = (
            await bookings.heads(conn, account_id, subjects),
            await leads.ids_of(conn, account_id, subjects),
        )
        ways = await relay.ways(conn, account_id)
        codes = await replays.codes(conn, account_id)
    cursor = paging.write_cursor(shown[-1]["created_at"], shown[-1]["delivery_id"]) if len(rows) > PAGE else None
    done = request.query.get("done", "")
    context = {
        "rows": [
            {
                **dict(row), "booking": heads.get(row["subject_id"]), "lead_id": lead_ids.get(row["subject_id"]),
                "history": attempts.get(row["delivery_id"], []), "over": relay.OVER[row["kind"]],
            }
            for row in shown
        ],
        "cursor": cursor, "state": state, "states": STATES, "kind": kind, "kinds": KINDS, "ways": ways, "codes": codes,
        "done": words.text(done, locale_of(session, known)) if done in DONE else "", **await _running(request, known),
    }  # fmt: skip
    return await render(request, "deliveries.html", session, known, context)


@routes.get("/deliveries/live")
@private
async def live(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """The progress alone, for the page that refreshes itself."""
    return await render(request, "_live_deliveries.html", session, known, await _running(request, known))


async def _running(request: web.Request, known: Known) -> dict[str, Any]:
    async with request.app[POOL].acquire() as conn:
        return {"replays": await replays.latest(conn, known.account.account_id)}


@routes.post("/deliveries/{id}/replay")
@private
async def replay_delivery(request: web.Request, _: LoginSession, known: Known) -> web.StreamResponse:
    delivery_id = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn, conn.transaction():
        kind = await relay.replay(conn, known.account.account_id, delivery_id, now=utc_now())
    if kind is None:
        raise Problem(404, "not_found", "There is no such delivery that failed.")
    await request.app[BUS].publish(JOBS_TOPIC)
    raise web.HTTPFound("/deliveries?done=replayed_delivery")


# --- pauses


@routes.post("/deliveries/{act:pause|resume}")
@private
async def change_way(request: web.Request, _: LoginSession, known: Known) -> web.StreamResponse:
    act = request.match_info["act"]
    asked = [kind for kind in KINDS if kind in (await request.post()).getall("kind", [])]
    change = relay.hold_up if act == "pause" else relay.let_go
    async with request.app[POOL].acquire() as conn, conn.transaction():
        await change(conn, known.account.account_id, asked, now=utc_now())
    await request.app[BUS].publish(JOBS_TOPIC)
    raise web.HTTPFound(f"/deliveries?done={'way_paused' if act == 'pause' else 'way_resumed'}")


# --- many at once


@routes.get("/deliveries/again")
@private
async def again_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """How many the filter finds, and the button that sends them."""
    return await _again(request, session, known, request.query)


async def _again(
    request: web.Request,
    session: LoginSession,
    known: Known,
    asked: Mapping[str, Any],
    *,
    status: int = 200,
    error: str = "",
) -> web.StreamResponse:
    wanted = _wanted(asked, known.zone)
    number = 0
    if wanted is None:
        status, error = 422, "again_bad_day"
    else:
        async with request.app[POOL].acquire() as conn:
            number = await replays.count(conn, known.account.account_id, wanted)
    kept = {name: str(asked.get(name, ""))[:100] for name in ("state", "kind", "code", "from", "to")}
    context = {
        "number": number, "wanted": wanted, "asked": kept, "error": words.text(error, locale_of(session, known)) if error else "",
    }  # fmt: skip
    response = await render(request, "deliveries_again.html", session, known, context)
    response.set_status(status)
    return response


@routes.post("/deliveries/again")
@private
async def start_again(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    asked = {name: str(value) for name, value in (await request.post()).items()}
    wanted = _wanted(asked, known.zone)
    if wanted is None:
        return await _again(request, session, known, asked)
    try:
        async with request.app[POOL].acquire() as conn, conn.transaction():
            await replays.start(conn, known.account.account_id, wanted, now=utc_now())
    except replays.AlreadyRunning:
        return await _again(request, session, known, asked, status=409, error="again_running")
    await request.app[BUS].publish(JOBS_TOPIC)
    raise web.HTTPFound("/deliveries?done=again_started#again")


@routes.post("/deliveries/again/{id}/cancel")
@private
async def cancel_again(request: web.Request, _: LoginSession, known: Known) -> web.StreamResponse:
    replay_id = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn:
        done = await replays.cancel(conn, known.account.account_id, replay_id, now=utc_now())
    if not done:
        raise Problem(404, "not_found", "There is no such replay that goes on.")
    raise web.HTTPFound("/deliveries?done=again_cancelled#again")


def _wanted(asked: Mapping[str, Any], zone: ZoneInfo) -> replays.Wanted | None:
    """Days are those of the account's clock, both included. None: a day is none."""
    try:
        since, until = (_midnight(str(asked.get(name, "")), zone) for name in ("from", "to"))
    except (ValueError, OverflowError):
        return None
    kind = next((one for one in KINDS if one == asked.get("kind")), None)
    code = str(asked.get("code", ""))[:100].replace("\0", "") or None
    state: replays.Again = "held" if asked.get("state") == "held" else "failed"
    return replays.Wanted(state, kind, code, since, until + timedelta(days=1) if until else None)


def _midnight(text: str, zone: ZoneInfo) -> datetime | None:
    if not text:
        return None
    day = date.fromisoformat(text)
    if not 1970 <= day.year <= 9000:
        raise ValueError(text)
    return datetime.combine(day, time(), zone)
