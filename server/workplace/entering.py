"""HTTP of coming in: pairing, sessions, bearers, tickets. Bodies are JSON, so that no form of another site can send them.

Secrets travel in bodies, headers and a cookie that no script reads; never in an address.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from server.accounts import device_store, devices
from server.accounts.model import Device
from server.accounts.web import current_session
from server.keys import ADDRESS, HUB, LOOKUP, POOL, SETTINGS
from server.platform.clock import utc_now
from server.platform.limits import Limiter
from server.platform.web import Problem, read_body
from server.tracking.bots import browser_family
from server.workplace import store
from server.workplace.model import MESSAGE_MOST, RIGHTS

routes = web.RouteTableDef()
#: Codes tried from one address, and over all: a code has 60 bits and two minutes.
_codes = Limiter(limit=10, window_s=60)
_renewals = Limiter(limit=60, window_s=60)
_COOKIE = "yclick_workplace"
_EVERYBODY = "everybody"
_all_codes = Limiter(limit=300, window_s=60)


async def json_body(request: web.Request) -> dict[str, Any]:
    """Raises 415, 413 or 400."""
    if request.content_type != "application/json":
        raise Problem(415, "not_json", "Send JSON.")
    body = await read_body(request, MESSAGE_MOST)
    if body is None:
        raise Problem(413, "too_large", "The body is larger than this address takes.")
    try:
        told = json.loads(body or b"{}")
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict):
        raise Problem(400, "bad_message", "Send a JSON object.")
    return told


async def device_of(request: web.Request) -> Device:
    """Whose bearer it is; raises a 401 problem."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        async with request.app[POOL].acquire(timeout=5) as conn:
            device = await devices.by_bearer(conn, token.strip(), now=utc_now())
        if device is not None:
            return device
    raise not_paired()


def not_paired() -> Problem:
    return Problem(401, "not_paired", "This screen is not paired, or its session is over.")


@routes.post("/workplace/pair")
async def pair(request: web.Request) -> web.Response:
    """`{"code": "ABCD-EFGH-JKLM", "kind": "extension"|"frame"}`: a code of the cabinet becomes a session."""
    _limit(request, _codes)
    told = await json_body(request)
    kind, code = told.get("kind"), told.get("code")
    if kind not in ("extension", "frame") or not isinstance(code, str) or len(code) > 40:
        raise Problem(400, "bad_message", "A code and a kind are needed.")
    async with request.app[POOL].acquire() as conn, conn.transaction():
        entered = await devices.pair(conn, code, kind, name=_browser(request), now=utc_now())
    if entered is None:
        raise Problem(401, "bad_code", "The code is wrong, spent or too old: ask for a new one.")
    return await _let_in(request, entered)


@routes.post("/workplace/session")
async def session(request: web.Request) -> web.Response:
    """A bearer for who is logged in already: by the cookie of a paired frame, or by the cabinet's in the same site.

    `{"company_id": N}`: the branch that the frame stands in; another account's is refused.
    """
    _limit(request, _renewals)
    told = await json_body(request)
    entered = await _by_cookie(request) or await _by_cabinet(request)
    if entered is None:
        raise not_paired()
    await _refuse_other_branch(request, entered, told.get("company_id"))
    return await _let_in(request, entered)


@routes.post("/workplace/renew")
async def renew(request: web.Request) -> web.Response:
    """`{"secret": …}`: a new bearer and a new secret for an extension; the old secret is void."""
    _limit(request, _renewals)
    secret = (await json_body(request)).get("secret")
    entered = None
    if isinstance(secret, str) and 20 <= len(secret) <= 100:
        async with request.app[POOL].acquire() as conn, conn.transaction():
            entered = await devices.renew(conn, secret, now=utc_now())
    if entered is None:
        raise not_paired()
    return await _let_in(request, entered)


@routes.post("/workplace/leave")
async def leave(request: web.Request) -> web.Response:
    """Ends this screen's session."""
    device = await device_of(request)
    async with request.app[POOL].acquire() as conn:
        await device_store.delete(conn, device.person.account_id, device.device_id)
    await request.app[HUB].changed()
    response = web.Response(status=204)
    _set_cookie(request, response, "", max_age=0)
    return response


