"""Simulated vendors, and an account that is connected to it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.app import RunningStand, start_stand
from e2e.stand.state import StandConfig
from e2e.stand.uis.app import RunningUis, start_uis
from server.accounts import flow
from server.app import build
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import Salon, make_salon


@pytest.fixture
async def stand() -> AsyncIterator[RunningStand]:
    running = await start_stand(StandConfig())
    yield running
    await running.stop()


@pytest.fixture
async def uis() -> AsyncIterator[RunningUis]:
    running = await start_uis()
    yield running
    await running.stop()


@pytest.fixture
async def connected(dsn: str, pool: asyncpg.Pool, stand: RunningStand, settings: Settings) -> AsyncIterator[Salon]:
    own = settings.model_copy(update={"yclients_api_url": f"http://127.0.0.1:{stand.port}"})
    async with TestClient(TestServer(build(own, dsn))) as client:
        salon = await make_salon(client, pool, own)
        vault = load_vault("", own.data_dir)
        async with pool.acquire() as conn:
            secret = {"partner_token": "canary-partner", "user_token": "canary-user"}
            await flow.connect(conn, vault, salon.made.account.account_id, "yclients", "test", secret)
        yield salon
