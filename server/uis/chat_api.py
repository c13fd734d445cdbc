"""The Chat API of UIS: a message of an operator in a chat, sent as the account's own adapter.

Promises: a message is never repeated by itself; when no answer came, what became of it is unknown (`Unavailable`).
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from server.platform.budget import Priority
from server.platform.egress import Answer, Egress, Forbidden, RateLimited, Rejected, Unauthorized, Unavailable

_EARLY_S = 60.0
_LIFE_S = 600.0  # where the answer to a login does not say how long it is good


@dataclass(frozen=True, slots=True)
class Adapter:
    """Credentials of the account's adapter."""

    username: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    account_id: int
    channel_id: int
    chat_id: int
    text: str
    operator_id: int | None
    created_at: datetime


@dataclass(slots=True)
class Session:
    """Kept between clients of one account."""

    adapter: Adapter | None = None
    token: str = field(default="", repr=False)
    until: float = 0.0


class ChatApi:
    """`base_url` may end with the version or not."""

    def __init__(self, egress: Egress, *, base_url: str, adapter: Adapter, account: str, session: Session) -> None:
        address = base_url.rstrip("/")
        self._url = address if address.rsplit("/", 1)[-1].startswith("v1") else f"{address}/v1"
        self._egress, self._adapter, self._account, self._session = egress, adapter, account, session
        if session.adapter != adapter:
            session.adapter, session.token, session.until = adapter, "", 0.0

    async def send(self, message: Outgoing) -> int:
        """The id of the message at the vendor."""
        body = {
            "account_id": message.account_id, "channel_id": message.channel_id, "chat_id": message.chat_id,
            "source": "operator", "operator_id": message.operator_id, "text": message.text,
            "created_at": message.created_at.isoformat(timespec="seconds"),
        }  # fmt: skip
        token = await self._token()
        try:
            document = await self._post("/adapter/message", body, token=token)
        except Unauthorized:  # refused at the door: once more cannot send it twice
            self._session.token = ""
            document = await self._post("/adapter/message", body, token=await self._token())
        number = document.get("id")
        if isinstance(number, bool) or not isinstance(number, int) or document.get("chat_id") != message.chat_id:
            raise Unavailable("the answer is not the message that was sent")
        return number

    async def _token(self) -> str:
        if not self._session.token or time.monotonic() >= self._session.until:
            form = {"username": self._adapter.username, "password": self._adapter.password}
            document = await self._post("/adapter/login", form, token="")
            token, ends = document.get("access_token"), document.get("expires_at")
            if not isinstance(token, str) or not token:
                raise Unavailable("the answer to the login has no token")
            life_s = ends - time.time() if isinstance(ends, (int, float)) and not isinstance(ends, bool) else _LIFE_S
            self._session.token = token
            self._session.until = time.monotonic() + min(max(life_s - _EARLY_S, 0), 86_400)
        return self._session.token

    async def _post(self, path: str, body: dict[str, Any], *, token: str) -> dict[str, Any]:
        sent: dict[str, Any] = {"json": body} if token else {"form": body}
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = await self._egress.call(
            "POST", self._url + path, vendor="uis", account=self._account, priority=Priority.OPERATOR, headers=headers,
            errors_in_json=True, **sent,
        )  # fmt: skip
        return _document(answer)


def _document(answer: Answer) -> dict[str, Any]:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        document = None
    if answer.status == 401:
        raise Unauthorized("the chats of UIS do not accept the adapter's login")
    if answer.status == 403:
        raise Forbidden("the chats of UIS do not allow this adapter to write here")
    if answer.status == 429:
        raise RateLimited(5.0)
    if 400 <= answer.status < 500:
        raise Rejected(f"http_{answer.status}", "the chats of UIS refused the message")
    if answer.status not in (200, 201) or not isinstance(document, dict):
        raise Unavailable(f"no usable answer of the chats (status {answer.status})")
    return document
