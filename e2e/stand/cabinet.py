"""The simulated cabinet of a branch: pop-ups of calls as they come, the list of calls with recordings, clients with comments."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from aiohttp import web

from e2e.stand.rest import STAND
from e2e.stand.state import Stand
from e2e.stand.telephony import listed

routes = web.RouteTableDef()
_PAGE = Path(__file__).parent / "static" / "cabinet.html"
POPUP_S = 60.0  # the vendor is never told that it stopped ringing; a card goes by hand or with time


@routes.get(r"/cabinet/{c:\d+}")
async def page(request: web.Request) -> web.Response:
    if int(request.match_info["c"]) not in request.app[STAND].companies:
        raise web.HTTPNotFound
    return web.Response(text=_PAGE.read_text("utf-8"), content_type="text/html", headers={"Cache-Control": "no-store"})


@routes.get(r"/_stand/cabinet/{c:\d+}")
async def state(request: web.Request) -> web.Response:
    """All that the page shows."""
    if request.remote not in ("127.0.0.1", "::1"):
        raise web.HTTPForbidden
    return web.json_response(shown(request.app[STAND], int(request.match_info["c"])))


def shown(stand: Stand, company_id: int) -> dict[str, Any]:
    company, network, people = stand.companies[company_id], stand.telephony.of_company(company_id), stand.people
    assert network is not None
    popups = [
        {**one, "client": _name(people.by_phone(company_id, one["phone"]))}
        for one in network.popups
        if company_id in one["company_ids"] and not one["closed"] and time.time() - one["at"] < POPUP_S
    ]
    calls = listed(
        network, company_id, wall=lambda at: at.astimezone(ZoneInfo(company.timezone)),
        client_of=lambda phone: (people.by_phone(company_id, phone) or {"id": 0})["id"], since="0000", till="9999",
    )  # fmt: skip
    clients = [
        {**people.shown(one, "plus"), "comments": people.comments.get(one["id"], [])} for one in people.of(company_id)
    ]
    return {
        "company": {"id": company.id, "title": company.title}, "popups": popups,
        "branches": [{"id": number, "title": stand.companies[number].title} for number in network.company_ids],
        "network": {"id": network.id, "title": network.title, "enabled": network.enabled, "crm_token": network.crm_token},
        "calls": [{**one, "client": _name(stand.clients.get(one["client_id"]))} for one in calls[:200]],
        "calls_of_network": len(network.history), "clients": clients[::-1][:200],
    }  # fmt: skip


def _name(row: dict[str, Any] | None) -> str:
    return row["name"] if row else ""
