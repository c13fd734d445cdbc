"""The client of the UIS Data API against the simulated account, over a real socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest

from e2e.stand.app import start_stand
from e2e.stand.state import StandConfig
from e2e.stand.uis.app import ERRORS, RunningUis, start_uis
from e2e.stand.uis.state import Uis
from server.platform.egress import (
    Egress,
    Forbidden,
    Limits,
    RateLimited,
    Rejected,
    Unauthorized,
    Unavailable,
    VendorError,
)
from server.uis import mapping
from server.uis.data_api import DataApi
from server.uis.errors import AccessRefused, PointsSpent, RequestRefused, RightRefused, error_of
from server.uis.model import (
    HOLDS_DEALS,
    LOADS_REQUESTS,
    ByDefault,
    Communication,
    Contact,
    DealStep,
    Employee,
    FieldDefinition,
    FieldValue,
    Funnel,
    InSession,
    Key,
    Login,
    OfflineRequest,
    Options,
    SessionUpload,
    Stage,
    Tag,
)
from server.uis.rpc import Memory

KEY = "stand-key-0123456789"
PASSWORD = "stand-password"
LOGIN = Login("owner@salon.example", PASSWORD)
PHONE = "+79165550101"
SITE, CAMPAIGN = 43525, 268176
SAMPLES = Path(__file__).parent / "samples" / "uis"
FUNNEL = Funnel(
    "yclients", "Записи",
    (Stage("waiting", "Ожидает", 10), Stage("confirmed", "Подтвердил", 20)),
    Stage("came", "Пришёл", status="success"), Stage("lost", "Отменена", status="failed"),
)  # fmt: skip


@dataclass
class Clock:
    """The vendor's clock and ours, moved by hand."""

    moment: datetime = field(default_factory=lambda: datetime.now(UTC))

    def __call__(self) -> datetime:
        return self.moment

    def seconds(self) -> float:
        return self.moment.timestamp()

    def go(self, **delta: float) -> None:
        self.moment += timedelta(**delta)


@pytest.fixture
def clock() -> Clock:
    return Clock(datetime(2026, 3, 16, 9, 30, 5, 250_000, tzinfo=UTC))


@pytest.fixture
async def running(clock: Clock) -> AsyncIterator[RunningUis]:
    running = await start_uis(Uis(clock=clock))
    yield running
    await running.stop()


@pytest.fixture
def uis(running: RunningUis) -> Uis:
    return running.uis


@pytest.fixture
async def egress() -> AsyncIterator[Egress]:
    egress = Egress(allow_private=True, limits=Limits(total_s=0.6))
    yield egress
    await egress.close()


@pytest.fixture
def api(running: RunningUis, egress: Egress, clock: Clock) -> DataApi:
    return DataApi(egress, base_url=running.url, access=Key(KEY), now=clock.seconds)


def client(running: RunningUis, egress: Egress, clock: Clock, **wanted: Any) -> DataApi:
    return DataApi(egress, base_url=running.url, now=clock.seconds, **{"access": Key(KEY), **wanted})


def request_of(clock: Clock, number: int = 1, **changes: Any) -> OfflineRequest:
    at = clock() - timedelta(minutes=5)
    made = OfflineRequest(
        f"booking:{number}", at, ByDefault(campaign_id=CAMPAIGN), name="Ольга", phone=PHONE, message="Стрижка",
        form_name="Yclients",
    )  # fmt: skip
    return replace(made, **changes)


def step_of(clock: Clock, number: int = 1, stage: str = "waiting", **changes: Any) -> DealStep:
    at = clock() - timedelta(minutes=5)
    made = DealStep(f"deal:{number}", "Запись", at, at, "yclients", stage, revenue=Decimal("2500.50"))
    return replace(made, **changes)


def calls(uis: Uis, method: str) -> list[str]:
    return [note["outcome"] for note in uis.journal if note["method"] == method]


# --- the lists of the settings


async def test_the_account_and_its_lists(api: DataApi, uis: Uis) -> None:
    assert (await api.account()).timezone == "Asia/Yekaterinburg"
    plan = await api.plan()
    assert plan.active
    assert plan.has(LOADS_REQUESTS)
    assert [(site.id, site.domain) for site in await api.sites()] == [
        (SITE, "salon.example"),
        (43526, "app.salon.example"),
    ]
    assert [(one.id, one.active, one.site_id) for one in await api.campaigns()] == [
        (-1, True, None), (CAMPAIGN, True, SITE), (268177, True, 43526), (268178, False, SITE),
    ]  # fmt: skip
    assert [(one.id, one.usable) for one in await api.sources()] == [(-2, True), (8, True), (9, False)]
    assert {note["outcome"] for note in uis.journal} == {"ok"}


@pytest.mark.parametrize("shape", ["list", "object"])
async def test_the_account_comes_in_either_shape(api: DataApi, uis: Uis, shape: str) -> None:
    uis.switch(account_as=shape)
    assert (await api.zone()).key == "Asia/Yekaterinburg"


async def test_a_long_list_is_read_to_its_end(api: DataApi, uis: Uis) -> None:
    uis.campaigns = [{"id": number, "name": str(number), "status": "active", "site_id": SITE} for number in range(2345)]
    assert [one.id for one in await api.campaigns()] == list(range(2345))
    assert [note["params"].get("offset", 0) for note in uis.journal] == [0, 1000, 2000]


# --- access


async def test_a_login_makes_one_session_for_all_calls(
    running: RunningUis, egress: Egress, clock: Clock, uis: Uis
) -> None:
    memory = Memory()
    first = client(running, egress, clock, access=LOGIN, memory=memory)
    await asyncio.gather(*(first.account() for _ in range(5)))
    await client(running, egress, clock, access=LOGIN, memory=memory).account()
    assert calls(uis, "login.user") == ["ok"]
    clock.go(minutes=59, seconds=30)
    await first.account()
    assert calls(uis, "login.user") == ["ok", "ok"]


@pytest.mark.parametrize("name", ["expire_at", "expire"])
async def test_a_session_that_ended_early_is_made_again(
    running: RunningUis, egress: Egress, clock: Clock, uis: Uis, name: str
) -> None:
    uis.switch(login_expiry=name)
    api = client(running, egress, clock, access=LOGIN)
    await api.account()
    uis.sessions_of_login.clear()
    await api.account()
    assert calls(uis, "get.account") == ["ok", "access_token_invalid", "ok"]


