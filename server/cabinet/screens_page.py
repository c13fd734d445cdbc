"""«Рабочее место»: a code that pairs a screen, the paired screens, and the operators of the account."""

from __future__ import annotations

import asyncio
from uuid import UUID

from aiohttp import web

from server.accounts import device_store, devices
from server.accounts.lookup import Known
from server.accounts.model import LoginSession, Role
from server.cabinet import words
from server.cabinet.frame import locale_of, private, render
from server.keys import HUB, POOL, SETTINGS, WIDGET
from server.platform.clock import utc_now
from server.platform.web import Problem
from server.workplace import extension, people, store

routes = web.RouteTableDef()
#: What may stand after `?done=`; a text of `words` each.
DONE = ("screen_paired", "screen_ended", "operator_saved", "operator_removed")


@routes.get("/screens")
@private
async def screens_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    return await _page(request, session, known, done=request.query.get("done", ""))


@routes.get(f"/screens/{extension.FILE_NAME}")
@private
async def packed_extension(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """The extension for this very server; it holds no secret, only addresses."""
    settings, built = request.app[SETTINGS], request.app[WIDGET].extension
    try:
        body = await asyncio.to_thread(
            extension.pack, built, server=settings.base_url, cabinets=settings.yclients_frame_hosts
        )  # fmt: skip
    except FileNotFoundError:
        error = words.text("extension_not_built", locale_of(session, known))
        return await _page(request, session, known, error=error, status=503)
    return web.Response(
        body=body, content_type="application/zip",
        headers={"Content-Disposition": f'attachment; filename="{extension.FILE_NAME}"'},
    )  # fmt: skip


async def _page(
    request: web.Request, session: LoginSession, known: Known, *, done: str = "", error: str = "", code: str = "",
    link: str = "", status: int = 200,
) -> web.StreamResponse:  # fmt: skip
    """`code`: a fresh one for a screen; `link`: a fresh one for an operator; each is shown this once."""
    person, locale = session.person, locale_of(session, known)
    async with request.app[POOL].acquire() as conn:
        screens = await device_store.of_person(conn, person.account_id, person.person_id, now=utc_now())
        operators = await store.operators(conn, person.account_id) if person.role is Role.OWNER else []
    context = {
        "done": words.text(done, locale) if done in DONE else "", "error": error, "code": code, "link": link,
        "screens": screens, "operators": operators, "is_owner": person.role is Role.OWNER, "me": person.person_id,
    }  # fmt: skip
    response = await render(request, "screens.html", session, known, context)
    response.set_status(status)
    return response


@routes.post("/screens/pair")
@private
async def pair(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """One press: the extension reads the code from the page; a frame gets it typed in."""
    async with request.app[POOL].acquire() as conn, conn.transaction():
        code = await devices.new_pairing(conn, session, now=utc_now())
    return await _page(request, session, known, code=code)


@routes.post("/screens/{device_id}/end")
@private
async def end(request: web.Request, session: LoginSession, _: Known) -> web.StreamResponse:
    person = session.person
    async with request.app[POOL].acquire() as conn:
        ended = await device_store.delete(
            conn, person.account_id, _id(request, "device_id"), of=person.person_id
        )  # fmt: skip
    if not ended:
        raise _nothing()
    await request.app[HUB].changed()
    raise web.HTTPFound("/screens?done=screen_ended")


# --- operators, by the owner


@routes.post("/screens/operators")
@private
async def add_operator(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    _owner_only(session)
    form = await request.post()
    try:
        async with request.app[POOL].acquire() as conn, conn.transaction():
            link = await people.add(
                conn, session.person.account_id, name=str(form.get("name", "")), email=str(form.get("email", "")),
                base_url=request.app[SETTINGS].base_url, now=utc_now(),
            )  # fmt: skip
    except people.BadOperator as refusal:
        return await _refused(request, session, known, refusal)
    return await _page(request, session, known, link=link)


@routes.post("/screens/operators/{person_id}")
@private
async def save_operator(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    _owner_only(session)
    form = await request.post()
    try:
        async with request.app[POOL].acquire() as conn:
            saved = await people.save(
                conn, session.person.account_id, _id(request, "person_id"), employee=str(form.get("employee_id", "")),
                number=str(form.get("virtual_number", "")),
            )  # fmt: skip
    except people.BadOperator as refusal:
        return await _refused(request, session, known, refusal)
    if not saved:
        raise _nothing()
    raise web.HTTPFound("/screens?done=operator_saved")


@routes.post("/screens/operators/{person_id}/link")
@private
async def link_operator(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    _owner_only(session)
    async with request.app[POOL].acquire() as conn:
        link = await people.login_link(
            conn, session.person.account_id, _id(request, "person_id"), base_url=request.app[SETTINGS].base_url,
            now=utc_now(),
        )  # fmt: skip
    if link is None:
        raise _nothing()
    return await _page(request, session, known, link=link)


@routes.post("/screens/operators/{person_id}/remove")
@private
async def remove_operator(request: web.Request, session: LoginSession, _: Known) -> web.StreamResponse:
    _owner_only(session)
    async with request.app[POOL].acquire() as conn, conn.transaction():
        removed = await people.remove(conn, session.person.account_id, _id(request, "person_id"))
    if not removed:
        raise _nothing()
    await request.app[HUB].changed()
    raise web.HTTPFound("/screens?done=operator_removed")


async def _refused(
    request: web.Request, session: LoginSession, known: Known, refusal: people.BadOperator
) -> web.StreamResponse:
    message = words.text(f"operator_bad_{refusal.code}", locale_of(session, known))
    return await _page(request, session, known, error=message, status=422)


def _owner_only(session: LoginSession) -> None:
    if session.person.role is not Role.OWNER:
        raise Problem(403, "no_right", "Only the owner of the account may do this.")


def _id(request: web.Request, name: str) -> UUID:
    try:
        return UUID(request.match_info[name])
    except ValueError:
        raise _nothing() from None


def _nothing() -> Problem:
    return Problem(404, "not_found", "There is no such thing in this account.")
