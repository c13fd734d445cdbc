"""One real PostgreSQL for the run, one cloned database for each test, and accounts made as the product makes them."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from server.accounts import flow
from server.app import build
from server.platform.embedded import EmbeddedPostgres
from server.platform.ids import random_text
from server.platform.postgres import migrate, open_pool
from server.platform.vault import load_vault
from server.settings import Settings

COMPANY = 4564


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """DSN of the run's own PostgreSQL, with a migrated template database."""
    folder = Path(tempfile.mkdtemp(prefix="yclick-test-"))
    folder.chmod(0o755)  # the database runs as another user when the tests run as root
    embedded = EmbeddedPostgres(folder, owner="command")

    async def start() -> str:
        dsn = await embedded.start()
        conn = await asyncpg.connect(dsn)
        await conn.execute("create database template_yclick")
        await conn.close()
        await migrate(database_of(dsn, "template_yclick"))
        return dsn

    dsn = asyncio.run(start())
    yield dsn
    asyncio.run(embedded.stop())
    shutil.rmtree(folder, ignore_errors=True)


def database_of(dsn: str, name: str) -> str:
    return dsn.replace("/postgres?", f"/{name}?")


@pytest.fixture
async def dsn(cluster: str) -> AsyncIterator[str]:
    """An empty, migrated database of this test's own."""
    name = f"t_{random_text(12).lower()}"
    conn = await asyncpg.connect(cluster)
    await conn.execute(f"create database {name} template template_yclick strategy file_copy")
    yield database_of(cluster, name)
    await conn.execute(f"drop database {name} with (force)")
    await conn.close()


@pytest.fixture
async def pool(dsn: str) -> AsyncIterator[asyncpg.Pool]:
    pool = await open_pool(dsn, min_size=1, max_size=8)
    yield pool
    pool.terminate()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data_dir=tmp_path, public_url="http://yclick.test", match_grace_s=0.4, allow_private_egress=True)


@dataclass
class Salon:
    """An account as `account create` hands it out, and a client to talk to the server with."""

    made: flow.NewAccount
    http: TestClient

    @property
    def token(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.made.api_token}"}

    @property
    def hook(self) -> str:
        return f"/hooks/yclients/{self.made.hook_tokens['yclients']}"

    def key(self, place: str = "site") -> str:
        return self.made.site.site_key if place == "site" else self.made.site.form_key

    async def get(self, path: str, **params: Any) -> Any:
        async with self.http.get(f"/api/v1{path}", params=params, headers=self.token) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def collect(self, batch: Any, place: str = "site", **kwargs: Any) -> int:
        data = {"json": batch} if isinstance(batch, dict) else {"data": batch}
        headers = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 Chrome/156.0 Safari/537.36"}
        async with self.http.post(f"/c?k={self.key(place)}", headers=headers, **data, **kwargs) as answer:
            return answer.status

    async def webhook(self, body: Any) -> int:
        data = {"json": body} if isinstance(body, (dict, list)) else {"data": body}
        async with self.http.post(self.hook, **data) as answer:
            return answer.status


@pytest.fixture
async def http(dsn: str, settings: Settings) -> AsyncIterator[TestClient]:
    """The whole server in this process: web and worker, over real PostgreSQL."""
    async with TestClient(TestServer(build(settings, dsn))) as client:
        yield client


@pytest.fixture
async def salon(http: TestClient, pool: asyncpg.Pool, settings: Settings) -> Salon:
    return await make_salon(http, pool, settings)


async def make_salon(
    http: TestClient, pool: asyncpg.Pool, settings: Settings, *, name: str = "Salon", company: int = COMPANY
) -> Salon:
    vault = load_vault("", settings.data_dir)
    async with pool.acquire() as conn:
        made = await flow.create_account(
            conn, vault, name=name, domain="salon.example", branches=[(company, "Europe/Moscow")],
            owner_email=f"{name.lower()}@salon.example",
        )  # fmt: skip
    return Salon(made, http)


async def eventually(check: Any, *, within_s: float = 30.0) -> Any:
    """Polls until `check` answers something true; fails with its last answer."""
    deadline = asyncio.get_running_loop().time() + within_s
    answer = None
    while asyncio.get_running_loop().time() < deadline:
        answer = await check()
        if answer:
            return answer
        await asyncio.sleep(0.03)
    raise AssertionError(f"did not come true within {within_s} s; last answer: {answer!r}")
