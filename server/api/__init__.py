"""The REST surface `/api/v1`: leads, bookings, visits, deals, calls, chats, quarantine, ledger, health, deliveries, notices,
integrations; OpenAPI 3.1.

Lists answer `{"data": […], "next_cursor": …}`; errors are problem details; every query is by the token's account.
"""

from __future__ import annotations

from aiohttp import web

from server.api import communications, deals, deliveries, documents, integrations, notices, resources


def setup(app: web.Application) -> None:
    for part in (resources, communications, deals, deliveries, integrations, notices, documents):
        app.add_routes(part.routes)
