"""Webhooks of the Chat API: what each adapter is told, one after another."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiohttp

from e2e.stand.uis.state import Uis


def _iso(uis: Uis, wall: str) -> str:
    return uis.moment(wall).isoformat()


def chat_document(uis: Uis, chat: Any, account_id: int) -> dict[str, Any]:
    visitor = uis.visitors[chat.visitor_id]
    return {
        "context": {}, "account_id": account_id, "channel_id": chat.channel_id, "chat_id": chat.id, "visitor_id": chat.visitor_id,
        "visitor_phone": visitor["phones"][0] if visitor["phones"] else None,
        "visitor_email": visitor["emails"][0] if visitor["emails"] else None, "visitor_username": None,
        "operator_id": chat.employee["id"] if chat.employee else None, "initiator": chat.initiator,
        "created_at": chat.at.isoformat(),
    }  # fmt: skip


def message_document(uis: Uis, chat: Any, message: dict[str, Any], account_id: int) -> dict[str, Any]:
    return {
        "context": {}, "account_id": account_id, "channel_id": chat.channel_id, "id": message["id"], "chat_id": chat.id,
        "source": message["source"], "operator_id": message["employee_id"], "reply_to_id": None, "text": message["text"],
        "created_at": _iso(uis, message["date_time"]), "status": "sent", "resource": None,
        "system_message_mnemonic": "chat_started" if message["source"] == "system" else None,
    }  # fmt: skip


class ChatHooks:
    """Posts to the adapters of the accounts that have the channel; 200 and 204 are right. Keeps a log."""

    def __init__(self, uis: Uis) -> None:
        self._uis = uis
        self._queue: asyncio.Queue[tuple[int, str, dict[str, Any]]] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.create_task(self._work())
        self._uis.chat_ears.append(self.hear)

    async def stop(self) -> None:
        self._uis.chat_ears.remove(self.hear)
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def hear(self, account_id: int, path: str, document: dict[str, Any]) -> None:
        """May be called from any thread."""
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._queue.put_nowait, (account_id, path, document))

    async def _work(self) -> None:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            while True:
                account_id, path, document = await self._queue.get()
                account = self._uis.chat_accounts.get(account_id)
                adapter = self._uis.adapters.get(account["adapter_id"]) if account else None
                if adapter is not None:
                    await self._post(session, adapter, path, document)

    async def _post(
        self, session: aiohttp.ClientSession, adapter: dict[str, Any], path: str, document: dict[str, Any]
    ) -> None:
        auth = adapter.get("webhook_auth") or {}
        headers = {"Authorization": f"Bearer {auth['token']}"} if auth.get("type") == "Bearer" else {}
        basic = aiohttp.BasicAuth(auth["login"], auth["password"]) if auth.get("type") == "Basic" else None
        try:
            async with session.post(
                adapter["webhook_url"] + path, json=document, headers=headers, auth=basic
            ) as answer:
                outcome = str(answer.status)
        except (aiohttp.ClientError, TimeoutError) as error:
            outcome = type(error).__name__
        self._uis.chat_sent.append({"at": time.time(), "path": path, "outcome": outcome})
