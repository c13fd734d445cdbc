"""What the collector turns away is counted to the last one, at the cost of a few writes."""

from __future__ import annotations

import asyncio
import gzip
import zlib
from datetime import UTC, datetime
from uuid import UUID

import asyncpg
import pytest

from server.platform.ids import new_id
from server.tracking.refusals import Refusals
from tests.conftest import Salon, eventually
from tests.factories import Browser

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


@pytest.fixture
async def writes(pool: asyncpg.Pool) -> None:
    """From here on the database itself counts how often a refusal is written."""
    await pool.execute("create table written (at timestamptz default clock_timestamp())")
    await pool.execute(
        "create function count_write() returns trigger language plpgsql as"
        " 'begin insert into written default values; return new; end'"
    )
    await pool.execute(
        "create trigger counted after insert or update on refusal for each row execute function count_write()"
    )


async def written(pool: asyncpg.Pool) -> int:
    number: int = await pool.fetchval("select count(*) from written")
    return number


async def sums(pool: asyncpg.Pool, account_id: UUID) -> dict[tuple[str, str], int]:
    rows = await pool.fetch("select reason, detail, count from refusal where account_id = $1", account_id)
    return {(row["reason"], row["detail"]): row["count"] for row in rows}


@pytest.mark.usefixtures("writes")
async def test_fifty_malformed_events_are_one_write_for_each_reason(salon: Salon, pool: asyncpg.Pool) -> None:
    browser = Browser()
    wrong = [{**browser.hit(), "kind": "nonsense"} for _ in range(30)] + [
        {**browser.hit(), "at": "now"} for _ in range(20)
    ]
    assert await salon.collect(browser.batch(*wrong)) == 204
    found = await sums(pool, salon.made.account.account_id)
    assert found == {("bad_event", "the kind is unknown"): 30, ("bad_event", "at is not a time in milliseconds"): 20}
    assert await written(pool) == 2


@pytest.mark.usefixtures("writes")
async def test_a_flood_is_seen_at_once_and_counted_to_the_last(pool: asyncpg.Pool) -> None:
    account_id, other = new_id(), new_id()
    refusals = Refusals(pool, every_s=3600)
    refusals.start()
    await refusals.add(account_id, {("rate_limit", ""): 1}, NOW)
    assert await sums(pool, account_id) == {("rate_limit", ""): 1}
    await asyncio.gather(*(refusals.add(account_id, {("rate_limit", ""): 1}, NOW) for _ in range(500)))
    await refusals.add(other, {("rate_limit", ""): 3}, NOW)
    assert (await sums(pool, account_id), await sums(pool, other)) == ({("rate_limit", ""): 1}, {("rate_limit", ""): 3})
    await refusals.stop()
    assert await sums(pool, account_id) == {("rate_limit", ""): 501}
    assert await written(pool) == 3


async def test_what_follows_the_first_is_written_without_being_asked(pool: asyncpg.Pool) -> None:
    account_id, kind = new_id(), ("not_json", "")
    refusals = Refusals(pool, every_s=0.01)
    refusals.start()
    for _ in range(3):
        await refusals.add(account_id, {kind: 1}, NOW)

    async def whole() -> bool:
        return await sums(pool, account_id) == {kind: 3}

    await eventually(whole)
    await refusals.add(account_id, {kind: 1}, NOW)
    await refusals.stop()
    assert await sums(pool, account_id) == {kind: 4}


async def test_what_cannot_be_written_is_written_later(pool: asyncpg.Pool) -> None:
    account_id, kind = new_id(), ("not_json", "")
    refusals = Refusals(pool, every_s=0.01)
    refusals.start()
    await pool.execute("alter table refusal rename to hidden")
    for _ in range(2):
        await refusals.add(account_id, {kind: 2}, NOW)
    await pool.execute("alter table hidden rename to refusal")

    async def whole() -> bool:
        return await sums(pool, account_id) == {kind: 4}

    await eventually(whole)
    await refusals.stop()
    assert await sums(pool, account_id) == {kind: 4}


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("gzip", b"no gzip at all"),
        ("deflate", b"\x00\x01\x02 no deflate"),
        ("gzip", gzip.compress(b'{"v": 1}' * 100)[:-20]),
        ("deflate", zlib.compress(b'{"v": 1}' * 100)[:40]),
        ("br", b"no brotli"),
    ],
)
async def test_a_body_that_is_not_what_its_encoding_says_is_refused(salon: Salon, encoding: str, body: bytes) -> None:
    headers = {"Content-Encoding": encoding, "Content-Type": "text/plain"}
    async with salon.http.post(f"/c?k={salon.key()}", data=body, headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (400, "not_json")
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
    (refusal,) = (await salon.get("/ledger"))["refusals"]
    assert (refusal["door"], refusal["reason"], refusal["count"]) == ("collector", "not_json", 1)


async def test_a_body_that_is_packed_well_is_taken(salon: Salon) -> None:
    browser = Browser()
    body = gzip.compress(str(browser.batch(browser.hit())).replace("'", '"').encode())
    headers = {"Content-Encoding": "gzip", "Content-Type": "text/plain"}
    async with salon.http.post(f"/c?k={salon.key()}", data=body, headers=headers) as answer:
        assert answer.status == 204
