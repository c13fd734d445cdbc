"""Logging in and out, the language, and the person's own page «Доступ»: e-mail, password, where they are logged in."""

from __future__ import annotations

import re
from urllib.parse import quote

from aiohttp import web

from server.accounts import flow, store
from server.accounts.lookup import Known
from server.accounts.model import LoginSession, Role
from server.accounts.web import current_session, drop_session, set_session
from server.cabinet import words
from server.cabinet.frame import LOCALE_COOKIE, locale_before_login, locale_of, outside_page, private, render
from server.keys import ADDRESS, LOOKUP, POOL, VAULT
from server.platform.clock import utc_now
from server.platform.limits import Limiter
from server.platform.web import Problem
from server.tracking.bots import browser_family, device_of

routes = web.RouteTableDef()
#: Logins from one address in a minute, whatever the e-mail.
_logins = Limiter(limit=20, window_s=60)


def _login_page(
    request: web.Request, *, message: str = "", status: int = 200, email: str = "", wanted: str | None = None
) -> web.StreamResponse:
    """`wanted`: where to go afterwards; the switch of the language keeps it."""
    path = _own_path(request.query.get("next", "") if wanted is None else wanted)
    return outside_page(
        request, "login.html", status=status, message=message, next=path, email=email,
        here="/login" if path == _HOME else f"/login?next={quote(path, safe='')}",
    )  # fmt: skip


_HOME = "/leads"
_OWN_PATH = re.compile(r"/(?![/\\])[\w/-]{0,200}(?:\?[\w/?&=%.+~:@,;!$'()*-]{0,2000})?", re.ASCII)


def _own_path(text: str) -> str:
    """Where to go after the login: a path of ours with its query, never another site (`//evil`, `/\\evil`)."""
    return text if _OWN_PATH.fullmatch(text) else _HOME


@routes.get("/login")
async def login_page(request: web.Request) -> web.StreamResponse:
    return _login_page(request)


