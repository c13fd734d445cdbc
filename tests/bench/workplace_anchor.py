"""The baseline of the workplace: the smallest honest WebSocket server, on the loop ours runs on.

Whatever one client says is framed once and handed to every connection. No login, no store, no rights, no numbers.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import WSMsgType, web

from server.workplace.wire import socket_frame


async def _serve(port: int) -> None:
    transports: set[asyncio.Transport] = set()

    async def socket(request: web.Request) -> web.WebSocketResponse:
        ws = web.WebSocketResponse(compress=False)
        await ws.prepare(request)
        own = request.transport
        assert own is not None
        transports.add(own)
        try:
            async for message in ws:
                if message.type is WSMsgType.TEXT and "@" in message.data:
                    frame = socket_frame(message.data)
                    for transport in transports:
                        transport.write(frame)
        finally:
            transports.discard(own)
        return ws

    app = web.Application()
    app.router.add_get("/workplace/ws", socket)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
