"""Puts the stand together: one port, told apart by host name."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from aiohttp import web

from e2e.stand import cabinet, control, journal, marketplace, pages, people_rest, rest, voip
from e2e.stand.hooks import HookSender
from e2e.stand.state import Stand, StandConfig
from e2e.stand.uis.app import make_uis_app
from e2e.stand.uis.keys import UIS


@dataclass
class RunningStand:
    stand: Stand
    port: int
    _runner: web.AppRunner
    loop: asyncio.AbstractEventLoop = field(default_factory=asyncio.get_running_loop)  # where its state may be changed

    async def stop(self) -> None:
        await self._runner.cleanup()


def make_app(stand: Stand) -> web.Application:
    app = web.Application(middlewares=[rest.vendor_moods])
    app[rest.STAND] = stand
    app[rest.HOOKS] = HookSender(stand)
    app.add_routes(control.routes)
    for part in (rest, marketplace, voip, people_rest, cabinet, journal):
        app.add_routes(part.routes)
    app[UIS] = stand.uis
    app.add_subapp("/uis/", make_uis_app(stand.uis))
    app.router.add_route("*", "/{tail:.*}", _by_host)

    async def hooks(app: web.Application):
        await app[rest.HOOKS].start()
        yield
        await app[rest.HOOKS].stop()

    app.cleanup_ctx.append(hooks)
    return app


async def _by_host(request: web.Request) -> web.StreamResponse:
    config, host = request.app[rest.STAND].config, request.host
    first = host.split(".")[0]
    if host == config.own_form_host or (first[:1] in "nbwyo" and first[1:].isdigit()):
        return await pages.form_host(request)
    if host == config.salon_host:
        return await pages.salon(request)
    return await pages.cabinet(request)


async def start_stand(
    config: StandConfig, *, host: str = "127.0.0.1", port: int = 0, stand: Stand | None = None
) -> RunningStand:
    """Serves until `stop()`. With port 0 the number is chosen by the system."""
    stand = stand or Stand(config)
    runner = web.AppRunner(make_app(stand), access_log=None, shutdown_timeout=1)
    await runner.setup()
    site = web.TCPSite(runner, host, port)
    await site.start()
    stand.uis.origin = stand.uis.origin or f"http://{host}:{runner.addresses[0][1]}/uis"
    return RunningStand(stand, runner.addresses[0][1], runner)
