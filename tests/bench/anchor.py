"""The baselines: the smallest honest aiohttp servers that do one thing, on the loop our server runs on.

`parse` decodes a body and forgets it; `journal` appends it to a file and answers after fdatasync; `sqlite` commits it
(WAL, synchronous=FULL) and answers after the commit. Both stores commit in groups: while one commit runs, the next
group gathers. `/script.js` is a file in memory. None of them checks, limits or works on what it is given.
"""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import json
import os
import sqlite3
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import uvloop
from aiohttp import web

Write = Callable[[list[bytes]], None]


class Groups:
    """Group commit in a thread of its own; `put` returns when its body is durable."""

    def __init__(self, write: Write, thread: ThreadPoolExecutor) -> None:
        self._write, self._thread = write, thread
        self._waiting: list[bytes] = []
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._wake = asyncio.Event()
        self.stored = 0

    async def put(self, body: bytes) -> None:
        self._waiting.append(body)
        self._wake.set()
        await self._done

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await self._wake.wait()
            self._wake.clear()
            bodies, self._waiting = self._waiting, []
            done, self._done = self._done, loop.create_future()
            await loop.run_in_executor(self._thread, self._write, bodies)
            self.stored += len(bodies)
            done.set_result(None)


def journal(folder: Path) -> Write:
    file = os.open(folder / "journal", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(bodies: list[bytes]) -> None:
        os.write(file, b"".join([b"%d %b\n" % (len(body), body) for body in bodies]))
        os.fdatasync(file)

    return write


def sqlite(folder: Path) -> Write:
    database = sqlite3.connect(folder / "anchor.db", isolation_level=None, check_same_thread=False)
    database.execute("pragma journal_mode = wal")
    database.execute("pragma synchronous = full")
    database.execute("create table body (id integer primary key, body blob)")

    def write(bodies: list[bytes]) -> None:
        database.execute("begin immediate")
        database.executemany("insert into body (body) values (?)", [(body,) for body in bodies])
        database.execute("commit")

    return write


async def serve(store: str, port: int, folder: Path) -> None:
    makers: dict[str, Callable[[Path], Write]] = {"journal": journal, "sqlite": sqlite}
    groups: Groups | None = None
    tasks = []
    if store in makers:
        thread = ThreadPoolExecutor(1)
        write = await asyncio.get_running_loop().run_in_executor(thread, makers[store], folder)
        groups = Groups(write, thread)
        tasks.append(asyncio.create_task(groups.run()))

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        json.loads(body)
        if groups:
            await groups.put(body)
        return web.Response(status=204, headers={"Access-Control-Allow-Origin": "*", "Cache-Control": "no-store"})

    async def hook(request: web.Request) -> web.Response:
        body = await request.read()
        assert groups
        await groups.put(body)
        return web.json_response({"status": "accepted"})

    async def count(_: web.Request) -> web.Response:
        return web.json_response({"stored": groups.stored if groups else 0})

    script = gzip.compress(os.urandom(1700).hex().encode(), 9)
    headers = {
        "Content-Type": "application/javascript; charset=utf-8", "Content-Encoding": "gzip", "Vary": "Accept-Encoding",
        "ETag": f'"{hashlib.sha256(script).hexdigest()[:20]}"', "Cache-Control": "public, max-age=300",
    }  # fmt: skip

    async def from_memory(_: web.Request) -> web.Response:
        return web.Response(body=script, headers=headers)

    app = web.Application()
    app.add_routes(
        [
            web.post("/take", take),
            web.post("/hook", hook),
            web.get("/count", count),
            web.get("/script.js", from_memory),
        ]
    )
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, backlog=1024).start()
    await asyncio.gather(*tasks, asyncio.Event().wait())


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
