"""The page «Передача сделок», with the words and the order of the help page, and the journal «Сделки»."""

from __future__ import annotations

from typing import Any

from aiohttp import web
from multidict import MultiDictProxy
from pydantic import ValidationError

from server.accounts import flow, store
from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.bookings.model import BookingStatus
from server.cabinet import standing, words
from server.cabinet.frame import PAGE, locale_of, private, render
from server.cabinet.integrations import prove_and_release
from server.deals import store as deals
from server.deals.settings import FIELD_WORDS, DealsIntegration, FunnelSettings, read_settings
from server.deals.store import DealFilter
from server.deals.titles import PLACEHOLDERS
from server.delivery import relay
from server.delivery.outbox import JOBS_TOPIC
from server.keys import BUS, POOL, SETTINGS, VAULT
from server.platform import paging
from server.platform.clock import utc_now
from server.platform.notes import spoken

routes = web.RouteTableDef()
#: What may stand after `?done=`; a text of `words` each.
DONE = ("deals_saved", "deals_released")
STATES = ("waiting", "retrying", "held", "failed", "delivered")
Form = MultiDictProxy[str | bytes | bytearray | web.FileField]


@routes.get("/integrations/deals")
@private
async def deals_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    done = request.query.get("done", "")
    return await _page(request, session, known, done=done if done in DONE else "")


async def _page(
    request: web.Request,
    session: LoginSession,
    known: Known,
    *,
    status: int = 200,
    done: str = "",
    error: str = "",
) -> web.StreamResponse:
    account_id, locale = known.account.account_id, locale_of(session, known)
    async with request.app[POOL].acquire() as conn:
        settings = read_settings(await store.integration_settings(conn, account_id, "deals"))
        uis = await store.connection_row(conn, account_id, "uis")
        yclients = await store.connection_row(conn, account_id, "yclients")
        hooks = await flow.hook_urls(conn, request.app[VAULT], account_id, request.app[SETTINGS].base_url)
        stands = await standing.of_deals(conn, account_id, enabled=settings.enabled)
        trouble = await relay.why_held(conn, account_id, "deal") if settings.enabled else ""
    if uis is not None and uis["state"] == "refused":
        trouble = uis["state_note"]
    context = {
        "settings": settings, "uis": uis, "yclients": yclients, "hooks": hooks, "standing_now": stands,
        "trouble": spoken(trouble, locale), "error": error, "done": words.text(done, locale) if done else "",
        "stages": [*settings.funnel.in_process, settings.funnel.success, settings.funnel.failed],
        "statuses": [status.value for status in BookingStatus], "placeholders": sorted(PLACEHOLDERS),
        "fields": FIELD_WORDS["en" if locale == "en" else "ru"],
    }  # fmt: skip
    response = await render(request, "integration_deals.html", session, known, context)
    response.set_status(status)
    return response


