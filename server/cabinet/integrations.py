"""The page «Передача заявок»: the first of the help page's integrations, with its words and in its order."""

from __future__ import annotations

import contextlib
import re
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from server.accounts import flow, store
from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.cabinet import standing, words
from server.cabinet.frame import locale_of, private, render
from server.delivery import relay
from server.delivery.outbox import JOBS_TOPIC
from server.keys import BUS, DIRECTORY, LOOKUP, POOL, PROVE_UIS, SETTINGS, VAULT
from server.leads import store as leads
from server.leads.directory import UNAVAILABLE, Directory, DirectoryAway
from server.leads.settings import LeadsIntegration, Target, UtmSessions, read_settings
from server.platform.clock import utc_now
from server.platform.notes import both, spoken

routes = web.RouteTableDef()
#: What may stand after `?done=`; a text of `words` each.
DONE = ("uis_connected", "uis_checked")


@routes.get("/integrations")
@private
async def integrations(_: web.Request, __: LoginSession, ___: Known) -> web.StreamResponse:
    raise web.HTTPFound("/integrations/leads")


@routes.get("/integrations/leads")
@private
async def leads_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    done = request.query.get("done", "")
    return await _leads(request, session, known, done=done if done in DONE else "")


async def _leads(
    request: web.Request, session: LoginSession, known: Known, *, status: int = 200, **said: Any
) -> web.StreamResponse:
    account_id, base_url, locale = known.account.account_id, request.app[SETTINGS].base_url, locale_of(session, known)
    directory, trouble = await _directory(request, known, locale)
    async with request.app[POOL].acquire() as conn:
        settings = said.pop("settings", None) or read_settings(
            await store.integration_settings(conn, account_id, "leads")
        )
        connection = await store.connection_row(conn, account_id, "uis")
        hooks = await flow.hook_urls(conn, request.app[VAULT], account_id, base_url)
        held = await relay.why_held(conn, account_id, "lead") if settings.enabled else ""
        stands = await standing.of_leads(conn, account_id, enabled=await standing.is_on(conn, account_id, "leads"))
        refused = settings.utm_sessions.enabled and await leads.session_refused(conn, account_id)
    trouble = trouble or held
    if connection is not None and connection["state"] == "refused":
        trouble = connection["state_note"]
    done = said.pop("done", "")
    context = {
        "settings": settings, "directory": directory, "trouble": spoken(trouble, locale), "connection": connection, "hooks": hooks,
        "codes": flow.public_json(known.sites[0], known.branches, base_url), "standing_now": stands,
        "sessions_refused": words.text("utm_sessions_refused", locale) if refused else "",
        "error": "", "saved": "", "done": words.text(done, locale) if done else "", **said,
    }  # fmt: skip
    response = await render(request, "integration_leads.html", session, known, context)
    response.set_status(status)
    return response


async def _directory(request: web.Request, known: Known, locale: str) -> tuple[Directory, str]:
    """The lists to choose from, and why they are empty if they are."""
    try:
        return await request.app[DIRECTORY](known.account.account_id, False), ""
    except DirectoryAway as away:
        return Directory(), away.sentence[1 if locale == "en" else 0]


