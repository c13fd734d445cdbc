"""An operator's screen, as a test plays it: pairs, opens a socket, keeps what it is told by number."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from uuid import uuid4

import aiohttp
from aiohttp import WSMsgType

from server.accounts import devices, store
from server.accounts.model import LoginSession, Person, Role
from server.platform.clock import utc_now
from server.platform.ids import digest, new_id, random_text
from server.platform.postgres import Pool


async def make_person(pool: Pool, account_id: Any, *, role: Role = Role.OPERATOR, name: str = "Olga") -> Person:
    person = Person(account_id, new_id(), f"{random_text(8).lower()}@salon.example", name, role, None)
    async with pool.acquire() as conn:
        await store.insert_person(conn, person, None)
    return person


async def make_session(pool: Pool, person: Person) -> LoginSession:
    """The person logged in at the cabinet."""
    now, token = utc_now(), random_text(43)
    async with pool.acquire() as conn:
        await store.insert_session(
            conn, person, digest(token), now=now, expires_at=now.replace(year=now.year + 1), user_agent="test"
        )
        found = await store.session_by_hash(conn, digest(token), now)
    assert found
    return found


async def pairing_code(pool: Pool, session: LoginSession) -> str:
    async with pool.acquire() as conn:
        return await devices.new_pairing(conn, session, now=utc_now())


class ScreenClient:
    """`base` is the server's address. `events` are those told so far, each once, by the rule of the protocol."""

    def __init__(self, http: aiohttp.ClientSession, base: str, token: str) -> None:
        self.http, self.base, self.token = http, base.rstrip("/"), token
        self.ws: aiohttp.ClientWebSocketResponse | None = None
        self.seq: int | None = None
        self.events: list[dict[str, Any]] = []
        self.items: dict[str, dict[str, Any]] = {}
        self.others: list[dict[str, Any]] = []
        self.doubled = 0

    @classmethod
    async def paired(
        cls, http: aiohttp.ClientSession, base: str, pool: Pool, person: Person, *, kind: str = "extension"
    ) -> ScreenClient:
        session = await make_session(pool, person)
        code = await pairing_code(pool, session)
        async with http.post(f"{base.rstrip('/')}/workplace/pair", json={"code": code, "kind": kind}) as answer:
            assert answer.status == 200, await answer.text()
            return cls(http, base, (await answer.json())["token"])

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    async def ticket(self) -> str:
        async with self.http.post(f"{self.base}/workplace/ticket", json={}, headers=self.bearer) as answer:
            assert answer.status == 200, await answer.text()
            ticket: str = (await answer.json())["ticket"]
            return ticket

    async def connect(self, *, origin: str | None = None) -> None:
        self.ws = await self.http.ws_connect(
            f"{self.base}/workplace/ws", headers={"Origin": origin or self.base}, max_msg_size=0
        )
        await self.send({"type": "hello", "ticket": await self.ticket(), "after": self.seq})

    async def send(self, message: dict[str, Any]) -> None:
        assert self.ws
        await self.ws.send_str(json.dumps(message))

    async def next(self, *, within_s: float = 30) -> dict[str, Any]:
        """The next message, taken in; a closed connection is `{"type": "closed", "code": …}`."""
        assert self.ws
        async with asyncio.timeout(within_s):
            got = await self.ws.receive()
        if got.type is not WSMsgType.TEXT:
            return {"type": "closed", "code": self.ws.close_code}
        message: dict[str, Any] = json.loads(got.data)
        self.take(message)
        return message

    def take(self, message: dict[str, Any]) -> None:
        if message["type"] == "reset":
            self.seq, self.items = message["seq"], {item["subject"]: item for item in message["items"]}
        elif message["type"] == "event":
            if self.seq is not None and message["seq"] <= self.seq:
                self.doubled += 1
                return
            assert self.seq is None or message["seq"] == self.seq + 1, "a gap"
            self.seq = message["seq"]
            self.events.append(message)
            self.items[message["subject"]] = message["item"]
        else:
            self.others.append(message)

    async def until(self, kind: str, *, within_s: float = 30) -> dict[str, Any]:
        """The next message of a type."""
        async with asyncio.timeout(within_s):
            while True:
                message = await self.next(within_s=within_s)
                if message["type"] == kind:
                    return message
                assert message["type"] != "closed", message

    async def command(self, name: str, *, command_id: str = "", **args: Any) -> dict[str, Any]:
        """The answer to a command."""
        number = command_id or str(uuid4())
        await self.send({"type": "command", "id": number, "name": name, "args": args})
        while True:
            answer = await self.until("result")
            if answer["id"] == number:
                return answer

    async def close(self) -> None:
        if self.ws:
            await self.ws.close()
