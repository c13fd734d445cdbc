"""The main job: a booking made from a tracked site stands in the journal with its visit."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import asyncpg
import pytest

from tests.conftest import Salon, eventually
from tests.factories import Browser, ident, webhook

AD = "https://salon.example/?utm_source=yandex&utm_medium=cpc&utm_campaign=spring&yclid=1"


async def lead_of(salon: Salon, record_id: int, *, level: str | None = None) -> dict[str, Any]:
    async def look() -> dict[str, Any] | None:
        found = (await salon.get("/leads", record_id=record_id))["data"]
        decided = [item for item in found if level is None or item["match"]["level"] == level]
        return decided[0] if decided else None

    return await eventually(look)


async def test_exact_mark_gives_the_lead_its_visit_campaign_and_reason(salon: Salon) -> None:
    browser, mark = Browser(AD, "https://yandex.ru/"), ident()
    assert await salon.collect(browser.batch(browser.hit(), browser.open(mark))) == 204
    assert await salon.collect(browser.batch(browser.form(mark), browser.record(mark, 7001)), "form") == 204
    assert await salon.webhook(webhook(7001)) == 200
    lead = await lead_of(salon, 7001, level="L0")
    assert lead["visit"]["campaign"] == "spring"
    assert lead["visit"]["source"] == "yandex"
    assert lead["visit"]["channel"] == "ad"
    assert lead["visit"]["utm"] == {
        "source": "yandex",
        "medium": "cpc",
        "campaign": "spring",
        "term": None,
        "content": None,
    }
    assert lead["visit"]["click_ids"] == {"yclid": "1"}
    assert lead["match"]["probability"] == 1.0
    assert "7001" in lead["match"]["reason"]
    assert lead["contact"] == {"name": "Клиент Тестовый", "phone": "+77000000001", "email": None}
    assert lead["booking"]["amount"] == "4000.00"
    assert lead["attribution"]["kind"] == "visit"


async def test_browser_report_after_the_webhook_is_taken_too(salon: Salon) -> None:
    browser, mark = Browser(AD), ident()
    await salon.webhook(webhook(7002))
    first = await lead_of(salon, 7002)
    assert first["visit"] is None
    await salon.collect(browser.batch(browser.hit(), browser.open(mark)))
    await salon.collect(browser.batch(browser.form(mark), browser.record(mark, 7002)), "form")
    assert (await lead_of(salon, 7002, level="L0"))["visit"]["campaign"] == "spring"


async def test_form_reports_before_the_site_does(salon: Salon) -> None:
    """The announcement of the mark comes last: its queue was held up."""
    browser, mark = Browser(AD), ident()
    await salon.collect(browser.batch(browser.form(mark), browser.record(mark, 7003)), "form")
    await salon.webhook(webhook(7003))
    await salon.collect(browser.batch(browser.hit(), browser.open(mark)))
    assert (await lead_of(salon, 7003, level="L0"))["visit"]["id"] == browser.visit


async def test_late_evidence_improves_a_match_after_the_grace(salon: Salon) -> None:
    browser, mark = Browser(AD), ident()
    await salon.webhook(webhook(7004))

    async def decided() -> bool:
        lead = (await salon.get("/leads", record_id=7004))["data"]
        return (
            bool(lead) and "Ждём" not in lead[0]["match"]["reason"] and "только что" not in lead[0]["match"]["reason"]
        )

    await eventually(decided)
    await salon.collect(browser.batch(browser.open(mark)))
    await salon.collect(browser.batch(browser.form(mark), browser.record(mark, 7004)), "form")
    lead = await lead_of(salon, 7004, level="L0")
    journey = await salon.get(f"/bookings/{lead['booking']['id']}/journey")
    assert [fact["facts"]["after"]["level"] for fact in journey["data"] if fact["kind"] == "match"][-1] == "L0"


async def test_stranger_with_a_copied_mark_gets_a_visit_of_their_own(salon: Salon) -> None:
    owner, stranger, mark = Browser(AD), ident(), ident()
    await salon.collect(owner.batch(owner.hit(), owner.open(mark)))
    await salon.collect(owner.batch(owner.form(mark)), "form")
    await salon.collect(owner.batch(owner.form(mark, stranger), owner.record(mark, 7005, stranger)), "form")
    await salon.webhook(webhook(7005))
    lead = await lead_of(salon, 7005, level="L0")
    assert lead["visit"]["id"] != owner.visit
    assert lead["visit"]["campaign"] is None


@pytest.mark.parametrize(
    ("fields", "origin"),
    [
        ({"online": False, "bookform_id": 0, "is_mobile": 0, "record_from": "", "created_user_id": 12}, "staff"),
        ({"online": True, "bookform_id": 0, "is_mobile": 0, "record_from": "YPLACES"}, "mobile_app"),
        ({"online": False, "bookform_id": 0, "is_mobile": 0, "record_from": "", "api_id": "x-1"}, "api"),
    ],
)
async def test_staff_app_and_api_bookings_never_fall_on_a_visit(
    salon: Salon, fields: dict[str, Any], origin: str
) -> None:
    browser, mark = Browser(AD), ident()
    await salon.collect(
        browser.batch(
            browser.hit(),
            browser.open(mark),
            browser.event("booked", form_host="n822081.yclients.com", company_id=4564),
        )
    )
    await salon.webhook(webhook(7006, **fields))
    await lead_of(salon, 7006)

    async def settled() -> bool:
        lead = (await salon.get("/leads", record_id=7006))["data"][0]
        return "Ждём" not in lead["match"]["reason"]

    await eventually(settled)
    lead = await lead_of(salon, 7006)
    assert lead["booking"]["origin"] == origin
    assert lead["visit"] is None
    assert lead["match"]["level"] == "none"
    assert lead["attribution"]["kind"] == ("app" if origin == "mobile_app" else "default")


async def test_lone_visitor_without_any_form_script_is_probable(salon: Salon) -> None:
    browser = Browser(AD)
    await salon.collect(browser.batch(browser.hit(), browser.open(ident())))
    await salon.webhook(webhook(7007, is_mobile=2, bookform_id=822081))
    lead = await lead_of(salon, 7007, level="L5")
    assert lead["visit"]["id"] == browser.visit
    assert 0.9 <= lead["match"]["probability"] < 1


async def test_two_equal_visitors_are_not_guessed_between(salon: Salon) -> None:
    for browser in (Browser(AD), Browser("https://salon.example/?utm_source=vk")):
        await salon.collect(browser.batch(browser.hit(), browser.open(ident())))
    await salon.webhook(webhook(7008, is_mobile=2, bookform_id=822081))

    async def settled() -> Any:
        lead = (await salon.get("/leads", record_id=7008))["data"]
        return lead and "Ждём" not in lead[0]["match"]["reason"] and lead[0]["match"]["alternatives"] and lead[0]

    lead = await eventually(settled)
    assert lead["visit"] is None
    assert len(lead["match"]["alternatives"]) == 2


async def test_booked_message_names_the_right_one_of_two(salon: Salon) -> None:
    right, wrong = Browser(AD), Browser("https://salon.example/?utm_source=vk")
    told: dict[str, Any] = {"form_host": "n822081.yclients.com", "company_id": 4564}
    mine = {"services": [5034676], "staff_id": 2835418, "datetime": "2025-07-12T12:10:00"}
    await salon.collect(right.batch(right.open(ident()), right.event("booked", appointments=[mine], **told)))
    await salon.collect(wrong.batch(wrong.open(ident())))
    await salon.webhook(webhook(7009, is_mobile=2))
    lead = await lead_of(salon, 7009, level="L5")
    assert lead["visit"]["id"] == right.visit
    assert lead["match"]["probability"] > 0.99


async def test_repeated_events_and_webhooks_have_one_effect(salon: Salon, pool: asyncpg.Pool) -> None:
    browser, mark = Browser(AD), ident()
    first = browser.batch(browser.hit(), browser.open(mark))
    body = webhook(7010)
    for _ in range(3):
        assert await salon.collect(first) == 204
        assert await salon.webhook(body) == 200

    async def balanced() -> Any:
        doors = (await salon.get("/ledger"))["doors"]
        return doors.get("yclients", {}).get("waiting") == 0 and doors["collector"]["waiting"] == 0 and doors

    doors = await eventually(balanced)
    assert doors["yclients"] | {"refused": 0} == {
        "accepted": 3, "stored": 1, "kept": 0, "duplicate": 2, "quarantined": 0, "waiting": 0, "refused": 0, "difference": 0,
    }  # fmt: skip
    assert doors["collector"]["stored"] == 2
    assert doors["collector"]["duplicate"] == 4
    visit = (await salon.get("/visits"))["data"][0]
    assert visit["hits"] == 1
    assert len((await salon.get("/bookings"))["data"]) == 1


async def test_old_queue_is_placed_by_the_age_of_its_events(salon: Salon) -> None:
    """The browser's clock is a year wrong and its report half an hour late: only differences count."""
    browser, mark = Browser(AD), ident()
    browser.now = 1_600_000_000_000
    late = browser.batch(browser.hit(), browser.open(mark), age_ms=1_800_000)
    await salon.collect(late)

    async def seen() -> Any:
        return (await salon.get("/visits"))["data"]

    visit = (await eventually(seen))[0]
    age = datetime.now(UTC) - datetime.fromisoformat(visit["started_at"])
    assert timedelta(minutes=29) < age < timedelta(minutes=32)
