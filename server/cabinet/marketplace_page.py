"""Connecting by the YCLIENTS marketplace: its redirect, the page that asks, and the state of each branch.

The redirect proves nothing about a branch, so it only leads to a page: a person who is logged in agrees there. What
the redirect said travels sealed in the address, without the signed data of a person, and for twelve hours.
"""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from aiohttp import web

from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.cabinet import words
from server.cabinet.frame import locale_before_login, locale_of, outside_page, private, render
from server.delivery.outbox import JOBS_TOPIC
from server.keys import BUS, DESCRIBE_BRANCHES, LOOKUP, POOL, READ_REDIRECT, VAULT
from server.marketplace import flow, store
from server.marketplace.model import Asked, BadAsk
from server.platform.clock import utc_now
from server.platform.vault import Vault, VaultError
from server.platform.web import Problem

routes = web.RouteTableDef()
#: As long as the vendor lets an installation be confirmed.
_LIFE = timedelta(hours=12)
_NOBODY, _FIELD = UUID(int=0), "marketplace_ask"


@routes.get("/marketplace/connect")
async def redirected(request: web.Request) -> web.StreamResponse:
    """Where YCLIENTS sends the browser of somebody who pressed «Подключить»."""
    try:
        asked = request.app[READ_REDIRECT](request.query.items())
    except BadAsk as bad:
        message = words.text(f"mk_bad_{bad.code}", locale_before_login(request))
        return outside_page(
            request, "error.html", status=404 if bad.code == "off" else 400, message=message, to_login=False,
            login_next="",
        )  # fmt: skip
    kept = _sealed(request.app[VAULT], asked, utc_now() + _LIFE)
    raise web.HTTPFound(f"/marketplace/confirm?r={kept}")


@routes.get("/marketplace/confirm")
@private
async def confirm_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    kept = request.query.get("r", "")
    asked = _opened(request.app[VAULT], kept, utc_now())
    if asked is None:
        return await _confirm(request, session, known, None, "", status=410)
    return await _confirm(request, session, known, asked, kept)


@routes.post("/marketplace/confirm")
@private
async def confirm(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """Only branches the redirect named can be agreed to, and all of them or none are taken."""
    form = await request.post()
    kept = str(form.get("r", ""))
    asked = _opened(request.app[VAULT], kept, utc_now())
    if asked is None:
        return await _confirm(request, session, known, None, "", status=410)
    wanted = {str(value) for value in form.getall("company", [])}
    chosen = [company_id for company_id in asked.company_ids if str(company_id) in wanted]
    if not chosen or len(chosen) != len(wanted):
        return await _confirm(request, session, known, asked, kept, status=422, error="mk_choose")
    try:
        await flow.ask(request.app[POOL], known.account.account_id, chosen, by=session.person.person_id, now=utc_now())
    except flow.Taken:
        return await _confirm(request, session, known, asked, kept, status=409, error="mk_taken")
    request.app[LOOKUP].forget()
    await request.app[BUS].publish(JOBS_TOPIC)
    raise web.HTTPFound("/integrations/yclients?done=app_asked#links")


async def _confirm(
    request: web.Request,
    session: LoginSession,
    known: Known,
    asked: Asked | None,
    kept: str,
    *,
    status: int = 200,
    error: str = "",
) -> web.StreamResponse:
    account_id, locale = known.account.account_id, locale_of(session, known)
    rows: list[dict[str, Any]] = []
    if asked is not None:
        async with request.app[POOL].acquire() as conn:
            taken = await store.taken_by_others(conn, account_id, asked.company_ids)
            links = {link.company_id: link for link in await store.links(conn, account_id)}
        titles = await _titles(request, known, [number for number in asked.company_ids if number not in taken])
        rows = [
            {
                "company_id": number, "title": titles.get(number, ""), "taken": number in taken,
                "active": number in links and links[number].state == "active",
            }
            for number in asked.company_ids
        ]  # fmt: skip
    context = {
        "asked": asked, "kept": kept, "rows": rows, "may": any(not row["taken"] for row in rows),
        "error": words.text(error, locale) if error else "",
        "here": f"/marketplace/confirm?r={kept}" if kept else "/integrations/yclients",
    }  # fmt: skip
    response = await render(request, "marketplace_confirm.html", session, known, context)
    response.set_status(status)
    return response


async def _titles(request: web.Request, known: Known, company_ids: Sequence[int]) -> Mapping[int, str]:
    """What the branches are called: as they stand here, else as the vendor says, if it says so soon."""
    titles = {branch.company_id: branch.title for branch in known.branches if branch.title}
    unnamed = [number for number in company_ids if number not in titles]
    return {**titles, **await request.app[DESCRIBE_BRANCHES](known.account.account_id, unnamed)}


@routes.post("/integrations/yclients/app/{company:[0-9]{1,18}}/look")
@private
async def look(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """«Проверить сейчас»: an end of a freeze is seen at once, and what was refused is tried again."""
    async with request.app[POOL].acquire() as conn, conn.transaction():
        done = await flow.look_now(
            conn, known.account.account_id, int(request.match_info["company"]), by=session.person.person_id,
            now=utc_now(),
        )  # fmt: skip
    if not done:
        raise Problem(404, "not_found", "There is no such branch of the application.")
    await request.app[BUS].publish(JOBS_TOPIC)
    raise web.HTTPFound("/integrations/yclients?done=app_looking#links")


# --- what the redirect said, sealed


def _sealed(vault: Vault, asked: Asked, until: datetime) -> str:
    ids = struct.pack(
        f"!qB{len(asked.company_ids)}q", int(until.timestamp()), len(asked.company_ids), *asked.company_ids
    )
    plain = ids + f"{asked.user_name}\n{asked.salon_name}".encode("utf-8", "replace")
    return base64.urlsafe_b64encode(vault.seal(plain, account_id=_NOBODY, field=_FIELD)).decode().rstrip("=")


def _opened(vault: Vault, kept: str, now: datetime) -> Asked | None:
    """None: not sealed by us, or too old."""
    try:
        sealed = base64.b64decode(kept + "=" * (-len(kept) % 4), altchars=b"-_", validate=True)
        plain = vault.open(sealed, account_id=_NOBODY, field=_FIELD)
    except (binascii.Error, ValueError, VaultError):
        return None
    until, number = struct.unpack_from("!qB", plain)
    if until <= now.timestamp():
        return None
    ids = struct.unpack_from(f"!{number}q", plain, 9)
    user_name, _, salon_name = plain[9 + 8 * number :].decode("utf-8", "replace").partition("\n")
    return Asked(ids, user_name, salon_name)