async def test_logout_ends_the_session(running: RunningUis, egress: Egress, clock: Clock, uis: Uis) -> None:
    api = client(running, egress, clock, access=LOGIN)
    await api.account()
    await api.logout()
    assert not uis.sessions_of_login


async def test_a_wrong_password_is_said_once_and_not_tried_again(
    running: RunningUis, egress: Egress, clock: Clock, uis: Uis
) -> None:
    with pytest.raises(AccessRefused) as caught:
        await client(running, egress, clock, access=Login("owner@salon.example", "wrong-password")).account()
    assert caught.value.reason == "auth_error"
    assert calls(uis, "login.user") == ["auth_error"]


async def test_other_credentials_forget_what_was_known(
    running: RunningUis, egress: Egress, clock: Clock, uis: Uis
) -> None:
    memory = Memory()
    await client(running, egress, clock, access=LOGIN, memory=memory).account()
    uis.keys["other-key-0123456789"] = "expired"
    with pytest.raises(Unauthorized):
        await client(running, egress, clock, access=Key("other-key-0123456789"), memory=memory).account()
    assert memory.token == ""
    assert memory.timezone == ""


async def test_an_agent_names_the_user_in_every_call(
    running: RunningUis, egress: Egress, clock: Clock, uis: Uis
) -> None:
    await client(running, egress, clock, user_id=2870).sites()
    assert uis.journal[-1]["params"]["user_id"] == 2870


# --- every refusal has its type


async def _refusal(api: DataApi, uis: Uis, clock: Clock, mnemonic: str) -> None:
    """Brings the account to refuse with this mnemonic, and makes the call."""
    if mnemonic.startswith("access_token_") and mnemonic != "access_token_invalid":
        uis.keys[KEY] = mnemonic.removeprefix("access_token_")
    elif mnemonic == "access_token_invalid":
        uis.keys.clear()
    elif mnemonic == "ip_not_whitelisted":
        uis.listed = ["203.0.113.0/24"]
    elif mnemonic == "account_inactive":
        uis.switch(active=False)
    elif mnemonic == "forbidden":
        uis.switch(forbidden=["get.account"])
    elif mnemonic == "tariff_restrictions":
        uis.switch(tariff_refuses=["get.account"])
    elif mnemonic == "limit_exceeded":
        uis.switch(minute_limit=0)
    elif mnemonic == "internal_error":
        uis.cue("internal_error", times=3)
    await api.account()


@pytest.mark.parametrize("status", [200, 400, 403, 422])
@pytest.mark.parametrize(
    ("mnemonic", "kind"),
    [
        ("access_token_expired", AccessRefused), ("access_token_blocked", AccessRefused),
        ("access_token_invalid", AccessRefused), ("ip_not_whitelisted", RightRefused),
        ("account_inactive", RightRefused), ("forbidden", RightRefused), ("tariff_restrictions", RightRefused),
        ("limit_exceeded", PointsSpent), ("internal_error", Unavailable),
    ],
)  # fmt: skip
async def test_a_refusal_of_the_account_has_its_type_whatever_the_http_status(
    api: DataApi, uis: Uis, clock: Clock, mnemonic: str, kind: type[VendorError], status: int
) -> None:
    uis.switch(error_status=status, error_id=status != 422)
    with pytest.raises(kind) as caught:
        await _refusal(api, uis, clock, mnemonic)
    if isinstance(caught.value, (AccessRefused, RightRefused)):
        assert caught.value.reason == mnemonic
    assert KEY not in str(caught.value)


async def test_the_address_that_is_not_listed_is_shown(api: DataApi, uis: Uis) -> None:
    uis.listed = []
    with pytest.raises(Forbidden, match=r"127\.0\.0\.1.*безопасности") as caught:
        await api.sites()
    assert isinstance(caught.value, RightRefused)
    assert caught.value.facts == {"ip": "127.0.0.1"}


async def test_the_component_that_is_off_is_named(api: DataApi, uis: Uis, clock: Clock) -> None:
    uis.components.discard("upload_offline_messages")
    uis.components.add("consultant")
    (told,) = await api.ensure_offline_requests([request_of(clock)])
    assert told.state == "not_sent"
    assert isinstance(told.error, RightRefused)
    assert told.error.facts == {"components": "upload_offline_messages"}


async def test_what_a_request_may_be_refused_for(api: DataApi, uis: Uis, clock: Clock) -> None:
    late = clock() + timedelta(minutes=3)
    old = uis.visit(at=clock() - timedelta(days=181))
    refused = {
        "invalid_date_time": request_of(clock, at=late),
        "campaign_is_inactive": request_of(clock, origin=ByDefault(campaign_id=268178)),
        "entity_not_found": request_of(clock, origin=InSession(12)),
        "required_parameter_missed": request_of(clock, phone=""),
        "invalid_parameter_value": request_of(clock, phone="12"),
        "invalid_parameters_combination": request_of(clock, origin=ByDefault(campaign_id=CAMPAIGN, site_id=43526)),
    }
    for code, one in refused.items():
        with pytest.raises(RequestRefused) as caught:
            await api.upload_offline_requests([one])
        assert caught.value.code == code
        assert caught.value.where.startswith("offline_messages.")
    with pytest.raises(RequestRefused, match="date_time"):
        await api.upload_offline_requests([request_of(clock, origin=InSession(old))])
    assert not uis.messages


async def test_nothing_that_was_sent_shows_in_an_error(
    running: RunningUis, egress: Egress, clock: Clock, uis: Uis
) -> None:
    """`data.value` repeats what was sent; here it holds the key, the phone and the e-mail."""
    api = client(running, egress, clock)
    bad = request_of(clock, phone="+7916555010", email="olga", origin=ByDefault(site_id=SITE))
    texts = []
    with pytest.raises(Rejected) as caught:
        await api.upload_offline_requests([bad])
    texts.append(f"{caught.value} {caught.value.human} {caught.value!r}")
    uis.keys[KEY] = "blocked"
    with pytest.raises(Unauthorized) as refused:
        await api.account()
    texts.append(f"{refused.value} {refused.value!r} {refused.value.__cause__!r}")
    with pytest.raises(Unauthorized) as refused:
        await client(running, egress, clock, access=Login("owner@salon.example", "pass-word-of-mine")).account()
    texts.append(f"{refused.value} {refused.value!r}")
    texts += [repr(Key(KEY)), repr(LOGIN), repr(Memory(access=Key(KEY), token="session-token"))]
    for text in texts:
        for secret in (KEY, "7916555010", "olga", "pass-word-of-mine", "owner@salon", PASSWORD, "session-token"):
            assert secret not in text


