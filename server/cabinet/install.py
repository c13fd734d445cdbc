"""The page «Установка»: the codes to paste, the webhook's address, branches, settings of the scripts."""

from __future__ import annotations

from typing import Any
from zoneinfo import available_timezones

from aiohttp import web

from server.accounts import flow, store
from server.accounts.lookup import Known
from server.accounts.model import LoginSession, ScriptSettings
from server.cabinet import words
from server.cabinet.frame import locale_of, private, render
from server.delivery import inbox
from server.keys import HANDLERS, LOOKUP, POOL, SETTINGS, VAULT
from server.leads import store as leads
from server.leads.store import LeadFilter
from server.platform.clock import utc_now
from server.tracking import store as tracking
from server.tracking.store import VisitFilter

routes = web.RouteTableDef()
#: Zones offered in the list; any other IANA name may be typed.
ZONES = tuple(
    zone for zone in sorted(available_timezones()) if zone.split("/")[0] in ("Europe", "Asia", "America", "Africa")
)


@routes.get("/install")
@private
async def install_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    return await _install(request, session, known, new_branch=request.query.get("branch", "")[:20])


async def _install(
    request: web.Request, session: LoginSession, known: Known, *, status: int = 200, **said: Any
) -> web.StreamResponse:
    account_id, base_url = known.account.account_id, request.app[SETTINGS].base_url
    async with request.app[POOL].acquire() as conn:
        hooks = await flow.hook_urls(conn, request.app[VAULT], account_id, base_url)
        tokens = await store.hook_tokens(conn, account_id)
        visits = await tracking.visits(conn, account_id, VisitFilter(), before=None, limit=1)
        found = await leads.journal(conn, account_id, LeadFilter(level="L0"), before=None, limit=1)
    context = {
        "codes": flow.public_json(known.sites[0], known.branches, base_url), "hooks": hooks, "branches": known.branches,
        "script": known.account.script, "error": "", "saved": "", "new_branch": "", "zones": ZONES,
        "zone_of_new": known.zone.key,
        "seen": {
            "first_visit": visits[0]["last_seen_at"] if visits else None,
            "first_webhook": max((row["last_used_at"] for row in tokens if row["vendor"] == "yclients" and row["last_used_at"]), default=None),
            "first_match": found[0]["created_at"] if found else None,
        },
        **said,
    }  # fmt: skip
    response = await render(request, "install.html", session, known, context)
    response.set_status(status)
    return response


@routes.post("/install")
@private
async def save_install(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    form = await request.post()
    try:
        script = ScriptSettings(
            form_hosts=_hosts(str(form.get("form_hosts", ""))),
            consent="required" if form.get("consent") == "required" else "granted",
            gpc="ignore" if form.get("gpc") == "ignore" else "respect",
            visit_timeout_s=60 * min(240, max(5, int(str(form.get("timeout", "30")) or "30"))),
            excluded_referrers=_hosts(str(form.get("excluded", ""))),
        )
    except (flow.BadAccount, ValueError) as refusal:
        message = words.text("bad_install", locale_of(session, known), detail=str(refusal))
        return await _install(request, session, known, status=422, error=message)
    async with request.app[POOL].acquire() as conn:
        await store.save_script_settings(conn, known.account.account_id, script)
    return await _saved(request, session, known, "saved")


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(flow.clean_domain(line) for line in text.split()[:50]))


@routes.post("/install/branches")
@private
async def add_branch(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """A branch is added (or its time zone changed), and what waited in quarantine for it is worked on at once."""
    form = await request.post()
    text, zone = str(form.get("company_id", "")).strip(), str(form.get("timezone", "")).strip()
    account_id = known.account.account_id
    try:
        async with request.app[POOL].acquire() as conn:
            company_id = await flow.add_branch(conn, account_id, text, zone)
    except flow.BadAccount:
        message = words.text("bad_branch", locale_of(session, known))
        return await _install(request, session, known, status=422, error=message, new_branch=text[:20])
    request.app[LOOKUP].forget()
    async with request.app[POOL].acquire() as conn, conn.transaction():
        for item in await inbox.held_for_company(conn, account_id, company_id):
            await inbox.replay(conn, request.app[HANDLERS], account_id, item, now=utc_now())
    return await _saved(request, session, known, "branch_saved")


async def _saved(request: web.Request, session: LoginSession, known: Known, what: str) -> web.StreamResponse:
    request.app[LOOKUP].forget()
    fresh = await request.app[LOOKUP].known(known.account.account_id) or known
    return await _install(request, session, fresh, saved=words.text(what, locale_of(session, known)))