@routes.post("/integrations/deals")
@private
async def save_deals(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    form, account_id, now = await request.post(), known.account.account_id, utc_now()
    locale = locale_of(session, known)
    async with request.app[POOL].acquire() as conn, conn.transaction():
        stored = read_settings(await store.integration_settings(conn, account_id, "deals"))
        try:
            wanted = DealsIntegration.model_validate(_told(form, stored))
        except ValidationError as error:
            return await _page(request, session, known, status=422, error=_refusal(error, locale))
        await store.save_integration(conn, account_id, "deals", wanted.model_dump(mode="json"), now=now)
        await (
            relay.release(conn, account_id, "deal", now=now)
            if wanted.enabled
            else relay.hold_all(conn, account_id, "deal", "integration_off", "", now=now)
        )
    await request.app[BUS].publish(JOBS_TOPIC)
    raise web.HTTPFound("/integrations/deals?done=deals_saved")


@routes.post("/integrations/deals/release")
@private
async def release_deals(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """After something was mended in UIS: asks UIS whether it lets us in, and tries what was held again."""
    refused = await prove_and_release(request, known)
    if refused is not None:
        error = refused.sentence[1 if locale_of(session, known) == "en" else 0]
        return await _page(request, session, known, status=422, error=error)
    raise web.HTTPFound("/integrations/deals?done=deals_released")


# --- reading the form


def _told(form: Form, stored: DealsIntegration) -> dict[str, Any]:
    """What the form says over what is stored: tables that only the API can change stay as they are."""
    settings = stored.model_dump(mode="json")
    return {
        **settings,
        "enabled": form.get("enabled") == "1",
        "funnels": "per_branch" if form.get("funnels") == "per_branch" else "one",
        "funnel": _told_funnel(form, stored.funnel),
        "title": _text(form, "title"),
        "responsible": {
            **settings["responsible"], "by": "creator" if form.get("responsible_by") == "creator" else "staff",
            "fallback": _fallback(form, stored),
        },
        "fields": {
            **{name: form.get(f"field_{name}") == "1" for name in FIELD_WORDS["ru"]},
            "custom": _custom(form),
        },
    }  # fmt: skip


def _told_funnel(form: Form, stored: FunnelSettings) -> dict[str, Any]:
    """Names by their stages' keys, in the order of the page; one without a name is left out, a new one gets a key."""
    way = [{"key": one.key, "name": _text(form, f"stage_{one.key}")} for one in stored.in_process]
    if new := _text(form, "new_stage"):
        used = {one.key for one in (*stored.in_process, stored.success, stored.failed)}
        way.append(
            {"key": next(key for number in range(1, 1000) if (key := f"stage_{number}") not in used), "name": new}
        )
    ends = {
        name: {"key": one.key, "name": _text(form, f"stage_{one.key}")}
        for name, one in (("success", stored.success), ("failed", stored.failed))
    }
    stage_of = {
        status.value: _text(form, f"of_{status.value}") or getattr(stored.stage_of, status.value) for status in BookingStatus
    }  # fmt: skip
    named = [one for one in way if one["name"]]
    return {"key": stored.key, "name": _text(form, "funnel_name"), "in_process": named, **ends, "stage_of": stage_of}


def _fallback(form: Form, stored: DealsIntegration) -> dict[str, Any] | None:
    name = _text(form, "fallback")
    if not name:
        return None
    known = stored.responsible.fallback
    return {"name": name, **({"key": known.key} if known else {})}


def _custom(form: Form) -> list[dict[str, str]]:
    codes, names = form.getall("custom_code", []), form.getall("custom_name", [])
    rows = [{"code": str(code).strip(), "name": str(name).strip()} for code, name in zip(codes, names, strict=False)]
    return [row for row in rows if row["code"] or row["name"]]


def _text(form: Form, name: str) -> str:
    return str(form.get(name) or "").strip()


def _refusal(error: ValidationError, locale: str) -> str:
    """One sentence for the first thing that is wrong."""
    first = error.errors()[0]
    place = str(first["loc"][0]) if first["loc"] else ""
    code = {"title": "deals_bad_title", "funnel": "deals_bad_funnel", "fields": "deals_bad_fields"}.get(
        place, "deals_bad"
    )
    return words.text(code, locale)


# --- the journal


@routes.get("/deals")
@private
async def journal(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    query, account_id = request.query, known.account.account_id
    state = query.get("state", "")
    wanted = DealFilter(
        search=paging.read_text(query, "q"), stage=paging.read_text(query, "stage"),
        state=state if state in (*STATES, "off") else None,
    )  # fmt: skip
    async with request.app[POOL].acquire() as conn:
        rows = await deals.journal(conn, account_id, wanted, before=paging.read_uuid_cursor(query), limit=PAGE + 1)
        stages = await deals.stages(conn, account_id)
    cursor = paging.write_cursor(rows[PAGE - 1]["created_at"], rows[PAGE - 1]["deal_id"]) if len(rows) > PAGE else None
    context = {
        "rows": rows[:PAGE], "cursor": cursor, "query": query, "stages": stages, "states": STATES,
        "narrowed": any(query.get(name) for name in ("q", "stage", "state", "cursor")),
    }  # fmt: skip
    return await render(request, "deals.html", session, known, context)
