"""Webhooks of the simulated vendor: one attempt and any answer counts, or the other brand's two retries."""

from __future__ import annotations

import asyncio
import copy
import random
import time
from typing import Any

import aiohttp

from e2e.stand.state import Stand


class HookSender:
    """Sends events to the addresses of a branch; keeps a log of every attempt."""

    def __init__(self, stand: Stand) -> None:
        self._stand = stand
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: list[tuple[int, dict[str, Any]]] = []
        self._session: aiohttp.ClientSession | None = None
        self._chance = random.Random(1)

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10, connect=5))

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._session:
            await self._session.close()

    def record(self, record: dict[str, Any], status: str) -> None:
        switches = self._stand.switches
        self.event(record["company_id"], "record", record["id"], status, record)
        if status == "create" and switches.hook_pair:
            self.event(record["company_id"], "record", record["id"], "update", record)
        if status == "create" and switches.hook_client and record["client"]:
            client = self._stand.clients[record["client"]["id"]]
            self.event(record["company_id"], "client", client["id"], "create", client)

    def event(self, company_id: int, resource: str, resource_id: int, status: str, data: dict[str, Any]) -> None:
        body = {
            "company_id": company_id, "resource": resource, "resource_id": resource_id, "status": status,
            "data": copy.deepcopy(data),
        }  # fmt: skip
        switches = self._stand.switches
        for _ in range(1 + switches.hook_duplicates):
            if self._chance.random() < switches.hook_loss:
                self._log("", body, "lost")
            elif switches.hook_hold:
                self._held.append((company_id, body))
            else:
                self._spawn(company_id, body)

    def release(self) -> int:
        held, self._held = self._held, []
        if self._stand.switches.hook_reorder:
            held.reverse()
        for company_id, body in held:
            self._spawn(company_id, body)
        return len(held)

    def _spawn(self, company_id: int, body: dict[str, Any]) -> None:
        for url in self._stand.hooks.get(company_id, []):
            task = asyncio.create_task(self._send(url, body))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _send(self, url: str, body: dict[str, Any]) -> None:
        switches = self._stand.switches
        delay_s = switches.hook_delay_s * (self._chance.random() * 3 if switches.hook_reorder else 1)
        await asyncio.sleep(delay_s)
        headers = {"User-Agent": "GuzzleHttp/7"}
        if switches.hook_mode == "altegio":
            headers["Authorization"] = "Bearer stand"
        attempts = 3 if switches.hook_mode == "altegio" else 1
        assert self._session is not None
        for attempt in range(attempts):
            try:
                async with self._session.post(url, json=body, headers=headers) as answer:
                    self._log(url, body, str(answer.status))
                    if answer.status != 429 and answer.status < 500:
                        return
            except (aiohttp.ClientError, TimeoutError) as error:
                self._log(url, body, type(error).__name__)
            if attempt + 1 < attempts:
                await asyncio.sleep(switches.hook_retry_s)

    def _log(self, url: str, body: dict[str, Any], outcome: str) -> None:
        self._stand.deliveries.append(
            {
                "at": time.time(), "to": url.rsplit("/", 1)[0], "resource": body["resource"], "id": body["resource_id"],
                "status": body["status"], "outcome": outcome,
            }
        )  # fmt: skip
