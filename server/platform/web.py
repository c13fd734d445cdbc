"""Edges of HTTP: problem details, request ids, security headers, cross-site refusal, who the client is.

Errors leave as RFC 9457 problem details under /api and as pages elsewhere; internals never leave at all.
"""

from __future__ import annotations

import ipaddress
import re
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Any
from urllib.parse import urlsplit

import structlog
from aiohttp import web

from server.platform import metrics
from server.platform.ids import random_text
from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY

_log = logger(__name__)
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

CSP_PAGES = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; media-src 'self'; font-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


class Problem(Exception):
    """A refusal with a plain sentence for its reader. `code` is stable and machine-readable."""

    def __init__(
        self, status: int, code: str, detail: str, *, headers: dict[str, str] | None = None, **extra: Any
    ) -> None:
        super().__init__(detail)
        self.status, self.code, self.detail = status, code, detail
        self.headers = headers or {}
        self.extra = extra


_TITLES = {
    400: "Bad request", 401: "Not authenticated", 403: "Not allowed", 404: "Not found", 405: "Method not allowed",
    409: "Conflict", 413: "Too large", 415: "Unsupported media type", 422: "Cannot be processed",
    429: "Too many requests", 500: "Internal error", 503: "Temporarily unavailable",
}  # fmt: skip


def problem_response(problem: Problem) -> web.Response:
    body = {
        "type": f"urn:yclick:problem:{problem.code}",
        "title": _TITLES.get(problem.status, "Error"),
        "status": problem.status,
        "code": problem.code,
        "detail": problem.detail,
        **problem.extra,
    }
    return web.json_response(
        body, status=problem.status, content_type="application/problem+json", headers=problem.headers
    )


def unavailable(retry_after_s: int = 5) -> Problem:
    return Problem(
        503, "unavailable", "The server cannot store anything right now; try again later.",
        headers={"Retry-After": str(retry_after_s)},
    )  # fmt: skip


def route_name(request: web.Request) -> str:
    """The pattern of the route, never the address itself: addresses carry secrets."""
    resource = request.match_info.route.resource
    return resource.canonical if resource else "unmatched"


ErrorPage = Callable[[web.Request, Problem], Awaitable[web.StreamResponse]]


