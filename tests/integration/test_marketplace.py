"""The marketplace's application from outside: connecting, what goes wrong on the way, freezes and ends."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from aiohttp.test_utils import TestClient, TestServer
from pydantic import SecretStr

from e2e.stand import marketplace as market
from e2e.stand.app import RunningStand, start_stand
from e2e.stand.state import StandConfig
from server.accounts import flow
from server.app import build
from server.clients.flow import want
from server.clients.model import Wanted
from server.platform.clock import utc_now
from server.platform.vault import load_vault
from server.settings import Settings
from tests.conftest import eventually, make_salon
from tests.factories import webhook
from tests.integration.test_cabinet import Owner, browser

PAGE = "/integrations/yclients"
OURS, MORE, THEIRS = 4564, 4565, 4566


@pytest.fixture
async def stand() -> AsyncIterator[RunningStand]:
    running = await start_stand(StandConfig(app_connect_url="/marketplace/connect"))
    yield running
    await running.stop()


@pytest.fixture
def settings(settings: Settings, stand: RunningStand) -> Settings:
    return settings.model_copy(
        update={
            "yclients_api_url": f"http://127.0.0.1:{stand.port}", "yclients_partner_token": SecretStr("stand"),
            "yclients_application_id": 777, "yclients_application_token": SecretStr("application"),
            "reconcile_period_s": 1.0, "uis_data_api_url": f"http://127.0.0.1:{stand.port}/uis",
        }
    )  # fmt: skip


@pytest.fixture
async def owner(dsn: str, pool: Any, settings: Settings) -> AsyncIterator[Owner]:
    async with TestClient(TestServer(build(settings, dsn))) as client:
        one = browser(await make_salon(client, pool, settings))
        await one.log_in_by_link(pool)
        yield one
        await one.session.close()


async def agreed(owner: Owner, url: str, *company_ids: int, status: int = 200) -> str:
    """Follows the redirect and agrees to these branches on the page that asks."""
    async with owner.session.get(owner.salon.http.make_url(url)) as answer:
        page = await answer.text()
        assert answer.status == 200, page[:500]
        kept = answer.url.query["r"]
    fields = [("r", kept), *(("company", str(number)) for number in company_ids)]
    async with owner.session.post(owner.salon.http.make_url("/marketplace/confirm"), data=fields) as answer:
        text = await answer.text()
        assert answer.status == status, text[:500]
        return text


async def states(pool: Any) -> dict[int, tuple[str, str]]:
    rows = await pool.fetch("select company_id, state, code from app_link")
    return {row["company_id"]: (row["state"], row["code"]) for row in rows}


async def becomes(pool: Any, company_id: int, state: str, code: str = "") -> None:
    async def there() -> Any:
        found = (await states(pool)).get(company_id)
        return found == (state, code) or (None if found is None else False)

    try:
        await eventually(there)
    except AssertionError as error:
        raise AssertionError(f"{await states(pool)}") from error


async def connected(owner: Owner, stand: RunningStand, pool: Any, *company_ids: int) -> None:
    await agreed(owner, market.connect(stand.stand, list(company_ids)), *company_ids)
    for company_id in company_ids:
        await becomes(pool, company_id, "active")


async def told(owner: Owner, **event: Any) -> int:
    body = {"salon_id": OURS, "application_id": 777, "partner_token": "stand", **event}
    async with owner.salon.http.post("/hooks/yclients-app", json=body) as answer:
        return answer.status


# --- connecting


@pytest.mark.parametrize("app_ids", ["indexed", "csv"])
async def test_two_branches_of_one_redirect_are_connected_with_their_hooks(
    owner: Owner, stand: RunningStand, pool: Any, app_ids: str
) -> None:
    stand.stand.switches.app_ids = app_ids
    await connected(owner, stand, pool, OURS, MORE)
    assert [stand.stand.installations[one]["status"] for one in (OURS, MORE)] == ["active", "active"]
    for company_id in (OURS, MORE):
        assert [urlsplit(url).path for url in stand.stand.hooks[company_id]] == [owner.salon.hook]
    rows = await pool.fetch("select company_id, title, timezone from branch order by company_id")
    assert [tuple(row.values()) for row in rows] == [
        (OURS, "Студия «Лён»", "Europe/Moscow"), (MORE, "Студия «Лён» на Мира", "Europe/Moscow"),
    ]  # fmt: skip
    assert "Студия «Лён» на Мира" in await owner.page(PAGE)
    record = stand.stand.make(MORE, "staff")
    await owner.salon.webhook(webhook(record["id"], company_id=MORE))

    async def read() -> Any:
        return await pool.fetchval("select read_at from booking where record_id = $1", record["id"])

    await eventually(read)


async def test_the_redirect_alone_attaches_nothing(owner: Owner, stand: RunningStand, pool: Any) -> None:
    page = await owner.page(market.connect(stand.stand, [OURS, MORE]))
    assert "Иван Тестовый" in page
    assert "Студия «Лён» на Мира" in page
    assert await states(pool) == {}
    assert await pool.fetchval("select count(*) from branch") == 1
    assert [name for name, _ in stand.stand.app_calls if name == "callback"] == []


async def test_a_stranger_is_asked_to_log_in_first_and_the_signed_person_is_not_in_the_address(
    owner: Owner, stand: RunningStand
) -> None:
    async with owner.salon.http.get(market.connect(stand.stand, [OURS]), allow_redirects=True) as answer:
        assert answer.url.path == "/login"
        assert answer.url.query["next"].startswith("/marketplace/confirm?r=")
        assert "user_data" not in str(answer.url)
        assert 'value="/marketplace/confirm?r=' in await answer.text()
    async with owner.salon.http.post("/marketplace/confirm", data={"r": "x", "company": "1"}) as answer:
        assert answer.status == 401


async def test_an_application_without_user_data_is_connected_by_the_same_page(
    owner: Owner, stand: RunningStand, pool: Any
) -> None:
    stand.stand.switches.app_user_data = False
    await connected(owner, stand, pool, OURS)


@pytest.mark.parametrize("change", ["sign", "base64", "data", "missing", "huge", "no_branch"])
async def test_a_redirect_that_cannot_be_the_vendors_is_refused(
    owner: Owner, stand: RunningStand, pool: Any, change: str
) -> None:
    stand.stand.switches.app_sign = "base64" if change == "base64" else "decoded"
    query = dict(parse_qsl(urlsplit(market.connect(stand.stand, [OURS])).query))
    if change == "sign":
        query["user_data_sign"] = "0" * 64
    elif change == "data":
        query["user_data"] = "eyJuYW1lIjogIkV2ZSJ9"
    elif change == "missing":
        del query["user_data_sign"]
    elif change == "huge":
        query["user_data"] *= 20
    elif change == "no_branch":
        del query["salon_id"]
    page = await owner.page(f"/marketplace/connect?{urlencode(query)}", status=400)
    assert ("Подпись YCLIENTS не сходится" in page) == (change != "no_branch")
    assert await states(pool) == {}


async def test_what_was_signed_for_one_branch_and_sent_with_another_connects_only_what_is_installing(
    owner: Owner, stand: RunningStand, pool: Any
) -> None:
    """The vendor's signature does not cover the branch: the page shows which one, and the vendor knows nothing of it."""
    replayed = market.connect(stand.stand, [OURS]).replace(f"salon_id={OURS}", f"salon_id={THEIRS}")
    page = await owner.page(replayed)
    assert str(THEIRS) in page
    await agreed(owner, replayed, THEIRS)
    await becomes(pool, THEIRS, "refused", "absent")
    assert await pool.fetchval("select count(*) from branch where company_id = $1", THEIRS) == 0
    assert "Нажмите «Подключить» в маркетплейсе и подтвердите здесь" in await owner.page(PAGE)


