"""The feed over a real database: numbers without gaps in the order of commits, nothing twice, each account its own."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg

from server.feed import store
from server.feed.flow import lapse, publish
from server.feed.model import CallAnswered, CallEnded, CallRinging, ChatMessage
from server.platform.ids import new_id

NOW = datetime(2026, 11, 25, 10, tzinfo=UTC)


def ringing(call_id: str) -> CallRinging:
    return CallRinging(call_id=call_id, direction="in", phone="+79161234567")


async def told(pool: asyncpg.Pool, account_id: UUID) -> list[tuple[int, str, str]]:
    async with pool.acquire() as conn:
        return [(row["seq"], row["kind"], row["subject"]) for row in await store.after(conn, account_id, 0, limit=1000)]


async def test_many_writers_number_without_gaps_and_no_reader_sees_a_hole(pool: asyncpg.Pool) -> None:
    account, seen = new_id(), [0]

    async def write(writer: int) -> None:
        for number in range(10):
            async with pool.acquire() as conn, conn.transaction():
                await publish(conn, account, ringing(f"{writer}-{number}"), now=NOW)

    async def read() -> None:
        while seen[-1] < 40:
            async with pool.acquire() as conn:
                seen.extend(row["seq"] for row in await store.after(conn, account, seen[-1], limit=7))

    await asyncio.gather(read(), *(write(writer) for writer in range(4)))
    assert seen == list(range(41))


async def test_event_of_a_transaction_that_fails_leaves_no_gap(pool: asyncpg.Pool) -> None:
    account = new_id()
    async with pool.acquire() as conn:
        failing = conn.transaction()
        await failing.start()
        assert await publish(conn, account, ringing("1"), now=NOW) == 1
        await failing.rollback()
    async with pool.acquire() as conn:
        assert await publish(conn, account, ringing("2"), now=NOW) == 1
    assert await told(pool, account) == [(1, "call.ringing", "call:2")]


async def test_repetition_is_not_told_again(pool: asyncpg.Pool) -> None:
    account, other = new_id(), new_id()
    message = ChatMessage(chat_id="1", message_id="m", author="visitor", text="Hello")
    later = ChatMessage(chat_id="1", message_id="n", author="visitor", text="Hello")
    async with pool.acquire() as conn:
        for event in (ringing("1"), ringing("1"), message, later, message):
            async with conn.transaction():
                await publish(conn, account, event, now=NOW)
        assert await publish(conn, other, message, now=NOW) == 1
    assert [kind for _, kind, _ in await told(pool, account)] == ["call.ringing", "chat.message", "chat.message"]


async def test_call_without_an_end_closes_within_a_minute_unless_something_is_heard(pool: asyncpg.Pool) -> None:
    account = new_id()
    async with pool.acquire() as conn:
        for event in (ringing("ghost"), ringing("talk"), CallAnswered(call_id="talk"), ringing("over")):
            await publish(conn, account, event, now=NOW)
        await publish(conn, account, CallEnded(call_id="over"), now=NOW)
    assert await lapse(pool, now=NOW + timedelta(seconds=30)) == 0
    assert await lapse(pool, now=NOW + timedelta(seconds=59)) == 1
    assert await lapse(pool, now=NOW + timedelta(seconds=60)) == 0
    assert (await told(pool, account))[-1][1:] == ("call.lapsed", "call:ghost")
    assert await lapse(pool, now=NOW + timedelta(hours=5)) == 1
    assert (await told(pool, account))[-1][1:] == ("call.ended", "call:talk")
