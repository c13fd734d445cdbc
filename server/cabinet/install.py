"""The page «Установка»: the codes to paste, the webhook's address, branches, settings of the scripts."""

from __future__ import annotations

import re
from functools import lru_cache
from uuid import UUID
from zoneinfo import available_timezones

from aiohttp import web
from babel.dates import get_timezone_location

from server.accounts import flow, store
from server.accounts.lookup import Known
from server.accounts.model import LoginSession, ScriptSettings
from server.cabinet import shown, words
from server.cabinet.frame import locale_of, private, render
from server.delivery import inbox
from server.keys import HANDLERS, LOOKUP, POOL, SEES_BRANCH, SETTINGS, VAULT
from server.leads import store as leads
from server.leads.store import LeadFilter
from server.marketplace import store as marketplace
from server.platform.clock import utc_now
from server.tracking import store as tracking
from server.tracking.store import VisitFilter

routes = web.RouteTableDef()
#: Zones offered in the list; any other IANA name may be typed.
ZONES = tuple(
    zone for zone in sorted(available_timezones()) if zone.split("/")[0] in ("Europe", "Asia", "America", "Africa")
)


#: What may stand after `?done=`; a text of `words` each.
DONE = ("saved", "branch_saved", "zone_saved", "branch_known")


class BadSettings(ValueError):
    """Settings that cannot be: `code` is a text of `words`, `detail` what was typed."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code, self.detail = code, detail


@lru_cache
def zone_cities(locale: str) -> dict[str, str]:
    """Zone → its city in this language: `Europe/Moscow` → «Москва»."""
    return {zone: get_timezone_location(zone, locale=locale, return_city=True) for zone in ZONES}


def _zone(typed: str) -> str:
    """A zone by its name or by its city in either language; what is neither stays as it was typed."""
    typed = typed.strip()
    for locale in ("ru", "en"):
        for zone, city in zone_cities(locale).items():
            if typed.casefold() in (city.casefold(), zone.casefold()):
                return zone
    return typed


@routes.get("/install")
@private
async def install_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    query, done = request.query, request.query.get("done", "")
    said = words.text(done, locale_of(session, known)) if done in DONE else ""
    return await _install(request, session, known, saved=said, typed={"company_id": query.get("branch", "")[:20]})


async def _install(
    request: web.Request,
    session: LoginSession,
    known: Known,
    *,
    status: int = 200,
    saved: str = "",
    error: str = "",
    typed: dict[str, str] | None = None,
) -> web.StreamResponse:
    """`typed`: what stands in the fields in place of what is saved."""
    locale, script = locale_of(session, known), known.account.script
    account_id, base_url = known.account.account_id, request.app[SETTINGS].base_url
    async with request.app[POOL].acquire() as conn:
        hooks = await flow.hook_urls(conn, request.app[VAULT], account_id, base_url)
        tokens = await store.hook_tokens(conn, account_id)
        visits = await tracking.visits(conn, account_id, VisitFilter(), before=None, limit=1)
        found = await leads.journal(conn, account_id, LeadFilter(level="L0"), before=None, limit=1)
    context = {
        "codes": flow.public_json(known.sites[0], known.branches, base_url), "hooks": hooks, "branches": known.branches,
        "error": error, "saved": saved, "zones": zone_cities(locale), "own_host": next(iter(script.form_hosts), None),
        "fields": {
            "company_id": "", "timezone": known.zone.key, "form_hosts": _lines(script.form_hosts),
            "excluded": _lines(script.excluded_referrers), "consent": script.consent, "gpc": script.gpc,
            "timeout": str(script.visit_timeout_s // 60), **(typed or {}),
        },
        "seen": {
            "first_visit": visits[0]["last_seen_at"] if visits else None,
            "first_webhook": max((row["last_used_at"] for row in tokens if row["vendor"] == "yclients" and row["last_used_at"]), default=None),
            "first_match": found[0]["created_at"] if found else None,
        },
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
            visit_timeout_s=60 * _minutes(str(form.get("timeout", ""))),
            excluded_referrers=_hosts(str(form.get("excluded", ""))),
        )
    except BadSettings as bad:
        message = words.text(bad.code, locale_of(session, known), detail=bad.detail)
        typed = {
            name: str(form[name])[:5000]
            for name in ("form_hosts", "excluded", "consent", "gpc", "timeout")
            if name in form
        }
        return await _install(request, session, known, status=422, error=message, typed=typed)
    async with request.app[POOL].acquire() as conn:
        await store.save_script_settings(conn, known.account.account_id, script)
    request.app[LOOKUP].forget()
    raise web.HTTPFound("/install?done=saved")


def _hosts(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_host(line) for line in re.split(r"[\s,;]+", text.strip())[:50] if line))


def _host(typed: str) -> str:
    """A name with a dot in it: one word alone is a mistake, but for this very machine."""
    try:
        host = flow.clean_domain(typed)
    except flow.BadAccount:
        raise BadSettings("bad_domain", typed[:80]) from None
    name = host.partition(":")[0]
    if "." not in name and name != "localhost":
        raise BadSettings("bad_domain", typed[:80])
    return host


def _lines(hosts: tuple[str, ...]) -> str:
    return "\n".join(shown.host(name) for name in hosts)


def _minutes(text: str) -> int:
    text = text.strip() or "30"
    if not re.fullmatch(r"[0-9]{1,4}", text, re.ASCII):
        raise BadSettings("bad_timeout", text[:20])
    return min(240, max(5, int(text)))


@routes.post("/install/branches")
@private
async def add_branch(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """A branch is added (or its time zone changed), and what waited in quarantine for it is worked on at once."""
    form = await request.post()
    text, zone = str(form.get("company_id", "")).strip(), _zone(str(form.get("timezone", "")))
    account_id = known.account.account_id
    before = {str(branch.company_id): branch.timezone for branch in known.branches}
    refused = "" if text in before else await _foreign(request, account_id, text)
    try:
        if not refused:
            async with request.app[POOL].acquire() as conn:
                company_id = await flow.add_branch(conn, account_id, text, zone)
    except flow.BadAccount:
        refused = "bad_branch"
    if refused:
        message = words.text(refused, locale_of(session, known))
        return await _install(
            request, session, known, status=422, error=message, typed={"company_id": text[:20], "timezone": zone[:80]}
        )
    request.app[LOOKUP].forget()
    async with request.app[POOL].acquire() as conn, conn.transaction():
        for item in await inbox.held_for_company(conn, account_id, company_id):
            await inbox.replay(conn, request.app[HANDLERS], account_id, item, now=utc_now())
    request.app[LOOKUP].forget()
    old = before.get(str(company_id))
    raise web.HTTPFound(
        f"/install?done={'branch_saved' if old is None else 'branch_known' if old == zone else 'zone_saved'}"
    )


async def _foreign(request: web.Request, account_id: UUID, text: str) -> str:
    """Why this number is not the account's to add, as a code of `words`; "" where nothing speaks against it."""
    company_id = int(text) if re.fullmatch(r"[1-9][0-9]{0,17}", text, re.ASCII) else 0
    if not company_id:
        return ""
    async with request.app[POOL].acquire() as conn:
        if await marketplace.linked_by_others(conn, account_id, company_id):
            return "branch_taken"
    return "branch_foreign" if await request.app[SEES_BRANCH](account_id, company_id) is False else ""
