"""Webhooks: durable before the answer, effect once, final state in any order, nothing unreadable lost."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from server.platform.embedded import EmbeddedPostgres
from tests.conftest import Salon, eventually
from tests.factories import MOSCOW, webhook

SAMPLES = Path(__file__).parent.parent / "contract" / "samples"


async def quiet(salon: Salon, door: str = "yclients") -> dict[str, int]:
    """The ledger once nothing waits."""

    async def look() -> Any:
        line = (await salon.get("/ledger"))["doors"].get(door)
        return line and line["waiting"] == 0 and line

    line: dict[str, int] = await eventually(look)
    assert line["difference"] == 0
    return line


async def booking(salon: Salon, record_id: int) -> dict[str, Any]:
    found = (await salon.get("/bookings", record_id=record_id))["data"]
    assert len(found) == 1
    one: dict[str, Any] = found[0]
    return one


def life(record_id: int) -> list[dict[str, Any]]:
    """Created, moved, came, deleted: four states, each a second later."""
    t = datetime.now(MOSCOW) - timedelta(minutes=5)
    step = [t + timedelta(seconds=number) for number in range(4)]
    return [
        webhook(record_id, created=t, changed=step[0]),
        webhook(record_id, created=t, changed=step[1], status="update", date="2026-12-01 15:00:00"),
        webhook(record_id, created=t, changed=step[2], status="update", date="2026-12-01 15:00:00", attendance=1),
        webhook(
            record_id,
            created=t,
            changed=step[3],
            status="delete",
            date="2026-12-01 15:00:00",
            attendance=1,
            deleted=True,
        ),
    ]


async def test_every_order_of_a_bookings_life_ends_in_its_final_state(salon: Salon) -> None:
    orders = list(itertools.permutations(range(4)))
    for number, order in enumerate(orders):
        states = life(8000 + number)
        for place in order:
            assert await salon.webhook(states[place]) == 200
    await quiet(salon)
    for number in range(len(orders)):
        found = await booking(salon, 8000 + number)
        assert (found["status"], found["deleted"], found["attendance"]) == ("deleted", True, 1), orders[number]
        assert found["starts_at"] == "2026-12-01T15:00:00+03:00"


async def test_booking_restored_after_its_deletion_lives_again(salon: Salon) -> None:
    t = datetime.now(MOSCOW) - timedelta(minutes=1)
    await salon.webhook(webhook(8100, created=t))
    await salon.webhook(webhook(8100, created=t, changed=t + timedelta(seconds=5), status="delete", deleted=True))
    await salon.webhook(webhook(8100, created=t, changed=t + timedelta(seconds=9), status="update"))
    await quiet(salon)
    assert (await booking(salon, 8100))["deleted"] is False


async def test_create_and_update_of_one_second_keep_the_update(salon: Salon) -> None:
    t = datetime.now(MOSCOW)
    await salon.webhook(webhook(8101, created=t, status="update", comment="после"))
    await salon.webhook(webhook(8101, created=t, comment="до"))
    await quiet(salon)
    assert (await booking(salon, 8101))["comment"] == "после"


async def test_edit_and_edit_back_are_both_kept_in_the_history(salon: Salon) -> None:
    t = datetime.now(MOSCOW) - timedelta(minutes=1)
    for seconds, comment in ((0, "а"), (1, "б"), (2, "а")):
        await salon.webhook(
            webhook(8102, created=t, changed=t + timedelta(seconds=seconds), status="update", comment=comment)
        )
    await quiet(salon)
    found = await booking(salon, 8102)
    assert found["comment"] == "а"
    journey = (await salon.get(f"/bookings/{found['id']}/journey"))["data"]
    assert len([fact for fact in journey if fact["kind"] == "booking"]) == 3


async def test_partial_webhooks_change_only_what_they_carry(salon: Salon) -> None:
    t = datetime.now(MOSCOW) - timedelta(minutes=1)
    await salon.webhook(webhook(8103, created=t))
    await salon.webhook(
        {
            "company_id": 4564,
            "resource": "record",
            "resource_id": 8103,
            "status": "update",
            "data": {"id": 8103, "attendance": 2},
        }
    )
    await quiet(salon)
    found = await booking(salon, 8103)
    assert (found["status"], found["amount"], found["contact"]["name"]) == ("confirmed", "4000.00", "Клиент Тестовый")
    await salon.webhook(
        {
            "company_id": 4564,
            "resource": "record",
            "resource_id": 8103,
            "status": "delete",
            "data": {"id": 8103, "deleted": True},
        }
    )
    await quiet(salon)
    assert (await booking(salon, 8103))["deleted"] is True


async def test_where_a_booking_came_from_is_read_at_its_creation_only(salon: Salon) -> None:
    t = datetime.now(MOSCOW) - timedelta(minutes=1)
    edited = webhook(
        8104, created=t, changed=t + timedelta(seconds=9), status="update", online=False, bookform_id=0, is_mobile=0
    )
    await salon.webhook(edited)
    await salon.webhook(webhook(8104, created=t, is_mobile=1))
    await quiet(salon)
    found = await booking(salon, 8104)
    assert (found["origin"], found["online"]) == ("widget_mobile", True)


async def test_client_event_reaches_the_clients_bookings(salon: Salon) -> None:
    body = webhook(8105)
    await salon.webhook(body)
    client = {
        "id": body["data"]["client"]["id"],
        "name": "Новое Имя",
        "phone": "+79160000001",
        "last_change_date": "2030-01-01T00:00:00+0300",
    }
    await salon.webhook(
        {"company_id": 4564, "resource": "client", "resource_id": client["id"], "status": "update", "data": client}
    )
    await quiet(salon)
    assert (await booking(salon, 8105))["contact"] == {"name": "Новое Имя", "phone": "+79160000001", "email": None}


MALFORMED = {
    b"": "empty", b"   ": "empty", b'{"torn":': "not_json", b"null": "not_an_event", b"[]": "not_an_event", b'"x"': "not_an_event",
    b"[" * 5000: "too_deep", b"\xff\xfe\x00\xd8": "encoding", b"\xd1\xe0\xeb\xee\xed": "encoding", b'{"a": NaN}': "not_json",
    b'{"company_id": 4564}': "missing_resource", b'{"resource": "record", "resource_id": 1, "status": "create"}': "missing_company",
    b'{"company_id": true, "resource": "record", "resource_id": 1, "status": "create"}': "bad_id",
    b'{"company_id": 4564, "resource": "record", "resource_id": -5, "status": "create", "data": {}}': "bad_id",
    b'{"company_id": 4564, "resource": "record", "resource_id": 9223372036854775808, "status": "create", "data": {}}': "bad_id",
    b'{"company_id": 4564, "resource": "record", "resource_id": 1, "status": "explode", "data": {}}': "bad_status",
    b'{"company_id": 4564, "resource": "record", "resource_id": 1, "status": "create", "data": null}': "no_data",
    b'{"company_id": 4564, "resource": "record", "resource_id": 1, "status": "create", "data": {"id": 2}}': "contradiction",
    b'{"company_id": 999, "resource": "record", "resource_id": 1, "status": "create", "data": {"id": 1}}': "unknown_branch",
}  # fmt: skip


async def test_every_malformed_body_is_answered_kept_and_shown_with_its_reason(salon: Salon) -> None:
    for body in MALFORMED:
        assert await salon.webhook(body) == 200
    line = await quiet(salon)
    assert (line["accepted"], line["quarantined"], line["stored"]) == (len(MALFORMED), len(MALFORMED), 0)
    held = (await salon.get("/quarantine", limit=200))["data"]
    assert sorted(item["reason"] for item in held) == sorted(MALFORMED.values())
    assert (await salon.get("/bookings"))["data"] == []


async def test_oversized_body_is_answered_and_its_beginning_kept(salon: Salon) -> None:
    assert await salon.webhook(b'{"company_id": 4564, "pad": "' + b"x" * 1_500_000 + b'"}') == 200
    await quiet(salon)
    held = (await salon.get("/quarantine"))["data"]
    assert [item["reason"] for item in held] == ["oversized"]
    assert "1500" in held[0]["detail"]


async def test_array_keeps_its_good_items_and_quarantines_the_bad_ones(salon: Salon) -> None:
    assert await salon.webhook([webhook(8200), {"nonsense": 1}, webhook(8201), webhook(8202, company_id=999)]) == 200
    line = await quiet(salon)
    assert (line["accepted"], line["quarantined"]) == (1, 1)
    assert {item["record_id"] for item in (await salon.get("/bookings"))["data"]} == {8200, 8201}
    held = (await salon.get("/quarantine"))["data"]
    assert sorted(item["reason"] for item in held) == ["missing_company", "unknown_branch"]
    assert json.loads(next(item["body"] for item in held if item["reason"] == "unknown_branch"))["resource_id"] == 8202


async def test_quarantined_booking_is_replayed_once_its_branch_is_known(salon: Salon, pool: asyncpg.Pool) -> None:
    await salon.webhook(webhook(8203, company_id=777))
    await quiet(salon)
    item = (await salon.get("/quarantine"))["data"][0]
    path = f"/api/v1/quarantine/{item['id']}/replay"
    async with salon.http.post(path, headers=salon.token) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "unknown_branch")
    await pool.execute(
        "insert into branch (account_id, branch_id, company_id, timezone) values ($1, gen_random_uuid(), 777, 'Europe/Moscow')",
        salon.made.account.account_id,
    )

    async def replayed() -> bool:
        async with salon.http.post(path, headers=salon.token) as answer:
            return answer.status == 200

    await eventually(replayed, within_s=12)
    async with salon.http.post(path, headers=salon.token) as answer:
        assert answer.status == 404  # a second time there is nothing open
    assert (await booking(salon, 8203))["company_id"] == 777


@pytest.mark.parametrize("name", sorted(path.name for path in SAMPLES.glob("webhook-*.json")))
async def test_every_sample_of_the_vendor_is_read(salon: Salon, name: str, pool: asyncpg.Pool) -> None:
    body = json.loads((SAMPLES / name).read_text("utf-8"))
    await pool.execute(
        "insert into branch (account_id, branch_id, company_id, timezone) values ($1, gen_random_uuid(), $2, 'Europe/Moscow')",
        salon.made.account.account_id, body["company_id"],
    )  # fmt: skip
    assert await salon.webhook(body) == 200
    line = await quiet(salon)
    acted = body["resource"] in ("record", "client")
    assert line["stored" if acted else "kept"] == 1, await salon.get("/quarantine")


async def test_wrong_token_is_the_same_404_as_any_unknown_path(salon: Salon) -> None:
    answers = []
    for path in (salon.hook[:-1] + "x", salon.hook.upper(), salon.hook + "/", "/hooks/yclients/x", "/nothing/here"):
        async with salon.http.post(path, json=webhook(1)) as answer:
            answers.append((answer.status, await answer.json()))
    assert all(answer == answers[0] for answer in answers)
    assert answers[0][0] == 404
    async with salon.http.get(salon.hook) as answer:
        assert answer.status == 200


async def test_database_away_spools_and_still_answers_200(tmp_path: Path) -> None:
    """The database stops; a webhook comes; the database returns: the booking is there."""
    from aiohttp.test_utils import TestClient, TestServer

    from server.app import build
    from server.platform.postgres import migrate, open_pool
    from server.settings import Settings
    from tests.conftest import make_salon

    tmp_path.chmod(0o755)
    for parent in tmp_path.parents:
        if parent.name.startswith("pytest-"):
            parent.chmod(0o755)
    database = EmbeddedPostgres(tmp_path / "db", owner="command")
    dsn = await database.start()
    await migrate(dsn)
    settings = Settings(data_dir=tmp_path / "data", public_url="http://yclick.test", match_grace_s=0)
    async with TestClient(TestServer(build(settings, dsn))) as client:
        pool = await open_pool(dsn, min_size=1, max_size=2)
        salon = await make_salon(client, pool, settings)
        assert await salon.webhook(webhook(8300)) == 200
        pool.terminate()
        await database.stop()
        assert await salon.webhook(webhook(8301)) == 200
        assert await salon.webhook(b"{torn") == 200
        assert (
            await salon.collect(
                {"v": 1, "sent_at": 1, "events": [{"id": "x" * 22, "kind": "hit", "at": 1, "visit": "v" * 22}]}
            )
            == 503
        )
        async with client.get("/readyz") as answer:
            assert answer.status == 503
        await database.start()

        async def back() -> Any:
            async with client.get("/api/v1/bookings", headers=salon.token) as answer:
                return answer.status == 200 and len((await answer.json())["data"]) == 2

        await eventually(back, within_s=20)
        line = await quiet(salon)
        assert (line["accepted"], line["stored"], line["quarantined"]) == (3, 2, 1)
    await database.stop()


async def test_poison_body_does_not_hold_up_the_others(salon: Salon, monkeypatch: pytest.MonkeyPatch) -> None:
    from server import vendors

    usual = vendors.YCLIENTS.__class__.booking

    def broken(self: Any, data: Any, **where: Any) -> Any:
        if data.get("comment") == "poison":
            raise RuntimeError("always")
        return usual(self, data, **where)

    monkeypatch.setattr(vendors.YCLIENTS.__class__, "booking", broken)
    await salon.webhook(webhook(8400, comment="poison"))
    for number in range(20):
        await salon.webhook(webhook(8401 + number))

    async def good() -> bool:
        return len((await salon.get("/bookings", limit=100))["data"]) == 20

    await eventually(good)


async def test_fifty_equal_webhooks_at_once_have_one_effect(salon: Salon, pool: asyncpg.Pool) -> None:
    body = webhook(8500)
    assert set(await asyncio.gather(*(salon.webhook(body) for _ in range(50)))) == {200}
    line = await quiet(salon)
    assert (line["accepted"], line["stored"], line["duplicate"]) == (50, 1, 49)
    assert await pool.fetchval("select count(*) from booking_history") == 1


async def test_hundred_bookings_shuffled_and_doubled_end_in_their_final_states(salon: Salon) -> None:
    chance = random.Random(7)
    bodies = [body for number in range(25) for body in life(8600 + number)[: chance.randint(1, 4)]]
    wanted = {}
    for body in bodies:
        wanted[body["resource_id"]] = body["data"]
    crowd = bodies * 2
    chance.shuffle(crowd)
    for body in crowd:
        assert await salon.webhook(body) == 200
    line = await quiet(salon)
    assert line["accepted"] == len(crowd)
    assert line["quarantined"] == 0
    for record_id, data in wanted.items():
        found = await booking(salon, record_id)
        assert (found["attendance"], found["deleted"]) == (data["attendance"], data.get("deleted", False))


async def test_a_notification_of_uis_by_get_is_kept(salon: Salon, pool: Any) -> None:
    path = f"/hooks/uis/{salon.made.hook_tokens['uis']}"
    async with salon.http.get(path) as looked:
        assert looked.status == 200
    async with salon.http.get(f"{path}?event=call&contact=7916%201") as told:
        assert (told.status, (await told.json())["status"]) == (200, "accepted")
    rows = await pool.fetch("select vendor, content_type, body from inbox")
    assert [tuple(row) for row in rows] == [
        ("uis", "application/x-www-form-urlencoded", b"event=call&contact=7916%201")
    ]
