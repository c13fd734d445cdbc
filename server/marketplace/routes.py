"""HTTP of the vendor's lifecycle events: `uninstall`, `freeze`."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from aiohttp import web

from server.delivery.routes import INBOX_TOPIC
from server.delivery.spool import Spooled, SpoolFull
from server.keys import BUS, INBOX, POOL, READ_EVENT
from server.marketplace import store
from server.marketplace.flow import DOOR
from server.platform import metrics
from server.platform.clock import utc_now
from server.platform.ids import new_id
from server.platform.postgres import DATABASE_AWAY
from server.platform.web import Problem, read_body, unavailable

routes = web.RouteTableDef()
_BODY_LIMIT = 64 * 1024


@routes.post("/hooks/yclients-app")
async def receive(request: web.Request) -> web.Response:
    """200 once the event is durable. Whoever does not carry the partner token, or names a branch that never joined,
    finds nothing here. The token itself is not kept."""
    body = await read_body(request, _BODY_LIMIT)
    event = request.app[READ_EVENT](body) if body is not None else None
    if event is None:
        raise _not_found()
    account_id = await _account(request, event.company_id)
    # Without the database the branch stands in place of a token: it names the account as well.
    item = Spooled(
        new_id(), utc_now(), DOOR, event.company_id.to_bytes(32), "application/json", event.body, len(event.body)
    )
    try:
        if account_id is None:
            await request.app[INBOX].accept_without_database(item)
        else:
            await request.app[INBOX].accept(item, account_id)
    except SpoolFull:
        metrics.WEBHOOKS.labels(DOOR, "refused_full").inc()
        raise unavailable(30) from None
    metrics.WEBHOOKS.labels(DOOR, "accepted").inc()
    await request.app[BUS].publish(INBOX_TOPIC)
    return web.json_response({"status": "accepted", "id": str(item.inbox_id)})


async def _account(request: web.Request, company_id: int) -> UUID | None:
    """Whose branch it is; None when the database cannot say."""
    try:
        async with request.app[POOL].acquire(timeout=2) as conn:
            account_id = await store.account_of_company(conn, company_id)
    except (*DATABASE_AWAY, asyncpg.PostgresError):
        return None
    if account_id is None:
        raise _not_found()
    return account_id


def _not_found() -> Problem:
    return Problem(404, "not_found", "There is nothing at this address.")