# --- answers that are none


@pytest.mark.parametrize(
    "fault",
    [
        "html",
        "http_500",
        "http_502",
        "torn",
        "hang",
        "reset",
        "lost_answer",
        "late_hang",
        "wrong_id",
        "both",
        "no_version",
        "empty",
    ],
)
async def test_an_answer_that_does_not_fit_is_no_answer(api: DataApi, uis: Uis, clock: Clock, fault: str) -> None:
    await api.zone()
    uis.switch(hang_s=2)
    uis.cue(fault, method="upload.offline_messages")
    (told,) = await api.ensure_offline_requests([request_of(clock)])
    assert (told.state, type(told.error)) == ("unknown", Unavailable)
    (told,) = await api.ensure_offline_requests([request_of(clock)], unknown=frozenset({"booking:1"}))
    assert told.state == "accepted"
    assert len(uis.messages) == 1


async def test_a_429_of_a_proxy_is_a_pause(api: DataApi, uis: Uis) -> None:
    uis.cue("http_429")
    with pytest.raises(RateLimited):
        await api.account()


# --- points


async def test_no_call_is_made_while_the_points_are_spent(api: DataApi, uis: Uis, clock: Clock) -> None:
    uis.switch(minute_limit=3)
    for _ in range(3):
        await api.account()
    assert api.points is not None
    assert (api.points.minute_limit, api.points.minute_remaining) == (3, 0)
    for _ in range(4):
        with pytest.raises(PointsSpent) as caught:
            await api.account()
        assert 1 <= caught.value.retry_after_s <= 60
    assert len(uis.journal) == 3
    clock.go(seconds=60)
    await api.account()


async def test_spent_points_of_the_day_are_asked_for_again_in_a_while(api: DataApi, uis: Uis, clock: Clock) -> None:
    uis.cue("limit_day")
    with pytest.raises(PointsSpent) as caught:
        await api.account()
    assert caught.value.window == "day"
    with pytest.raises(PointsSpent):
        await api.account()
    clock.go(minutes=11)  # the owner may have bought more
    await api.account()


async def test_only_what_succeeds_costs_points(api: DataApi, uis: Uis, clock: Clock) -> None:
    await api.account()
    before = uis.limits()["day_remaining"]
    with pytest.raises(RequestRefused):
        await api.upload_offline_requests([request_of(clock, phone="")])
    assert uis.limits()["day_remaining"] == before


# --- offline requests


async def test_a_request_of_a_session_takes_its_campaign(api: DataApi, uis: Uis, clock: Clock) -> None:
    session = uis.visit(at=clock() - timedelta(days=170))
    (told,) = await api.ensure_offline_requests([request_of(clock, origin=InSession(session))])
    row = uis.messages[told.vendor_id or 0]
    assert (row["visitor_session_id"], row["campaign_id"], row["site_id"]) == (session, CAMPAIGN, SITE)
    assert row["date_time"] == "2026-03-16 14:25:05"  # the account's clock, not ours
    assert uis.journal[-1]["params"]["offline_messages"][0]["phone"] == "79165550101"
    (found,) = (await api.find_offline_requests([request_of(clock)]))["booking:1"]
    assert found.at == request_of(clock).at.replace(microsecond=0)
    assert found.communication_id == row["communication_id"]


@pytest.mark.parametrize(("option", "form"), [(False, "digits"), (True, "plus")])
async def test_the_form_of_phones_is_an_option(
    running: RunningUis, egress: Egress, clock: Clock, uis: Uis, option: bool, form: str
) -> None:
    uis.switch(phone_form=form)
    api = client(running, egress, clock, options=Options(phone_with_plus=option))
    (told,) = await api.ensure_offline_requests([request_of(clock)])
    assert told.state == "accepted"


@pytest.mark.parametrize(("option", "vendor"), [(False, "refuse"), (True, "accept")])
async def test_no_campaign_may_be_said_by_the_site_alone(
    running: RunningUis, egress: Egress, clock: Clock, uis: Uis, option: bool, vendor: str
) -> None:
    uis.switch(no_campaign=vendor)
    api = client(running, egress, clock, options=Options(send_no_campaign=option))
    (told,) = await api.ensure_offline_requests([request_of(clock, origin=ByDefault(campaign_id=-1, site_id=SITE))])
    assert uis.messages[told.vendor_id or 0]["campaign_id"] == -1


async def test_a_field_is_made_before_it_is_filled(api: DataApi, uis: Uis, clock: Clock) -> None:
    asked = request_of(clock, fields=(FieldValue("services", "Стрижка"),))
    (told,) = await api.ensure_offline_requests([asked])
    assert told.state == "refused"
    await api.ensure_fields("request", [FieldDefinition("services", "Услуги")])
    (told,) = await api.ensure_offline_requests([asked])
    assert uis.messages[told.vendor_id or 0]["user_fields"] == [{"ext_id": "services", "value": "Стрижка"}]
    await api.ensure_fields("request", [FieldDefinition("services", "Что выбрали")])
    assert [one.name for one in await api.fields("request")] == ["Что выбрали"]


@pytest.mark.parametrize("mode", ["all", "partial", "skip"])
@pytest.mark.parametrize("twice", ["accept", "refuse", "same"])
async def test_one_bad_request_fails_alone_whatever_the_vendor_does_with_the_others(
    api: DataApi, uis: Uis, clock: Clock, mode: str, twice: str
) -> None:
    uis.switch(one_bad_row=mode, ext_id_twice=twice)
    wanted = [request_of(clock, number) for number in range(1, 8)]
    wanted[3] = replace(wanted[3], phone="12")
    told = {one.ext_id: one for one in await api.ensure_offline_requests(wanted)}
    unknown = frozenset(ext_id for ext_id, one in told.items() if one.state == "unknown")
    assert len(unknown) == (7 if mode == "skip" else 0)  # too few ids say nothing of any
    open_ones = [one for one in wanted if one.ext_id in unknown]
    told |= {one.ext_id: one for one in await api.ensure_offline_requests(open_ones, unknown=unknown)}
    good = ["booking:1", "booking:2", "booking:3", "booking:5", "booking:6", "booking:7"]
    assert sorted(row["ext_id"] for row in uis.messages.values()) == good
    assert [ext_id for ext_id, one in told.items() if one.state == "accepted"] == good
    assert isinstance(told["booking:4"].error, RequestRefused)


