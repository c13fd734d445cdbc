"""The REST surface `/api/v1`: leads, bookings, visits, quarantine, ledger, health, integrations; OpenAPI 3.1.

Lists answer `{"data": […], "next_cursor": …}`; errors are problem details; every query is by the token's account.
"""

from __future__ import annotations

from aiohttp import web

from server.api.documents import routes as document_routes
from server.api.resources import routes as resource_routes


def setup(app: web.Application) -> None:
    app.add_routes(resource_routes)
    app.add_routes(document_routes)
