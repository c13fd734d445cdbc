"""A client's own news reach their bookings, before or after them, and never overwrite what is newer."""

from __future__ import annotations

import asyncio
from itertools import permutations
from typing import Any

import asyncpg

from tests.conftest import Salon, eventually
from tests.factories import webhook
from tests.integration.test_versions import Book, book, full, of_client, part

__all__ = ["book"]
NEW, OLD = "+79160000002", "+79161234567"


async def test_news_that_came_before_the_booking_are_taken(book: Book) -> None:
    await book.tell([of_client(1, 5, name="Новое", phone=NEW), full("create", 0, 2)])
    state = await book.state()
    assert (state["client_name"], state["client_phone"]) == ("Новое", NEW)


async def test_old_news_do_not_overwrite_a_newer_booking(book: Book) -> None:
    told = [full("create", 10, 11), of_client(12, 5, name="Старое", phone=NEW)]
    for order in (told, told[::-1]):
        await book.tell(order)
        state = await book.state()
        assert (state["client_name"], state["client_phone"]) == ("Анна", OLD)


async def test_a_later_edit_of_the_booking_that_says_nothing_of_the_client_leaves_the_news(book: Book) -> None:
    told = [full("create", 0, 1), of_client(6, 5, name="Новое", phone=NEW), part("update", 11, 10, comment="x")]
    for order in permutations(told):
        await book.tell(order)
        state = await book.state()
        assert (state["client_name"], state["client_phone"], state["comment"]) == ("Новое", NEW, "x")


async def test_news_told_in_parts_are_put_together(book: Book) -> None:
    told = [
        full("create", 0, 1), of_client(6, 5, name="Новое", phone=""), of_client(8, 7, phone=NEW),
        of_client(9, 3, name="Раньше", email="a@b.ru"),
    ]  # fmt: skip
    for order in permutations(told):
        await book.tell(order)
        state = await book.state()
        assert (state["client_name"], state["client_phone"], state["client_email"]) == ("Новое", NEW, "a@b.ru")


async def test_what_the_api_shows_heals_a_contact_whose_news_were_lost(book: Book) -> None:
    await book.tell([full("create", 0, 1), of_client(6, 5, name="Было", phone=NEW)])
    shown: dict[str, Any] = {"client": {"id": 3, "name": "Стало", "phone": "+79160000003"}}
    assert await book.and_tell(full("read", 0, 60, **shown)) == ["stored"]
    assert (await book.state())["client_phone"] == "+79160000003"
    assert await book.and_tell(of_client(61, 7, name="Давно", phone=NEW)) == ["stored"]
    assert (await book.state())["client_phone"] == "+79160000003"


async def test_a_number_hidden_from_the_api_user_erases_nothing(book: Book) -> None:
    await book.tell([full("create", 0, 1)])
    for hidden in ("", "+7 *** ***-45-67", None):
        await book.and_tell(full("read", 0, 60, client={"id": 3, "name": "Анна", "phone": hidden}))
        assert (await book.state())["client_phone"] == OLD


async def test_the_news_of_a_client_that_was_exchanged_do_not_matter(book: Book) -> None:
    exchanged = part("update", 11, 10, client={"id": 4, "name": "Другая", "phone": "+79160000004"})
    told = [full("create", 0, 1), exchanged, of_client(21, 20, name="Новое", phone=NEW)]
    for order in permutations(told):
        await book.tell(order)
        state = await book.state()
        assert (state["client_id"], state["client_name"], state["client_phone"]) == (4, "Другая", "+79160000004")


async def test_a_booking_and_its_clients_news_at_once_end_alike(salon: Salon) -> None:
    async def both(number: int) -> None:
        record = webhook(number)
        record["data"]["client"] = {"id": number, "name": "Старое", "phone": OLD}
        news = {"id": number, "name": "Новое", "phone": NEW, "last_change_date": "2030-01-01T12:00:00+0300"}
        client = {"company_id": 4564, "resource": "client", "resource_id": number, "status": "update", "data": news}
        await asyncio.gather(salon.webhook(record), salon.webhook(client))

    await asyncio.gather(*(both(9100 + number) for number in range(30)))

    async def settled() -> bool:
        found = (await salon.get("/bookings", limit=100))["data"]
        return [item["contact"]["phone"] for item in found] == [NEW] * 30

    await eventually(settled)


async def test_a_branch_another_process_added_is_known_at_once(salon: Salon, pool: asyncpg.Pool) -> None:
    """This process remembers the account's branches for some seconds; a replay of the quarantine would come too early."""
    await salon.webhook(webhook(9200))
    await eventually(lambda: _has(salon, 9200))
    await pool.execute(
        "insert into branch (account_id, branch_id, company_id, timezone) values ($1, gen_random_uuid(), 779, 'Europe/Moscow')",
        salon.made.account.account_id,
    )
    await salon.webhook(webhook(9201, company_id=779))
    await eventually(lambda: _has(salon, 9201))
    assert (await salon.get("/quarantine"))["data"] == []


async def _has(salon: Salon, record_id: int) -> bool:
    return bool((await salon.get("/bookings", record_id=record_id))["data"])