async def test_a_lost_answer_is_looked_up_before_anything_is_sent_again(api: DataApi, uis: Uis, clock: Clock) -> None:
    wanted = [request_of(clock, number) for number in range(1, 4)]
    uis.cue("lost_answer", method="upload.offline_messages")
    told = await api.ensure_offline_requests(wanted)
    assert {one.state for one in told} == {"unknown"}
    again = await api.ensure_offline_requests(wanted, unknown=frozenset(one.ext_id for one in told))
    assert [one.state for one in again] == ["accepted"] * 3
    assert [one.vendor_id for one in again] == sorted(uis.messages)
    assert len(uis.messages) == 3
    assert calls(uis, "upload.offline_messages") == ["lost_answer"]


async def test_nothing_is_sent_when_the_look_up_fails(api: DataApi, uis: Uis, clock: Clock) -> None:
    await api.zone()
    uis.cue("http_502", method="get.offline_messages_report", times=3)
    told = await api.ensure_offline_requests(
        [request_of(clock, 1), request_of(clock, 2)], unknown=frozenset({"booking:1"})
    )
    assert [one.state for one in told] == ["unknown", "not_sent"]
    assert calls(uis, "upload.offline_messages") == []


@pytest.mark.parametrize("fault", ["http_502", "html", "reset", "lost_answer", "torn", "internal_error"])
async def test_a_question_that_failed_by_chance_is_asked_again_and_nothing_else_is(
    api: DataApi, uis: Uis, clock: Clock, fault: str
) -> None:
    await api.zone()
    uis.cue(fault, method="get.sites", times=2)
    assert len(await api.sites()) == 2
    uis.cue(fault, method="upload.offline_messages")
    (told,) = await api.ensure_offline_requests([request_of(clock, 1)])
    assert told.state == "unknown"
    assert len(calls(uis, "upload.offline_messages")) == 1


async def test_what_is_unknown_stays_so_until_the_vendor_has_said_something(
    api: DataApi, uis: Uis, clock: Clock
) -> None:
    uis.switch(report_delay_s=90)
    uis.cue("lost_answer", method="upload.offline_messages")
    await api.ensure_offline_requests([request_of(clock)])
    uis.cue("limit_minute", method="upload.offline_messages")  # not in the report yet, and not sent again either
    (told,) = await api.ensure_offline_requests([request_of(clock)], unknown=frozenset({"booking:1"}))
    assert (told.state, type(told.error)) == ("unknown", PointsSpent)
    clock.go(seconds=91)
    (told,) = await api.ensure_offline_requests([request_of(clock)], unknown=frozenset({"booking:1"}))
    assert told.state == "accepted"
    assert len(uis.messages) == 1


async def test_work_stops_at_the_first_group_without_an_answer(
    running: RunningUis, egress: Egress, clock: Clock, uis: Uis
) -> None:
    api = client(running, egress, clock, options=Options(small_group=2))
    await api.ensure_offline_requests([request_of(clock, 1), request_of(clock, 2)])
    uis.cue("http_502", method="upload.offline_messages")
    told = await api.ensure_offline_requests([request_of(clock, number) for number in (3, 4, 5, 6)])
    assert [one.state for one in told] == ["unknown", "unknown", "not_sent", "not_sent"]


async def test_the_same_request_twice_in_one_call_is_loaded_once(api: DataApi, uis: Uis, clock: Clock) -> None:
    told = await api.ensure_offline_requests([request_of(clock), request_of(clock)])
    assert [one.state for one in told] == ["accepted", "accepted"]
    assert len(uis.messages) == 1


async def test_doubles_at_the_vendor_are_told(api: DataApi, uis: Uis, clock: Clock) -> None:
    asked = request_of(clock)
    first = await api.upload_offline_requests([asked])
    second = await api.upload_offline_requests([asked])
    (told,) = await api.ensure_offline_requests([asked], unknown=frozenset({asked.ext_id}))
    assert [told.vendor_id, *told.doubles] == [*first, *second]


async def test_a_request_is_removed_by_what_it_is_and_not_by_a_noted_id(api: DataApi, uis: Uis, clock: Clock) -> None:
    uis.switch(answer_order="reversed")
    one, other = request_of(clock, 1), request_of(clock, 2)
    await api.ensure_offline_requests([one, other])
    foreign = next(row for row in uis.messages.values() if row["ext_id"] == "booking:2")
    form = {**foreign, "id": 7, "ext_id": "booking:1", "form_type": "Стандартная"}
    uis.messages[7] = form
    assert await api.remove_offline_request(one) == 1
    assert await api.remove_offline_request(one) == 0
    assert [row["ext_id"] for row in uis.messages.values()] == ["booking:2", "booking:1"]


async def test_requests_far_apart_are_looked_up_in_reports_the_vendor_allows(
    api: DataApi, uis: Uis, clock: Clock
) -> None:
    wanted = [request_of(clock, number, at=clock() - timedelta(days=number * 40)) for number in range(5)]
    told = await api.ensure_offline_requests(wanted)
    assert {one.state for one in told} == {"accepted"}
    assert sorted(await api.find_offline_requests(wanted)) == [f"booking:{number}" for number in range(5)]
    assert set(calls(uis, "get.offline_messages_report")) == {"ok"}


# --- sessions


def visit_of(clock: Clock, number: int = 1, **changes: Any) -> SessionUpload:
    made = SessionUpload(
        f"visit:{number}", SITE, clock() - timedelta(hours=2), True, "203.0.113.7",
        marks=(("utm_source", "yandex"), ("utm_campaign", "весна"), ("fbclid", "x")), device="mobile",
    )  # fmt: skip
    return replace(made, **changes)


@pytest.mark.parametrize("twice", ["same", "dropped"])
async def test_a_visit_becomes_one_session_however_often_it_is_told(
    api: DataApi, uis: Uis, clock: Clock, twice: str
) -> None:
    uis.switch(session_twice=twice)
    first = await api.ensure_sessions([visit_of(clock)])
    again = await api.ensure_sessions([visit_of(clock), visit_of(clock, 2)])
    assert again["visit:1"] == first["visit:1"]
    assert len(uis.sessions) == 2
    (told,) = await api.ensure_offline_requests([request_of(clock, origin=InSession(first["visit:1"]))])
    row = uis.messages[told.vendor_id or 0]
    assert (row["utm_source"], row["utm_campaign"]) == ("yandex", "весна")
    assert "fbclid" not in row


