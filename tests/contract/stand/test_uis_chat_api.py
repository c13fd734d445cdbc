"""The Chat API of the simulated UIS: an adapter is made, connected, told of chats, and answers in them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from e2e.stand.uis.app import RunningUis, start_uis

OWNER = {"login": "owner@salon.example", "password": "stand-password", "project": "uis2"}


class Adapter:
    """Somebody's own workplace for operators, and its owner."""

    def __init__(self, running: RunningUis, session: aiohttp.ClientSession, webhook_url: str) -> None:
        self.running, self._session, self.webhook_url = running, session, webhook_url
        self.came: list[tuple[str, str, Any]] = []  # path, authorisation, document
        self.account_id = 0

    async def hear(self, request: web.Request) -> web.Response:
        self.came.append((request.path, request.headers.get("Authorization", ""), await request.json()))
        return web.Response(status=204)

    async def ask(self, method: str, path: str, body: Any = None, *, token: str = "", **more: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        async with self._session.request(method, self.running.url + path, json=body, headers=headers, **more) as answer:
            return answer.status, await answer.json() if "json" in answer.content_type else await answer.text()

    async def owner(self) -> str:
        answer = await self.ask(
            "POST", "/api/auth/json_rpc", {"jsonrpc": "2.0", "id": "1", "method": "login", "params": OWNER}
        )
        return str(answer[1]["result"]["jwt"])

    async def connect(self, *channels: int) -> str:
        """Makes the adapter, connects the channels, logs in; answers the adapter's token."""
        owner = await self.owner()
        made = {
            "type": "own_desk", "name": "Свой", "login": "desk", "password": "desk-password", "webhook_url": self.webhook_url,
            "webhook_auth": {"type": "Bearer", "token": "hook"}, "supported_channel_types": ["comagic", "whatsapp"],
        }  # fmt: skip
        status, adapter = await self.ask("POST", "/v1/integration/adapter", made, token=owner)
        assert (status, "password" in adapter) == (201, False)
        body = {"name": "Салон", "adapter_id": adapter["id"], "channels": list(channels)}
        status, account = await self.ask("POST", "/v1/integration/account", body, token=owner)
        assert status == 201
        self.account_id = account["id"]
        async with self._session.post(
            f"{self.running.url}/v1/adapter/login", data={"username": "desk", "password": "desk-password"}
        ) as answer:
            return str((await answer.json())["access_token"])

    async def paths(self, number: int) -> list[str]:
        for _ in range(1000):
            if len(self.came) >= number:
                return [path for path, _, _ in self.came]
            await asyncio.sleep(0.02)
        raise AssertionError(f"only {self.came}")


@pytest.fixture
async def adapter() -> AsyncIterator[Adapter]:
    running, app = await start_uis(), web.Application()
    async with aiohttp.ClientSession() as session:
        made = Adapter(running, session, "")
        app.router.add_route("*", "/{tail:.*}", made.hear)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        made.webhook_url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield made
        await runner.cleanup()
    await running.stop()


async def test_an_adapter_is_told_of_its_account_and_of_each_chat_as_it_goes(adapter: Adapter) -> None:
    await adapter.connect(740804)
    chat = await adapter.running.talks.chat(scale=0, until_end=True)
    paths = await adapter.paths(9)
    assert paths == [
        "/account", "/channel", "/chat", "/message", "/message", "/message", "/visitor/card", "/message", "/chat/close",
    ]  # fmt: skip
    assert {auth for _, auth, _ in adapter.came} == {"Bearer hook"}
    new, card, end = adapter.came[2][2], adapter.came[6][2], adapter.came[8][2]
    assert (new["chat_id"], new["visitor_phone"], new["account_id"]) == (chat.id, None, adapter.account_id)
    assert new["created_at"].endswith("+00:00")
    assert card["visitor_card"]["phones"] == ["79165550101"]
    assert end["reason"] == "closed_by_operator"
    assert adapter.came[3][2]["system_message_mnemonic"] == "chat_started"


async def test_a_channel_that_is_not_connected_tells_nothing(adapter: Adapter) -> None:
    await adapter.connect(740805)
    await adapter.running.talks.chat(scale=0, until_end=True)
    await adapter.paths(2)
    await adapter.ask("GET", "/_stand/scenarios")
    assert [path for path, _, _ in adapter.came] == ["/account", "/channel"]


async def test_an_adapter_answers_and_closes(adapter: Adapter) -> None:
    token = await adapter.connect(740804)
    chat = await adapter.running.talks.chat(scenario="open", scale=0, until_end=True)
    about = {"account_id": adapter.account_id, "channel_id": 1, "chat_id": chat.id}
    message = {**about, "source": "operator", "operator_id": 391019, "text": "Ждём вас"}
    status, said = await adapter.ask("POST", "/v1/adapter/message", message, token=token)
    assert (status, said["text"], said["operator_id"]) == (201, "Ждём вас", 391019)
    assert (await adapter.ask("POST", "/v1/adapter/message", {**message, "source": "visitor"}, token=token))[0] == 422
    assert (await adapter.ask("POST", "/v1/adapter/chat/close", about, token=token))[0] == 204
    assert (chat.status, chat.release_cause) == ("succeed", "closed_by_operator")
    assert (await adapter.ask("POST", "/v1/adapter/message", message, token=token))[0] == 404, "the chat is over"
    assert "/message/status" in await adapter.paths(10)


async def test_only_some_channels_may_be_written_to_first(adapter: Adapter) -> None:
    token = await adapter.connect(740804, 740805)
    body = {"account_id": adapter.account_id, "channel_id": 2, "visitor_phone": "79165550101", "initiator": "operator"}
    status, chat = await adapter.ask("POST", "/v1/adapter/chat", body, token=token)
    assert (status, chat["visitor_phone"]) == (201, "79165550101")
    assert (await adapter.ask("POST", "/v1/adapter/chat", {**body, "channel_id": 1}, token=token))[0] == 422


async def test_tokens_of_the_owner_and_of_an_adapter_are_not_the_same(adapter: Adapter) -> None:
    token, owner = await adapter.connect(740804), await adapter.owner()
    assert (await adapter.ask("GET", "/v1/integration/adapter"))[0] == 401
    assert (await adapter.ask("GET", "/v1/integration/adapter", token=token))[0] == 401
    assert (await adapter.ask("POST", "/v1/adapter/message", {}, token=owner))[0] == 401
    rows = (await adapter.ask("GET", "/v1/integration/adapter", token=owner))[1]
    assert [one["login"] for one in rows] == ["desk"]
    assert [one["type"] for one in (await adapter.ask("GET", "/v1/integration/channel", token=owner))[1]] == [
        "comagic",
        "whatsapp",
    ]
    assert (await adapter.ask("DELETE", f"/v1/integration/account/{adapter.account_id}", token=owner))[0] == 204
    assert (await adapter.ask("GET", "/v1/integration/account", token=owner))[1] == []
    assert (await adapter.ask("POST", "/v1/integration/adapter", {"type": "x"}, token=owner))[0] == 422