@routes.post("/workplace/ticket")
async def ticket(request: web.Request) -> web.Response:
    """Opens one socket within thirty seconds."""
    device = await device_of(request)
    async with request.app[POOL].acquire() as conn:
        made = await devices.new_ticket(conn, device, now=utc_now())
    return _json({"ticket": made, "good_for_s": int(devices.TICKET_LIFE.total_seconds())})


# --- helpers of these routes


async def _by_cookie(request: web.Request) -> devices.Entered | None:
    secret = request.cookies.get(_cookie_name(request), "")
    if not 20 <= len(secret) <= 100:
        return None
    async with request.app[POOL].acquire() as conn:
        return await devices.renew_by_cookie(conn, secret, now=utc_now())


async def _by_cabinet(request: web.Request) -> devices.Entered | None:
    found = await current_session(request)
    if found is None:
        return None
    async with request.app[POOL].acquire() as conn, conn.transaction():
        return await devices.open_tab(conn, found, name=_browser(request), now=utc_now())


async def _refuse_other_branch(request: web.Request, entered: devices.Entered, company_id: Any) -> None:
    known = await request.app[LOOKUP].known(entered.device.person.account_id)
    if known is None:
        raise not_paired()
    if company_id is not None and company_id not in [branch.company_id for branch in known.branches]:
        raise Problem(403, "other_account", "This branch does not belong to the account of this session.")


async def _let_in(request: web.Request, entered: devices.Entered) -> web.Response:
    person = entered.device.person
    known = await request.app[LOOKUP].known(person.account_id)
    if known is None:
        raise not_paired()
    async with request.app[POOL].acquire() as conn:
        name = await store.person_name(conn, person.account_id, person.person_id)
    body: dict[str, Any] = {
        "token": entered.bearer, "until": entered.until.isoformat(),
        "person": {"person_id": str(person.person_id), "name": name, "role": person.role.value},
        "rights": sorted(RIGHTS[person.role]), "locale": person.locale or known.account.locale,
        "account": {
            "name": known.account.name, "currency": known.account.currency, "timezone": known.zone.key,
            "branches": [
                {"company_id": branch.company_id, "title": branch.title, "timezone": branch.timezone}
                for branch in known.branches
            ],
        },
    }  # fmt: skip
    if entered.device.kind == "extension":
        body["secret"] = entered.secret
    response = _json(body)
    if entered.device.kind == "frame" and entered.secret:
        _set_cookie(request, response, entered.secret, max_age=int(devices.DEVICE_LIFE.total_seconds()))
    return response


def _json(body: Mapping[str, Any]) -> web.Response:
    return web.json_response(body, headers={"Cache-Control": "no-store"})


def _limit(request: web.Request, limiter: Limiter) -> None:
    address = request.app[ADDRESS].of(request)
    wait_s = limiter.retry_after(address, address)
    if limiter is _codes and not wait_s:  # what one address is refused must not use up everybody's tries
        wait_s = _all_codes.retry_after(_EVERYBODY, address)
    if wait_s:
        raise Problem(429, "too_many", "Too many tries; wait.", headers={"Retry-After": str(wait_s)})


def _browser(request: web.Request) -> str:
    return browser_family(request.headers.get("User-Agent", ""))


def _is_secure(request: web.Request) -> bool:
    return request.app[SETTINGS].base_url.startswith("https://")


def _cookie_name(request: web.Request) -> str:
    return f"__Host-{_COOKIE}" if _is_secure(request) else _COOKIE


def _set_cookie(request: web.Request, response: web.Response, value: str, *, max_age: int) -> None:
    """Partitioned: the frame inside the booking system has a jar of its own. Written by hand: `http.cookies` of
    Python 3.11 does not know the word. Over plain http (a developer's machine) browsers refuse such a cookie."""
    parts = [f"{_cookie_name(request)}={value}", f"Max-Age={max_age}", "Path=/", "HttpOnly"]
    parts += ["Secure", "SameSite=None", "Partitioned"] if _is_secure(request) else ["SameSite=Lax"]
    response.headers.add("Set-Cookie", "; ".join(parts))