async def test_a_session_without_a_number_yet_is_left_out(api: DataApi, uis: Uis, clock: Clock) -> None:
    uis.switch(session_twice="dropped", session_delay_s=60)
    uis.cue("lost_answer", method="upload.sessions")
    with pytest.raises(Unavailable):
        await api.ensure_sessions([visit_of(clock)])
    assert await api.ensure_sessions([visit_of(clock)]) == {}
    clock.go(seconds=61)
    assert list(await api.ensure_sessions([visit_of(clock)])) == ["visit:1"]


async def test_a_hundred_fat_visits_fit_the_vendor(api: DataApi, uis: Uis, clock: Clock) -> None:
    fat = [visit_of(clock, number, referrer="https://ya.ru/?" + "a" * 30_000) for number in range(60)]
    assert len(await api.ensure_sessions(fat)) == 60
    sizes = [len(json.dumps(note["params"]).encode()) for note in uis.journal if note["method"] == "upload.sessions"]
    assert max(sizes) <= 512 * 1024
    assert len(sizes) >= 4


# --- funnels, people


async def test_a_funnel_is_made_once_and_kept_up_to_date(api: DataApi, uis: Uis) -> None:
    await api.ensure_funnel(FUNNEL)
    await api.ensure_funnel(FUNNEL)
    assert calls(uis, "create.sales_funnel") == ["ok"]
    changed = replace(
        FUNNEL, name="Записи салона", success=replace(FUNNEL.success, name="Визит"),
        on_the_way=(*FUNNEL.on_the_way, Stage("paid", "Оплатил", 30)),
    )  # fmt: skip
    await api.ensure_funnel(changed)
    found = await api.funnel("yclients")
    assert found is not None
    assert (found.name, found.success.name) == ("Записи салона", "Визит")
    assert [stage.ext_id for stage in found.on_the_way] == ["waiting", "confirmed", "paid"]
    assert (found.success.order, found.failed.order) == (10_010, 10_020)
    assert len(await api.funnels()) == 1


async def test_a_funnel_of_a_lost_answer_is_not_made_twice(api: DataApi, uis: Uis) -> None:
    uis.cue("lost_answer", method="create.sales_funnel")
    with pytest.raises(Unavailable):
        await api.ensure_funnel(FUNNEL)
    await api.ensure_funnel(FUNNEL)
    assert calls(uis, "create.sales_funnel") == ["lost_answer"]


async def test_a_funnel_with_other_ends_is_refused(api: DataApi, uis: Uis) -> None:
    await api.ensure_funnel(FUNNEL)
    with pytest.raises(RequestRefused, match="stage_is_fixed"):
        await api.ensure_funnel(replace(FUNNEL, success=Stage("done", "Готово", status="success")))


@pytest.mark.parametrize("index", [False, True])
@pytest.mark.parametrize("partial", [False, True])
async def test_contacts_are_made_and_changed_and_one_bad_fails_alone(
    api: DataApi, uis: Uis, clock: Clock, partial: bool, index: bool
) -> None:
    uis.switch(contacts_partial=partial, field_index=index)
    made = [Contact(f"client:{number}", f"Клиент {number}", phones=(f"+7916555{number:04}",)) for number in range(9)]
    bad = replace(made[5], phones=("+7000000000000000000",))
    told = await api.ensure_contacts([*made[:5], bad, *made[6:]])
    assert [one.ext_id for one in told if one.state == "refused"] == ["client:5"]
    assert len(uis.contacts) == 8
    before = len(uis.journal)
    told = await api.ensure_contacts([replace(made[0], name="Ольга", phones=()), *made[1:]])
    assert {one.state for one in told} == {"accepted"}
    assert (uis.contacts["client:0"]["name"], uis.contacts["client:0"]["phone_numbers"]) == ("Ольга", [])
    assert [note["method"] for note in uis.journal[before:]] == [
        "get.deal_contacts", "create.deal_contacts", "update.deal_contacts",
    ]  # fmt: skip


async def test_a_contact_made_by_somebody_else_meanwhile_is_updated(api: DataApi, uis: Uis) -> None:
    uis.cue("lost_answer", method="create.deal_contacts")
    (told,) = await api.ensure_contacts([Contact("client:1", "Ольга", phones=(PHONE,))])
    assert told.state == "unknown"
    (told,) = await api.ensure_contacts([Contact("client:1", "Ольга", phones=(PHONE,))])
    assert told.state == "accepted"
    assert len(uis.contacts) == 1


async def test_responsible_people(api: DataApi, uis: Uis) -> None:
    await api.ensure_employees([Employee("staff:1", "Анна")])
    await api.ensure_employees([Employee("staff:1", "Анна Соколова"), Employee("staff:2", "Мария")])
    assert [(one.ext_id, one.name) for one in await api.employees()] == [
        ("staff:1", "Анна Соколова"),
        ("staff:2", "Мария"),
    ]


# --- deals


async def test_a_deal_with_everything(api: DataApi, uis: Uis, clock: Clock) -> None:
    await api.ensure_funnel(FUNNEL)
    await api.ensure_fields(
        "deal", [FieldDefinition("services", "Услуги"), FieldDefinition("paid", "Оплачено", "numeric")]
    )
    await api.ensure_employees([Employee("staff:1", "Анна")])
    await api.ensure_contacts([Contact("client:1", "Ольга", phones=(PHONE,))])
    booked = request_of(clock, at=clock() - timedelta(minutes=10))
    (request,) = await api.ensure_offline_requests([booked])
    (row,) = (await api.find_offline_requests([booked]))["booking:1"]
    assert row.id == request.vendor_id
    assert row.communication_id is not None
    uis.call(PHONE, at=clock() - timedelta(minutes=6))
    step = step_of(
        clock, employee="staff:1", contacts=("client:1",), main_contact="client:1", comments="Новый клиент", source="Форма",
        communication=Communication(row.communication_id, "request"), tags=(Tag("vip", "VIP"),),
        fields=(FieldValue("services", "Стрижка"), FieldValue("paid", "1000.5")),
    )  # fmt: skip
    done = replace(step, stage="came", stage_at=clock(), closed_at=clock(), revenue=Decimal("3000"))
    (told,) = await api.ensure_deal_steps([done, step])  # in the order of time, whatever the order here
    assert told.state == "accepted"
    history = await api.deal_history("deal:1")
    assert [(one.stage, one.generated) for one in history] == [("waiting", False), ("confirmed", True), ("came", False)]
    assert [one.revenue for one in history] == [Decimal("2500.5"), Decimal(3000), Decimal(3000)]
    assert history[0].communication == step.communication
    assert history[0].created_at == step.created_at.replace(microsecond=0)
    assert uis.deals["deal:1"].link == (row.communication_id, "offline_message")  # named: it wins over the call


