"""Every booking is one deal of the owner's UIS account, and lives its life there, whatever UIS answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from e2e.stand.uis.app import RunningUis
from e2e.stand.uis.deals import create_funnel
from server.accounts import flow
from server.app import build
from server.platform.clock import utc_now
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import COMPANY, Salon, eventually, make_salon
from tests.factories import MOSCOW, webhook

KEY = "stand-key-0123456789"
STAFF: dict[str, Any] = {"online": False, "bookform_id": 0, "is_mobile": 0, "record_from": "", "created_user_id": 12}
LEADS = {"enabled": True, "default": {"entity": "source", "source_id": 8, "site_id": 43525}}


@dataclass
class Desk:
    salon: Salon
    uis: RunningUis
    pool: asyncpg.Pool
    created: datetime = field(default_factory=lambda: datetime.now(MOSCOW) - timedelta(hours=1))

    async def switch(self, name: str = "deals", **changes: Any) -> None:
        path = f"/api/v1/integrations/{name}"
        async with self.salon.http.put(path, json={"enabled": True} | changes, headers=self.salon.token) as answer:
            assert answer.status == 200, await answer.text()

    async def told(self, record_id: int, *, minute: float = 0, status: str = "create", **fields: Any) -> None:
        """A webhook of a booking made an hour ago, about what happened `minute` minutes later."""
        changed = self.created + timedelta(minutes=minute)
        body = webhook(record_id, status=status, created=self.created, changed=changed, **fields)
        assert await self.salon.webhook(body) == 200

    async def delivery(self, record_id: int) -> dict[str, Any]:
        found = (await self.salon.get("/deliveries", kind="deal", limit=200))["data"]
        return next((one for one in found if one["record_id"] == record_id), {})

    async def until(self, record_id: int, state: str, *, within_s: float = 20) -> dict[str, Any]:
        async def there() -> Any:
            delivery = await self.delivery(record_id)
            return delivery if delivery.get("state") == state else None

        found: dict[str, Any] = await eventually(there, within_s=within_s)
        return found

    def asked(self, method: str) -> int:
        return sum(one["method"] == method for one in self.uis.uis.journal)

    async def lived_while_held(self, record_id: int) -> None:
        """Two stages that UIS has still to hear of: sent together, and never to be sent blindly again."""
        await self.pool.execute("update connection set state = 'refused' where vendor = 'uis'")
        await self.told(record_id)
        await self.until(record_id, "held")
        await self.told(record_id, minute=10, status="update", attendance=2)

        async def confirmed() -> bool:
            found = (await self.salon.get("/deals", record_id=record_id))["data"]
            return bool(found[0]["stage"]["key"] == "confirmed")

        await eventually(confirmed)
        await self.pool.execute("update connection set updated_at = now(), state = 'active' where vendor = 'uis'")

    async def stands(self, record_id: int, *stages: str, within_s: float = 20) -> list[dict[str, Any]]:
        """Waits until the deal has passed exactly these stages in UIS, generated ones aside; answers its rows."""
        key = key_of(record_id)

        async def there() -> Any:
            deal = self.uis.uis.deals.get(key)
            return deal and passed(deal.history) == list(stages) and deal.history

        rows: list[dict[str, Any]] = await eventually(there, within_s=within_s)
        await self.until(record_id, "delivered")
        return rows


def key_of(record_id: int) -> str:
    return f"yclick_{COMPANY}_{record_id}"


def passed(history: list[dict[str, Any]]) -> list[str]:
    """Stages in their order, a stage that was only told more of once."""
    told = [row["stage_ext_id"] for row in history if not row["is_generated"]]
    return [stage for place, stage in enumerate(told) if place == 0 or told[place - 1] != stage]


@pytest.fixture
async def desk(dsn: str, pool: asyncpg.Pool, uis: RunningUis, settings: Settings) -> AsyncIterator[Desk]:
    own = settings.model_copy(
        update={"uis_data_api_url": uis.url, "retry_schedule_s": (0.05, 0.05, 0.05, 0.1), "match_grace_s": 0.3}
    )
    async with TestClient(TestServer(build(own, dsn))) as client:
        salon = await make_salon(client, pool, own)
        vault = load_vault("", own.data_dir)
        async with pool.acquire() as conn:
            await flow.connect(conn, vault, salon.made.account.account_id, "uis", "test", {"access_token": KEY})
        yield Desk(salon, uis, pool)


# --- a life


async def test_a_booking_lives_its_life_and_its_deal_follows(desk: Desk) -> None:
    await desk.switch()
    await desk.told(701)
    await desk.stands(701, "waiting")
    await desk.told(701, minute=10, status="update", attendance=2)
    await desk.stands(701, "waiting", "confirmed")
    await desk.told(701, minute=20, status="update", attendance=1, paid_full=1)
    await desk.stands(701, "waiting", "confirmed", "success")
    await desk.told(701, minute=30, status="update", attendance=-1)
    await desk.stands(701, "waiting", "confirmed", "success", "failed")
    await desk.told(701, minute=40, status="update", attendance=0)
    await desk.stands(701, "waiting", "confirmed", "success", "failed", "waiting")
    await desk.told(701, minute=45, status="delete")
    await desk.stands(701, "waiting", "confirmed", "success", "failed", "waiting", "failed")
    await desk.told(701, minute=50, status="update", deleted=False, attendance=2)
    rows = await desk.stands(701, "waiting", "confirmed", "success", "failed", "waiting", "failed", "confirmed")
    times = [row["modified_stage_date_time"] for row in rows]
    assert times == sorted(times)
    assert len(desk.uis.uis.deals) == len(desk.uis.uis.contacts) == 1


async def test_the_deal_has_sum_title_contact_responsible_and_fields(desk: Desk) -> None:
    good = {"title": "Шампунь", "cost": 500, "cost_to_pay": 450.5, "amount": 1}
    labels, custom = [{"id": 1, "title": "VIP"}], {"source": "друзья"}
    await desk.switch(
        title="{services}: {client}, {sum} {currency}", fields={"custom": [{"code": "source", "name": "Откуда узнали"}]}
    )
    await desk.told(
        702, goods_transactions=[good], record_labels=labels, custom_fields=custom, attendance=1, paid_full=1
    )
    (row,) = [row for row in await desk.stands(702, "success") if not row["is_generated"]]
    assert row["name"] == "Стрижка детская (от 3х лет до 13 лет): Клиент Тестовый, 4450.50 RUB"
    assert row["revenue"] == 4450.5
    assert row["closed_date_time"] == row["modified_stage_date_time"]
    told = {one["ext_id"].removeprefix("yclick_"): one["value"] for one in row["user_fields"]}
    assert (told["goods"], told["labels"], told["custom_source"], told["paid_share"], told["status"]) == (
        "Шампунь", "VIP", "друзья", "1", "клиент пришёл",
    )  # fmt: skip
    assert desk.uis.uis.employees[row["employee_ext_id"]]["name"] == "Сотрудник Тестовый"
    contact = desk.uis.uis.contacts[row["main_contact_ext_id"]]
    assert (contact["name"], [phone.lstrip("+") for phone in contact["phone_numbers"]]) == (
        "Клиент Тестовый", ["77000000001"],
    )  # fmt: skip
    (funnel,) = desk.uis.uis.funnels.values()
    assert [stage["stage_name"] for stage in funnel["stages"]][:2] == ["Ожидает", "Подтверждена"]


async def test_a_booking_of_staff_and_one_of_nobody_are_deals_too(desk: Desk) -> None:
    await desk.switch()
    await desk.told(703, **STAFF)
    await desk.told(704, client=None, staff=None, staff_id=0, services=[])
    await desk.stands(703, "waiting")
    (row,) = await desk.stands(704, "waiting")
    assert row["contact_ext_ids"] == []
    assert row["name"] == "№ 704"


async def test_a_moved_booking_keeps_its_deal_and_another_master_is_told(desk: Desk) -> None:
    await desk.switch(title="{services} {date} {time}")
    await desk.told(705)
    await desk.stands(705, "waiting")
    other = {"id": 77, "name": "Ольга"}
    await desk.told(705, minute=10, status="update", date="2026-12-30 18:30:00", staff_id=77, staff=other)

    async def moved() -> bool:
        row = desk.uis.uis.deals[key_of(705)].history[-1]
        return bool(row["name"].endswith("30.12.2026 18:30")) and row["employee_ext_id"] == "yclick_staff_77"

    await eventually(moved)
    await desk.stands(705, "waiting")
    assert len(desk.uis.uis.deals) == 1


async def test_what_was_told_out_of_order_and_twice_is_one_life(desk: Desk) -> None:
    await desk.switch()
    for minute, fields in ((20, {"attendance": 1}), (0, {}), (10, {"attendance": 2}), (20, {"attendance": 1})):
        await desk.told(706, minute=minute, status="update" if minute else "create", **fields)

    async def quiet() -> bool:
        return not await desk.pool.fetchval("select count(*) from job where kind <> 'deals.deliver'")

    await eventually(quiet)
    rows = await eventually(lambda: _last_stage(desk, 706, "success"))
    assert [row["modified_stage_date_time"] for row in rows] == sorted(row["modified_stage_date_time"] for row in rows)


async def _last_stage(desk: Desk, record_id: int, stage: str) -> Any:
    deal = desk.uis.uis.deals.get(key_of(record_id))
    return deal.history if deal and deal.history[-1]["stage_ext_id"] == stage else None


async def test_what_was_told_before_the_switch_is_no_deal_until_something_happens(desk: Desk) -> None:
    await desk.told(707)
    await eventually(lambda: desk.pool.fetchval("select count(*) from booking"))
    await desk.pool.execute("update booking set updated_at = updated_at - interval '1 day'")
    await desk.switch()
    await desk.told(708)
    await desk.stands(708, "waiting")
    assert await desk.delivery(707) == {}
    await desk.told(707, minute=10, status="update", attendance=2)
    await desk.stands(707, "waiting", "confirmed")  # with all that it lived through before


async def test_the_deal_of_an_online_booking_is_linked_with_its_lead(desk: Desk) -> None:
    await desk.switch("leads", **LEADS)
    await desk.switch()
    desk.created = datetime.now(MOSCOW) - timedelta(seconds=45)  # leads are those booked since the switch
    await desk.told(709)

    async def linked() -> Any:
        deal, rows = desk.uis.uis.deals.get(key_of(709)), list(desk.uis.uis.messages.values())
        return deal and rows and deal.history[-1].get("communication_id") == rows[0]["communication_id"] and deal

    deal = await eventually(linked)
    assert deal.link == (deal.history[-1]["communication_id"], "offline_message")
    await desk.until(709, "delivered")
    asked = desk.asked("get.offline_messages_report")
    await desk.told(709, minute=0.5, status="update", attendance=2)
    rows = await desk.stands(709, "waiting", "confirmed")
    assert rows[-1]["communication_id"] == deal.link[0]
    assert desk.asked("get.offline_messages_report") == asked  # the communication is noted with the deal


async def test_a_deal_whose_lead_was_taken_out_goes_without_it_and_is_not_shown_as_linked(desk: Desk) -> None:
    await desk.switch("leads", **LEADS)
    await desk.switch()
    desk.created = datetime.now(MOSCOW) - timedelta(seconds=45)
    await desk.told(729)

    async def link() -> Any:
        found = (await desk.salon.get("/deals", record_id=729))["data"]
        return found and found[0]["delivery"]["state"] == "delivered" and found[0]["link"]

    async def linked() -> Any:
        found = await link()
        return found and found["by"] == "lead"

    await eventually(linked, within_s=20)
    desk.uis.uis.messages.clear()
    desk.uis.uis.communications.clear()
    await desk.told(729, minute=0.5, status="update", attendance=2)
    rows = await desk.stands(729, "waiting", "confirmed")
    assert rows[-1].get("communication_id") is None
    assert await eventually(link) == {"by": "contact", "communication_id": None}


async def test_each_branch_has_its_own_funnel_where_wanted(desk: Desk) -> None:
    await desk.switch(funnels="per_branch")
    await desk.told(760)
    (row,) = await desk.stands(760, "waiting")
    assert row["sales_funnel_ext_id"] == f"yclick_{COMPANY}"
    assert [funnel["ext_id"] for funnel in desk.uis.uis.funnels.values()] == [f"yclick_{COMPANY}"]


async def test_a_funnel_of_the_owner_is_used_and_its_other_stages_stay(desk: Desk) -> None:
    stages = {
        "in_process": [
            {"ext_id": name, "name": name, "order": order} for name, order in (("waiting", 1), ("ours", 2), ("confirmed", 7))
        ],
        "success": {"ext_id": "success", "name": "Да"}, "failed": {"ext_id": "failed", "name": "Нет"},
    }  # fmt: skip
    create_funnel(desk.uis.uis, {"ext_id": "own", "name": "Своя", "stages": stages})
    await desk.switch(funnel={"key": "own", "name": "Своя"})
    await desk.told(761)
    await desk.stands(761, "waiting")
    (funnel,) = desk.uis.uis.funnels.values()
    assert [(stage["stage_ext_id"], stage["stage_order"]) for stage in funnel["stages"]][:3] == [
        ("waiting", 1), ("ours", 2), ("confirmed", 7),
    ]  # fmt: skip
    assert funnel["stages"][0]["stage_name"] == "Ожидает"


async def test_a_funnel_that_cannot_be_used_holds_deals_with_the_reason(desk: Desk) -> None:
    stages = {
        "in_process": [{"ext_id": "waiting", "name": "Ждёт", "order": 10}],
        "success": {"ext_id": "won", "name": "Да"}, "failed": {"ext_id": "lost", "name": "Нет"},
    }  # fmt: skip
    create_funnel(desk.uis.uis, {"ext_id": "own", "name": "Своя", "stages": stages})
    await desk.switch(funnel={"key": "own", "name": "Своя"})
    await desk.told(762)
    assert "не принимает воронку" in (await desk.until(762, "held"))["last_error"]


# --- faults


@pytest.mark.parametrize("fault", ["lost_answer", "torn", "http_502", "internal_error", "empty", "wrong_id"])
async def test_a_fault_costs_a_moment_and_never_a_double(desk: Desk, fault: str) -> None:
    """Also where UIS did the work and lost its answer: it is asked what it holds before anything is sent again."""
    await desk.switch()
    desk.uis.uis.cue(fault, method="upload.deals_history", times=2)
    await desk.told(710, attendance=2)
    rows = await desk.stands(710, "confirmed")
    assert [row["stage_ext_id"] for row in rows if row["stage_ext_id"] == "confirmed"][:1] == ["confirmed"]
    times = {row["modified_stage_date_time"] for row in rows if row["stage_ext_id"] == "confirmed"}
    assert len(times) == 1


@pytest.mark.parametrize("busy_s", [0.0, 0.5])
async def test_stages_whose_answer_was_lost_are_not_sent_again(desk: Desk, busy_s: float) -> None:
    """Also while UIS is still working off what it took, and does not show it yet."""
    await desk.switch()
    await desk.lived_while_held(711)
    desk.uis.uis.switch(deals_busy_s=busy_s)
    desk.uis.uis.cue("lost_answer", method="upload.deals_history")
    await desk.switch()
    rows = await desk.stands(711, "waiting", "confirmed")
    assert len({row["modified_stage_date_time"] for row in rows}) == 2


async def test_a_bad_deal_of_a_group_fails_alone_with_its_reason(desk: Desk) -> None:
    await desk.switch()
    await desk.pool.execute("update connection set state = 'refused'")
    for record_id in range(720, 730):
        client = {"id": record_id, "name": f"Клиент {record_id}", "phone": "+79160000000", "email": ""}
        bad = {"email": "no address"} if record_id == 725 else {}
        await desk.told(record_id, client=client | bad)
    await eventually(lambda: desk.pool.fetchval("select count(*) = 10 from delivery where state = 'held'"))
    await desk.pool.execute("update connection set updated_at = now(), state = 'active'")
    await desk.switch()
    failed = await desk.until(725, "failed")
    assert "emails" in failed["last_error"]
    for record_id in (720, 724, 726, 729):
        await desk.until(record_id, "delivered")
    assert len(desk.uis.uis.deals) == 9


async def test_a_funnel_taken_away_is_made_again(desk: Desk) -> None:
    await desk.switch()
    await desk.told(730)
    await desk.stands(730, "waiting")
    for held in (desk.uis.uis.deals, desk.uis.uis.funnels, desk.uis.uis.contacts, desk.uis.uis.employees):
        held.clear()
    await desk.told(731)
    await desk.stands(731, "waiting")
    assert len(desk.uis.uis.funnels) == 1


@pytest.mark.parametrize(
    ("break_it", "mend", "said"),
    [
        (f"uis.keys['{KEY}'] = 'expired'", f"uis.keys['{KEY}'] = 'ok'", "Срок ключа UIS"),
        ("uis.listed.clear()", "uis.listed.append('127.0.0.1')", "не пускает наш адрес"),
        ("uis.components.discard('sales_funnel')", "uis.components.add('sales_funnel')", "выключен компонент"),
    ],
)
async def test_what_a_person_must_mend_holds_everything_and_then_lets_it_go(
    desk: Desk, break_it: str, mend: str, said: str
) -> None:
    uis = desk.uis.uis
    exec(break_it, {"uis": uis})
    await desk.switch()
    await desk.told(740)
    assert said in (await desk.until(740, "held"))["last_error"]
    await desk.told(741)
    await desk.until(741, "held")
    exec(mend, {"uis": uis})
    await desk.pool.execute("update connection set updated_at = now(), state = 'active'")
    await desk.switch()
    for record_id in (740, 741):
        await desk.stands(record_id, "waiting")


async def test_a_component_of_deals_that_is_off_does_not_stop_leads(desk: Desk) -> None:
    desk.uis.uis.components.discard("sales_funnel")
    await desk.switch("leads", **LEADS)
    await desk.switch()
    desk.created = datetime.now(MOSCOW)
    await desk.told(742)
    await desk.until(742, "held")
    await desk.told(743)
    await desk.until(743, "held")

    async def leads() -> bool:
        return len(desk.uis.uis.messages) == 2

    await eventually(leads)
    desk.uis.uis.components.add("sales_funnel")
    await desk.told(744)  # the next one gets through, and the held ones follow
    for record_id in (742, 743, 744):
        await desk.until(record_id, "delivered")


async def test_a_component_of_leads_that_is_off_does_not_stop_deals(desk: Desk) -> None:
    desk.uis.uis.components.discard("upload_offline_messages")
    await desk.switch("leads", **LEADS)
    await desk.switch()
    desk.created = datetime.now(MOSCOW)
    await desk.told(748)

    async def lead_held() -> bool:
        return bool(await desk.pool.fetchval("select state = 'held' from delivery where kind = 'lead'"))

    await eventually(lead_held)
    await desk.told(749)
    for record_id in (748, 749):
        await desk.stands(record_id, "waiting")
    assert await desk.pool.fetchval("select state from connection where vendor = 'uis'") == "active"


async def test_one_that_gets_through_lets_the_held_ones_go(desk: Desk) -> None:
    desk.uis.uis.components.discard("sales_funnel")
    await desk.switch()
    await desk.told(746)

    async def rests() -> bool:
        """Held, and its visit decided about: nothing but another deal's success will wake it."""
        jobs = await desk.pool.fetchval("select count(*) from job")
        return not jobs and (await desk.delivery(746)).get("state") == "held"

    await eventually(rests)
    desk.uis.uis.components.add("sales_funnel")
    await desk.told(747)
    for record_id in (746, 747):
        await desk.stands(record_id, "waiting")