async def test_only_branches_of_the_redirect_can_be_agreed_to(owner: Owner, stand: RunningStand, pool: Any) -> None:
    url = market.connect(stand.stand, [OURS])
    for chosen in ((THEIRS,), (OURS, THEIRS), ()):
        assert "Отметьте хотя бы один филиал" in await agreed(owner, url, *chosen, status=422)
    assert await states(pool) == {}
    for bad in ("", "x", "A" * 200, "ф"):
        assert "больше не действует" in await owner.send("/marketplace/confirm", status=410, r=bad, company="4564")


async def test_a_branch_of_another_account_is_refused_whole_and_says_nothing_of_it(
    owner: Owner, stand: RunningStand, pool: Any, settings: Settings
) -> None:
    foreign = await make_salon(owner.salon.http, pool, settings, name="Foreign", company=MORE)
    await foreign.webhook(webhook(1, company_id=MORE))  # it works with this branch, and did not only type it in
    await eventually(lambda: pool.fetchval("select count(*) = 1 from booking"))
    url = market.connect(stand.stand, [OURS, MORE])
    page = await owner.page(url)
    assert "в другом аккаунте" in page
    assert "Foreign" not in page
    assert "на Мира" not in page
    assert "уже подключён к другому аккаунту" in await agreed(owner, url, OURS, MORE, status=409)
    assert await states(pool) == {}
    assert [name for name, _ in stand.stand.app_calls if name == "callback"] == []
    await agreed(owner, url, OURS)
    await becomes(pool, OURS, "active")


