"""Calls as UIS plays them: with its own templates and ours, doubled, out of order, with notifications that never came."""

from __future__ import annotations

import argparse
import asyncio
import os
import random
from collections import Counter
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import pytest

from e2e.stand.app import RunningStand
from e2e.stand.uis.app import RunningUis
from e2e.stand.uis.notices import Notice
from server.accounts import flow as accounts
from server.accounts.lookup import Lookup
from server.administration import operate
from server.calls import flow, store
from server.platform import budget
from server.platform.clock import utc_now
from server.settings import Settings
from server.uis.notification_bodies import notification_bodies
from tests.conftest import eventually
from tests.integration.phone_calls import FIRST, SECOND, Line, connected_line, new_call

KEY = "stand-key-0123456789"
#: As the fault tests: small in CI, whole before a release.
CALLS = 10_000 if os.environ.get("FAULTS_SIZE") == "release" else 200


@pytest.fixture
async def line(
    dsn: str, pool: asyncpg.Pool, stand: RunningStand, uis: RunningUis, settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Line]:  # fmt: skip
    own = settings.model_copy(
        update={
            "yclients_api_url": f"http://127.0.0.1:{stand.port}", "uis_media_url": uis.url, "recording_hosts": ("127.0.0.1",),
            "uis_data_api_url": uis.url, "retry_schedule_s": (0.2, 0.3, 0.5, 0.5, 0.5),
        }
    )  # fmt: skip
    uis.uis.switches.minute_limit = 100_000
    open_budget(monkeypatch)
    async with connected_line(dsn, pool, stand, own) as one:
        async with pool.acquire() as conn:
            await accounts.connect(conn, one.vault, one.account_id, "uis", "test", {"access_token": KEY})
        await store.ensure_readings(pool, now=utc_now() + timedelta(hours=1))
        yield one


def open_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    """A vendor without limits: what happens is looked at, not how long the vendor lets one wait."""
    free = budget.Plan((budget.Window(1.0, 100_000),), by_account=False)
    monkeypatch.setitem(budget.PLANS, "yclients", free)
    monkeypatch.setitem(budget.PLANS, "uis", budget.Plan(free.windows, by_account=True))


def listen(line: Line, uis: RunningUis, *, own_bodies: bool, method: str = "POST") -> None:
    """The owner has entered these notifications in the cabinet."""
    url = str(line.salon.http.make_url(f"/hooks/uis/{line.salon.made.hook_tokens['uis']}"))
    events = (
        "in_call_session", "call_proceeding", "talk_started", "talk_finished", "call_session_finished", "lost_call_session",
        "out_call_session", "talk_record_file", "voice_message",
    )  # fmt: skip
    bodies = {one.event: one for one in notification_bodies(line.salon.made.account.hash_key)}
    uis.uis.notices = [
        Notice(event, url, method, body=bodies[event].body if own_bodies and event in bodies else "")
        for event in events
    ]


async def read_reports(line: Line) -> None:
    await line.pool.execute("update call_reading set next_at = now()")


@pytest.mark.parametrize(("own_bodies", "method"), [(True, "POST"), (False, "POST"), (False, "GET")])
async def test_every_scenario_ends_as_it_went(line: Line, uis: RunningUis, own_bodies: bool, method: str) -> None:
    listen(line, uis, own_bodies=own_bodies, method=method)
    await line.set(recording_grace_s=600)
    wanted = {
        "answered": ("incoming", "success", 20), "transfer": ("incoming", "success", 20), "lost": ("incoming", "missed", 0),
        "voicemail": ("incoming", "missed", 0), "outgoing": ("outgoing", "success", 20), "busy": ("incoming", "missed", 0),
        "outgoing_lost": ("outgoing", "missed", 0),
    }  # fmt: skip
    calls = {name: await uis.telephone.call(scenario=name, scale=0.02) for name in wanted}
    for name, call in calls.items():
        [entry] = await line.history(call.id)
        assert (entry["type"], entry["status"], entry["duration"]) == wanted[name], name
        # What was left on the machine may come too late for the first entry of all.
        assert name == "voicemail" or bool(entry["link"]) == (name in ("answered", "transfer", "outgoing")), name
    assert (await line.call(calls["transfer"].id))["transferred"]
    assert len(line.network.popups) == 5, "every call that came in rang"