async def test_switched_off_it_is_held_and_goes_on_when_switched_on(desk: Desk) -> None:
    await desk.switch()
    await desk.told(745)
    await desk.stands(745, "waiting")
    await desk.switch(enabled=False)
    await desk.told(745, minute=10, status="update", attendance=2)
    await desk.switch()
    await desk.told(745, minute=20, status="update", attendance=1)
    await desk.stands(745, "waiting", "confirmed", "success")


async def test_forty_bookings_among_faults_are_forty_deals_in_the_right_stage(desk: Desk) -> None:
    await desk.switch()
    # Without the pauses of a minute that UIS asks for: each would be waited out.
    desk.uis.uis.switch(fault_rate=0.2, fault_kinds=["internal_error", "http_502", "lost_answer", "torn"])
    life: list[dict[str, Any]] = [{}, {"attendance": 2}, {"attendance": 1}]
    for minute, fields in enumerate(life):
        for record_id in range(800, 840):
            status = "update" if minute else "create"
            await desk.told(record_id, minute=minute, status=status, **fields)
            await desk.told(record_id, minute=minute, status=status, **fields)
    await desk.told(839, minute=5, status="delete")

    async def settled() -> bool:
        rows = await desk.pool.fetch("select state from delivery where kind = 'deal'")
        jobs = await desk.pool.fetchval("select count(*) from job where kind = 'booking.changed'")
        return not jobs and len(rows) == 40 and all(row["state"] in ("delivered", "failed") for row in rows)

    await eventually(settled, within_s=60)
    desk.uis.uis.switch(fault_rate=0.0)
    for told in (await desk.salon.get("/deliveries", state="failed", kind="deal", limit=200))["data"]:
        path = f"/api/v1/deliveries/{told['id']}/replay"
        async with desk.salon.http.post(path, headers=desk.salon.token) as answer:
            assert answer.status == 200

    async def all_there() -> bool:
        done = await desk.pool.fetchval("select count(*) from delivery where kind = 'deal' and state = 'delivered'")
        return bool(done == 40)

    await eventually(all_there, within_s=30)
    last = {key: deal.history[-1]["stage_ext_id"] for key, deal in desk.uis.uis.deals.items()}
    assert last == {key_of(record_id): "success" for record_id in range(800, 839)} | {key_of(839): "failed"}
    for deal in desk.uis.uis.deals.values():
        times = [row["modified_stage_date_time"] for row in deal.history]
        assert times == sorted(times)


# --- the journal


async def test_the_journal_of_deals_shows_what_stands_in_uis(desk: Desk) -> None:
    await desk.switch()
    await desk.told(750, attendance=2)
    await desk.stands(750, "confirmed")
    (deal,) = (await desk.salon.get("/deals"))["data"]
    assert deal["booking"]["record_id"] == 750
    assert (deal["funnel"]["name"], deal["stage"]["key"], deal["stage"]["kind"]) == (
        "Записи YCLIENTS", "confirmed", "in_process",
    )  # fmt: skip
    assert (deal["sum"], deal["currency"], deal["responsible"]) == ("4000.00", "RUB", "Сотрудник Тестовый")
    assert deal["contact"]["name"] == "Клиент Тестовый"
    assert deal["delivery"]["state"] == "delivered"
    assert deal["delivery"]["uis_id"] == key_of(750)
    assert (await desk.salon.get("/deals", stage="success"))["data"] == []
    assert len((await desk.salon.get("/deals", q="4000", record_id=750))["data"]) == 0
    assert len((await desk.salon.get("/deals", q="Тестовый", state="delivered"))["data"]) == 1
    assert utc_now().isoformat()[:4] in deal["created_at"]
