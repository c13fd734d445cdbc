"""Who may call the API: the bearer of an account's token, for that account alone."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps

from aiohttp import web

from server.accounts.lookup import Known
from server.accounts.web import api_account
from server.keys import LOOKUP
from server.platform.web import Problem

Authorized = Callable[[web.Request, Known], Awaitable[web.Response]]


def not_found() -> Problem:
    return Problem(404, "not_found", "There is no such thing in this account.")


def authorized(handler: Authorized) -> Callable[[web.Request], Awaitable[web.Response]]:
    """A handler for the token's account; its answers are nobody else's to keep."""

    @wraps(handler)
    async def wrapped(request: web.Request) -> web.Response:
        account_id = await api_account(request)
        known = await request.app[LOOKUP].known(account_id)
        if known is None:
            raise not_found()
        response = await handler(request, known)
        response.headers["Cache-Control"] = "no-store"
        return response

    return wrapped
