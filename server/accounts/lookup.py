"""Who a public key, a webhook token or an account id stands for, remembered for some seconds.

Hot paths ask here. A remembered answer is used past its time while the database is away or answers with an error, so
that a webhook of a known account can still be told from a guess.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID
from zoneinfo import ZoneInfo

import asyncpg

from server.accounts import flow, store
from server.accounts.model import Account, AccountId, Branch, ScriptKey, Site
from server.platform.ids import digest
from server.platform.log import logger
from server.platform.postgres import DATABASE_AWAY, Conn, Pool
from server.platform.vault import Vault

_log = logger(__name__)
_PATIENCE_S = 1.0
K = TypeVar("K")
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """A bounded memory of answers. `None` (there is no such thing) is remembered for a shorter time."""

    def __init__(self, *, life_s: float, none_life_s: float = 2.0, limit: int = 20_000) -> None:
        self._life_s, self._none_life_s, self._limit = life_s, none_life_s, limit
        self._known: dict[K, tuple[float, V | None]] = {}
        self._away_until = 0.0

    async def get(self, key: K, find: Callable[[], Awaitable[V | None]]) -> V | None:
        known = self._known.get(key)
        if known and known[0] > time.monotonic():
            return known[1]
        # Asked again when this time is over, however many ask meanwhile: their asking must not prolong it.
        silent = self._away_until > time.monotonic()
        try:
            if silent:
                raise TimeoutError("the database did not answer a moment ago")
            value = await find()
        except (*DATABASE_AWAY, asyncpg.PostgresError):
            if not silent:
                self._away_until = time.monotonic() + _PATIENCE_S
            if known and known[1] is not None:
                return known[1]
            raise
        if len(self._known) >= self._limit:
            self._known.clear()
        life_s = self._none_life_s if value is None else self._life_s
        self._known[key] = (time.monotonic() + life_s, value)
        return value

    def forget(self) -> None:
        self._known.clear()


async def _soon(find: Callable[[], Coroutine[Any, Any, V | None]]) -> V | None:
    """What `find` answers in time. A database that hangs is as good as gone: whoever asks here has a sender waiting.

    The question is left to end by itself: giving its connection back takes a hanging database time as well.
    """
    asked = asyncio.create_task(find())
    done, _ = await asyncio.wait((asked,), timeout=_PATIENCE_S)
    if not done:
        asked.cancel()
        asked.add_done_callback(lambda task: task.cancelled() or task.exception())
        raise TimeoutError("the database does not answer")
    return asked.result()


@dataclass(frozen=True, slots=True)
class Known:
    """An account with what working for it needs."""

    account: Account
    sites: tuple[Site, ...]
    branches: tuple[Branch, ...]
    yclients_connected: bool  # by a login of its own, or by the application in at least one branch
    readable: Mapping[int, str]  # company ids of branches that can be read by API: `app` or `login`

    @property
    def zone(self) -> ZoneInfo:
        """The clock of what belongs to no branch: that of the first one."""
        return ZoneInfo(self.branches[0].timezone if self.branches else "Europe/Moscow")


class Lookup:
    def __init__(self, pool: Pool, vault: Vault, *, life_s: float = 5.0) -> None:
        self._pool = pool
        self._vault = vault
        self._script_keys: Remembered[str, ScriptKey] = Remembered(life_s=life_s)
        self._hooks: Remembered[tuple[str, bytes], UUID] = Remembered(life_s=life_s)
        self._accounts: Remembered[AccountId, Known] = Remembered(life_s=life_s)
        self._api_tokens: Remembered[bytes, UUID] = Remembered(life_s=life_s)
        self._touching: dict[bytes, asyncio.Task[None]] = {}

    async def script_key(self, key: str) -> ScriptKey | None:
        if not 8 <= len(key) <= 64:
            return None

        async def find() -> ScriptKey | None:
            async with self._pool.acquire(timeout=2) as conn:
                return await store.script_key(conn, key)

        return await self._script_keys.get(key, lambda: _soon(find))

    async def account_of_hook(self, vendor: str, token: str, now: datetime) -> UUID | None:
        """Looked up by hash, so that timing tells nothing of how much of a guess was right."""
        token_hash = digest(token)

        async def find() -> UUID | None:
            async with self._pool.acquire(timeout=2) as conn:
                account_id = await store.account_of_hook(conn, token_hash, vendor, now)
            if account_id is not None:
                self._touch_later(account_id, token_hash, now)
            return account_id

        return await self._hooks.get((vendor, token_hash), lambda: _soon(find))

    def _touch_later(self, account_id: UUID, token_hash: bytes, now: datetime) -> None:
        """When a token was last used is for the eye: the sender does not wait for it, nor sees it fail."""

        async def touch() -> None:
            try:
                async with self._pool.acquire(timeout=2) as conn:
                    await store.touch_hook_token(conn, account_id, token_hash, now)
            except Exception as error:  # noqa: BLE001, RUF100 -- the next use tells it again
                _log.warning("hook_token.not_touched", error=type(error).__name__)

        if token_hash not in self._touching:
            task = self._touching[token_hash] = asyncio.create_task(touch(), name="touch-hook-token")
            task.add_done_callback(lambda _: self._touching.pop(token_hash))

    async def account_of_api_token(self, token: str) -> UUID | None:
        token_hash = digest(token)

        async def find() -> UUID | None:
            async with self._pool.acquire(timeout=2) as conn:
                return await store.account_of_api_token(conn, token_hash)

        return await self._api_tokens.get(token_hash, lambda: _soon(find))

    async def known(self, account_id: AccountId, conn: Conn | None = None) -> Known | None:
        async def find() -> Known | None:
            async with self._pool.acquire(timeout=2) as own:
                return await self._load(own, account_id)

        if conn is not None:
            return await self._accounts.get(account_id, lambda: self._load(conn, account_id))
        return await self._accounts.get(account_id, lambda: _soon(find))

    async def _load(self, conn: Conn, account_id: AccountId) -> Known | None:
        account = await flow.load_account(conn, self._vault, account_id)
        if account is None:
            return None
        connection = await store.connection_row(conn, account_id, "yclients")
        readable = await store.readable_branches(conn, account_id)
        return Known(
            account,
            tuple(await store.sites(conn, account_id)),
            tuple(await store.branches(conn, account_id)),
            bool(readable) or (connection is not None and connection["state"] == "active"),
            readable,
        )

    def forget(self) -> None:
        """After a change of settings in this process; other processes see it within the life of a memory."""
        for memory in (self._script_keys, self._hooks, self._accounts, self._api_tokens):
            memory.forget()