async def test_a_call_whose_end_nobody_told_of_is_closed_by_the_report(line: Line, uis: RunningUis) -> None:
    listen(line, uis, own_bodies=True)
    answered = await uis.telephone.call(scenario="no_end", scale=0.0, talk_s=17, until_end=True)
    lost = await uis.telephone.call(scenario="no_end_lost", scale=0.0, until_end=True)
    uis.uis.notices = []
    unheard = await uis.telephone.call(scenario="answered", scale=0.0, talk_s=9, record_s=0, until_end=True)
    await line.until(answered.id, state="talking")
    await line.until(lost.id, state="ringing")
    await read_reports(line)
    for call, status, length in ((answered, "success", 17), (lost, "missed", 0), (unheard, "success", 9)):
        [entry] = await line.history(call.id)
        assert (entry["status"], entry["duration"], entry["diversion"]) == (status, length, FIRST)
    assert (await line.call(unheard.id))["popup"] == "skipped"
    assert await line.pool.fetchval("select missed from call_reading where what = 'recent'") == 3


async def test_past_calls_are_counted_read_and_passed_once_however_often_they_are_asked_for(
    line: Line, uis: RunningUis, settings: Settings, dsn: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made = [await uis.telephone.call(scenario="answered", scale=0.0, talk_s=4, until_end=True) for _ in range(3)]
    own = settings.model_copy(update={"uis_data_api_url": uis.url, "uis_media_url": uis.url})
    asked = argparse.Namespace(account=str(line.account_id), operation="backfill", what="calls", days=30, dry_run=True)
    for dry_run, sentence in (
        (True, "3 calls to read"),
        (False, "3 calls read, 3 new"),
        (False, "3 calls read, 0 new"),
    ):
        asked.dry_run = dry_run
        assert await operate(own, dsn, asked) == 0
        assert sentence in capsys.readouterr().out
        if not dry_run:
            for call in made:
                assert [row["duration"] for row in await line.history(call.id)] == [4]
    assert len(line.network.history) == 3


async def test_a_call_of_which_nothing_more_is_heard_rings_no_more_after_a_minute(line: Line) -> None:
    call = new_call()
    await line.tell("in_call_session", call)
    row = await line.until(call, state="ringing", popup="shown")
    known = await Lookup(line.pool, line.vault).known(line.account_id)
    assert known is not None
    due = await line.pool.fetchval("select run_at from job where kind = $1", flow.SETTLE_JOB)
    assert due <= row["started_at"] + timedelta(seconds=60)
    async with line.pool.acquire() as conn, conn.transaction():
        await flow.settle(conn, known, row["call_id"], now=row["started_at"] + timedelta(seconds=60))
    row = await line.call(call)
    assert (row["state"], row["outcome"], row["told"], row["history_why"]) == ("over", "missed", False, "report")
    assert line.network.history == [], "a guess waits for the report"
    async with line.pool.acquire() as conn, conn.transaction():
        await flow.settle(conn, known, row["call_id"], now=row["started_at"] + timedelta(minutes=32))
    row = await line.call(call)
    assert (row["history"], row["told"]) == ("wanted", False)
    assert await line.pool.fetchval("select state from delivery where kind = 'call'") == "waiting"


async def test_many_calls_doubled_reordered_and_with_gaps_stand_once_each(line: Line, uis: RunningUis) -> None:
    listen(line, uis, own_bodies=True)
    switches = uis.uis.switches
    switches.notice_duplicates, switches.notice_loss, switches.notice_reorder = 1, 0.05, True
    switches.notice_delay_s = 0.0
    chance = random.Random(7)
    made: dict[str, tuple[Any, str]] = {}
    gate = asyncio.Semaphore(20)

    async def one(place: int) -> None:
        scenario = chance.choice(["answered", "answered", "lost", "transfer", "no_end", "outgoing"])
        number, length = chance.choice([FIRST, SECOND]), chance.randrange(1, 300)
        async with gate:
            call = await uis.telephone.call(
                scenario=scenario, number=number, caller=f"7916{place:07}", talk_s=length, wait_s=1, scale=0.0, record_s=0,
                until_end=True,
            )  # fmt: skip
        made[str(call.id)] = (call, number)

    await asyncio.gather(*(one(place) for place in range(CALLS)))

    async def told() -> bool:
        return await line.pool.fetchval("select count(*) = 0 from inbox where state = 'waiting'") is True

    await eventually(told, within_s=60 + CALLS / 10)
    await read_reports(line)

    async def all_there() -> bool:
        return len({row["call_id"] for row in line.network.history}) == CALLS

    await eventually(all_there, within_s=60 + CALLS / 10)
    assert set(Counter(row["call_id"] for row in line.network.history).values()) == {1}
    for row in line.network.history:
        call, number = made[row["call_id"]]
        answered = bool(call.talk_s)
        assert (row["diversion"], row["status"], row["duration"]) == (
            number, "success" if answered else "missed", call.talk_s
        )  # fmt: skip
        assert row["company_ids"] == [4564 if number == FIRST else 4565]
    states = await line.pool.fetch("select state, count(*) as number from call group by state")
    assert [(row["state"], row["number"]) for row in states] == [("over", CALLS)]