async def test_without_an_application_of_the_server_the_door_says_so(dsn: str, settings: Settings) -> None:
    none = settings.model_copy(update={"yclients_application_id": 0})
    async with TestClient(TestServer(build(none, dsn))) as client:
        async with client.get("/marketplace/connect?salon_id=4564") as answer:
            assert answer.status == 404
            assert "нет приложения маркетплейса" in await answer.text()
        async with client.get("/marketplace/connect?salon_id=4564", cookies={"yclick_lang": "en"}) as answer:
            assert "has no marketplace application" in await answer.text()


# --- what the vendor answers


@pytest.mark.parametrize("fault", ["html", "500"])
async def test_while_the_vendor_is_away_the_wish_waits(
    owner: Owner, stand: RunningStand, pool: Any, fault: str
) -> None:
    stand.stand.switches.app_callback = fault
    await agreed(owner, market.connect(stand.stand, [OURS]), OURS)
    await becomes(pool, OURS, "connecting", "away")
    assert "Повторяем сами" in await owner.page(f"{PAGE}/live")
    stand.stand.switches.app_callback = ""
    await owner.send(f"{PAGE}/app/{OURS}/look")
    await becomes(pool, OURS, "active")


async def test_the_status_may_be_a_page_of_html_as_well(owner: Owner, stand: RunningStand, pool: Any) -> None:
    stand.stand.switches.app_status = "html"
    await agreed(owner, market.connect(stand.stand, [OURS]), OURS)
    await becomes(pool, OURS, "connecting", "away")
    assert [name for name, _ in stand.stand.app_calls if name == "callback"] == []
    stand.stand.switches.app_status = ""
    await becomes(pool, OURS, "active")  # by itself


async def test_done_with_a_page_of_html_is_found_done_and_gets_its_hook(
    owner: Owner, stand: RunningStand, pool: Any
) -> None:
    """Seen at the vendor: the installation is active, no webhook is entered, a repeated callback is refused."""
    stand.stand.switches.app_callback = "html_done"
    await agreed(owner, market.connect(stand.stand, [OURS]), OURS)
    await becomes(pool, OURS, "active")
    assert [name for name, _ in stand.stand.app_calls].count("callback") == 1
    assert [urlsplit(url).path for url in stand.stand.hooks[OURS]] == [owner.salon.hook]


async def test_already_installed_is_done_when_the_status_says_so(owner: Owner, stand: RunningStand, pool: Any) -> None:
    market.install(stand.stand, OURS, "active", "marketplace")
    await agreed(owner, market.redirect_url(stand.stand, [OURS]), OURS)
    await becomes(pool, OURS, "active")
    assert [name for name, _ in stand.stand.app_calls if name == "callback"] == []


@pytest.mark.parametrize(
    ("fault", "code", "sentence"),
    [("400", "aggregator", "Агрегатор не найден"), ("403", "already", "Пользователь уже установил это приложение")],
)
async def test_a_refusal_is_a_sentence_and_can_be_tried_again(
    owner: Owner, stand: RunningStand, pool: Any, fault: str, code: str, sentence: str
) -> None:
    stand.stand.switches.app_callback = fault
    await agreed(owner, market.connect(stand.stand, [OURS]), OURS)
    await becomes(pool, OURS, "refused", code)
    page = await owner.page(PAGE)
    assert sentence in page
    assert "mk_" not in page
    stand.stand.switches.app_callback = ""
    await owner.send(f"{PAGE}/app/{OURS}/look")
    await becomes(pool, OURS, "active")


