"""The stand over a real socket, with a caller that speaks as an integration does."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from e2e.stand.app import RunningStand, start_stand
from e2e.stand.state import StandConfig
from e2e.stand.telephony import CRM_TOKEN

V2 = "application/vnd.yclients.v2+json"


class Caller:
    """Calls the stand; a document is what comes back, with its status."""

    def __init__(self, running: RunningStand, session: aiohttp.ClientSession) -> None:
        self.stand, self._base, self._session = running.stand, f"http://127.0.0.1:{running.port}", session

    async def rest(self, method: str, path: str, body: Any = None, *, user: bool = True) -> tuple[int, Any]:
        headers = {"Accept": V2, "Authorization": "Bearer partner" + (", User person" if user else "")}
        return await self.ask(method, f"/api/v1{path}", body, headers=headers)

    async def ask(self, method: str, path: str, body: Any = None, **options: Any) -> tuple[int, Any]:
        async with self._session.request(method, self._base + path, json=body, **options) as answer:
            return answer.status, await answer.json() if "json" in answer.content_type else await answer.text()

    async def voip(self, **command: Any) -> tuple[int, Any]:
        return await self.rest("POST", "/voip/integration", {"crm_token": CRM_TOKEN, **command}, user=False)


@pytest.fixture
async def caller() -> AsyncIterator[Caller]:
    running = await start_stand(StandConfig())
    async with aiohttp.ClientSession() as session:
        yield Caller(running, session)
    await running.stop()
