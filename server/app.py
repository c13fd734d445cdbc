"""The composition root: puts the parts together. Nobody imports this but the command line and the tests."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import gc
import signal
import socket
import struct
from collections.abc import AsyncIterator
from pathlib import Path

from aiohttp import web

from server import api, cabinet
from server.accounts.lookup import Lookup
from server.accounts.sealing import prove_key
from server.calls import routes as call_routes
from server.delivery import routes as delivery_routes
from server.delivery.inbox import InboxWriter
from server.delivery.spool import Spool
from server.keys import (
    ADDRESS,
    AUTHORIZE,
    BUS,
    CHECK_NUMBERS,
    COLLECTOR,
    DESCRIBE_BRANCHES,
    DIRECTORY,
    DRAINING,
    HANDLERS,
    HUB,
    INBOX,
    LOOKUP,
    NOTIFICATION_BODIES,
    OUTSIDE,
    POOL,
    PROVE_UIS,
    READ_EVENT,
    READ_FRAME,
    READ_REDIRECT,
    RECORDINGS,
    SCRIPTS,
    SEES_BRANCH,
    SETTINGS,
    SPOOL,
    VAULT,
    WIDGET,
)
from server.marketplace import routes as marketplace_routes
from server.platform import metrics
from server.platform import web as edge
from server.platform.bus import open_bus
from server.platform.embedded import EmbeddedPostgres, Owner
from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY, migrate, open_pool, pending_migrations, refuse_unsafe
from server.platform.vault import load_vault
from server.settings import Settings
from server.tracking import routes as tracking_routes
from server.tracking.collector import Collector
from server.tracking.scripts import ScriptRenderer
from server.uis.notification_bodies import notification_bodies
from server.worker import Parts, Worker
from server.workplace import entering, live, page
from server.workplace.hub import Hub

_log = logger(__name__)
_OPEN_TO_OTHER_SITES = ("/c", "/hooks/")
#: How long a draining server still answers, with `Connection: close`, what keep-alive clients send.
DRAIN_S = 1.0
#: How long a handshake under way may take to reach us before the door is shut.
HANDSHAKE_S = 0.2
_BACKLOG = 1024
Role = str  # all, web, worker


def places() -> tuple[Path, Path, Path]:
    """Built scripts, templates, the built workplace: beside the package in a checkout, inside it when installed."""
    package = Path(__file__).resolve().parent
    packed = package / "_assets"
    if packed.exists():
        return packed / "snippets", packed / "templates", packed / "widget"
    return package.parent / "snippets" / "dist", package.parent / "templates", package.parent / "widget" / "dist"


@contextlib.asynccontextmanager
async def database(settings: Settings, *, owner: Owner) -> AsyncIterator[str]:
    """DSN of the database, migrated: the operator's, or the private one, which then lives as long as this context."""
    dsn = settings.database_url.get_secret_value()
    if dsn:
        await migrate(dsn)
        yield dsn
        return
    embedded = EmbeddedPostgres(settings.data_dir, owner=owner)
    dsn = await embedded.start()
    watch = asyncio.create_task(embedded.watch(), name="embedded-postgres")
    try:
        await migrate(dsn)
        yield dsn
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)
        await embedded.stop()


def build(settings: Settings, dsn: str, *, role: Role = "all") -> web.Application:
    """The web application with everything in it; `dsn` is migrated."""
    built, templates, widget = places()
    app = web.Application(
        middlewares=[
            edge.edge(cabinet.error_page),
            edge.refuse_cross_site(settings.base_url, _OPEN_TO_OTHER_SITES),
        ],
        client_max_size=1024 * 1024,
    )
    app[SETTINGS] = settings
    app[ADDRESS] = edge.ClientAddress(settings.trusted_proxies)
    app[DRAINING] = asyncio.Event()
    if role != "worker":
        app[SCRIPTS] = ScriptRenderer(built, templates, base_url=settings.base_url)
    app.on_response_prepare.append(edge.security_headers(settings.base_url))
    app.on_response_prepare.append(_close_while_draining)
    app.cleanup_ctx.append(_resources(dsn, role))
    app.on_shutdown.append(_send_screens_away)
    app.router.add_get("/healthz", _live)
    app.router.add_get("/readyz", _ready)
    app.router.add_get("/metrics", _metrics)
    if role != "worker":
        app.add_routes(tracking_routes.routes)
        app.add_routes(delivery_routes.routes)
        app.add_routes(marketplace_routes.routes)
        app.add_routes(call_routes.routes)
        app[WIDGET] = page.Widget(widget, templates)
        for part in (page, entering, live):
            app.add_routes(part.routes)
        api.setup(app)
        cabinet.setup(app, templates)
    return app


