"""HTTP of the webhooks: durable first, everything else later."""

from __future__ import annotations

from uuid import UUID

import asyncpg
from aiohttp import web

from server.delivery.inbox import BODY_LIMIT, KEPT_OF_OVERSIZED
from server.delivery.spool import Spooled, SpoolFull
from server.keys import BUS, INBOX, LOOKUP
from server.platform import metrics
from server.platform.clock import utc_now
from server.platform.ids import digest, new_id
from server.platform.postgres import DATABASE_AWAY
from server.platform.web import Problem, unavailable

routes = web.RouteTableDef()
INBOX_TOPIC = "inbox"
_READ_LIMIT = 16 * 1024 * 1024  # bytes of an oversized body that are read (and mostly dropped) before giving up
_NOT_FOUND = Problem(404, "not_found", "There is nothing at this address.")


@routes.get("/hooks/{vendor:yclients|uis}/{token}")
async def probe(request: web.Request) -> web.Response:
    """The vendor's cabinet looks at the address before it saves it. UIS may deliver this way, too: by the query."""
    account_id = await _known_token(request)
    if request.match_info["vendor"] == "uis" and request.query_string:
        body = request.rel_url.raw_query_string.encode()
        return await _keep(request, account_id, body, len(body), "application/x-www-form-urlencoded")
    return web.json_response({"status": "ready"})


@routes.post("/hooks/{vendor:yclients|uis}/{token}")
async def receive(request: web.Request) -> web.Response:
    """200 once the raw body is durable: there is no second attempt, so a body we cannot read is kept as well."""
    account_id = await _known_token(request)
    body, size = await _read(request)
    response = await _keep(request, account_id, body, size, request.content_type)
    if request.content.exception() is not None:
        response.force_close()  # where the next request begins, nobody knows
    return response


async def _keep(
    request: web.Request, account_id: UUID | None, body: bytes, size: int, content_type: str
) -> web.Response:
    vendor, token = request.match_info["vendor"], request.match_info["token"]
    item = Spooled(new_id(), utc_now(), vendor, digest(token), content_type, body, size)
    try:
        if account_id is None:
            await request.app[INBOX].accept_without_database(item)
        else:
            await request.app[INBOX].accept(item, account_id)
    except SpoolFull:
        metrics.WEBHOOKS.labels(vendor, "refused_full").inc()
        raise unavailable(30) from None
    metrics.WEBHOOKS.labels(vendor, "accepted").inc()
    await request.app[BUS].publish(INBOX_TOPIC)
    return web.json_response({"status": "accepted", "id": str(item.inbox_id)})


async def _known_token(request: web.Request) -> UUID | None:
    """The account of the token; None when the database cannot say and the token was not seen before."""
    vendor, token = request.match_info["vendor"], request.match_info["token"]
    try:
        account_id = await request.app[LOOKUP].account_of_hook(vendor, token, utc_now())
    except (*DATABASE_AWAY, asyncpg.PostgresError):
        return None
    if account_id is None:
        raise _NOT_FOUND
    return account_id


async def _read(request: web.Request) -> tuple[bytes, int]:
    """The body and its size; of an oversized one the beginning. The whole is read, or the sender would see a reset.

    Of one that is not encoded as it says what could be read: it is kept as well, and shown as what cannot be used.
    """
    chunks: list[bytes] = []
    size = 0
    try:
        async for chunk in request.content.iter_chunked(65536):
            if size <= BODY_LIMIT:
                chunks.append(chunk)
            size += len(chunk)
            if size > _READ_LIMIT:
                request.protocol.force_close()
                break
    except web.RequestPayloadError:
        request.content.feed_eof()  # the rest is passed over
    body = b"".join(chunks)
    return (body, size) if size <= BODY_LIMIT else (body[:KEPT_OF_OVERSIZED], size)
