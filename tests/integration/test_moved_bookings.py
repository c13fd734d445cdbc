"""A booking that the salon moves keeps the visit that brought it: what the visitor chose is what is matched."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.conftest import Salon, eventually
from tests.factories import MOSCOW, Browser, ident, webhook

AD = "https://salon.example/?utm_source=yandex&utm_medium=cpc&utm_campaign=spring&yclid=1"
RECORD = 7401
CHOSEN: dict[str, Any] = {"services": [5034676], "staff_id": 2835418, "datetime": "2025-07-12T12:10:00"}
#: Where the salon moves it to: by chance all that another visitor wanted.
MOVED: dict[str, Any] = {
    "date": "2025-07-14 18:00:00", "datetime": "2025-07-14T18:00:00+03:00", "staff_id": 77,
    "staff": {"id": 77, "name": "Другой мастер"}, "services": [{"id": 88, "title": "Окрашивание", "cost": 9000}],
}  # fmt: skip
OTHER: dict[str, Any] = {"services": [88], "staff_id": 77, "datetime": "2025-07-14T18:00:00"}


async def at_rest(pool: asyncpg.Pool) -> None:
    """Nothing is left to work on, and no decision is open."""

    async def looked() -> bool:
        return not await pool.fetchval(
            "select (select count(*) from hit_batch) + (select count(*) from inbox where state = 'waiting')"
            " + (select count(*) from job where state <> 'dead')"
        )

    await eventually(looked)


async def lead_of(salon: Salon, record_id: int = RECORD) -> dict[str, Any]:
    (lead,) = (await salon.get("/leads", record_id=record_id))["data"]
    found: dict[str, Any] = lead
    return found


def booked(browser: Browser, content: dict[str, Any]) -> dict[str, Any]:
    told = browser.event("booked", form_host="n822081.yclients.com", company_id=4564, appointments=[content])
    return browser.batch(browser.hit(), browser.open(ident()), told)


def story() -> list[dict[str, Any]]:
    """Made now, moved a minute later, and moved once more: what the vendor tells of it."""
    made = datetime.now(MOSCOW)
    moved = webhook(
        RECORD, status="update", created=made, changed=made + timedelta(minutes=1), is_mobile=2, **MOVED
    )  # fmt: skip
    again = MOVED | {"date": "2025-07-15 09:00:00", "datetime": "2025-07-15T09:00:00+03:00"}
    return [
        webhook(RECORD, created=made, is_mobile=2),
        moved,
        webhook(RECORD, status="update", created=made, changed=made + timedelta(minutes=2), is_mobile=2, **again),
    ]


async def test_a_moved_booking_keeps_its_probable_visit_and_its_chance(salon: Salon, pool: asyncpg.Pool) -> None:
    right, wrong = Browser(AD), Browser("https://salon.example/?utm_source=vk")
    made, moved, again = story()
    await salon.collect(booked(right, CHOSEN))
    await salon.collect(booked(wrong, OTHER))
    await salon.webhook(made)
    await at_rest(pool)
    first = await lead_of(salon)
    assert (first["match"]["level"], first["visit"]["id"]) == ("L5", right.visit)
    for change in (moved, again):
        await salon.webhook(change)
        await at_rest(pool)
    lead = await lead_of(salon)
    assert datetime.fromisoformat(lead["booking"]["starts_at"]) == datetime(2025, 7, 15, 9, tzinfo=MOSCOW)
    assert lead["visit"]["id"] == right.visit
    assert lead["match"]["probability"] == first["match"]["probability"]


@pytest.mark.parametrize("seed", range(4))
async def test_the_order_of_creation_and_moves_changes_nothing(salon: Salon, pool: asyncpg.Pool, seed: int) -> None:
    right, wrong = Browser(AD), Browser("https://salon.example/?utm_source=vk")
    await salon.collect(booked(right, CHOSEN))
    await salon.collect(booked(wrong, OTHER))
    told = [*story(), *story()[:1]]
    told[3] = told[0]
    random.Random(seed).shuffle(told)
    for body in told:
        await salon.webhook(body)
        if seed % 2:
            await at_rest(pool)
    await at_rest(pool)
    lead = await lead_of(salon)
    assert (lead["match"]["level"], lead["visit"]["id"]) == ("L5", right.visit)
    assert lead["match"]["probability"] > 0.99


@pytest.mark.parametrize("lacking", [("services", "staff_id", "staff"), ("date", "datetime"), ()])
async def test_a_creation_told_in_part_is_matched_by_what_is_told_next(
    salon: Salon, pool: asyncpg.Pool, lacking: tuple[str, ...]
) -> None:
    right, wrong = Browser(AD), Browser("https://salon.example/?utm_source=vk")
    await salon.collect(booked(right, CHOSEN))
    await salon.collect(booked(wrong, OTHER))
    made, moved, _ = story()
    whole = webhook(
        RECORD, status="update", created=datetime.fromisoformat(made["data"]["create_date"]),
        changed=datetime.fromisoformat(made["data"]["create_date"]) + timedelta(seconds=5), is_mobile=2,
    )  # fmt: skip
    for name in lacking:
        del made["data"][name]
    for body in (made, whole, moved):
        await salon.webhook(body)
        await at_rest(pool)
    lead = await lead_of(salon)
    assert (lead["match"]["level"], lead["visit"]["id"]) == ("L5", right.visit)


async def test_a_booking_deleted_after_a_move_keeps_its_visit(salon: Salon, pool: asyncpg.Pool) -> None:
    right = Browser(AD)
    made, moved, again = story()
    gone = {**again, "status": "delete"}
    await salon.collect(booked(right, CHOSEN))
    for body in (made, moved, gone):
        await salon.webhook(body)
        await at_rest(pool)
    lead = await lead_of(salon)
    assert await pool.fetchval("select deleted from booking where record_id = $1", RECORD)
    assert lead["visit"]["id"] == right.visit