def _resources(dsn: str, role: Role):  # type: ignore[no-untyped-def]
    async def context(app: web.Application) -> AsyncIterator[None]:
        settings = app[SETTINGS]
        async with contextlib.AsyncExitStack() as stack:
            pool = app[POOL] = await open_pool(dsn)
            stack.push_async_callback(_close_pool, pool)
            async with pool.acquire() as conn:
                await refuse_unsafe(conn)
            bus = app[BUS] = await open_bus(settings.redis_url.get_secret_value())
            stack.push_async_callback(bus.close)
            vault = app[VAULT] = load_vault(
                settings.master_key.get_secret_value(), settings.data_dir, settings.master_key_old.get_secret_value()
            )
            async with pool.acquire() as conn:
                await prove_key(conn, vault)
            lookup = app[LOOKUP] = Lookup(pool, vault)
            spool = app[SPOOL] = Spool(settings.data_dir / "spool")
            worker = Worker(Parts(settings, pool, bus, vault, lookup, spool))
            app[HANDLERS], app[DIRECTORY] = worker.handlers, worker.read_directory
            app[NOTIFICATION_BODIES] = notification_bodies
            app[READ_REDIRECT], app[READ_EVENT] = worker.asked_by, worker.app_event
            app[RECORDINGS], app[CHECK_NUMBERS] = worker.open_recording, worker.calls.check_numbers
            app[DESCRIBE_BRANCHES] = worker.describe_branches
            app[AUTHORIZE], app[PROVE_UIS] = worker.authorize, worker.prove_uis
            app[SEES_BRANCH] = worker.sees_branch
            app[OUTSIDE], app[READ_FRAME] = worker.outside, worker.frame_asked
            if role != "worker":
                inbox = app[INBOX] = InboxWriter(pool, spool)
                collector = app[COLLECTOR] = Collector(pool, bus)
                hub = app[HUB] = Hub(pool, bus)
                for part in (inbox, collector, hub):
                    part.start()
                    stack.push_async_callback(part.stop)
            if role != "web":
                worker.start()
                stack.push_async_callback(worker.stop)
            yield

    return context


async def _close_pool(pool) -> None:  # type: ignore[no-untyped-def]
    try:
        await asyncio.wait_for(pool.close(), 5)
    except TimeoutError:
        pool.terminate()


async def _send_screens_away(app: web.Application) -> None:
    """Connections of the workplace never end by themselves; their screens come back to whoever listens then."""
    if HUB in app:
        app[HUB].send_away()


async def _close_while_draining(request: web.Request, response: web.StreamResponse) -> None:
    if request.app[DRAINING].is_set():
        response.headers["Connection"] = "close"  # the headers are already made; without it the client would come back
        response.force_close()


# --- health


async def _live(_: web.Request) -> web.Response:
    return web.json_response({"status": "live"})


async def _ready(request: web.Request) -> web.Response:
    """Ready: the database answers, nothing is left to migrate, the spool can be written."""
    checks: dict[str, bool] = {"database": False, "migrations": False, "spool": request.app[SPOOL].writable()}
    with contextlib.suppress(*DATABASE_AWAY):
        async with request.app[POOL].acquire(timeout=2) as conn:
            checks["database"] = True
            checks["migrations"] = not await pending_migrations(conn)
    ready = all(checks.values()) and not request.app[DRAINING].is_set()
    return web.json_response(
        {"status": "ready" if ready else "not_ready", "checks": checks}, status=200 if ready else 503
    )


async def _metrics(request: web.Request) -> web.Response:
    if not request.app[ADDRESS].is_operator(request):
        raise edge.Problem(404, "not_found", "There is nothing at this address.")
    return web.Response(body=metrics.exposition(), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"})


# --- serving


async def serve(app: web.Application, *, reuse_port: bool = False, sock: socket.socket | None = None) -> None:
    """Serves until SIGTERM or SIGINT, then drains: no request that reached us fails.

    Order: close the listening socket, answer keep-alive clients with `Connection: close` for a moment, clean up.
    """
    settings = app[SETTINGS]
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=10, keepalive_timeout=75)
    await runner.setup()
    listening = sock or _listen(settings.host, settings.port, reuse_port=reuse_port)
    site = web.SockSite(runner, listening, backlog=_BACKLOG)
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop.set)
    try:
        await site.start()
        # What start-up made stays for good: the collector of garbage need not look at it again.
        gc.collect()
        gc.freeze()
        _log.info("server.ready", url=settings.base_url)
        await stop.wait()
        _log.info("server.draining")
        await _stop_listening(runner, site, listening)
        app[DRAINING].set()
        await asyncio.sleep(DRAIN_S)
    finally:
        await runner.cleanup()
        for name in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(name)
    _log.info("server.stopped")


def _listen(host: str, port: int, *, reuse_port: bool) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    return socket.create_server((host, port), family=family, backlog=_BACKLOG, reuse_port=reuse_port)


async def _stop_listening(runner: web.AppRunner, site: web.SockSite, listening: socket.socket) -> None:
    """Closes the listening socket without resetting anybody: who is connected but not yet taken in is taken in first.

    The kernel resets what waits in the queue of a closed socket, though another process may listen on the port.
    """
    if _turn_newcomers_away(listening):
        await asyncio.sleep(HANDSHAKE_S)
    assert runner.server is not None
    loop = asyncio.get_running_loop()
    while True:
        try:
            connection, _ = listening.accept()
        except OSError:  # nobody waits any more
            break
        connection.setblocking(False)
        await loop.connect_accepted_socket(runner.server, connection)
    await site.stop()


#: A filter of the kernel (classic BPF), for a packet from its TCP header on: one that only opens a connection is
#: dropped, so that its sender asks again, in a second, whoever listens then. Everything else passes.
_DROP_SYN = ((0x30, 0, 0, 13), (0x54, 0, 0, 0x12), (0x15, 0, 1, 0x02), (0x06, 0, 0, 0), (0x06, 0, 0, 0xFFFFFFFF))
_SO_ATTACH_FILTER = 26


def _turn_newcomers_away(listening: socket.socket) -> bool:
    """Whether the kernel took the filter; without it a handshake of this very moment may be reset."""
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *line) for line in _DROP_SYN))
    try:
        listening.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_DROP_SYN), ctypes.addressof(program))
        )
    except OSError:
        return False
    return True