@pytest.mark.parametrize(("age", "linked"), [(29, True), (31, False)])
async def test_a_deal_finds_the_call_of_its_contact_within_thirty_days(
    api: DataApi, uis: Uis, clock: Clock, age: int, linked: bool
) -> None:
    await api.ensure_funnel(FUNNEL)
    await api.ensure_contacts([Contact("client:1", "Ольга", phones=(PHONE,))])
    call = uis.call(PHONE, at=clock() - timedelta(days=age))
    await api.ensure_deal_steps([step_of(clock, contacts=("client:1",), main_contact="client:1")])
    assert uis.deals["deal:1"].link == ((call, "call") if linked else None)


@pytest.mark.parametrize("index", [False, True])
async def test_one_bad_deal_in_a_thousand_fails_alone(api: DataApi, uis: Uis, clock: Clock, index: bool) -> None:
    uis.switch(field_index=index)
    await api.ensure_funnel(FUNNEL)
    steps = [step_of(clock, number) for number in range(1000)]
    steps[617] = replace(steps[617], stage_at=steps[617].created_at - timedelta(hours=1))
    told = await api.ensure_deal_steps(steps)
    assert [one.ext_id for one in told if one.state != "accepted"] == ["deal:617"]
    refused = told[617].error
    assert isinstance(refused, RequestRefused)
    assert refused.code == "invalid_date_time"
    assert len(uis.deals) == 999
    assert all(len(deal.history) == 1 for deal in uis.deals.values())
    assert len(calls(uis, "upload.deals_history")) <= (3 if index else 25)


async def test_a_step_that_is_loaded_again_after_a_lost_answer_changes_nothing_that_counts(
    api: DataApi, uis: Uis, clock: Clock
) -> None:
    await api.ensure_funnel(FUNNEL)
    uis.cue("lost_answer", method="upload.deals_history")
    step = step_of(clock)
    assert [one.state for one in await api.ensure_deal_steps([step])] == ["unknown"]
    assert [one.state for one in await api.ensure_deal_steps([step])] == ["accepted"]
    assert {one.stage for one in await api.deal_history("deal:1")} == {"waiting"}


async def test_a_stage_time_does_not_go_back(api: DataApi, uis: Uis, clock: Clock) -> None:
    await api.ensure_funnel(FUNNEL)
    late = step_of(clock, stage="confirmed", stage_at=clock())
    await api.ensure_deal_steps([late])
    (told,) = await api.ensure_deal_steps([step_of(clock)])
    assert told.state == "refused"
    (told,) = await api.ensure_deal_steps([step_of(clock, stage_at=clock())])  # a step back, at a later time
    assert told.state == "accepted"


@pytest.mark.parametrize(("vendor", "state"), [("accept", "accepted"), ("refuse", "refused")])
async def test_whether_a_closed_deal_opens_again_is_the_vendors_to_say(
    api: DataApi, uis: Uis, clock: Clock, vendor: str, state: str
) -> None:
    uis.switch(reopen=vendor)
    await api.ensure_funnel(FUNNEL)
    await api.ensure_deal_steps([step_of(clock, stage="lost", closed_at=clock())])
    (told,) = await api.ensure_deal_steps([step_of(clock, stage_at=clock())])
    assert told.state == state


async def test_deals_are_worked_off_with_a_delay(api: DataApi, uis: Uis, clock: Clock) -> None:
    uis.switch(deals_busy_s=30)
    await api.ensure_funnel(FUNNEL)
    await api.ensure_deal_steps([step_of(clock, 1), step_of(clock, 2)])
    assert await api.deals_in_processing() == 2
    assert await api.deal_history("deal:1") == []
    clock.go(seconds=31)
    assert await api.deals_in_processing() == 0
    assert len(await api.deal_history("deal:1")) == 1


async def test_a_deal_is_deleted_once(api: DataApi, uis: Uis, clock: Clock) -> None:
    await api.ensure_funnel(FUNNEL)
    await api.ensure_deal_steps([step_of(clock)])
    await api.delete_deal("deal:1")
    await api.delete_deal("deal:1")
    assert not uis.deals


async def test_all_errors_of_every_kind_leave_one_request_and_one_deal_each(
    running: RunningUis, egress: Egress, clock: Clock, uis: Uis
) -> None:
    """A fifth of all calls fails in some way; the caller does what `Outcome` says."""
    api = client(running, egress, clock, options=Options(small_group=5))
    await api.ensure_funnel(FUNNEL)
    kinds = ["limit_minute", "internal_error", "reset", "lost_answer", "torn", "wrong_id", "html", "no_version"]
    uis.switch(fault_rate=0.2, fault_kinds=kinds, day_limit=10_000)
    requests = {f"booking:{number}": request_of(clock, number) for number in range(40)}
    unknown: frozenset[str] = frozenset()
    steps = {f"deal:{number}": step_of(clock, number) for number in range(40)}
    for _ in range(60):
        told = await api.ensure_offline_requests(list(requests.values()), unknown=unknown)
        unknown = unknown | {one.ext_id for one in told if one.state == "unknown"}
        requests = {ext_id: one for ext_id, one in requests.items() if ext_id not in _accepted(told)}
        steps = {
            ext_id: one
            for ext_id, one in steps.items()
            if ext_id not in _accepted(await api.ensure_deal_steps(list(steps.values())))
        }
        clock.go(seconds=61)
        if not requests and not steps:
            break
    assert sorted(row["ext_id"] for row in uis.messages.values()) == sorted(f"booking:{number}" for number in range(40))
    assert len(uis.deals) == 40


def _accepted(told: list[Any]) -> set[str]:
    return {one.ext_id for one in told if one.state == "accepted"}


# --- the simulator is as strict as the papers


async def post(running: RunningUis, body: Any, **headers: str) -> dict[str, Any]:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    wanted = {"Content-Type": "application/json; charset=UTF-8", **headers}
    async with aiohttp.ClientSession() as http, http.post(f"{running.url}/v2.0", data=data, headers=wanted) as answer:
        found: dict[str, Any] = await answer.json(content_type=None)
        return found


def ask(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"access_token": KEY, **params}}


