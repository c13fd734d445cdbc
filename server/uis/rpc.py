"""One JSON-RPC 2.0 call to the vendor: access by key or login, a strict envelope, points, typed errors.

Promises: no call while the account's points are known to be spent; one login at a time, again when the session
ends; an answer that does not fit its request is no answer (`Unavailable`), so what became of the call is unknown.
A question that was not answered is asked again at once; what changes something there is left to the caller.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from server.platform.budget import Priority
from server.platform.egress import Answer, Egress, Unavailable
from server.platform.ids import random_text
from server.uis.errors import AccessRefused, PointsSpent, error_of, limits_of
from server.uis.model import Access, Key, Login, Points

_SESSION_S = 3600.0
_EARLY_S = 60.0  # a session is renewed this long before it ends
_LONGEST_PAUSE_S = 600.0  # points may be bought meanwhile: ask again after this long
#: Many things wait for one answer: a question that failed by chance must not cost each of them a try.
_QUESTIONS = ("get.", "getobj.")
_ASKED_MOST = 3
_ASK_PAUSE_S = 0.2
_ASK_WITHIN_S = 5.0  # one that hangs is not asked again: somebody may stand before a page and wait
_SESSION_ENDED = frozenset({"access_token_expired", "access_token_invalid"})


@dataclass(slots=True)
class Memory:
    """What is worth keeping of one account between clients: the session, the points, the time zone."""

    access: Access | None = None
    token: str = field(default="", repr=False)
    token_until: float = 0.0
    timezone: str = ""
    points: Points | None = None
    spent_until: float = 0.0
    spent_window: str = ""
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def belongs_to(self, access: Access) -> None:
        """Other credentials may be another account: nothing of the old one holds."""
        if self.access != access:
            self.access, self.token, self.timezone, self.points, self.spent_until = access, "", "", None, 0.0


class Rpc:
    """`now` may be replaced, so that a test need not wait."""

    def __init__(
        self,
        egress: Egress,
        *,
        base_url: str,
        access: Access,
        account: str,
        user_id: int | None = None,
        memory: Memory | None = None,
        now: Callable[[], float] = time.monotonic,
        version: str = "v2.0",
    ) -> None:
        self._egress, self._url, self._access, self._account = (
            egress,
            f"{base_url.rstrip('/')}/{version}",
            access,
            account,
        )
        self._user = {} if user_id is None else {"user_id": user_id}
        self._now = now
        self.memory = memory or Memory()
        self.memory.belongs_to(access)

    async def call(self, method: str, params: Mapping[str, Any], *, priority: Priority) -> dict[str, Any]:
        """`result` of the answer."""
        began = self._now()
        for asked in range(1, _ASKED_MOST):
            try:
                return await self._call(method, params, priority)
            except Unavailable:
                if not method.startswith(_QUESTIONS) or self._now() - began > _ASK_WITHIN_S:
                    raise
                await asyncio.sleep(_ASK_PAUSE_S * asked)
        return await self._call(method, params, priority)

    async def _call(self, method: str, params: Mapping[str, Any], priority: Priority) -> dict[str, Any]:
        token = await self._token(priority)
        try:
            return await self._once(method, {"access_token": token, **self._user, **params}, priority)
        except AccessRefused as refused:
            if isinstance(self._access, Key) or refused.reason not in _SESSION_ENDED:
                raise
        # The session ended before its hour. The call was refused at the door, so once more cannot do it twice.
        if self.memory.token == token:
            self.memory.token = ""
        token = await self._token(priority)
        return await self._once(method, {"access_token": token, **self._user, **params}, priority)

    async def logout(self) -> None:
        """Ends the session, if there is one. A key is left alone."""
        token, self.memory.token = self.memory.token, ""
        if token:
            await self._once("logout.user", {"access_token": token}, Priority.OPERATOR)

    async def _token(self, priority: Priority) -> str:
        if isinstance(self._access, Key):
            return self._access.token
        async with self.memory.lock:
            if not self.memory.token or self._now() >= self.memory.token_until:
                await self._login(self._access, priority)
            return self.memory.token

    async def _login(self, access: Login, priority: Priority) -> None:
        result = await self._once("login.user", {"login": access.login, "password": access.password}, priority)
        data = result.get("data")
        token = data.get("access_token") if isinstance(data, dict) else None
        if not isinstance(token, str) or not token:
            raise Unavailable("the answer to the login has no session")
        # The moment in the answer (`expire_at`, or `expire` on the same page) is of the vendor's clock; an hour is an hour.
        self.memory.token, self.memory.token_until = token, self._now() + _SESSION_S - _EARLY_S

    async def _once(self, method: str, params: dict[str, Any], priority: Priority) -> dict[str, Any]:
        self._refuse_if_spent()
        request_id = random_text(16)
        answer = await self._egress.call(
            "POST", self._url, vendor="uis", account=self._account, priority=priority,
            headers={"Content-Type": "application/json; charset=UTF-8"},
            json={"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}, errors_in_json=True,
        )  # fmt: skip
        document = _envelope(answer, request_id)
        error, result = document.get("error"), document.get("result")
        if isinstance(error, dict):
            data = error.get("data")
            self._count(data.get("metadata") if isinstance(data, dict) else None)
            typed = error_of(error, secrets=self._secrets(params))
            if isinstance(typed, PointsSpent):
                self._pause(typed.retry_after_s, typed.window)
            raise typed
        assert isinstance(result, dict)
        self._count(result.get("metadata"))
        return result

    def _secrets(self, params: Mapping[str, Any]) -> tuple[str, ...]:
        own = (self._access.token,) if isinstance(self._access, Key) else (self._access.login, self._access.password)
        return (*own, self.memory.token, str(params.get("access_token", "")))

    # --- points

    def _refuse_if_spent(self) -> None:
        wait_s = self.memory.spent_until - self._now()
        if wait_s > 0:
            raise PointsSpent(max(1.0, wait_s), self.memory.spent_window)

    def _pause(self, seconds: float, window: str) -> None:
        self.memory.spent_until = self._now() + min(seconds, _LONGEST_PAUSE_S)
        self.memory.spent_window = window

    def _count(self, metadata: Any) -> None:
        limits = limits_of(metadata)
        if not limits:
            return
        names = ("day_limit", "day_remaining", "day_reset", "minute_limit", "minute_remaining", "minute_reset")
        self.memory.points = Points(*(limits.get(name) for name in names))
        for window in ("day", "minute"):
            if limits.get(f"{window}_remaining") == 0:
                self._pause(float(limits.get(f"{window}_reset", 60)), window)
                return


def _envelope(answer: Answer, request_id: str) -> dict[str, Any]:
    """The answer as JSON-RPC, whatever its HTTP status: that of errors is not documented."""
    if "html" in answer.content_type or answer.body.lstrip()[:1] == b"<":
        raise Unavailable("an HTML page came instead of an answer")
    try:
        document = json.loads(answer.body, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise Unavailable(f"the answer is not JSON (status {answer.status})") from None
    if not isinstance(document, dict) or document.get("jsonrpc") != "2.0":
        raise Unavailable(f"the answer is not JSON-RPC 2.0 (status {answer.status})")
    is_error = isinstance(document.get("error"), dict)
    if is_error == isinstance(document.get("result"), dict):
        raise Unavailable("the answer has neither or both of result and error")
    # An error may come without the id: the request could not be read that far.
    if document.get("id") != request_id and not (is_error and document.get("id") is None):
        raise Unavailable("the answer belongs to another request")
    return document


def _no_constant(_: str) -> None:
    raise ValueError("not a number")