async def test_a_partner_token_that_is_not_accepted_says_whom_to_ask(
    owner: Owner, stand: RunningStand, pool: Any
) -> None:
    stand.stand.switches.app_status = "401"
    await agreed(owner, market.connect(stand.stand, [OURS]), OURS)
    await becomes(pool, OURS, "refused", "partner")
    assert "не принимает партнёрский токен" in await owner.page(PAGE)


async def test_a_partner_token_refused_for_a_while_ends_no_connection(
    owner: Owner, stand: RunningStand, pool: Any
) -> None:
    await connected(owner, stand, pool, OURS)
    stand.stand.switches.app_status = "401"
    await owner.send(f"{PAGE}/app/{OURS}/look")
    await becomes(pool, OURS, "active", "partner")
    assert "не принимает партнёрский токен" in await owner.page(PAGE)
    stand.stand.switches.app_status = ""
    await becomes(pool, OURS, "active")  # by itself


async def test_an_address_that_could_not_be_entered_is_entered_when_there_is_room(
    owner: Owner, stand: RunningStand, pool: Any
) -> None:
    stand.stand.switches.app_callback = "html_done"
    foreign = [f"https://crm.example/{number}" for number in range(10)]
    stand.stand.hooks[OURS] = list(foreign)
    await agreed(owner, market.connect(stand.stand, [OURS]), OURS)
    await becomes(pool, OURS, "active", "no_hook")
    stand.stand.hooks[OURS].pop()
    await owner.send(f"{PAGE}/app/{OURS}/look")
    await becomes(pool, OURS, "active")
    assert [urlsplit(url).path for url in stand.stand.hooks[OURS]][9:] == [owner.salon.hook]


async def test_what_waited_for_any_connection_goes_on_by_the_application(
    owner: Owner, stand: RunningStand, pool: Any
) -> None:
    account_id = owner.salon.made.account.account_id
    async with pool.acquire() as conn, conn.transaction():
        await want(conn, account_id, Wanted(OURS, "+79161234567", "chat", "chat:1", comment="Раз"), now=utc_now())
    await eventually(lambda: pool.fetchval("select state = 'held' from delivery where kind = 'client'"))
    await connected(owner, stand, pool, OURS)
    await eventually(lambda: pool.fetchval("select state = 'delivered' from delivery where kind = 'client'"))


# --- lifecycle


@pytest.mark.parametrize(
    "event",
    [
        {"event": "freeze", "partner_token": "wrong"}, {"event": "freeze", "partner_token": None},
        {"event": "freeze", "salon_id": THEIRS}, {"event": "freeze", "application_id": 778}, {"event": "freeze", "salon_id": "x"},
    ],
)  # fmt: skip
async def test_an_event_of_nobody_we_know_finds_nothing(
    owner: Owner, stand: RunningStand, pool: Any, event: dict[str, Any]
) -> None:
    await connected(owner, stand, pool, OURS)
    assert await told(owner, **event) == 404
    assert await states(pool) == {OURS: ("active", "")}
    assert await pool.fetchval("select count(*) from inbox where vendor = 'yclients-app'") == 0


async def test_an_event_is_kept_without_its_token_and_acts_once(owner: Owner, stand: RunningStand, pool: Any) -> None:
    await connected(owner, stand, pool, OURS)
    for _ in range(2):
        assert await told(owner, event="freeze") == 200
    assert await told(owner, event="payment") == 200

    async def worked() -> Any:
        rows = await pool.fetch("select state from inbox where vendor = 'yclients-app'")
        found = sorted(row["state"] for row in rows)
        return found == ["duplicate", "kept", "stored"]

    await eventually(worked)
    bodies = [bytes(row["body"]) for row in await pool.fetch("select body from inbox where vendor = 'yclients-app'")]
    assert all(b"stand" not in body for body in bodies)
    assert json.loads(bodies[0])["salon_id"] == OURS
    assert "Приложение YCLIENTS" in await owner.page("/intake")
    assert (await states(pool))[OURS] == ("frozen", "")
    line = (await owner.salon.get("/ledger"))["doors"]["yclients-app"]
    assert (line["accepted"], line["difference"]) == (3, 0)


