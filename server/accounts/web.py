"""Who is asking: an API token in the Authorization header, or a session in the cabinet's cookie."""

from __future__ import annotations

from uuid import UUID

from aiohttp import web

from server.accounts import flow
from server.accounts.model import LoginSession
from server.keys import LOOKUP, POOL, SETTINGS
from server.platform.clock import utc_now
from server.platform.web import Problem

_COOKIE = "yclick_session"


def _cookie_name(secure: bool) -> str:
    """`__Host-` binds the cookie to this very host; browsers accept the prefix over https only."""
    return f"__Host-{_COOKIE}" if secure else _COOKIE


def _is_secure(request: web.Request) -> bool:
    return request.app[SETTINGS].base_url.startswith("https://")


def set_session(request: web.Request, response: web.StreamResponse, token: str) -> None:
    secure = _is_secure(request)
    response.set_cookie(
        _cookie_name(secure), token, max_age=int(flow.SESSION_LIFE.total_seconds()), httponly=True, secure=secure,
        samesite="Lax", path="/",
    )  # fmt: skip


def drop_session(request: web.Request, response: web.StreamResponse) -> None:
    secure = _is_secure(request)
    response.del_cookie(_cookie_name(secure), path="/", secure=secure, httponly=True, samesite="Lax")


async def current_session(request: web.Request) -> LoginSession | None:
    token = request.cookies.get(_cookie_name(_is_secure(request)), "")
    if not 20 <= len(token) <= 100:
        return None
    async with request.app[POOL].acquire(timeout=5) as conn:
        return await flow.session(conn, token, now=utc_now())


async def api_account(request: web.Request) -> UUID:
    """The account of the bearer token; raises a 401 problem. The cookie is no key to the API."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer" and token:
        account_id = await request.app[LOOKUP].account_of_api_token(token.strip())
        if account_id is not None:
            return account_id
    raise Problem(
        401, "not_authenticated", "Send the account's API token: Authorization: Bearer TOKEN.",
        headers={"WWW-Authenticate": 'Bearer realm="yclick"'},
    )  # fmt: skip