MESSAGE = {"date_time": "2026-03-16 14:00:00", "phone": "79165550101", "site_id": SITE}
DATES = {"date_from": "2026-03-01 00:00:00", "date_till": "2026-03-31 00:00:00"}
STRICT: dict[str, tuple[Any, str, str]] = {
    "not JSON": (b"{", "parse_error", ""),
    "a batch": ([ask("get.account")], "batch_opreations_not_supported", ""),
    "no id": ({"jsonrpc": "2.0", "method": "get.account", "params": {}}, "notifications_not_supported", ""),
    "old JSON-RPC": ({"id": 1, "method": "get.account", "params": {}}, "invalid_request", ""),
    "no such method": (ask("get.bookings"), "method_not_found", ""),
    "a parameter too many": (ask("get.account", limit=1), "unexpected_parameters", "limit"),
    "an unknown field of an item": (
        ask("upload.offline_messages", offline_messages=[{**MESSAGE, "utm_source": "x"}]),
        "unexpected_parameters", "offline_messages.utm_source",
    ),
    "a missing field": (
        ask("upload.offline_messages", offline_messages=[{"phone": "79165550101"}]),
        "required_parameter_missed", "offline_messages.date_time",
    ),
    "a wrong type": (
        ask("upload.offline_messages", offline_messages=[{**MESSAGE, "site_id": "1"}]), "data_type_error", "offline_messages.site_id",
    ),
    "a true is no number": (
        ask("upload.offline_messages", offline_messages=[{**MESSAGE, "site_id": True}]), "data_type_error", "offline_messages.site_id",
    ),
    "an ISO time with T": (
        ask("upload.offline_messages", offline_messages=[{**MESSAGE, "date_time": "2026-03-16T14:00:00"}]),
        "invalid_parameter_value", "offline_messages.date_time",
    ),
    "too many items": (
        ask("upload.offline_messages", offline_messages=[MESSAGE] * 51), "data_limit_exceeded", "offline_messages",
    ),
    "campaign -1 without a site": (
        ask("upload.offline_messages", offline_messages=[{"date_time": "2026-03-16 14:00:00", "phone": "79165550101", "campaign_id": -1}]),
        "required_parameter_missed", "offline_messages.site_id",
    ),
    "a filter by what cannot be filtered": (
        ask("get.sites", filter={"field": "site_key", "operator": "=", "value": "x"}), "filter_prohibited", "site_key",
    ),
    "a filter by nothing known": (
        ask("get.sites", filter={"field": "nothing", "operator": "=", "value": "x"}), "unexpected_parameters", "filter",
    ),
    "sorting by what cannot be sorted": (ask("get.sites", sort=[{"field": "name"}]), "sort_prohibited", "name"),
    "an unknown column": (ask("get.sites", fields=["id", "url"]), "unexpected_parameters", "fields.url"),
    "too long a page": (ask("get.sites", limit=10_001), "invalid_parameter_value", "limit"),
    "too long a report": (
        ask("get.offline_messages_report", date_from="2026-01-01 00:00:00", date_till="2026-06-01 00:00:00"),
        "date_interval_limit_reached", "date_till",
    ),
    "a report without dates": (ask("get.offline_messages_report"), "required_parameter_missed", "date_from"),
    "a funnel without stages": (
        ask("create.sales_funnel", ext_id="1", name="x", stages={
            "success": {"ext_id": "s", "name": "s"}, "failed": {"ext_id": "f", "name": "f"}, "in_process": [],
        }),
        "invalid_parameter_value", "stages.in_process",
    ),
    "contacts without the main one": (
        ask("upload.deals_history", deals=[{
            "ext_id": "1", "name": "x", "created_date_time": "2026-03-16 14:00:00",
            "modified_stage_date_time": "2026-03-16 14:00:00", "sales_funnel_ext_id": "none", "stage_ext_id": "1",
        }]),
        "entity_not_found", "deals.sales_funnel_ext_id",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("body", "mnemonic", "where"), STRICT.values(), ids=STRICT)
async def test_the_stand_refuses_what_the_vendor_refuses(
    running: RunningUis, body: Any, mnemonic: str, where: str
) -> None:
    error = (await post(running, body))["error"]
    assert (error["data"]["mnemonic"], error["data"].get("field", "")) == (mnemonic, where)
    assert error["code"] == ERRORS[mnemonic][0]


async def test_the_stand_answers_in_the_vendors_shapes(running: RunningUis, uis: Uis) -> None:
    loaded = await post(running, ask("upload.offline_messages", offline_messages=[{**MESSAGE, "ext_id": "a"}]))
    (row,) = loaded["result"]["data"]
    assert set(loaded["result"]["metadata"]["limits"]) == {
        "day_limit", "day_remaining", "day_reset", "minute_limit", "minute_remaining", "minute_reset",
    }  # fmt: skip
    report = await post(running, ask("get.offline_messages_report", **DATES))
    assert report["result"]["metadata"]["total_items"] == 1
    (shown,) = report["result"]["data"]
    assert (shown["form_type"], shown["status"], shown["visitor_phone_number"]) == (
        "DataAPI",
        "not_processed",
        79165550101,
    )
    assert "ext_id" not in shown  # not a default column
    deleted = await post(running, ask("delete.offline_messages", id=row["id"]))
    assert deleted["result"] == {"success": "true"}


async def test_the_hand_on_the_stand(running: RunningUis, api: DataApi, uis: Uis) -> None:
    async with aiohttp.ClientSession(running.url) as http:
        async with http.put("/_stand/switches", json={"one_bad_row": "skip"}) as answer:
            assert (await answer.json())["one_bad_row"] == "skip"
        async with http.put("/_stand/switches", json={"nothing": 1}) as answer:
            assert answer.status == 400
        async with http.post(
            "/_stand/cue", json={"fault": "internal_error", "method": "get.sites", "times": 3}
        ) as answer:
            assert answer.status == 200
        async with http.post("/_stand/visit", json={}) as answer:
            assert (await answer.json())["session_id"] in uis.sessions
        with pytest.raises(Unavailable):
            await api.sites()
        assert len(await api.sites()) == 2
        async with http.get("/_stand/state") as answer:
            assert [note["outcome"] for note in (await answer.json())["journal"]] == [*["internal_error"] * 3, "ok"]


async def test_the_stand_has_uis_under_a_path_of_its_own(egress: Egress) -> None:
    stand = await start_stand(StandConfig())
    try:
        api = DataApi(egress, base_url=f"http://127.0.0.1:{stand.port}/uis", access=Key(KEY))
        assert (await api.account()).timezone == "Asia/Yekaterinburg"
    finally:
        await stand.stop()


# --- the vendor's own examples


def sample(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((SAMPLES / f"{name}.json").read_text("utf-8"))
    return found


async def test_the_stand_takes_the_requests_of_the_vendors_papers(running: RunningUis, uis: Uis) -> None:
    uis.keys["ACCESS_TOKEN"] = "ok"
    for name in ("create.sales_funnel_request", "create.deal_contacts_request", "create.deal_employees_request_1"):
        assert "result" in await post(running, sample(name)), name
    for field_of in ("deal", "offline_message"):
        asked = sample(f"create.{field_of}_user_field_request")
        asked["params"]["access_token"] = KEY
        assert (await post(running, asked))["result"]["data"] == {"ext_id": asked["params"]["ext_id"]}
    assert (await post(running, sample("get.sales_funnel_request")))["result"]["data"] == (
        sample("get.sales_funnel_response")["result"]["data"]
    )


@pytest.mark.parametrize("course", ["won", "lost", "in_process"])
async def test_the_stand_takes_the_deals_of_the_vendors_papers(running: RunningUis, uis: Uis, course: str) -> None:
    uis.keys["ACCESS_TOKEN"] = "ok"
    asked = sample(f"upload.deals_history_request_{course}")
    await post(running, sample("create.deal_contacts_request"))
    funnel = sample("create.sales_funnel_request")
    for deal in asked["params"]["deals"]:  # the papers name another funnel than the one they make
        deal["sales_funnel_ext_id"] = "1"
        last = deal["stage_ext_id"]
        deal["stage_ext_id"] = {"10000": "1000", "10002": "10001"}.get(last, last)
        if deal.get("employee_ext_id"):
            uis.employees[deal["employee_ext_id"]] = {"ext_id": deal["employee_ext_id"], "name": "Менеджер"}
    await post(running, funnel)
    assert (await post(running, asked))["result"]["data"] == {}
    assert [row["stage_ext_id"] for deal in uis.deals.values() for row in deal.history] == [
        deal["stage_ext_id"] for deal in asked["params"]["deals"]
    ]


def _names(value: Any, path: str = "") -> set[str]:
    if isinstance(value, list):
        return set().union(*(_names(item, path) for item in value))
    if isinstance(value, dict):
        return set().union(*({f"{path}{name}"} | _names(item, f"{path}{name}.") for name, item in value.items()))
    return set()


async def test_the_client_sends_the_names_of_the_vendors_papers_and_no_others(
    api: DataApi, uis: Uis, clock: Clock
) -> None:
    await test_a_deal_with_everything(api, uis, clock)
    await api.ensure_fields("request", [FieldDefinition("services", "Услуги")])
    session = uis.visit(at=clock() - timedelta(hours=1))
    asked = request_of(clock, 2, email="olga@salon.example", fields=(FieldValue("services", "Стрижка"),))
    await api.upload_offline_requests([asked, replace(asked, ext_id="booking:3", origin=InSession(session))])
    await api.upload_offline_requests([replace(asked, origin=ByDefault(CAMPAIGN, 8, SITE))])
    await api.ensure_contacts([Contact("client:2", "Анна", clock(), (PHONE,), ("a@salon.example",))])
    papers = {
        "upload.offline_messages": "upload.offline_messages_request", "create.sales_funnel": "create.sales_funnel_request",
        "upload.deals_history": "upload.deals_history_request_all_fields", "create.deal_contacts": "create.deal_contacts_request",
        "create.deal_employees": "create.deal_employees_request_1", "create.deal_user_field": "create.deal_user_field_request",
        "create.offline_message_user_field": "create.offline_message_user_field_request",
    }  # fmt: skip
    for method, file in papers.items():
        sent = set().union(*(_names(note["params"]) for note in uis.journal if note["method"] == method))
        assert sent <= _names(sample(file)["params"]), method
        assert sent


def test_the_answers_of_the_vendors_papers_are_understood() -> None:
    zone = ZoneInfo("Europe/Moscow")
    funnel = mapping.funnel_of(sample("get.sales_funnel_response")["result"]["data"][0])
    assert funnel is not None
    assert [stage.order for stage in funnel.on_the_way] == [10, 20, 30, 40]
    assert (funnel.success.ext_id, funnel.failed.ext_id) == ("1000", "10001")
    plan = mapping.plan_of(sample("getobj.account_response")["result"]["data"])
    assert (plan.customer_id, plan.timezone, plan.active) == (183510, "Europe/Moscow", True)
    assert plan.has("operation")
    assert not plan.has(HOLDS_DEALS)
    sources = [mapping.source_of(row) for row in sample("get.sources_response")["result"]["data"]]
    assert [(one.id, one.usable) for one in sources if one] == [(8, True), (2, True)]
    fields = [mapping.field_of(row) for row in sample("get.deal_user_fields_response")["result"]["data"]]
    assert [one.data_type for one in fields if one] == ["string", "numeric"]
    tree = mapping.any_of("ext_id", ["a", "b"])
    assert _names(tree) == _names(sample("dataapi_filter_tree1")["params"]["filter"])
    assert _names(mapping.any_of("ext_id", ["a"])) == _names(sample("dataapi_filter_simple")["params"]["filter"])
    types: dict[str, Any] = sample("upload.offline_messages_request")["params"]["offline_messages"][0]
    assert mapping.loaded_request_of(types, zone) is None  # types in place of values: no row, and no exception


def test_the_errors_of_the_vendors_papers_are_understood() -> None:
    spent = error_of(sample("dataapi_error_limit_exceeded")["error"])
    assert isinstance(spent, PointsSpent)
    assert (spent.retry_after_s, spent.window) == (39.0, "minute")
    missed = error_of(sample("dataapi_error_required_parameter_missed")["error"])
    assert isinstance(missed, RequestRefused)
    assert (missed.code, missed.where, missed.index) == ("required_parameter_missed", "offline_messages.phone", None)


@pytest.mark.parametrize("mnemonic", ERRORS)
def test_each_mnemonic_has_its_type(mnemonic: str) -> None:
    code, words = ERRORS[mnemonic]
    error = error_of({"code": code, "message": words, "data": {"mnemonic": mnemonic, "value": "+79165550101"}})
    kind: type[VendorError] = RequestRefused
    if code == -32001:
        kind = AccessRefused
    elif code in (-32003, -32008, -32009) or mnemonic == "tariff_restrictions":
        kind = RightRefused
    elif mnemonic == "limit_exceeded":
        kind = PointsSpent
    elif mnemonic == "internal_error":
        kind = Unavailable
    assert type(error) is kind
    assert "9165550101" not in str(error)
