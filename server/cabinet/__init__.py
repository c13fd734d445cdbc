"""The owner's cabinet: server-rendered pages, Russian and English."""

from __future__ import annotations

import hashlib
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from server.cabinet import (
    access,
    communications,
    deals_page,
    deliveries_page,
    install,
    intake,
    integrations,
    journals,
    marketplace_page,
    menu,
    notices,
    notifications_page,
    screens_page,
    shown,
    standing,
    telephony_page,
    texts_page,
    words,
    yclients_page,
)
from server.cabinet.frame import error_page
from server.platform.notes import spoken
from server.platform.web import Problem

__all__ = ["error_page", "setup"]
_STATIC = Path(__file__).parent / "static"


def setup(app: web.Application, templates: Path) -> None:
    environment = aiohttp_jinja2.setup(
        app, loader=jinja2.FileSystemLoader(templates / "cabinet"), autoescape=True, undefined=jinja2.StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.globals.update(
        t=words.text, reason=words.reason, counted=words.counted, moment=shown.moment, clock=shown.clock,
        money=shown.money, phone=shown.phone, web_link=shown.web_link, pretty=shown.pretty, percent=shown.percent,
        bits=shown.bits, host=shown.host, address_text=shown.address_text,
        change=shown.change, delivery_error=shown.delivery_error, spoken=spoken, known_text=words.TEXTS.get,
        notice=notices.sentence, mended_at=notices.mended_at,
        asset=_asset, menu=menu.menu, not_gone=standing.NOT_GONE,
    )  # fmt: skip
    for part in (
        communications,
        journals,
        intake,
        integrations,
        deals_page,
        deliveries_page,
        telephony_page,
        texts_page,
        notifications_page,
        yclients_page,
        marketplace_page,
        screens_page,
        install,
        access,
        notices,
    ):
        app.add_routes(part.routes)
    app.router.add_get("/static/{name}", _static)


def _asset(name: str) -> str:
    """Address with the content's hash, so that a browser may keep the file for a year."""
    return f"/static/{name}?{hashlib.sha256((_STATIC / name).read_bytes()).hexdigest()[:10]}"


async def _static(request: web.Request) -> web.StreamResponse:
    name = request.match_info["name"]
    if name not in {"cabinet.css", "cabinet.js", "icon.svg"}:  # a list, not a path: nothing else can be asked for
        raise Problem(404, "not_found", "There is nothing at this address.")
    response = web.FileResponse(_STATIC / name)
    response.headers["Cache-Control"] = "public, max-age=31536000, immutable" if request.query_string else "no-cache"
    return response
