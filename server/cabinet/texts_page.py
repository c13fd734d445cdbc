"""The page «Подключение текстовых коммуникаций», with the words and in the order of the help page."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from aiohttp import web
from pydantic import ValidationError

from server.accounts import store
from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.cabinet import choosing, standing, words
from server.cabinet.choosing import Form
from server.cabinet.frame import locale_of, private, render
from server.chats import flow as chats
from server.chats import store as chat_store
from server.chats.settings import CHAT_TYPES, FORM_TYPES, ClientOn, TextsIntegration, read_settings
from server.clients.settings import PLACEHOLDERS
from server.delivery.outbox import JOBS_TOPIC
from server.keys import BUS, POOL
from server.platform.clock import utc_now

routes = web.RouteTableDef()
#: What may stand after `?done=`; a text of `words` each.
DONE = ("tx_saved", "lists_renewed", "tx_asked")
#: How many days back past chats and forms may be asked for.
PAST_DAYS = (1, 7, 30, 60)
EVENTS: tuple[ClientOn, ...] = ("start", "end", "tag")
_TYPES = {"forms": FORM_TYPES, "chats": CHAT_TYPES}


@routes.get("/integrations/texts")
@private
async def texts_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
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
    typed: dict[str, Any] | None = None,
) -> web.StreamResponse:
    """`typed`: what a form said, shown again beside what is wrong with it."""
    account_id, locale = known.account.account_id, locale_of(session, known)
    directory, away = await choosing.directory_of(request, known, locale)
    async with request.app[POOL].acquire() as conn:
        settings = typed or read_settings(await store.integration_settings(conn, account_id, "texts")).model_dump(
            mode="json"
        )
        connection = await store.connection_row(conn, account_id, "yclients")
        stands = await standing.of_texts(conn, account_id, enabled=await standing.is_on(conn, account_id, "texts"))
        watch = await chat_store.watch_of(conn, account_id)
    parts = {
        name: {
            **settings[name],
            "rows": choosing.site_rows(directory.sites, settings[name]["branches"]),
            "sites": choosing.options(directory.sites, settings[name]["filter"]["sites"]),
            "types": [
                {"value": kind, "shown": kind, "on": kind in settings[name]["filter"]["types"]}
                for kind in dict.fromkeys((*kinds, *settings[name]["filter"]["types"]))
            ],
        }
        for name, kinds in _TYPES.items()
    }
    context = {
        "settings": settings, "parts": parts, "connection": connection, "events": EVENTS, "away": away,
        "listed": bool(directory.sites), "branches": choosing.branch_choices(known.branches, locale),
        "tags": choosing.options(directory.tags, settings["chats"]["tags"]), "placeholders": sorted(PLACEHOLDERS),
        "watch": watch, "past_days": PAST_DAYS, "may_ask": settings["enabled"] and not typed,
        "standing_now": stands, "error": error, "done": words.text(done, locale) if done else "",
    }  # fmt: skip
    response = await render(request, "integration_texts.html", session, known, context)
    response.set_status(status)
    return response


@routes.post("/integrations/texts")
@private
async def save_texts(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    form, locale = await request.post(), locale_of(session, known)
    told = {"enabled": form.get("enabled") == "1", "forms": _told(form, "forms"), "chats": _told_chats(form)}
    try:
        wanted = TextsIntegration.model_validate(told)
    except ValidationError as refusal:
        return await _page(request, session, known, status=422, error=_refusal(refusal, locale), typed=told)
    if _lacks(wanted):
        return await _page(request, session, known, status=422, error=words.text("tx_lacks", locale), typed=told)
    async with request.app[POOL].acquire() as conn, conn.transaction():
        await chats.save(conn, known.account.account_id, wanted, now=utc_now())
    await request.app[BUS].publish(JOBS_TOPIC)
    raise web.HTTPFound("/integrations/texts?done=tx_saved")


@routes.post("/integrations/texts/past")
@private
async def ask_for_past(request: web.Request, _: LoginSession, known: Known) -> web.StreamResponse:
    """Chats and forms of past days are read by the reports, as if they were told now."""
    told, now = str((await request.post()).get("days", "")), utc_now()
    days = next((one for one in PAST_DAYS if str(one) == told), PAST_DAYS[0])
    async with request.app[POOL].acquire() as conn:
        await chat_store.ask(conn, known.account.account_id, now - timedelta(days=days), now, now=now)
    await request.app[BUS].publish("texts")
    raise web.HTTPFound("/integrations/texts?done=tx_asked#past")


def _lacks(wanted: TextsIntegration) -> bool:
    """Whether something is passed that has nowhere to go."""
    return wanted.enabled and any(
        part.enabled and not part.branches and part.default_company_id is None for part in (wanted.forms, wanted.chats)
    )


def _told(form: Form, name: str) -> dict[str, Any]:
    """One half of the page; the fields carry its name."""
    return {
        "enabled": form.get(f"{name}_enabled") == "1",
        "branches": choosing.sites(form, name),
        "default_company_id": choosing.number_or_none(form, f"{name}_default_company_id"),
        "filter": {
            "sites": choosing.chosen(form, f"{name}_sites"),
            "types": list(
                dict.fromkeys([*choosing.texts(form, f"{name}_types"), *choosing.lines(form, f"{name}_types_more")])
            ),
        },
        "create_client": form.get(f"{name}_create_client") == "1",
        "card": {
            "name": choosing.text(form, f"{name}_card_name"),
            "comment": choosing.text(form, f"{name}_card_comment").replace("\r\n", "\n"),
            "source": choosing.text(form, f"{name}_card_source"),
            "fill_empty": form.get(f"{name}_card_fill") == "1",
        },
    }


def _told_chats(form: Form) -> dict[str, Any]:
    on = choosing.text(form, "create_on")
    return {**_told(form, "chats"), "create_on": on if on in EVENTS else "end", "tags": choosing.chosen(form, "tags")}


def _refusal(error: ValidationError, locale: str) -> str:
    """One sentence for the first thing that is wrong."""
    place, said, _ = choosing.first_fault(error)
    if "card" in place:
        return words.text("tel_bad_template", locale)
    return words.text("tx_twice" if "stands twice" in said else "tel_bad", locale)
