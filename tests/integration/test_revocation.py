"""Tokens and webhook addresses that were given away are taken back: by the page «Доступ» and by the command line."""

from __future__ import annotations

import argparse
import re
from datetime import timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient

from server import administration
from server.accounts import flow, store
from server.platform.clock import utc_now
from server.platform.ids import digest
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import eventually, make_salon
from tests.factories import webhook
from tests.integration.test_cabinet import Owner, browser


@pytest.fixture
async def owner(http: TestClient, pool: asyncpg.Pool, settings: Settings) -> Any:
    one = browser(await make_salon(http, pool, settings))
    await one.log_in_by_link(pool)
    yield one
    await one.session.close()


async def _status(owner: Owner, token: str) -> int:
    path = "/api/v1/health"
    async with owner.salon.http.get(path, headers={"Authorization": f"Bearer {token}"}) as answer:
        return answer.status


async def test_a_token_is_made_shown_once_and_revoked(owner: Owner) -> None:
    page = await owner.send("/access/tokens")
    (token,) = re.findall(r"yck_\w{40}", page)
    assert await _status(owner, token) == 200
    page = await owner.page("/access")
    assert token not in page
    named = flow.token_id(digest(token))
    assert f"/access/tokens/{named}/revoke" in page
    assert "Токен отозван" in await owner.send(f"/access/tokens/{named}/revoke")
    assert await _status(owner, token) == 401
    assert await _status(owner, owner.salon.made.api_token) == 200, "the others stay"
    assert named not in await owner.page("/access")


async def test_nobody_revokes_a_token_of_another_account(
    owner: Owner, http: TestClient, pool: asyncpg.Pool, settings: Settings
) -> None:
    other = await make_salon(http, pool, settings, name="Other", company=777)
    named = flow.token_id(digest(other.made.api_token))
    await owner.send(f"/access/tokens/{named}/revoke", status=404)
    assert await _status(owner, other.made.api_token) == 200


async def test_a_new_webhook_address_stands_beside_the_former_one_for_a_while(
    owner: Owner, pool: asyncpg.Pool, settings: Settings
) -> None:
    former, account_id = owner.salon.made.hook_tokens["yclients"], owner.salon.made.account.account_id
    assert "Новый адрес готов" in await owner.send("/access/hooks/yclients/rotate")
    async with pool.acquire() as conn:
        urls = await flow.hook_urls(conn, load_vault("", settings.data_dir), account_id, "")
    assert former not in urls["yclients"]
    for path in (urls["yclients"], f"/hooks/yclients/{former}"):
        async with owner.salon.http.post(path, data=webhook(3001)) as answer:
            assert answer.status == 200, path
    await pool.execute("update hook_token set expires_at = now() where expires_at is not null")

    async def refused() -> bool:
        async with owner.salon.http.post(f"/hooks/yclients/{former}", data=webhook(3002)) as answer:
            return answer.status == 404

    await eventually(refused)  # what was remembered of it ends within seconds
    async with owner.salon.http.post(urls["yclients"], data=webhook(3003)) as answer:
        assert answer.status == 200


async def test_the_command_line_lists_revokes_and_rotates(
    owner: Owner, dsn: str, pool: asyncpg.Pool, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    account_id = str(owner.salon.made.account.account_id)

    async def run(action: str, **more: Any) -> tuple[int, str]:
        arguments = argparse.Namespace(
            **{"action": action, "account": account_id, "list": False, "revoke": None, **more}
        )
        code = await administration.account(settings, dsn, arguments, {})
        return code, capsys.readouterr().out

    named = flow.token_id(digest(owner.salon.made.api_token))
    assert named in (await run("token", list=True))[1]
    assert (await run("token", revoke="0" * 12))[0] == 1
    assert (await run("token", revoke="%"))[0] == 1
    assert (await run("token", revoke=named))[0] == 0
    assert named not in (await run("token", list=True))[1]
    code, url = await run("hook", vendor="uis", grace_hours=0.0)
    assert code == 0
    token = url.strip().rpartition("/")[2]
    now = utc_now() + timedelta(seconds=1)
    async with pool.acquire() as conn:
        assert await store.account_of_hook(conn, digest(token), "uis", now) is not None
        assert await store.account_of_hook(conn, digest(owner.salon.made.hook_tokens["uis"]), "uis", now) is None
        assert await store.account_of_hook(conn, digest(owner.salon.made.hook_tokens["yclients"]), "yclients", now)