@routes.post("/login")
async def login(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    locale = locale_before_login(request)
    address = request.app[ADDRESS].of(request)
    email, wanted = str(form.get("email", ""))[:320], str(form.get("next", ""))
    try:
        if pause_s := _logins.retry_after(address, address):
            raise flow.TooManyAttempts(pause_s)
        token = await flow.log_in(
            request.app[POOL], email, str(form.get("password", ""))[:1000], now=utc_now(),
            user_agent=request.headers.get("User-Agent", ""),
        )  # fmt: skip
    except flow.TooManyAttempts as error:
        message = words.text("login_pause", locale, seconds=error.retry_after_s)
        response = _login_page(request, message=message, status=429, email=email, wanted=wanted)
        response.headers["Retry-After"] = str(error.retry_after_s)
        return response
    if token is None:
        message = words.text("login_wrong", locale)
        return _login_page(request, message=message, status=401, email=email, wanted=wanted)
    redirect = web.HTTPFound(_own_path(wanted))
    set_session(request, redirect, token)
    raise redirect


@routes.get("/login/{token}")
async def login_by_link(request: web.Request) -> web.StreamResponse:
    """One use, one day. The link logs in by being opened: it is printed on the owner's own terminal, not mailed."""
    async with request.app[POOL].acquire() as conn:
        token = await flow.log_in_by_link(
            conn, request.match_info["token"], now=utc_now(), user_agent=request.headers.get("User-Agent", "")
        )
    if token is None:
        return _login_page(request, message=words.text("link_spent", locale_before_login(request)), status=410)
    redirect = web.HTTPFound(_HOME)
    set_session(request, redirect, token)
    raise redirect


@routes.post("/logout")
async def logout(request: web.Request) -> web.StreamResponse:
    session = await current_session(request)
    if session:
        async with request.app[POOL].acquire() as conn:
            await store.delete_session(conn, session.person.account_id, session.session_hash)
    redirect = web.HTTPFound("/login")
    drop_session(request, redirect)
    raise redirect


@routes.post("/language")
async def language(request: web.Request) -> web.StreamResponse:
    form = await request.post()
    chosen = "en" if form.get("locale") == "en" else "ru"
    session = await current_session(request)
    if session:
        async with request.app[POOL].acquire() as conn:
            await store.save_locale(conn, session.person.account_id, session.person.person_id, chosen)
    redirect = web.HTTPFound(_own_path(str(form.get("next", ""))))
    redirect.set_cookie(LOCALE_COOKIE, chosen, max_age=31_536_000, samesite="Lax", httponly=True)
    raise redirect


# --- the person's own page


@routes.get("/access")
@private
async def access_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    return await _access(request, session, known, done=request.query.get("done", ""))


#: What may stand after `?done=`; a text of `words` each.
DONE = ("access_saved", "sessions_ended", "token_revoked", "hook_rotated")
HOOK_VENDORS = ("yclients", "uis")


async def _access(
    request: web.Request, session: LoginSession, known: Known, *, done: str = "", error: str = "",
    email: str | None = None, made_token: str = "", status: int = 200,
) -> web.StreamResponse:  # fmt: skip
    """`email`: what was typed into a form that was refused."""
    person = session.person
    async with request.app[POOL].acquire() as conn:
        sessions = await store.sessions_of(conn, person.account_id, person.person_id, utc_now())
        tokens = await store.api_tokens(conn, person.account_id)
        has_password = await store.password_hash(conn, person.account_id, person.person_id) is not None
    locale = locale_of(session, known)
    context = {
        "done": words.text(done, locale) if done in DONE else "", "error": error, "is_owner": person.role is not Role.OPERATOR,
        "email": person.email if email is None else email, "has_password": has_password, "made_token": made_token,
        "tokens": [{**dict(row), "id": flow.token_id(row["token_hash"])} for row in tokens],
        "hook_vendors": HOOK_VENDORS, "grace_h": int(flow.HOOK_GRACE.total_seconds() // 3600),
        "sessions": [
            {
                **dict(row), "device": device_of(row["user_agent"]), "browser": browser_family(row["user_agent"]),
                "here": bytes(row["session_hash"]) == session.session_hash,
            }
            for row in sessions
        ],
    }  # fmt: skip
    response = await render(request, "access.html", session, known, context)
    response.set_status(status)
    return response


@routes.post("/access")
@private
async def save_access(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """A new e-mail or password. Whoever holds the session alone cannot take the account: the old password is asked."""
    form = await request.post()
    email = str(form.get("email", ""))[:320]
    try:
        await flow.change_access(
            request.app[POOL], session, email=email, password=str(form.get("password", "")),
            old_password=str(form.get("old_password", ""))[:1000], now=utc_now(),
        )  # fmt: skip
    except flow.BadAccess as refusal:
        message = words.text(f"access_{refusal.code}", locale_of(session, known))
        return await _access(request, session, known, error=message, email=email, status=422)
    except flow.TooManyAttempts as pause:
        message = words.text("login_pause", locale_of(session, known), seconds=pause.retry_after_s)
        return await _access(request, session, known, error=message, email=email, status=429)
    raise web.HTTPFound("/access?done=access_saved")


@routes.post("/access/end-others")
@private
async def end_other_sessions(request: web.Request, session: LoginSession, _: Known) -> web.StreamResponse:
    async with request.app[POOL].acquire() as conn:
        await store.delete_other_sessions(conn, session.person, but=session.session_hash)
    raise web.HTTPFound("/access?done=sessions_ended")


# --- tokens of the API, addresses of webhooks


@routes.post("/access/tokens")
@private
async def make_token(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    """A further token, shown in the answer and never again."""
    async with request.app[POOL].acquire() as conn:
        made = await flow.new_api_token(conn, session.person.account_id, "cabinet")
    return await _access(request, session, known, made_token=made)


@routes.post("/access/tokens/{id}/revoke")
@private
async def revoke_token(request: web.Request, session: LoginSession, _: Known) -> web.StreamResponse:
    person = session.person
    async with request.app[POOL].acquire() as conn:
        done = await flow.revoke_api_token(
            conn, person.account_id, request.match_info["id"], by=str(person.person_id), now=utc_now()
        )
    if not done:
        raise Problem(404, "not_found", "There is no such token.")
    request.app[LOOKUP].forget()
    raise web.HTTPFound("/access?done=token_revoked")


@routes.post("/access/hooks/{vendor:yclients|uis}/rotate")
@private
async def rotate_hook(request: web.Request, session: LoginSession, _: Known) -> web.StreamResponse:
    """A new address; the former one stays good for `flow.HOOK_GRACE`."""
    person = session.person
    async with request.app[POOL].acquire() as conn:
        await flow.rotate_hook(
            conn, request.app[VAULT], person.account_id, request.match_info["vendor"], grace=flow.HOOK_GRACE,
            by=str(person.person_id), now=utc_now(),
        )  # fmt: skip
    raise web.HTTPFound("/access?done=hook_rotated")
