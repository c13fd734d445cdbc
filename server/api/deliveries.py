"""`/api/v1/deliveries`: what is on its way to another system, with every attempt; once more for what failed."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from server.accounts.lookup import Known
from server.api.authorized import authorized, not_found
from server.bookings import store as bookings
from server.delivery import relay
from server.delivery.outbox import JOBS_TOPIC
from server.keys import BUS, POOL
from server.leads.views import local
from server.platform import paging
from server.platform.clock import utc_now
from server.platform.postgres import Row
from server.platform.web import Problem

routes = web.RouteTableDef()
KINDS = ("lead", "deal", "call", "client")
STATES = ("waiting", "delivered", "retrying", "failed", "held", "off")


@routes.get("/api/v1/deliveries")
@authorized
async def list_deliveries(request: web.Request, known: Known) -> web.Response:
    query, limit = request.query, paging.read_limit(request.query)
    account_id, zone = known.account.account_id, known.zone
    async with request.app[POOL].acquire() as conn:
        rows = await relay.deliveries(
            conn, account_id, kind=_choice(query.get("kind"), "kind", KINDS),
            state=_choice(query.get("state"), "state", STATES), before=paging.read_uuid_cursor(query), limit=limit + 1,
        )  # fmt: skip
        more, rows = len(rows) > limit, rows[:limit]
        attempts = await relay.attempts_of(conn, account_id, [row["delivery_id"] for row in rows])
        heads = await bookings.heads(conn, account_id, [row["subject_id"] for row in rows])
    cursor = paging.write_cursor(rows[-1]["created_at"], rows[-1]["delivery_id"]) if more else None
    shown = [
        delivery_json(row, attempts.get(row["delivery_id"], []), heads.get(row["subject_id"]), zone) for row in rows
    ]
    return web.json_response(paging.page(shown, cursor))


def _choice(value: str | None, name: str, known: tuple[str, ...]) -> str | None:
    if value and value not in known:
        raise Problem(400, f"bad_{name}", f"{name} is one of: {', '.join(known)}.")
    return value or None


def delivery_json(row: Row, attempts: list[Row], booking: Row | None, zone: ZoneInfo) -> dict[str, Any]:
    return {
        "id": str(row["delivery_id"]),
        "kind": row["kind"],
        "subject_id": str(row["subject_id"]),
        "booking_id": str(row["subject_id"]) if row["kind"] in ("lead", "deal") else None,
        "company_id": booking["company_id"] if booking else None,
        "record_id": booking["record_id"] if booking else None,
        "state": row["state"],
        "code": row["code"] or None,
        "uis_id": row["vendor_id"],
        "attempts": row["attempts"],
        "last_error": row["error"],
        "next_attempt_at": local(row["next_attempt_at"], zone),
        "delivered_at": local(row["sent_at"], zone),
        "created_at": local(row["created_at"], zone),
        "history": [
            {
                "at": local(item["at"], zone), "outcome": item["outcome"], "code": item["code"] or None,
                "detail": item["detail"] or None,
            }
            for item in attempts
        ],
    }  # fmt: skip


@routes.post("/api/v1/deliveries/{id}/replay")
@authorized
async def replay(request: web.Request, known: Known) -> web.Response:
    """One more round for a delivery that failed. What may have arrived is looked up first: nothing is doubled."""
    delivery_id = paging.read_uuid(request.match_info["id"])
    async with request.app[POOL].acquire() as conn, conn.transaction():
        kind = await relay.replay(conn, known.account.account_id, delivery_id, now=utc_now())
    if kind is None:
        raise not_found()
    await request.app[BUS].publish(JOBS_TOPIC)
    return web.json_response({"state": "waiting", "kind": kind})
