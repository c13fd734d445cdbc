"""`/api/v1/deals`: the journal «Сделки»: each booking's deal, and what became of it on its way to UIS."""

from __future__ import annotations

from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from server.accounts.lookup import Known
from server.api.authorized import authorized
from server.api.deliveries import STATES
from server.deals import store
from server.deals.store import DealFilter
from server.keys import POOL
from server.leads.views import contact_json, local, money
from server.platform import paging
from server.platform.postgres import Row
from server.platform.web import Problem

routes = web.RouteTableDef()


@routes.get("/api/v1/deals")
@authorized
async def list_deals(request: web.Request, known: Known) -> web.Response:
    query, limit = request.query, paging.read_limit(request.query)
    state = query.get("state") or None
    if state and state not in STATES:
        raise Problem(400, "bad_state", f"state is one of: {', '.join(STATES)}.")
    wanted = DealFilter(
        since=paging.read_time(query, "since"), until=paging.read_time(query, "until"),
        search=paging.read_text(query, "q"), stage=paging.read_text(query, "stage"),
        company_id=paging.read_number(query, "company_id"), record_id=paging.read_number(query, "record_id"), state=state,
    )  # fmt: skip
    async with request.app[POOL].acquire() as conn:
        rows = await store.journal(
            conn, known.account.account_id, wanted, before=paging.read_uuid_cursor(query), limit=limit + 1
        )
    more, rows = len(rows) > limit, rows[:limit]
    cursor = paging.write_cursor(rows[-1]["created_at"], rows[-1]["deal_id"]) if more else None
    return web.json_response(paging.page([deal_json(row) for row in rows], cursor))


def deal_json(row: Row) -> dict[str, Any]:
    zone, facts, sent = ZoneInfo(row["timezone"]), row["facts"], row["sent"] or {}
    return {
        "id": str(row["deal_id"]),
        "key": facts["key"],
        "created_at": local(row["created_at"], zone),
        "updated_at": local(row["updated_at"], zone),
        "booking": {
            "id": str(row["booking_id"]), "company_id": row["company_id"], "record_id": row["record_id"],
            "online": bool(row["online"]), "starts_at": local(row["starts_at"], zone),
        },
        "title": row["title"],
        "funnel": {"key": row["funnel_key"], "name": row["funnel_name"]},
        "stage": {
            "key": row["stage_key"], "name": row["stage_name"], "kind": row["stage_kind"], "at": local(row["stage_at"], zone),
        },
        "stages": facts["stages"],
        "withheld": facts["withheld"],
        "sum": money(row["amount"]),
        "currency": row["currency"],
        "paid_share": facts["paid_share"],
        "contact": contact_json(row),
        "responsible": facts["responsible"],
        "fields": facts["fields"],
        "link": {
            "by": "lead" if sent.get("communication") else facts["link"], "communication_id": sent.get("communication"),
        },
        "delivery": {
            "state": row["delivery_state"], "uis_id": row["uis_id"], "attempts": row["delivery_attempts"],
            "last_error": row["last_error"], "next_attempt_at": local(row["next_attempt_at"], zone),
        },
    }  # fmt: skip
