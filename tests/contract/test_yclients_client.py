"""The client of YCLIENTS against answers as they may come, over a real socket."""

from __future__ import annotations

from datetime import date
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from server.accounts.model import Branch
from server.bookings.source import PAGE_SIZE
from server.platform.budget import Priority
from server.platform.egress import Egress
from server.vendors.yclients import BookingsOfYclients
from server.yclients.client import YclientsClient

BRANCH = Branch(uuid4(), uuid4(), 4564, "Салон", "Europe/Moscow")


@pytest.mark.parametrize("odd", [None, "?", 5, {"id": 9, "company_id": 4565}])
async def test_what_is_no_record_of_the_branch_does_not_end_the_reading(odd: Any) -> None:
    """A full page with a foreign or broken item is still full: another one follows."""
    own = {"id": 1, "company_id": BRANCH.company_id}
    pages = {"1": [*[own] * (PAGE_SIZE - 1), odd], "2": [own]}

    async def records(request: web.Request) -> web.Response:
        return web.json_response({"success": True, "data": pages[request.query["page"]], "meta": []})

    app = web.Application()
    app.router.add_get("/api/v1/records/{company_id}", records)
    egress = Egress(allow_private=True)
    async with TestServer(app) as server:
        client = YclientsClient(
            egress, base_url=str(server.make_url("")), partner_token="p", user_token="u", account="a"
        )
        source = BookingsOfYclients({BRANCH.company_id: client}, Priority.BACKFILL)
        first = await source.created(BRANCH, date(2026, 11, 1), date(2026, 11, 2), 1)
        second = await source.created(BRANCH, date(2026, 11, 1), date(2026, 11, 2), 2)
    await egress.close()
    assert (len(first.items), first.last) == (PAGE_SIZE - 1, False)
    assert (len(second.items), second.last) == (1, True)