async def test_a_freeze_stops_reads_and_deliveries_and_its_end_lets_them_go_on(
    owner: Owner, stand: RunningStand, pool: Any, settings: Settings
) -> None:
    await connected(owner, stand, pool, OURS, MORE)
    await _send_leads(owner, pool, settings)
    account_id = owner.salon.made.account.account_id
    assert await told(owner, event="freeze") == 200
    await becomes(pool, OURS, "frozen")
    made = {one: stand.stand.book(one, _form(one))[0] for one in (OURS, MORE)}
    for company_id, record in made.items():
        await owner.salon.webhook(
            {"company_id": company_id, "resource": "record", "resource_id": record["id"], "status": "create", "data": record}
        )  # fmt: skip

    async def held() -> Any:
        rows = await pool.fetch(
            "select b.company_id, d.state, d.code from delivery d join booking b on b.booking_id = d.subject_id"
            " where d.account_id = $1 and d.kind = 'lead'",
            account_id,
        )
        found = {row["company_id"]: (row["state"], row["code"]) for row in rows}
        return found == {OURS: ("held", "app_frozen"), MORE: ("delivered", "")}

    await eventually(held)
    other = await pool.fetchval("select read_at from booking where record_id = $1", made[OURS]["id"])
    assert other is None
    assert "заморожено в YCLIENTS" in await owner.page("/deliveries")
    assert "ничего не потеряно" in await owner.page(PAGE)
    (notice,) = (await owner.salon.get("/notices"))["data"]
    assert (notice["sort"], notice["topic"]) == ("exhausted", f"frozen:{OURS}")
    assert f"Филиал № {OURS}: передача остановлена и ждёт вас" in await owner.page("/bookings")
    market.install(stand.stand, OURS, "active", "marketplace")
    await owner.send(f"{PAGE}/app/{OURS}/look")
    await becomes(pool, OURS, "active")

    async def released() -> Any:
        return await pool.fetchval("select count(*) from delivery where state = 'delivered'") == 2

    await eventually(released)
    assert [one["sort"] for one in (await owner.salon.get("/notices"))["data"]] == ["recovered", "exhausted"]
    assert "ждёт вас" not in await owner.page("/bookings")
    record = stand.stand.make(OURS, "staff")
    await owner.salon.webhook(webhook(record["id"], company_id=OURS))

    async def read() -> Any:
        return await pool.fetchval("select read_at from booking where record_id = $1", record["id"])

    await eventually(read)


async def _send_leads(owner: Owner, pool: Any, settings: Settings) -> None:
    vault, key = load_vault("", settings.data_dir), {"access_token": "stand-key-0123456789"}
    async with pool.acquire() as conn:
        await flow.connect(conn, vault, owner.salon.made.account.account_id, "uis", "test", key)
    body = {"enabled": True, "default": {"entity": "source", "source_id": 8, "site_id": 43525}}
    async with owner.salon.http.put("/api/v1/integrations/leads", json=body, headers=owner.salon.token) as answer:
        assert answer.status == 200, await answer.text()


def _form(company_id: int) -> dict[str, Any]:
    return {
        "fullname": "Мария", "phone": f"7916000{company_id}", "bookform_id": 822081,
        "appointments": [{"services": [5034676], "staff_id": 2835418, "datetime": f"2027-01-0{company_id - 4563}T10:00:00"}],
    }  # fmt: skip


async def test_an_end_takes_the_access_away_and_leaves_the_data(owner: Owner, stand: RunningStand, pool: Any) -> None:
    await connected(owner, stand, pool, OURS)
    record = stand.stand.make(OURS, "staff")
    await owner.salon.webhook(webhook(record["id"], company_id=OURS))

    async def read() -> Any:
        return await pool.fetchval("select read_at from booking")

    await eventually(read)
    assert (await owner.salon.get("/health"))["yclients_connected"]
    assert await told(owner, event="uninstall") == 200
    await becomes(pool, OURS, "uninstalled")
    assert await pool.fetchval("select count(*) from readable_branch") == 0
    assert await pool.fetchval("select count(*) from booking") == 1
    assert not (await owner.salon.get("/health"))["yclients_connected"]
    assert "Доступ приложения закрыт, данные остались" in await owner.page(PAGE)
    await owner.send(f"{PAGE}/app/{OURS}/look", status=404)
    await connected(owner, stand, pool, OURS)  # and back again
    assert await pool.fetchval("select count(*) from branch") == 1


