"""The page «Подключение телефонии», with the words and in the order of the help page."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from aiohttp import web
from pydantic import ValidationError

from server.accounts import store
from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.cabinet import choosing, standing, words
from server.cabinet.choosing import Form
from server.cabinet.frame import locale_of, private, render
from server.calls import networks, reading
from server.calls.jobs import Away
from server.calls.numbers import Compared, compare_numbers
from server.calls.settings import CallType, TelephonyIntegration, read_settings
from server.clients.settings import PLACEHOLDERS
from server.delivery.outbox import JOBS_TOPIC
from server.keys import BUS, CHECK_NUMBERS, DIRECTORY, POOL, VAULT
from server.leads.directory import DirectoryAway
from server.platform.clock import utc_now

routes = web.RouteTableDef()
#: What may stand after `?done=`; a text of `words` each.
DONE = ("tel_saved", "network_saved", "lists_renewed", "tel_asked", "tel_reading")
#: How many months back past calls may be asked for.
PAST_MONTHS = (1, 3, 6, 12, 24, reading.MONTHS_MOST)
TYPES: tuple[CallType, ...] = ("in", "out", "missed", "tag")
#: Lists of «Условия фильтрации»: the name in the settings, and the list of UIS.
_LISTS = ("sites", "sources", "scenarios")
#: How long the lists of calls in YCLIENTS are looked at while a person waits.
_LOOK_S = 20
_TOKEN = re.compile(r"[0-9A-Za-z_.:-]{8,200}")


@routes.get("/integrations/telephony")
@private
async def telephony_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
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
    network_id: str = "",
    **said: Any,
) -> web.StreamResponse:
    """`typed`: what a form said, shown again beside what is wrong with it."""
    account_id, locale = known.account.account_id, locale_of(session, known)
    directory, away = await choosing.directory_of(request, known, locale)
    async with request.app[POOL].acquire() as conn:
        settings = typed or read_settings(
            await store.integration_settings(conn, account_id, "telephony")
        ).model_dump(mode="json")  # fmt: skip
        rows = await networks.rows(conn, account_id)
        stands = await standing.of_telephony(
            conn, account_id, enabled=await standing.is_on(conn, account_id, "telephony")
        )
        connection = await store.connection_row(conn, account_id, "yclients")
        past = await reading.past(conn, account_id)
    by_id = {str(row["network_id"]): row for row in rows}
    asked = network_id or request.query.get("network", "")
    network = by_id.get(asked, rows[0] if rows else None)
    one = _of_network(settings, str(network["network_id"])) if network is not None else None
    context = {
        "settings": settings, "networks": rows, "network": network, "one": one, "connection": connection, "types": TYPES,
        "branches": choosing.branch_choices(known.branches, locale), "away": away, "listed": bool(directory.sites),
        "number_rows": choosing.number_rows(directory.numbers, one["numbers"]) if one else [],
        "lists": {name: choosing.options(getattr(directory, name), one["filter"][name]) for name in _LISTS} if one else {},
        "tags": choosing.options(directory.tags, one["filter"]["tags"]) if one else [],
        "placeholders": sorted(PLACEHOLDERS), "error": error, "done": words.text(done, locale) if done else "",
        "standing_now": stands, "compared": [], "theirs": "", "not_looked": "", "past": past, "past_months": PAST_MONTHS,
        "may_ask": settings["enabled"] and not typed and (past is None or past.done), **said,
    }  # fmt: skip
    response = await render(request, "integration_telephony.html", session, known, context)
    response.set_status(status)
    return response


def _of_network(settings: dict[str, Any], network_id: str) -> dict[str, Any]:
    """«Обработка звонков» of a network, as it is set or as it begins."""
    fresh: dict[str, Any] = {
        "network_id": network_id, "enabled": True, "title": "", "numbers": [], "default_company_id": None, "create_client": False,
        "filter": {"sites": [], "sources": [], "scenarios": [], "types": [], "tags": []},
    }  # fmt: skip
    return next((told for told in settings["networks"] if told["network_id"] == network_id), fresh)


# --- «Учетные данные»


@routes.post("/integrations/telephony/credentials")
@private
async def add_credentials(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    form, locale = await request.post(), locale_of(session, known)
    token = choosing.text(form, "token")
    if not _TOKEN.fullmatch(token):
        return await _page(request, session, known, status=422, error=words.text("tel_bad_token", locale))
    name = choosing.text(form, "name")[:100] or words.text("network", locale)
    async with request.app[POOL].acquire() as conn, conn.transaction():
        network_id = await networks.add(
            conn, request.app[VAULT], known.account.account_id, name=name, token=token, now=utc_now()
        )
    raise web.HTTPFound(f"/integrations/telephony?network={network_id}&done=network_saved#calls")


# --- «Обработка звонков»


@routes.post("/integrations/telephony")
@private
async def save_telephony(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    form, account_id, now = await request.post(), known.account.account_id, utc_now()
    locale, network_id = locale_of(session, known), choosing.text(form, "network_id")
    async with request.app[POOL].acquire() as conn, conn.transaction():
        rows = await networks.rows(conn, account_id)
        if network_id not in {str(row["network_id"]) for row in rows}:
            return await _page(request, session, known, status=422, error=words.text("tel_no_network", locale))
        stored = read_settings(await store.integration_settings(conn, account_id, "telephony")).model_dump(mode="json")
        told = _told(form, stored, network_id)
        try:
            wanted = TelephonyIntegration.model_validate(told)
        except ValidationError as refusal:
            fault = _refusal(refusal, locale)
            return await _page(request, session, known, status=422, error=fault, typed=told, network_id=network_id)
        if lacking := _lacking(wanted):
            return await _page(
                request, session, known, status=422, error=words.text("tel_lacks", locale), typed=told, network_id=str(lacking)
            )  # fmt: skip
        await networks.keep_settings(conn, account_id, wanted, now=now)
    await request.app[BUS].publish(JOBS_TOPIC)
    raise web.HTTPFound(f"/integrations/telephony?network={network_id}&done=tel_saved")


def _lacking(wanted: TelephonyIntegration) -> UUID | None:
    """A network whose calls would have nowhere to go, where telephony is on."""
    empty = (
        one.network_id for one in wanted.networks if one.enabled and not one.numbers and one.default_company_id is None
    )
    return next(empty, None) if wanted.enabled else None


def _told(form: Form, stored: dict[str, Any], network_id: str) -> dict[str, Any]:
    """What the form says of this network, over what is stored of the others."""
    one = {
        "network_id": network_id, "enabled": form.get("used") == "1", "title": choosing.text(form, "title")[:200],
        "numbers": [
            {"number": number, "company_id": company} for number, company in choosing.pairs(form, "number", "number_company")
        ],
        "default_company_id": choosing.number_or_none(form, "default_company_id"),
        "filter": {
            **{name: choosing.chosen(form, name) for name in _LISTS},
            "types": [name for name in TYPES if name in choosing.texts(form, "types")], "tags": choosing.chosen(form, "tags"),
        },
        "create_client": form.get("create_client") == "1",
    }  # fmt: skip
    others = [told for told in stored["networks"] if told["network_id"] != network_id]
    place = next((at for at, told in enumerate(stored["networks"]) if told["network_id"] == network_id), len(others))
    grace = choosing.text(form, "recording_grace_s")
    return {
        **stored,
        "enabled": form.get("enabled") == "1",
        "networks": [*others[:place], one, *others[place:]],
        "recording_grace_s": int(grace) if re.fullmatch("[0-9]{1,6}", grace) else grace or stored["recording_grace_s"],
        "internal_calls": form.get("internal_calls") == "1",
        "card": {
            "name": choosing.text(form, "card_name"), "comment": choosing.text(form, "card_comment").replace("\r\n", "\n"),
            "source": choosing.text(form, "card_source"), "fill_empty": form.get("card_fill") == "1",
        },
    }  # fmt: skip


def _refusal(error: ValidationError, locale: str) -> str:
    """One sentence for the first thing that is wrong."""
    place, said, told = choosing.first_fault(error)
    if "not a phone number" in said:
        return words.text("tel_bad_number", locale, detail=told)
    if found := re.search(r"the number (\d+) stands twice", said):
        return words.text("tel_twice", locale, detail=found[1])
    if "card" in place:
        return words.text("tel_bad_template", locale)
    return words.text("tel_bad_grace" if "recording_grace_s" in place else "tel_bad", locale)


# --- past months


@routes.post("/integrations/telephony/past")
@private
async def ask_for_past(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """Calls of past months are read by the report, and go the same way as those told now."""
    told, now = choosing.text(await request.post(), "months"), utc_now()
    months = next((one for one in PAST_MONTHS if str(one) == told), PAST_MONTHS[0])
    try:
        async with request.app[POOL].acquire() as conn:
            begun = await reading.ask_past(conn, known.account.account_id, months=months, now=now)
    except reading.NotOn:
        error = words.text("tel_past_off", locale_of(session, known))
        return await _page(request, session, known, status=422, error=error)
    await request.app[BUS].publish("reports")
    raise web.HTTPFound(f"/integrations/telephony?done={'tel_asked' if begun else 'tel_reading'}#past")


# --- «Проверить номера», and the lists


@routes.post("/integrations/telephony/numbers")
@private
async def check_numbers(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """What shows in YCLIENTS of each number's calls, and, where its routing was copied here, how the numbers differ."""
    form, locale = await request.post(), locale_of(session, known)
    network_id, theirs = choosing.text(form, "network_id"), str(form.get("theirs") or "")[:20_000]
    async with request.app[POOL].acquire() as conn:
        settings = read_settings(await store.integration_settings(conn, known.account.account_id, "telephony"))
    ours = [row.number for one in settings.networks if str(one.network_id) == network_id for row in one.numbers]
    away, seen = "", dict.fromkeys(ours, "unknown")
    try:
        async with asyncio.timeout(_LOOK_S):
            checked = await request.app[CHECK_NUMBERS](known.account.account_id)
        seen.update({number: "equal" if shows else "differs" for number, shows in checked.items() if number in seen})
    except (Away, TimeoutError):
        away, seen = words.text("cn_away", locale), {}
    compared = _joined(compare_numbers(theirs, ours) if theirs.strip() else [], seen)
    none = "" if compared or away else words.text("cn_none", locale)
    return await _page(
        request, session, known, network_id=network_id, compared=compared, theirs=theirs, not_looked=away or none
    )


def _joined(compared: Sequence[Compared], seen: Mapping[str, str]) -> list[dict[str, str]]:
    """One line a number; `seen` is of ours alone, what only stands in the routing there has nothing to show."""
    lines = [
        {"number": one.number, "verdict": one.verdict, "detail": one.detail, "seen": seen.get(one.detail, "")}
        for one in compared
    ] or [{"number": number, "verdict": "", "detail": "", "seen": match} for number, match in seen.items()]
    return sorted(lines, key=lambda line: line["seen"] != "differs" and line["verdict"] in ("", "same"))


@routes.post("/integrations/{page:telephony|texts}/lists")
@private
async def renew_lists(request: web.Request, _: LoginSession, known: Known) -> web.StreamResponse:
    """Numbers, sites, tags that were added in UIS a minute ago."""
    with contextlib.suppress(DirectoryAway):  # the page says it
        await request.app[DIRECTORY](known.account.account_id, True)
    raise web.HTTPFound(f"/integrations/{request.match_info['page']}?done=lists_renewed")
