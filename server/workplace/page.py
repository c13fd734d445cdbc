"""The workplace's page and the bundle behind it. Framed by the booking system's pages alone, by nobody else.

The entry points inside the booking system prove that its page opened us, not who looks: a frame is still paired.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jinja2
from aiohttp import web

from server.keys import READ_FRAME, SETTINGS, WIDGET
from server.platform.web import Problem
from server.workplace import extension

routes = web.RouteTableDef()
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,80}(?:\.[A-Za-z0-9_-]{1,20}){1,4}")
_TYPES = {
    ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png", ".mp3": "audio/mpeg",
    ".ogg": "audio/ogg", ".wav": "audio/wav", ".woff2": "font/woff2", ".json": "application/json",
}  # fmt: skip
_PACKED = frozenset({".js", ".css", ".svg", ".json"})
#: Parts of the bundle carry the hash of their content in their name.
_HASHED = re.compile(r"-[A-Z0-9]{8}\.js")
_TEXTS: Mapping[str, Mapping[str, str]] = {
    "ru": {
        "title": "Рабочее место",
        "opening": "Открываем рабочее место…",
        "script": "Рабочему месту нужен JavaScript: включите его в браузере.",
        "not_built": "Рабочее место на этом сервере ещё не собрано. Передайте тому, кто ведёт сервер: "
        "нужна команда «make js».",
        "refused": "Эту страницу открыл не YCLIENTS, или подпись не сошлась. Закройте её и откройте снова из YCLIENTS.",
    },
    "en": {
        "title": "Workplace",
        "opening": "Opening the workplace…",
        "script": "The workplace needs JavaScript: switch it on in the browser.",
        "not_built": "The workplace is not built on this server yet. Tell whoever runs the server: «make js» is needed.",
        "refused": "This page was not opened by YCLIENTS, or its signature does not fit. Close it and open it from there.",
    },
}


class Widget:
    """The built bundle in a folder: `app.js`, `app.css` and what they load."""

    def __init__(self, folder: Path, templates: Path) -> None:
        self._folder = folder
        self._tags: dict[tuple[str, int], str] = {}
        self._packed: dict[tuple[str, str], bytes] = {}
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(templates), autoescape=True, undefined=jinja2.StrictUndefined
        )
        self._page = environment.get_template("widget.html")

    def path(self, name: str) -> Path | None:
        """A file of the bundle, or None."""
        path = self._folder / name
        if not _NAME.fullmatch(name) or path.suffix not in _TYPES or not path.is_file():
            return None
        return path

    def tag(self, name: str) -> str:
        """The hash of a file's content, remembered for as long as the file stays."""
        path = self._folder / name
        known = (name, path.stat().st_mtime_ns)
        if known not in self._tags:
            self._tags[known] = hashlib.sha256(path.read_bytes()).hexdigest()[:16]
        return self._tags[known]

    def body(self, name: str, *, packed: bool) -> bytes:
        """What is in a file, as it is or by gzip; packed once."""
        key = (name, self.tag(name))
        if not packed:
            return (self._folder / name).read_bytes()
        if key not in self._packed:
            self._packed[key] = gzip.compress((self._folder / name).read_bytes(), 9, mtime=0)
        return self._packed[key]

    def preload(self, locale: str) -> list[str]:
        """Addresses of the parts that the page loads at once, as the build has noted them."""
        noted = self.path("meta.json")
        names = json.loads(noted.read_bytes()).get("preload", {}).get(locale, []) if noted else []
        return [f"/workplace/assets/{name}" for name in names]

    def built(self) -> bool:
        return self.path("app.js") is not None

    @property
    def extension(self) -> Path:
        """The browser's extension, built and not yet packed for a server."""
        return self._folder / "extension"

    def asset(self, name: str) -> str:
        """Address with the content's hash, so that a browser may keep the file for a year; empty: there is no such file."""
        return f"/workplace/assets/{name}?{self.tag(name)}" if self.path(name) else ""

    def render(self, *, locale: str, told: Mapping[str, Any], message: str = "") -> str:
        return self._page.render(
            locale=locale, text=_TEXTS[locale], told=told, message=message, script=self.asset("app.js"),
            style=self.asset("app.css"), preload=self.preload(locale),
        )  # fmt: skip


def framing(settings_hosts: tuple[str, ...], base_url: str) -> str:
    """The policy of the page: its own bundle and server, framed by these origins."""
    socket = re.sub(r"^http", "ws", base_url)
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob: https:; font-src 'self'; "
        f"media-src 'self'; connect-src 'self' {socket}; form-action 'none'; base-uri 'none'; "
        f"frame-ancestors 'self' {' '.join(settings_hosts)}"
    )


def _locale(request: web.Request) -> str:
    """`?lang=`, else what the browser prefers; Russian unless it says English first."""
    asked = request.query.get("lang", "") or request.headers.get("Accept-Language", "")
    return "en" if asked.lower().startswith("en") else "ru"


def _page(request: web.Request, *, told: Mapping[str, Any], message: str = "", status: int = 200) -> web.Response:
    widget, settings = request.app[WIDGET], request.app[SETTINGS]
    locale = _locale(request)
    if not message and not widget.built():
        message, status = _TEXTS[locale]["not_built"], 503
    # The extension's page stands between ours and YCLIENTS: whatever policy YCLIENTS has, its frame is let in.
    framed_by = settings.yclients_frame_hosts + ((extension.ORIGIN,) if told["surface"] == "extension" else ())
    return web.Response(
        text=widget.render(locale=locale, told=told, message=message), content_type="text/html", status=status,
        headers={"Cache-Control": "no-store", "Content-Security-Policy": framing(framed_by, settings.base_url)},
    )  # fmt: skip


@routes.get("/workplace")
async def workplace(request: web.Request) -> web.StreamResponse:
    """Alone in a tab, or in the frame of the extension (`?surface=extension`)."""
    surface = "extension" if request.query.get("surface") == "extension" else "tab"
    return _page(request, told={"surface": surface})


def _entry(surface: str) -> Callable[[web.Request], Any]:
    async def entry(request: web.Request) -> web.StreamResponse:
        asked = request.app[READ_FRAME](surface, list(request.query.items()))
        if asked is None:
            return _page(
                request, told={"surface": surface}, message=_TEXTS[_locale(request)]["refused"], status=403
            )  # fmt: skip
        told = {"surface": surface, "company": asked.company_id, "phone": asked.phone}
        return _page(request, told=told)

    return entry


routes.get("/workplace/panel")(_entry("panel"))
routes.get("/workplace/settings")(_entry("settings"))


@routes.get("/workplace/assets/{name}")
async def asset(request: web.Request) -> web.StreamResponse:
    widget, name = request.app[WIDGET], request.match_info["name"]
    path = widget.path(name)
    if path is None:
        raise Problem(404, "not_found", "There is nothing at this address.")
    packed = path.suffix in _PACKED and "gzip" in request.headers.get("Accept-Encoding", "").lower()
    tag = f'"{widget.tag(name)}{"-gzip" if packed else ""}"'
    fresh = request.query_string == widget.tag(name) or _HASHED.search(name)
    headers = {
        "ETag": tag, "Cache-Control": "public, max-age=31536000, immutable" if fresh else "no-cache",
        "Vary": "Accept-Encoding",
    }  # fmt: skip
    if any(one.value == tag.strip('"') for one in request.if_none_match or ()):
        return web.Response(status=304, headers=headers)
    if packed:
        headers["Content-Encoding"] = "gzip"
    body = widget.body(name, packed=packed)
    return web.Response(body=body, headers={**headers, "Content-Type": _TYPES[path.suffix]})