async def test_an_event_of_before_the_connection_does_not_end_it(owner: Owner, stand: RunningStand, pool: Any) -> None:
    await connected(owner, stand, pool, OURS)
    await pool.execute("update app_link set asked_at = now() + interval '1 hour'")
    assert await told(owner, event="uninstall") == 200

    async def worked() -> Any:
        return await pool.fetchval("select state = 'duplicate' from inbox where vendor = 'yclients-app'")

    await eventually(worked)
    assert (await states(pool))[OURS] == ("active", "")


async def test_what_no_event_told_of_is_seen_by_asking(owner: Owner, stand: RunningStand, pool: Any) -> None:
    await connected(owner, stand, pool, OURS, MORE)
    market.install(stand.stand, OURS, "freezed", "marketplace")
    market.install(stand.stand, MORE, "uninstalled", "marketplace")
    for company_id in (OURS, MORE):
        await owner.send(f"{PAGE}/app/{company_id}/look")
    await becomes(pool, OURS, "frozen")
    await becomes(pool, MORE, "uninstalled")


async def test_a_refused_read_has_the_application_looked_at(owner: Owner, stand: RunningStand, pool: Any) -> None:
    await connected(owner, stand, pool, OURS)
    record = stand.stand.make(OURS, "staff")
    stand.stand.switches.rest_fault = "401"
    await owner.salon.webhook(webhook(record["id"], company_id=OURS))
    await becomes(pool, OURS, "refused", "no_rights")
    assert "не хватает прав" in await owner.page(PAGE)


async def test_the_others_button_is_not_ours(owner: Owner, stand: RunningStand, pool: Any, settings: Settings) -> None:
    await connected(owner, stand, pool, OURS)
    other = browser(await make_salon(owner.salon.http, pool, settings, name="Other", company=THEIRS))
    await other.log_in_by_link(pool)
    await other.send(f"{PAGE}/app/{OURS}/look", status=404)
    assert str(OURS) not in (await other.page(PAGE)).split("<main")[1]
    await other.session.close()


# --- a number that somebody else typed in


async def test_a_number_typed_in_elsewhere_keeps_nobody_out_and_what_is_confirmed_stays(
    owner: Owner, stand: RunningStand, pool: Any, settings: Settings
) -> None:
    other = browser(await make_salon(owner.salon.http, pool, settings, name="Other", company=OURS))
    await other.log_in_by_link(pool)
    await connected(owner, stand, pool, OURS)
    record = stand.stand.make(OURS, "staff")
    await other.salon.webhook(webhook(record["id"], company_id=OURS))
    await eventually(lambda: pool.fetchval("select count(*) > 0 from booking"))
    await owner.send(f"{PAGE}/app/{OURS}/look")
    checked = await pool.fetchval("select checked_at from app_link where company_id = $1", OURS)
    await eventually(
        lambda: pool.fetchval("select checked_at >= $2 from app_link where company_id = $1", OURS, checked)
    )
    assert (await states(pool))[OURS] == ("active", "")
    await other.session.close()

    third = browser(await make_salon(owner.salon.http, pool, settings, name="Third", company=77))
    await third.log_in_by_link(pool)
    page = await third.send("/install/branches", status=422, company_id=str(OURS), timezone="Europe/Moscow")
    assert "уже подключён к другому аккаунту" in page
    await third.session.close()


async def test_a_branch_that_the_accounts_own_login_does_not_see_is_refused(
    owner: Owner, stand: RunningStand, pool: Any
) -> None:
    await owner.send(PAGE, login="olga@salon.example", password="right one")
    stand.stand.switches.rest_unseen = MORE
    page = await owner.send("/install/branches", status=422, company_id=str(MORE), timezone="Europe/Moscow")
    assert "не видит этот филиал" in page
    assert await pool.fetchval("select count(*) from branch where company_id = $1", MORE) == 0
    stand.stand.switches.rest_unseen = 0
    assert "Филиал подключён" in await owner.send("/install/branches", company_id=str(MORE), timezone="Europe/Moscow")
