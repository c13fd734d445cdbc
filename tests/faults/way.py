"""What the fault tests of the whole way have in common: an account that is connected with both vendors of the stand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from tests.server_process import ServerProcess

LEADS = {"enabled": True, "default": {"entity": "source", "source_id": 8, "site_id": 43525}}
_SECRETS = {
    "uis": {"access_token": "stand-key-0123456789"},
    "yclients": {"partner_token": "p", "user_token": "u"},
}


async def connect(server: ServerProcess) -> None:
    for vendor, secret in _SECRETS.items():
        done = await asyncio.to_thread(server.command, "account", "connect", vendor, "Salon", given=json.dumps(secret))
        assert done.returncode == 0, done.stderr


async def switch_on(server: ServerProcess, token: str, **integrations: Mapping[str, Any]) -> None:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) as http:
        for name, body in integrations.items():
            async with http.put(f"{server.base}/api/v1/integrations/{name}", json=body) as answer:
                assert answer.status == 200, await answer.text()
