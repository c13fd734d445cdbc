"""The page «YCLIENTS»: authorisation (with the code of a two-factor login), what webhooks missed, past months."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

from aiohttp import web

from server.accounts import flow, store
from server.accounts.authorize import AuthorizeRefused, CodeWanted
from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.bookings import backfill
from server.bookings import catching_up_store as catching_up
from server.cabinet import words
from server.cabinet.frame import locale_of, private, render
from server.delivery import notices, relay
from server.delivery.outbox import JOBS_TOPIC
from server.keys import AUTHORIZE, BUS, LOOKUP, POOL, VAULT
from server.marketplace import store as marketplace
from server.platform import paging
from server.platform.clock import utc_now
from server.platform.web import Problem

routes = web.RouteTableDef()
#: What may stand after `?done=`; a text of `words` each.
DONE = ("yclients_connected", "backfill_started", "backfill_changed", "app_asked", "app_looking")
MONTHS = (1, 3, 6, 12)
_ACTS = {"pause": "paused", "resume": "running", "cancel": "cancelled"}


@routes.get("/integrations/yclients")
@private
async def yclients_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    done = request.query.get("done", "")
    return await _page(request, session, known, done=done if done in DONE else "")


@routes.get("/integrations/yclients/live")
@private
async def live(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """The progress alone, for the page that refreshes itself."""
    return await render(request, "_live_catching_up.html", session, known, await _catching_up(request, known))


async def _catching_up(request: web.Request, known: Known) -> dict[str, Any]:
    async with request.app[POOL].acquire() as conn:
        looks = await catching_up.reconcile_rows(conn, known.account.account_id)
        fills = await catching_up.backfills(conn, known.account.account_id, limit=5)
        app_links = await marketplace.links(conn, known.account.account_id)
        readable = await store.readable_branches(conn, known.account.account_id)
    return {
        "app_links": app_links,
        "readable": readable,
        "looks": looks,
        "fills": fills,
        "open": next((one for one in fills if one.state in ("running", "paused")), None),
    }


async def _page(
    request: web.Request, session: LoginSession, known: Known, *, status: int = 200, done: str = "", error: str = ""
) -> web.StreamResponse:
    locale = locale_of(session, known)
    async with request.app[POOL].acquire() as conn:
        connection = await store.connection_row(conn, known.account.account_id, "yclients")
        waiting = await store.waiting_login(conn, known.account.account_id, "yclients", now=utc_now())
    context = {
        "connection": connection, "waiting": waiting, "months": MONTHS, "error": error, "done": words.text(done, locale) if done else "",
        **await _catching_up(request, known),
    }  # fmt: skip
    response = await render(request, "integration_yclients.html", session, known, context)
    response.set_status(status)
    return response


# --- «Авторизация в Yclients»


@routes.post("/integrations/yclients")
@private
async def connect(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    form = await request.post()
    name, login = str(form.get("name", "")).strip()[:100] or "YCLIENTS", str(form.get("login", "")).strip()[:200]
    return await _enter(request, session, known, name=name, login=login, password=str(form.get("password", ""))[:300])


@routes.post("/integrations/yclients/code")
@private
async def enter_code(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """The code of a two-factor login; what was typed before waits sealed, beside a connection that goes on working."""
    form = await request.post()
    async with request.app[POOL].acquire() as conn:
        kept = await flow.waiting_login(conn, request.app[VAULT], known.account.account_id, "yclients", now=utc_now())
    if kept is None:
        raise Problem(404, "not_found", "No code is waited for.")
    return await _enter(
        request, session, known, name=kept["name"], login=kept["login"], password=kept["password"], uuid=kept["uuid"],
        code=str(form.get("code", "")).strip()[:20],
    )  # fmt: skip


async def _enter(
    request: web.Request,
    session: LoginSession,
    known: Known,
    *,
    name: str,
    login: str,
    password: str,
    uuid: str = "",
    code: str = "",
) -> web.StreamResponse:
    account_id, locale = known.account.account_id, locale_of(session, known)
    if not login or not password:
        return await _page(request, session, known, status=422, error=words.text("yc_nothing", locale))
    try:
        answer = await request.app[AUTHORIZE](str(account_id), login, password, uuid, code)
    except AuthorizeRefused as refused:
        return await _page(request, session, known, status=422, error=words.text(f"yc_{refused.code}", locale))
    if isinstance(answer, CodeWanted):
        # The password is kept only until the code comes; afterwards the token alone.
        typed = {"name": name, "login": login, "password": password, "uuid": answer.uuid}
        async with request.app[POOL].acquire() as conn:
            await flow.keep_login(
                conn, request.app[VAULT], account_id, "yclients", typed, recipient=answer.recipient, now=utc_now()
            )
        raise web.HTTPFound("/integrations/yclients")
    secret = {"user_token": answer.user_token, "login": login}
    async with request.app[POOL].acquire() as conn, conn.transaction():
        await flow.connect(conn, request.app[VAULT], account_id, "yclients", name, secret)
        await store.forget_login(conn, account_id, "yclients")
        await relay.release_all(conn, account_id, "yclients", now=utc_now())
        await notices.recovered(conn, account_id, "yclients", now=utc_now())
    request.app[LOOKUP].forget()
    await request.app[BUS].publish(JOBS_TOPIC)
    raise web.HTTPFound("/integrations/yclients?done=yclients_connected")


# --- past months


@routes.post("/integrations/yclients/backfill")
@private
async def start_backfill(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    form = await request.post()
    months = int(text) if re.fullmatch("[0-9]{1,2}", text := str(form.get("months", ""))) else 0
    locale = locale_of(session, known)
    if not 1 <= months <= backfill.MONTHS_MOST:
        return await _page(request, session, known, status=422, error=words.text("bad_months", locale))
    now = utc_now()
    try:
        async with request.app[POOL].acquire() as conn:
            await backfill.start(
                conn,
                known.account.account_id,
                backfill.worth_reading(known.branches, known.readable),
                since=now - timedelta(days=31 * months),
                now=now,
            )
    except backfill.AlreadyRunning:
        return await _page(request, session, known, status=409, error=words.text("backfill_running", locale))
    raise web.HTTPFound("/integrations/yclients?done=backfill_started#backfill")


@routes.post("/integrations/yclients/backfill/{id}/{act:pause|resume|cancel}")
@private
async def change_backfill(request: web.Request, _: LoginSession, known: Known) -> web.StreamResponse:
    backfill_id, state = paging.read_uuid(request.match_info["id"]), _ACTS[request.match_info["act"]]
    async with request.app[POOL].acquire() as conn:
        done = await catching_up.set_state(conn, known.account.account_id, backfill_id, state, now=utc_now())
    if not done:
        raise Problem(404, "not_found", "There is no such backfill that goes on.")
    raise web.HTTPFound("/integrations/yclients?done=backfill_changed#backfill")