@routes.post("/integrations/leads")
@private
async def save_leads(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    form, account_id, now = await request.post(), known.account.account_id, utc_now()
    locale = locale_of(session, known)
    try:
        wanted = LeadsIntegration.model_validate(
            {
                "enabled": form.get("enabled") == "1", "correct": form.get("correct") == "1",
                "default": _target(form, "default"), "mobile_app": _target(form, "app"),
                "utm_sessions": {"enabled": form.get("utm_sessions") == "1", "site_id": form.get("utm_site_id") or None},
            }
        )  # fmt: skip
    except ValidationError as refusal:
        lacks_site = any("their site" in item["msg"] or "its site" in item["msg"] for item in refusal.errors())
        message = words.text("leads_lack_site" if lacks_site else "leads_incomplete", locale)
        return await _leads(request, session, known, status=422, error=message, settings=_typed(form))
    async with request.app[POOL].acquire() as conn, conn.transaction():
        await store.save_integration(conn, account_id, "leads", wanted.model_dump(mode="json"), now=now)
        await (
            relay.release(conn, account_id, "lead", now=now)
            if wanted.enabled
            else relay.hold_all(conn, account_id, "lead", "integration_off", "", now=now)
        )
    await request.app[BUS].publish(JOBS_TOPIC)
    return await _leads(request, session, known, saved=words.text("leads_saved", locale))


def _typed(form: Any) -> LeadsIntegration:
    """What was chosen, as it was chosen, to be shown again beside what is wrong with it."""

    def target(name: str) -> Target:
        fields = {key: _number(value) for key, value in _target(form, name).items() if key != "entity"}
        return Target.model_construct(
            **{
                "campaign_id": None,
                "source_id": None,
                "site_id": None,
                "entity": _target(form, name)["entity"],
                **fields,
            }
        )

    return LeadsIntegration.model_construct(
        enabled=form.get("enabled") == "1",
        correct=form.get("correct") == "1",
        default=target("default"),
        mobile_app=target("app"),
        utm_sessions=UtmSessions.model_construct(
            enabled=form.get("utm_sessions") == "1", site_id=_number(form.get("utm_site_id"))
        ),
    )


def _number(value: Any) -> int | None:
    return int(value) if value and re.fullmatch("-?[0-9]{1,18}", str(value)) else None


def _target(form: Any, name: str) -> dict[str, Any]:
    """A campaign, or a source and a site, as the form names them; what is not chosen is none."""
    entity = "campaign" if form.get(f"{name}_entity") == "campaign" else "source"
    chosen = {
        key: str(form.get(f"{name}_{key}") or "").strip() or None for key in ("campaign_id", "source_id", "site_id")
    }
    kept = ("campaign_id",) if entity == "campaign" else ("source_id", "site_id")
    return {"entity": entity, **{key: chosen[key] for key in kept}}


# --- the connection


@routes.post("/integrations/uis")
@private
async def connect_uis(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """Keeps the key and proves it at once; a wrong one is told on the spot."""
    form = await request.post()
    secret = {name: str(form.get(name) or "").strip() for name in ("access_token", "login", "password")}
    secret = {name: value for name, value in secret.items() if value}
    if not secret.get("access_token") and not (secret.get("login") and secret.get("password")):
        message = words.text("uis_nothing", locale_of(session, known))
        return await _leads(request, session, known, status=422, error=message)
    # Proved before it is kept: a mistyped key must not replace one that works.
    try:
        await request.app[PROVE_UIS](known.account.account_id, secret)
    except DirectoryAway as away:
        return await _not_proved(request, session, known, secret, away)
    async with request.app[POOL].acquire() as conn, conn.transaction():
        await flow.connect(conn, request.app[VAULT], known.account.account_id, "uis", "cabinet", secret)
        await relay.release_all(conn, known.account.account_id, "uis", now=utc_now())
    return await _connected(request, known, "uis_connected")


async def _not_proved(
    request: web.Request, session: LoginSession, known: Known, secret: dict[str, str], away: DirectoryAway
) -> web.StreamResponse:
    """Says why. Where nothing worked before, a refused key is kept: what is to be mended may be in UIS, not in the key."""
    account_id, locale = known.account.account_id, locale_of(session, known)
    async with request.app[POOL].acquire() as conn:
        connection = await store.connection_row(conn, account_id, "uis")
        if away.code != UNAVAILABLE and (connection is None or connection["state"] != "active"):
            await flow.connect(
                conn,
                request.app[VAULT],
                account_id,
                "uis",
                "cabinet",
                secret,
                state="refused",
                note=both(*away.sentence),
            )
    return await _leads(request, session, known, status=422, error=away.sentence[1 if locale == "en" else 0])


@routes.post("/integrations/uis/check")
@private
async def check_uis(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """After something was mended in UIS: asks again, and lets go what was held."""
    refused = await prove_and_release(request, known)
    if refused is not None:
        error = refused.sentence[1 if locale_of(session, known) == "en" else 0]
        return await _leads(request, session, known, status=422, error=error)
    return await _connected(request, known, "uis_checked")


async def prove_and_release(request: web.Request, known: Known) -> DirectoryAway | None:
    """Asks UIS whether it lets us in, keeps what it says, and lets go what was held if it does."""
    account_id, tried_at = known.account.account_id, utc_now()
    async with request.app[POOL].acquire() as conn:
        connection = await store.connection_row(conn, account_id, "uis")
        if connection is None:
            raise web.HTTPFound("/integrations/leads")
        secret = await flow.credentials(conn, request.app[VAULT], account_id, "uis", state=connection["state"])
    try:
        await request.app[PROVE_UIS](account_id, secret or {})
    except DirectoryAway as away:
        if away.code != UNAVAILABLE:  # no answer says nothing about the key
            async with request.app[POOL].acquire() as conn:
                await store.refuse_connection(conn, account_id, "uis", both(*away.sentence), tried_at=tried_at)
        return away
    async with request.app[POOL].acquire() as conn, conn.transaction():
        await store.mark_connection(conn, account_id, "uis", "active", "")
        await relay.release_all(conn, account_id, "uis", now=utc_now())
    await request.app[BUS].publish(JOBS_TOPIC)
    return None


async def _connected(request: web.Request, known: Known, done: str) -> web.StreamResponse:
    """The lists are those of the account that is connected now; what was held goes."""
    request.app[LOOKUP].forget()
    with contextlib.suppress(DirectoryAway):  # the page says it
        await request.app[DIRECTORY](known.account.account_id, True)
    await request.app[BUS].publish(JOBS_TOPIC)
    raise web.HTTPFound(f"/integrations/leads?done={done}")
