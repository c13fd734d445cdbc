"""`python -m tests.bench.caller JSON`: one process that calls YCLIENTS as the server does, and says what it waited.

Given: `dsn`, `url`, `seconds`, `readers` (pages of past months, as many at once as that) and `every_s` (an operator's
call at about that distance; 0: none). Printed: how many pages were read, and the seconds of each operator's call.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
import time
from typing import Any

from server.platform.budget import Budgets, Priority
from server.platform.egress import Egress
from server.platform.ids import new_id
from server.platform.postgres import open_pool
from server.yclients.client import YclientsClient

_COMPANY = 4564


async def run(given: dict[str, Any]) -> dict[str, Any]:
    pool = await open_pool(given["dsn"], min_size=1, max_size=4)
    egress = Egress(allow_private=True, budgets=Budgets(pool))
    ends, pages, waits = time.monotonic() + given["seconds"], [0], []

    def client() -> YclientsClient:
        return YclientsClient(egress, base_url=given["url"], partner_token="p", user_token="u", account=str(new_id()))

    async def read() -> None:
        one = client()
        while True:
            await one.list_records(_COMPANY, count=1, priority=Priority.BACKFILL)
            pages[0] += 1

    async def operate() -> None:
        one = client()
        while given["every_s"]:
            await asyncio.sleep(given["every_s"] * (0.5 + random.random()))
            began = time.monotonic()
            await one.list_records(_COMPANY, count=1, priority=Priority.OPERATOR)
            waits.append(time.monotonic() - began)

    tasks = [asyncio.create_task(read()) for _ in range(given["readers"])] + [asyncio.create_task(operate())]
    done, _ = await asyncio.wait(tasks, timeout=ends - time.monotonic(), return_when=asyncio.FIRST_EXCEPTION)
    for task in done:
        if error := task.exception():
            raise error
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await egress.close()
    pool.terminate()
    return {"pages": pages[0], "waits": waits}


if __name__ == "__main__":
    print(json.dumps(asyncio.run(run(json.loads(sys.argv[1])))))
