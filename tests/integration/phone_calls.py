"""A salon whose telephony is connected, and a telephony that tells of calls as UIS does."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.app import RunningStand
from e2e.stand.telephony import CRM_TOKEN, Network
from server.accounts import flow
from server.accounts import store as accounts
from server.app import build
from server.calls import networks
from server.calls.settings import TelephonyIntegration
from server.platform.clock import utc_now
from server.platform.vault import Vault, load_vault
from server.settings import Settings
from tests.conftest import Salon, eventually, make_salon

FIRST, SECOND, STRANGE = "74950000001", "74950000002", "74950000003"
CALLER = "79165550101"
_number = itertools.count(3_173_000_000)


@dataclass
class Line:
    """The salon with its telephony."""

    salon: Salon
    stand: RunningStand
    pool: asyncpg.Pool
    vault: Vault
    network_id: UUID

    @property
    def account_id(self) -> UUID:
        return self.salon.made.account.account_id

    @property
    def network(self) -> Network:
        return self.stand.stand.telephony.networks[312]

    async def tell(self, event: str, call: int, **facts: Any) -> None:
        body = {"event": event, "call_session_id": call, "virtual_phone_number": FIRST, "contact_phone_number": CALLER}
        path = f"/hooks/uis/{self.salon.made.hook_tokens['uis']}"
        async with self.salon.http.post(path, json=body | facts) as answer:
            assert answer.status == 200, await answer.text()

    async def call(self, number: int) -> asyncpg.Record:
        row = await self.pool.fetchrow("select * from call where session_id = $1", str(number))
        assert row is not None
        return row

    async def until(self, number: int, **wanted: Any) -> asyncpg.Record:
        async def check() -> Any:
            row = await self.pool.fetchrow("select * from call where session_id = $1", str(number))
            return row if row and all(row[name] == value for name, value in wanted.items()) else None

        found: asyncpg.Record = await eventually(check)
        return found

    async def history(self, number: int) -> list[dict[str, Any]]:
        """Entries of this call, once there is one."""

        async def check() -> list[dict[str, Any]]:
            return [row for row in self.network.history if row["call_id"] == str(number)]

        found: list[dict[str, Any]] = await eventually(check)
        return found

    async def set(self, **changes: Any) -> None:
        settings = line_settings(self.network_id, **changes)
        async with self.pool.acquire() as conn:
            await accounts.save_integration(
                conn, self.account_id, "telephony", settings.model_dump(mode="json"), now=utc_now()
            )


def new_call() -> int:
    return next(_number)


def line_settings(network_id: UUID, *, network: dict[str, Any] | None = None, **changes: Any) -> TelephonyIntegration:
    own = {
        "network_id": str(network_id), "title": "Сеть «Лён»",
        "numbers": [{"number": FIRST, "company_id": 4564}, {"number": SECOND, "company_id": 4565}],
    }  # fmt: skip
    return TelephonyIntegration.model_validate(
        {"enabled": True, "networks": [own | (network or {})], "recording_grace_s": 0, **changes}
    )


@asynccontextmanager
async def connected_line(
    dsn: str, pool: asyncpg.Pool, stand: RunningStand, settings: Settings, **changes: Any
) -> AsyncIterator[Line]:
    async with TestClient(TestServer(build(settings, dsn))) as client:
        salon = await make_salon(client, pool, settings)
        vault = load_vault("", settings.data_dir)
        account_id = salon.made.account.account_id
        async with pool.acquire() as conn, conn.transaction():
            await flow.add_branch(conn, account_id, "4565", "Europe/Moscow")
            secret = {"partner_token": "canary-partner", "user_token": "canary-user"}
            await flow.connect(conn, vault, account_id, "yclients", "test", secret)
            network_id = await networks.add(conn, vault, account_id, name="Лён", token=CRM_TOKEN, now=utc_now())
            await networks.want(conn, account_id, frozenset([network_id]), now=utc_now())
        line = Line(salon, stand, pool, vault, network_id)
        await line.set(**changes)

        async def on() -> bool:
            return line.network.enabled and await pool.fetchval("select state = 'on' from network") is True

        await eventually(on)
        yield line


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
