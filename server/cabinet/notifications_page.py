"""The page «Уведомления UIS»: where they are to be sent, ready bodies, and a look whether they come."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from aiohttp import web

from server.accounts import flow
from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.cabinet.frame import private, render
from server.delivery import inbox
from server.keys import NOTIFICATION_BODIES, POOL, SETTINGS, VAULT
from server.platform.clock import utc_now

routes = web.RouteTableDef()
_SHOWN = 5
_SHOWN_OF_BODY = 20_000
#: How long nothing may come before the page says what to look at.
_LONG = timedelta(seconds=60)


@routes.get("/integrations/notifications")
@private
async def notifications_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    account_id = known.account.account_id
    async with request.app[POOL].acquire() as conn:
        hooks = await flow.hook_urls(conn, request.app[VAULT], account_id, request.app[SETTINGS].base_url)
    context = {
        "url": hooks["uis"], "bodies": request.app[NOTIFICATION_BODIES](known.account.hash_key),
        **await _arrived(request, known),
    }  # fmt: skip
    return await render(request, "integration_notifications.html", session, known, context)


@routes.get("/integrations/notifications/live")
@private
async def live(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """What has come since the test began, for the page that refreshes itself."""
    return await render(request, "_live_notifications.html", session, known, await _arrived(request, known))


@routes.post("/integrations/notifications/check")
@private
async def check(_: web.Request, __: LoginSession, ___: Known) -> web.StreamResponse:
    raise web.HTTPFound(f"/integrations/notifications?since={int(utc_now().timestamp())}#check")


async def _arrived(request: web.Request, known: Known) -> dict[str, Any]:
    """Notifications since the test began (none before it has), and when each event came last."""
    since, now = _moment(request.query.get("since", "")), utc_now()
    async with request.app[POOL].acquire() as conn:
        last = await inbox.last_of_notes(conn, known.account.account_id, "uis")
        came = await inbox.since(conn, known.account.account_id, "uis", since, limit=_SHOWN) if since else []
    return {
        "since": since, "long": since is not None and now - since > _LONG, "last": last,
        "came": [{**dict(row), "text": inbox.as_text(bytes(row["body"])[:_SHOWN_OF_BODY])} for row in came],
    }  # fmt: skip


def _moment(told: str) -> datetime | None:
    """The beginning of a test; one of another day is over."""
    now = utc_now()
    if not (told.isascii() and told.isdigit() and len(told) <= 11):
        return None
    at = datetime.fromtimestamp(int(told), now.tzinfo)
    return at if now - timedelta(days=1) < at <= now + timedelta(minutes=1) else None
