"""The simulated cabinet as an application of one page: journal, clients, the frames of marketplace applications.

Which policy, roots and dialogs the vendor's own pages have is not known but for the little the facts name: the rest is a
switch, and the defaults are stricter than what can be expected.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from e2e.stand.cabinet import shown
from e2e.stand.marketplace import signed_user
from e2e.stand.rest import STAND
from e2e.stand.state import Stand

routes = web.RouteTableDef()
_STATIC = Path(__file__).parent / "static"
USER_ID = 1000001


@routes.get(r"/timetable/{c:\d+}")
@routes.get(r"/clients/{c:\d+}/base{rest:/?}")
@routes.get(r"/appstore/{c:\d+}/applications/{app:\d+}")
async def page(request: web.Request) -> web.Response:
    stand = request.app[STAND]
    if int(request.match_info["c"]) not in stand.companies:
        raise web.HTTPNotFound
    headers = {"Cache-Control": "no-store"}
    if stand.switches.cabinet_csp == "strict":
        headers["Content-Security-Policy"] = _policy(stand)
    text = (_STATIC / "journal.html").read_text("utf-8").replace("__PAGE__", stand.switches.cabinet_page)
    return web.Response(text=text, content_type="text/html", headers=headers)


def _policy(stand: Stand) -> str:
    """Frames: those of the applications that are installed, and no other."""
    config = stand.config
    framed = {
        "{0.scheme}://{0.netloc}".format(urlsplit(url)) for url in (config.app_panel_url, config.app_settings_url) if url
    }  # fmt: skip
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
        f"frame-src {' '.join(sorted(framed)) or chr(39) + 'none' + chr(39)}; base-uri 'none'; form-action 'self'; "
        "require-trusted-types-for 'script'"
    )


@routes.get("/_journal/{name:journal\\.(?:js|css)}")
async def part(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    kind = "application/javascript" if name.endswith("js") else "text/css"
    return web.Response(text=(_STATIC / name).read_text("utf-8"), content_type=kind, charset="utf-8")


@routes.get(r"/_journal/{c:\d+}")
async def state(request: web.Request) -> web.Response:
    """What the pages of one branch show, and the addresses of the frames in them."""
    stand, company_id = request.app[STAND], int(request.match_info["c"])
    told: dict[str, Any] = shown(stand, company_id)
    records = [one for one in stand.records.values() if one["company_id"] == company_id and not one["deleted"]]
    return web.json_response(
        {
            "company": told["company"], "clients": told["clients"], "records": records[::-1],
            "panel": panel_url(stand, company_id), "settings": settings_url(stand, company_id),
        }
    )  # fmt: skip


def panel_url(stand: Stand, company_id: int, phone: str = "") -> str:
    """`chat_url` as the vendor fills it in; empty: no application has a panel here."""
    if not stand.config.app_panel_url:
        return ""
    token = stand.config.partner_token
    query: dict[str, Any] = {
        "salon_id": company_id, "hash": hashlib.sha1(f"{company_id}{token}".encode()).hexdigest(),
        "user_id": USER_ID, "lang_id": 1,
    }  # fmt: skip
    return f"{stand.config.app_panel_url}?{urlencode(query | ({'phone': phone} if phone else {}))}"


def settings_url(stand: Stand, company_id: int) -> str:
    if not stand.config.app_settings_url:
        return ""
    data, sign = signed_user(stand)
    query = {"salon_id": company_id, "user_data": data, "user_data_sign": sign}
    return f"{stand.config.app_settings_url}?{urlencode(query)}"
