"""`/api/v1/notices`: what the owner was told of outages, newest first."""

from __future__ import annotations

from aiohttp import web

from server.accounts.lookup import Known
from server.api.authorized import authorized
from server.delivery import notices
from server.keys import POOL
from server.leads.views import local
from server.platform import paging

routes = web.RouteTableDef()


@routes.get("/api/v1/notices")
@authorized
async def list_notices(request: web.Request, known: Known) -> web.Response:
    limit = paging.read_limit(request.query)
    async with request.app[POOL].acquire() as conn:
        rows = await notices.notices(
            conn, known.account.account_id, before=paging.read_uuid_cursor(request.query), limit=limit + 1
        )
    more, rows = len(rows) > limit, rows[:limit]
    cursor = paging.write_cursor(rows[-1]["at"], rows[-1]["notice_id"]) if more else None
    told = [
        {
            "id": str(row["notice_id"]), "sort": row["sort"], "topic": row["topic"], "at": local(row["at"], known.zone),
            "code": row["code"], "detail": row["detail"],
        }
        for row in rows
    ]  # fmt: skip
    return web.json_response(paging.page(told, cursor))