def edge(error_page: ErrorPage) -> Any:
    """The outermost middleware: ids, counting, errors, headers."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        started = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=random_text(12))
        redirect: web.HTTPRedirection | None = None
        response: web.StreamResponse
        try:
            response = await handler(request)
        except Problem as problem:
            response = await _refuse(request, problem, error_page)
        except web.HTTPRedirection as away:
            response = redirect = away
        except web.HTTPException as error:
            response = await _refuse(request, _from_http(error), error_page)
        except DATABASE_AWAY as error:
            _log.warning("database.away", route=route_name(request), error=type(error).__name__)
            response = await _refuse(request, unavailable(), error_page)
        except ConnectionResetError:
            raise  # the client went away in the middle of its body
        except Exception:
            _log.exception("request.failed", route=route_name(request), method=request.method)
            response = await _refuse(
                request,
                Problem(500, "internal", "Something broke on our side; it is in the log."),
                error_page,
            )
        metrics.count_request(route_name(request), request.method, response.status, time.perf_counter() - started)
        if redirect is not None:
            raise redirect
        return response

    return middleware


def _from_http(error: web.HTTPException) -> Problem:
    texts = {
        404: ("not_found", "There is nothing at this address."),
        405: ("method_not_allowed", "This address does not take that method."),
        413: ("too_large", "The body is larger than this address takes."),
    }
    code, detail = texts.get(error.status, ("refused", error.reason or "The request was refused."))
    headers = {"Allow": error.headers["Allow"]} if "Allow" in error.headers else {}
    return Problem(error.status, code, detail, headers=headers)


async def _refuse(request: web.Request, problem: Problem, error_page: ErrorPage) -> web.StreamResponse:
    wants_page = request.method in ("GET", "POST") and "text/html" in request.headers.get("Accept", "")
    if wants_page and not _lies_under(request.path, ("/api/", "/hooks/", "/c")):
        return await error_page(request, problem)
    return problem_response(problem)


def security_headers(base_url: str) -> Callable[[web.Request, web.StreamResponse], Awaitable[None]]:
    """On every answer; a surface that needs less says so by setting the header itself.

    Whether we are reached by https is the settings' to say: before us may stand a proxy that ends it.
    """
    secure = base_url.startswith("https://")

    async def add(_: web.Request, response: web.StreamResponse) -> None:
        headers = response.headers
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Referrer-Policy", "no-referrer")
        headers.setdefault("Content-Security-Policy", CSP_PAGES)
        if "frame-ancestors 'none'" in headers["Content-Security-Policy"]:
            headers.setdefault("X-Frame-Options", "DENY")  # it cannot name who may
        headers.setdefault("Cross-Origin-Opener-Policy", "same-origin")
        headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if secure:
            headers.setdefault("Strict-Transport-Security", "max-age=31536000")
        headers.popall("Server", None)

    return add


def refuse_cross_site(own_origin: str, open_paths: tuple[str, ...]) -> Any:
    """Cross-site requests that change something are refused; no token in forms is needed for that.

    Every current browser sends `Sec-Fetch-Site`, an older one at least `Origin`. A request with neither does not
    come from a browser page, so it carries no cookie that a page could abuse. `same-site` is refused as well:
    another port or sub-domain is not us.
    """

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.method in _SAFE_METHODS or _lies_under(request.path, open_paths):
            return await handler(request)
        fetch_site = request.headers.get("Sec-Fetch-Site")
        origin = request.headers.get("Origin")
        if fetch_site is not None:
            allowed = fetch_site in ("same-origin", "none")
        elif origin is not None:
            allowed = origin == own_origin or _host_of(origin) == request.host
        else:
            allowed = True
        if not allowed:
            raise Problem(403, "cross_site", "This request came from another site and was refused.")
        return await handler(request)

    return middleware


def _lies_under(path: str, places: tuple[str, ...]) -> bool:
    """Whether a path is one of these, or lies under one that ends with a slash: "/c" is not the beginning of "/calls"."""
    return any(path.startswith(place) if place.endswith("/") else path == place for place in places)


def _host_of(origin: str) -> str:
    try:
        return urlsplit(origin).netloc
    except ValueError:
        return ""


class ClientAddress:
    """The client's address; `X-Forwarded-For` counts only behind a proxy named in the settings."""

    def __init__(self, trusted: Iterable[str]) -> None:
        self._trusted = tuple(ipaddress.ip_network(item, strict=False) for item in trusted)

    def of(self, request: web.Request) -> str:
        peer = request.remote or ""
        if not self._trusts(peer):
            return peer
        hops = [hop.strip() for hop in request.headers.get("X-Forwarded-For", "").split(",") if hop.strip()]
        for hop in reversed(hops[-20:]):
            if not self._trusts(hop):
                return hop if _is_address(hop) else peer
        return peer

    def is_operator(self, request: web.Request) -> bool:
        """Whether this request may see metrics: it comes from this machine or a trusted network, unforwarded."""
        peer = request.remote or ""
        local = _is_address(peer) and ipaddress.ip_address(peer).is_loopback
        return (local or self._trusts(peer)) and "X-Forwarded-For" not in request.headers

    def _trusts(self, text: str) -> bool:
        if not self._trusted or not _is_address(text):
            return False
        return any(ipaddress.ip_address(text) in network for network in self._trusted)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def address_prefix(address: str) -> str:
    """The address cut to /24 (IPv4) or /48 (IPv6): enough to see a flood, too little to see a person."""
    if not _is_address(address):
        return ""
    parsed = ipaddress.ip_address(address)
    return str(ipaddress.ip_network(f"{parsed}/{24 if parsed.version == 4 else 48}", strict=False))


def network_of(address: str) -> str:
    """An IPv4 address with its last number 0: where in the world, and not who. Empty for anything else."""
    parts = address.rsplit(".", 1)
    return f"{parts[0]}.0" if len(parts) == 2 and _is_address(address) and ":" not in address else ""


_QUALITY = re.compile(r"^\s*([a-z*]+)\s*(?:;\s*q=([0-9.]+))?\s*$", re.I)


def accepts_encoding(header: str, name: str) -> bool:
    for part in header.split(","):
        found = _QUALITY.match(part)
        if found and found[1].lower() in (name, "*"):
            return float(found[2] or 1) > 0 if not found[2] or found[2].replace(".", "", 1).isdigit() else False
    return False


async def read_body(request: web.Request, limit: int) -> bytes | None:
    """The body, or None when it is larger than `limit` bytes (the rest is then left unread)."""
    if request.content_length is not None and request.content_length > limit:
        return None
    if request.content_length is not None and "Content-Encoding" not in request.headers:
        return await request.read()
    chunks, size = [], 0
    async for chunk in request.content.iter_chunked(65536):
        size += len(chunk)
        if size > limit:
            return None
        chunks.append(chunk)
    return b"".join(chunks)
