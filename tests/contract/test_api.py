"""The REST surface as contract.md promises it: shapes to the letter, pages, filters, refusals, intake."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from aiohttp.test_utils import TestClient, TestServer

from server.accounts import flow
from server.app import build
from server.platform.clock import utc_now
from server.settings import Settings
from tests.conftest import COMPANY, Salon, eventually, make_salon
from tests.factories import MOSCOW, Browser, ident, webhook
from tests.integration.test_intake import quiet
from tests.integration.test_main_job import AD, lead_of

LISTS = ("leads", "bookings", "visits", "quarantine", "deals", "calls", "chats", "deliveries")
READABLE = (
    *LISTS, "ledger", "health", "integrations/leads", "integrations/deals", "integrations/telephony", "integrations/texts",
)  # fmt: skip

# --- shapes


def uuid(value: Any) -> bool:
    return isinstance(value, str) and str(UUID(value)) == value


def moment(value: Any) -> bool:
    """ISO 8601 with an offset."""
    return (
        isinstance(value, str)
        and re.search(r"[+-]\d\d:\d\d$", value) is not None
        and datetime.fromisoformat(value).tzinfo is not None
    )


def money(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"-?\d+\.\d\d", value) is not None


def whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def text(value: Any) -> bool:
    return isinstance(value, str) and value != ""


def any_text(value: Any) -> bool:
    return isinstance(value, str)


def flag(value: Any) -> bool:
    return isinstance(value, bool)


def number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def probability(value: Any) -> bool:
    return number(value) and 0 <= value <= 1


def texts(value: Any) -> bool:
    return isinstance(value, dict) and all(isinstance(part, str) for pair in value.items() for part in pair)


def document(value: Any) -> bool:
    return isinstance(value, dict)


class Maybe:
    """null, or the shape."""

    def __init__(self, wanted: Any) -> None:
        self.wanted = wanted


def misfits(value: Any, wanted: Any, place: str = "") -> list[str]:
    """Where `value` differs from the wanted shape: exact keys, one shape for all items, a set of words, a check."""
    if isinstance(wanted, Maybe):
        return [] if value is None else misfits(value, wanted.wanted, place)
    if isinstance(wanted, dict):
        if not isinstance(value, dict):
            return [f"{place}: {value!r} is no object"]
        odd = sorted(value.keys() ^ wanted.keys())
        found = [f"{place}: keys differ: {odd}"] if odd else []
        return found + [
            problem
            for name, inner in wanted.items()
            if name in value
            for problem in misfits(value[name], inner, f"{place}.{name}")
        ]
    if isinstance(wanted, list):
        if not isinstance(value, list):
            return [f"{place}: {value!r} is no list"]
        return [problem for at, item in enumerate(value) for problem in misfits(item, wanted[0], f"{place}[{at}]")]
    if isinstance(wanted, set):
        return [] if value in wanted else [f"{place}: {value!r} is not one of {sorted(wanted)}"]
    check: Callable[[Any], bool] = wanted
    return [] if check(value) else [f"{place}: {value!r} is not a {check.__name__}"]


VISIT = {
    "id": text, "started_at": moment,
    "channel": {"ad", "email", "messenger", "social", "recommend", "organic", "qrcode", "referral", "internal", "saved",
                "undefined", "direct"},
    "source": Maybe(text), "medium": Maybe(text), "campaign": Maybe(text),
    "utm": {name: Maybe(text) for name in ("source", "medium", "campaign", "term", "content")},
    "click_ids": texts, "referrer": Maybe(text), "landing_page": Maybe(text), "uis_session_id": Maybe(text),
}  # fmt: skip
CONTACT = {"name": Maybe(text), "phone": Maybe(text), "email": Maybe(text)}
BOOKING_PART = {
    "id": uuid, "company_id": whole, "record_id": whole, "online": flag,
    "origin": {"widget_desktop", "widget_mobile", "mobile_app", "staff", "api", "import", "unknown"},
    "starts_at": Maybe(moment), "services": [{"title": text, "cost": Maybe(money)}], "amount": Maybe(money),
    "currency": lambda value: isinstance(value, str) and re.fullmatch("[A-Z]{3}", value) is not None,
}  # fmt: skip
MATCH = {
    "level": {"L0", "L1", "L2", "L3", "L4", "L5", "none"},
    "method": {"record", "mark", "phone", "call", "email", "probable", "none"},
    "probability": probability, "reason": text,
    # `visit_id` says whose evidence it is; contract.md does not name it, the OpenAPI document does
    "evidence": [{"kind": text, "at": moment, "weight_bits": number, "detail": text, "visit_id": text}],
    "alternatives": [{"visit_id": text, "probability": probability}],
}  # fmt: skip
LEAD = {
    "id": uuid, "created_at": moment, "contact": CONTACT, "booking": BOOKING_PART, "match": MATCH, "visit": Maybe(VISIT),
    "attribution": {"kind": {"visit", "default", "app"}, "campaign_id": Maybe(whole), "source_id": Maybe(whole),
                    "site_id": Maybe(whole)},
    "delivery": {"state": {"waiting", "delivered", "retrying", "failed", "held", "off"}, "uis_id": Maybe(text),
                 "attempts": whole, "last_error": Maybe(text), "next_attempt_at": Maybe(moment)},
}  # fmt: skip
BOOKING = BOOKING_PART | {
    "created_at": moment, "changed_at": moment, "received_at": moment,
    "status": {"waiting", "confirmed", "came", "no_show", "deleted"}, "attendance": Maybe(whole), "deleted": flag,
    "contact": CONTACT, "staff": Maybe(text), "comment": Maybe(any_text), "origin_facts": document,
    "lead_id": Maybe(uuid), "match": MATCH, "visit": Maybe(VISIT),
}  # fmt: skip
LISTED_VISIT = VISIT | {
    "visitor_id": text, "last_seen_at": moment, "hits": whole, "device": text, "browser": any_text, "bot": flag,
    "place": {"site", "form"}, "referral_kind": Maybe(text), "advice": [{"code": text, "detail": any_text}],
    "rules_version": text,
}  # fmt: skip
QUARANTINED = {
    "id": uuid, "received_at": moment, "source": {"yclients", "uis"}, "reason": text, "detail": any_text,
    "company_id": Maybe(whole), "state": {"open", "replayed", "dismissed"}, "replayed_at": Maybe(moment),
    "body": any_text, "body_base64": any_text, "body_size": whole, "body_cut": flag,
}  # fmt: skip
DOOR = dict.fromkeys(
    ("accepted", "stored", "kept", "duplicate", "quarantined", "waiting", "refused", "difference"), whole
)


async def problem(
    http: TestClient, method: str, path: str, status: int, headers: dict[str, str], **kwargs: Any
) -> dict[str, Any]:
    """The refusal, which must be a whole RFC 9457 document."""
    async with http.request(method, path, headers=headers, **kwargs) as answer:
        assert answer.status == status, f"{path}: {answer.status} {await answer.text()}"
        assert answer.content_type == "application/problem+json", path
        body: dict[str, Any] = await answer.json()
        assert body.keys() >= {"type", "title", "status", "code", "detail"}
        assert body["status"] == status
        assert text(body["title"])
        assert text(body["detail"])
        assert body["type"].endswith(body["code"])
        return {**body, "headers": answer.headers}


async def tracked(salon: Salon, record_id: int, browser: Browser | None = None, **fields: Any) -> dict[str, Any]:
    """A booking with an exact visit."""
    browser, mark = browser or Browser(AD, "https://yandex.ru/"), ident()
    assert await salon.collect(browser.batch(browser.hit(), browser.open(mark))) == 204
    assert await salon.collect(browser.batch(browser.form(mark), browser.record(mark, record_id)), "form") == 204
    assert await salon.webhook(webhook(record_id, **fields)) == 200
    return await lead_of(salon, record_id, level="L0")


async def settled(salon: Salon, record_id: int) -> dict[str, Any]:
    """The lead after its last decision; a lead without a visit waits for the grace first."""

    async def look() -> Any:
        found = (await salon.get("/leads", record_id=record_id, lang="ru"))["data"]
        waits = not found or any(word in found[0]["match"]["reason"] for word in ("Ждём", "только что"))
        return None if waits else found[0]

    return await eventually(look)


# --- shapes of each route


async def test_lead_with_a_visit_has_the_contracts_shape(salon: Salon) -> None:
    lead = await tracked(salon, 101)
    assert misfits(lead, LEAD, "lead") == []
    assert lead["visit"] is not None
    assert lead["match"]["evidence"]
    assert (lead["match"]["level"], lead["match"]["method"]) == ("L0", "record")
    assert lead["booking"]["services"] == [{"title": "Стрижка детская (от 3х лет до 13 лет)", "cost": "4000.00"}]
    assert Decimal(lead["booking"]["amount"]) == 4000
    assert lead["delivery"] == {
        "state": "off", "uis_id": None, "attempts": 0, "last_error": None, "next_attempt_at": None
    }  # fmt: skip
    assert await salon.get(f"/leads/{lead['id']}") == lead


async def test_lead_without_a_visit_has_null_there_and_the_same_keys(salon: Salon) -> None:
    await salon.webhook(webhook(102))
    lead = await settled(salon, 102)
    assert misfits(lead, LEAD, "lead") == []
    assert lead["visit"] is None
    assert (lead["match"]["level"], lead["match"]["method"], lead["match"]["probability"]) == ("none", "none", 0.0)
    assert lead["attribution"] == {"kind": "default", "campaign_id": None, "source_id": None, "site_id": None}


async def test_lead_of_an_empty_client_has_nulls_not_empty_texts(salon: Salon) -> None:
    await salon.webhook(webhook(103, client=None, services=[], staff=None))
    lead = await settled(salon, 103)
    assert misfits(lead, LEAD, "lead") == []
    assert lead["contact"] == {"name": None, "phone": None, "email": None}


async def test_probable_match_shows_its_alternatives_and_weights(salon: Salon) -> None:
    for browser in (Browser(AD), Browser("https://salon.example/?utm_source=vk")):
        await salon.collect(browser.batch(browser.hit(), browser.open(ident())))
    await salon.webhook(webhook(104, is_mobile=2, bookform_id=822081))

    async def look() -> Any:
        found = (await salon.get("/leads"))["data"]
        return found and len(found[0]["match"]["alternatives"]) == 2 and found[0]

    lead = await eventually(look)
    assert misfits(lead, LEAD, "lead") == []
    assert sum(item["probability"] for item in lead["match"]["alternatives"]) <= 1


async def test_booking_visit_and_journey_have_their_shapes(salon: Salon) -> None:
    lead = await tracked(salon, 105)
    booking = (await salon.get("/bookings"))["data"][0]
    assert misfits(booking, BOOKING, "booking") == []
    assert booking["lead_id"] == lead["id"]
    assert {name: booking[name] for name in BOOKING_PART} == lead["booking"]
    assert await salon.get(f"/bookings/{booking['id']}") == booking
    visit = (await salon.get("/visits"))["data"][0]
    assert misfits(visit, LISTED_VISIT, "visit") == []
    assert {name: visit[name] for name in VISIT} == lead["visit"]
    assert await salon.get(f"/visits/{visit['id']}") == visit
    journey = await salon.get(f"/bookings/{booking['id']}/journey")
    assert misfits(journey["data"], [{"at": moment, "kind": text, "facts": document}], "journey") == []
    assert {"hit", "open", "form", "record", "booking", "match"} <= {fact["kind"] for fact in journey["data"]}
    times = [datetime.fromisoformat(fact["at"]) for fact in journey["data"]]
    assert times == sorted(times)


async def test_times_stand_in_the_branchs_own_clock(salon: Salon, pool: asyncpg.Pool) -> None:
    await pool.execute(
        "insert into branch (account_id, branch_id, company_id, timezone) values ($1, gen_random_uuid(), 5, 'Asia/Tokyo')",
        salon.made.account.account_id,
    )
    made = datetime.now(MOSCOW).replace(microsecond=0) - timedelta(hours=1)
    await salon.webhook(webhook(106, company_id=COMPANY, created=made))
    await salon.webhook(webhook(107, company_id=5, created=made))
    await quiet(salon)
    here, tokyo = await settled(salon, 106), await settled(salon, 107)
    assert (here["created_at"][-6:], tokyo["created_at"][-6:]) == ("+03:00", "+09:00")
    assert datetime.fromisoformat(here["created_at"]) == datetime.fromisoformat(tokyo["created_at"]) == made


async def test_sentences_come_in_the_asked_language(salon: Salon) -> None:
    lead = await tracked(salon, 108)
    path = f"/leads/{lead['id']}"
    russian, english = await salon.get(path, lang="ru"), await salon.get(path, lang="en")
    assert re.search("[а-я]", russian["match"]["reason"])
    assert not re.search("[а-я]", english["match"]["reason"])
    assert "108" in english["match"]["reason"]
    async with salon.http.get(f"/api/v1{path}", headers=salon.token | {"Accept-Language": "en-GB,ru"}) as answer:
        assert (await answer.json())["match"]["reason"] == english["match"]["reason"]


async def test_empty_lists_are_empty_pages(salon: Salon) -> None:
    for name in LISTS:
        assert await salon.get(f"/{name}") == {"data": [], "next_cursor": None}, name


async def test_private_answers_are_not_kept_by_caches(salon: Salon) -> None:
    for name in READABLE:
        async with salon.http.get(f"/api/v1/{name}", headers=salon.token) as answer:
            assert (answer.status, answer.content_type) == (200, "application/json"), name
            assert answer.headers["Cache-Control"] == "no-store", name
            assert answer.headers["X-Content-Type-Options"] == "nosniff", name
            assert not {"Set-Cookie", "Access-Control-Allow-Origin"} & set(answer.headers), name


async def test_every_route_of_the_contract_exists(salon: Salon) -> None:
    """A known route asks who is there before anything else; an unknown one is 404 to everybody."""
    one = UUID(int=1)
    wanted = [
        *(("GET", name) for name in READABLE), ("GET", f"leads/{one}"), ("GET", f"bookings/{one}"),
        ("GET", f"bookings/{one}/journey"), ("POST", f"deliveries/{one}/replay"), ("GET", "reports/sources"),
        *(("PUT", f"integrations/{name}") for name in ("leads", "deals", "telephony", "texts")),
    ]  # fmt: skip
    missing = []
    for method, path in wanted:
        async with salon.http.request(method, f"/api/v1/{path}") as answer:
            if answer.status != 401:
                missing.append(f"{method} {path}: {answer.status}")
    assert missing == []


# --- pages and cursors


async def walk(salon: Salon, path: str, between: Callable[[int], Any] | None = None, **params: Any) -> list[Any]:
    found: list[Any] = []
    cursor: dict[str, str] = {}
    for page_number in range(100):
        page = await salon.get(path, **params, **cursor)
        assert len(page["data"]) <= params["limit"]
        found += page["data"]
        if page["next_cursor"] is None:
            return found
        assert len(page["data"]) == params["limit"], "a page before the last one is full"
        cursor = {"cursor": page["next_cursor"]}
        if between:
            await between(page_number)
    raise AssertionError("the pages do not end")


async def test_pages_of_leads_and_bookings_have_no_double_and_no_gap(salon: Salon) -> None:
    """All twelve were made in one second: the order must not rest on time alone."""
    made = datetime.now(MOSCOW).replace(microsecond=0)
    for record_id in range(200, 212):
        await salon.webhook(webhook(record_id, created=made))
    await quiet(salon)

    async def all_there() -> bool:
        return len((await salon.get("/leads", limit=200))["data"]) == 12

    await eventually(all_there)
    for path in ("/leads", "/bookings"):
        for limit in (1, 4, 11, 12, 13, 200):
            found = await walk(salon, path, limit=limit)
            records = [(item.get("booking") or item)["record_id"] for item in found]
            assert sorted(records) == list(range(200, 212)), (path, limit)


async def test_rows_that_come_while_pages_are_turned_shift_nothing(salon: Salon) -> None:
    old = datetime.now(MOSCOW) - timedelta(hours=2)
    for record_id in range(220, 229):
        await salon.webhook(webhook(record_id, created=old + timedelta(minutes=record_id - 220)))
    await quiet(salon)

    async def newcomer(page_number: int) -> None:
        await salon.webhook(webhook(900 + page_number))
        await quiet(salon)

    found = await walk(salon, "/bookings", newcomer, limit=2)
    assert [item["record_id"] for item in found] == list(range(228, 219, -1))


async def test_pages_of_visits_are_whole_and_newest_first(salon: Salon) -> None:
    wanted = []
    for minutes in range(7):
        browser = Browser(AD)
        browser.now -= minutes * 60_000
        await salon.collect(browser.batch(browser.hit(), age_ms=minutes * 60_000))
        wanted.append(browser.visit)
    await quiet(salon, "collector")
    assert [visit["id"] for visit in await walk(salon, "/visits", limit=2)] == wanted


async def test_pages_of_quarantine_are_whole_also_for_items_of_one_body(salon: Salon) -> None:
    """Items of one array share their time of arrival."""
    await salon.webhook([{"nonsense": number} for number in range(7)])
    await quiet(salon)
    found = await walk(salon, "/quarantine", limit=3)
    assert len({item["id"] for item in found}) == len(found) == 7
    assert sorted(json.loads(item["body"])["nonsense"] for item in found) == list(range(7))


async def test_filters_hold_on_every_page(salon: Salon) -> None:
    for record_id in range(240, 249):
        await salon.webhook(webhook(record_id, online=bool(record_id % 3)))
    await quiet(salon)
    found = await walk(salon, "/bookings", limit=2, online="true")
    assert sorted(item["record_id"] for item in found) == [record for record in range(240, 249) if record % 3]


def cursor_of(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


GARBLED = {
    "words": "nonsense", "no base64": "%%%", "not ascii": "курсор", "empty object": cursor_of({}), "one item": cursor_of(["x"]),
    "numbers": cursor_of([1, 2]), "no offset": cursor_of(["2026-01-01T00:00:00", str(UUID(int=1))]),
    "nul": cursor_of(["2026-01-01T00:00:00+00:00", "a\0b"]), "null": cursor_of(None), "deep": "W1tbW1tb" * 80,
    "infinity": base64.urlsafe_b64encode(b"[Infinity, NaN]").decode(),
}  # fmt: skip
#: Forged: a cursor's own form, with what no row can have.
FORGED = {
    "lone surrogate": cursor_of(["2026-01-01T00:00:00+00:00", "\ud800"]),
    "before year one": cursor_of(["0001-01-01T00:00:00+14:00", str(UUID(int=1))]),
    "end of time": cursor_of(["9999-12-31T23:59:59-12:00", str(UUID(int=1))]),
}


async def codes(salon: Salon, names: tuple[str, ...], **params: str) -> dict[str, tuple[int, str]]:
    found = {}
    for name in names:
        async with salon.http.get(f"/api/v1/{name}", params=params, headers=salon.token) as answer:
            found[name] = (answer.status, (await answer.json()).get("code", ""))
    return found


async def test_garbled_cursor_is_refused_by_every_list(salon: Salon) -> None:
    for kind, cursor in GARBLED.items():
        assert await codes(salon, LISTS, cursor=cursor) == dict.fromkeys(LISTS, (400, "bad_cursor")), kind


@pytest.mark.parametrize("cursor", FORGED.values(), ids=FORGED)
async def test_forged_cursor_is_refused_not_broken_on(salon: Salon, cursor: str) -> None:
    names = ("leads", "bookings", "visits", "quarantine")
    assert await codes(salon, names, cursor=cursor) == dict.fromkeys(names, (400, "bad_cursor"))


async def test_cursor_of_another_kind_of_list_is_refused(salon: Salon) -> None:
    for _ in range(2):
        browser = Browser(AD)
        await salon.collect(browser.batch(browser.hit()))
    await quiet(salon, "collector")
    cursor = (await salon.get("/visits", limit=1))["next_cursor"]
    assert cursor
    for name in ("leads", "bookings", "quarantine"):
        await problem(salon.http, "GET", f"/api/v1/{name}", 400, salon.token, params={"cursor": cursor})


async def test_limit_outside_one_to_two_hundred_is_refused(salon: Salon) -> None:
    for limit in ("0", "-1", "201", "1e2", "all", "1.5", "٣", "100000"):
        assert await codes(salon, LISTS, limit=limit) == dict.fromkeys(LISTS, (400, "bad_limit")), limit


@pytest.mark.parametrize("digits", ["150000", "1" + "9" * 30, "1" + "9" * 5000], ids=len)
async def test_leading_zeros_do_not_lift_the_limit(salon: Salon, digits: str) -> None:
    limit = "0" * (6 - 1 if len(digits) > 6 else 4) + digits
    assert await codes(salon, LISTS, limit=limit) == dict.fromkeys(LISTS, (400, "bad_limit"))


async def test_usual_page_has_fifty_rows_and_the_largest_two_hundred(salon: Salon) -> None:
    await salon.webhook([{"nonsense": number} for number in range(230)])
    await quiet(salon)
    assert len((await salon.get("/quarantine"))["data"]) == 50
    assert len((await salon.get("/quarantine", limit=200))["data"]) == 200


# --- filters


async def test_each_filter_of_leads_finds_its_own(salon: Salon, pool: asyncpg.Pool) -> None:
    await pool.execute(
        "insert into branch (account_id, branch_id, company_id, timezone) values ($1, gen_random_uuid(), 77, 'Europe/Moscow')",
        salon.made.account.account_id,
    )
    base = datetime.now(MOSCOW).replace(microsecond=0)
    anna = {"id": 1, "name": "Анна Петрова", "phone": "+79161234567", "email": "anna@mail.example"}
    await tracked(salon, 301, created=base - timedelta(seconds=30), client=anna)
    vk = Browser("https://salon.example/?utm_source=vk&utm_medium=cpc&utm_campaign=autumn")
    await tracked(salon, 302, vk, created=base - timedelta(seconds=20))
    staff: dict[str, Any] = {
        "online": False,
        "bookform_id": 0,
        "is_mobile": 0,
        "record_from": "",
        "created_user_id": 12,
    }
    await salon.webhook(webhook(303, created=base - timedelta(days=2), **staff))
    await salon.webhook(webhook(304, created=base - timedelta(days=3), company_id=77, **staff))
    for record_id in (303, 304):
        await settled(salon, record_id)
    day_ago = base - timedelta(days=1)
    wanted: dict[str, tuple[dict[str, Any], set[int]]] = {
        "nothing": ({}, {301, 302, 303, 304}),
        "since": ({"since": day_ago.isoformat()}, {301, 302}),
        "until": ({"until": day_ago.isoformat()}, {303, 304}),
        "since in UTC": ({"since": day_ago.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}, {301, 302}),
        "since is inclusive": ({"since": (base - timedelta(seconds=20)).isoformat()}, {302}),
        "until is exclusive": ({"until": (base - timedelta(days=2)).isoformat()}, {304}),
        "between": ({"since": (base - timedelta(days=2, hours=1)).isoformat(), "until": day_ago.isoformat()}, {303}),
        "end before start": ({"since": base.isoformat(), "until": day_ago.isoformat()}, set()),
        "level": ({"level": "L0"}, {301, 302}),
        "level none": ({"level": "none"}, {303, 304}),
        "level unknown": ({"level": "L9"}, set()),
        "source": ({"source": "yandex"}, {301}),
        "campaign": ({"campaign": "autumn"}, {302}),
        "campaign is whole": ({"campaign": "autum"}, set()),
        "record_id": ({"record_id": 303}, {303}),
        "company_id": ({"company_id": 77}, {304}),
        "online": ({"online": "true"}, {301, 302}),
        "offline": ({"online": "0"}, {303, 304}),
        "origin": ({"origin": "staff"}, {303, 304}),
        "name in any case": ({"q": "анна"}, {301}),
        "phone as it is dialled at home": ({"q": "8 (916) 123-45-67"}, {301}),
        "e-mail": ({"q": "ANNA@mail"}, {301}),
        "record number": ({"q": "302"}, {302}),
        "campaign by search": ({"q": "spring"}, {301}),
        "per cent is a sign": ({"q": "%"}, set()),
        "underscore is a sign": ({"q": "_"}, set()),
        "quote is a sign": ({"q": "' or 1=1 --"}, set()),
        "two together": ({"source": "vk", "level": "L0"}, {302}),
        "two that exclude": ({"source": "vk", "campaign": "spring"}, set()),
    }
    found = {
        name: {item["booking"]["record_id"] for item in (await salon.get("/leads", **params))["data"]}
        for name, (params, _) in wanted.items()
    }
    assert found == {name: records for name, (_, records) in wanted.items()}
    for name in ("since", "until", "record_id", "company_id", "online", "offline", "origin", "name in any case"):
        params, records = wanted[name]
        bookings = (await salon.get("/bookings", **params))["data"]
        assert {item["record_id"] for item in bookings} == records, name


async def test_each_filter_of_visits_finds_its_own(salon: Salon) -> None:
    ad, direct = Browser(AD, "https://yandex.ru/"), Browser()
    old = Browser("https://salon.example/?utm_source=vk&utm_medium=cpc")
    old.now -= 3 * 86_400_000
    await salon.collect(ad.batch(ad.hit()))
    await salon.collect(direct.batch(direct.hit()))
    await salon.collect(old.batch(old.hit(), age_ms=3 * 86_400_000))
    robot = Browser()
    headers = {"User-Agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}
    async with salon.http.post(f"/c?k={salon.key()}", json=robot.batch(robot.hit()), headers=headers) as answer:
        assert answer.status == 204
    await quiet(salon, "collector")
    day_ago = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    wanted: dict[str, tuple[dict[str, Any], set[str]]] = {
        "people only": ({}, {ad.visit, direct.visit, old.visit}),
        "bots too": ({"bots": "true"}, {ad.visit, direct.visit, old.visit, robot.visit}),
        "channel": ({"channel": "direct"}, {direct.visit}),
        "source": ({"source": "yandex"}, {ad.visit}),
        "visitor": ({"visitor_id": old.visitor}, {old.visit}),
        "since": ({"since": day_ago}, {ad.visit, direct.visit}),
        "until": ({"until": day_ago}, {old.visit}),
    }
    found = {
        name: {item["id"] for item in (await salon.get("/visits", **params))["data"]}
        for name, (params, _) in wanted.items()
    }
    assert found == {name: ids for name, (_, ids) in wanted.items()}


UNREADABLE = [
    ("since", "yesterday", "bad_time"), ("until", "2026-13-01", "bad_time"), ("since", "0001-01-01", "bad_time"),
    ("since", "9999-12-31T23:59:59-12:00", "bad_time"), ("record_id", "abc", "bad_number"),
    ("record_id", "9" * 19, "bad_number"), ("record_id", "-1", "bad_number"), ("company_id", "1.0", "bad_number"),
    ("company_id", "١٢", "bad_number"), ("online", "perhaps", "bad_flag"),
]  # fmt: skip


async def test_unreadable_filter_is_refused_by_name(salon: Salon) -> None:
    for name, value, code in UNREADABLE:
        for path in ("leads", "bookings"):
            refused = await problem(salon.http, "GET", f"/api/v1/{path}", 400, salon.token, params={name: value})
            assert refused["code"] == code, (name, value)
            assert name in refused["detail"]


async def test_hostile_text_in_a_filter_is_only_text(salon: Salon) -> None:
    await tracked(salon, 399)
    for value in ("a\0b", "%zz", "x" * 5000, "\u202e\u2028", "'", "\\", "${x*x}", "{{x*x}}"):
        for name in ("q", "source", "campaign", "level", "origin"):
            assert (await salon.get("/leads", **{name: value}))["data"] == [], (name, value)
        for name in ("channel", "source", "visitor_id"):
            assert (await salon.get("/visits", **{name: value}))["data"] == [], (name, value)


async def test_broken_utf8_in_the_query_is_no_failure_of_the_server(salon: Salon) -> None:
    from yarl import URL

    base = str(salon.http.make_url("/"))
    for query in ("q=%ff%fe", "q=%ed%a0%80", "cursor=%ff", "since=%ff", "source=%ed%a0%80"):
        address = URL(f"{base}api/v1/leads?{query}", encoded=True)
        async with salon.http.session.get(address, headers=salon.token) as answer:
            assert answer.status in (200, 400), query


# --- who may ask


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "Bearer ", "Bearer wrong", "Basic dXNlcjpwYXNz", "Token {token}", "{token}", "Bearer {token}x",
     "Bearer {shouted}", "Bearer x {token}"],
)  # fmt: skip
async def test_without_the_right_token_every_route_answers_401(salon: Salon, authorization: str | None) -> None:
    token = salon.made.api_token
    shown = (authorization or "").format(token=token, shouted=token.swapcase())
    headers = {} if authorization is None else {"Authorization": shown}
    for name in (*READABLE, f"leads/{UUID(int=1)}", f"bookings/{UUID(int=1)}/journey", "visits/x"):
        refused = await problem(salon.http, "GET", f"/api/v1/{name}", 401, headers)
        assert refused["code"] == "not_authenticated"
        assert refused["headers"]["WWW-Authenticate"].startswith("Bearer")


async def test_token_in_the_address_is_never_a_key(salon: Salon) -> None:
    for name in ("token", "api_token", "access_token", "authorization", "Authorization", "key", "k"):
        for value in (salon.made.api_token, f"Bearer {salon.made.api_token}"):
            await problem(salon.http, "GET", "/api/v1/leads", 401, {}, params={name: value})


async def test_cabinet_cookie_is_no_key_to_the_api(salon: Salon, pool: asyncpg.Pool, settings: Settings) -> None:
    await log_in(salon, pool, settings)
    async with salon.http.get("/leads") as answer:
        assert answer.status == 200
    await problem(salon.http, "GET", "/api/v1/leads", 401, {})


async def test_writing_routes_want_the_token_too(salon: Salon) -> None:
    path = f"/api/v1/quarantine/{UUID(int=1)}/replay"
    await problem(salon.http, "POST", path, 401, {})
    await problem(salon.http, "PUT", "/api/v1/integrations/leads", 401, {}, json={"enabled": False})
    assert (await salon.get("/integrations/leads"))["enabled"] is False


async def test_revoked_token_opens_nothing(salon: Salon, pool: asyncpg.Pool) -> None:
    await pool.execute("update api_token set revoked_at = now()")
    await problem(salon.http, "GET", "/api/v1/leads", 401, salon.token)


# --- refusals


async def test_what_is_not_there_is_a_404_problem(salon: Salon) -> None:
    from yarl import URL

    one = UUID(int=1)
    for path in (
        f"leads/{one}", "leads/not-an-id", "leads/1", f"bookings/{one}", "bookings/x", f"bookings/{one}/journey",
        "visits/nobody", "visits/%00", "visits/%ED%A0%80", "visits/%FF", "nothing", "leads/", "integrations/nothing", "",
    ):  # fmt: skip
        address = URL(f"{salon.http.make_url('/')}api/v1/{path}", encoded=True)
        async with salon.http.session.get(address, headers=salon.token | {"Accept": "text/html"}) as answer:
            assert answer.status == 404, (path, await answer.text())
            assert answer.content_type == "application/problem+json", path
            assert (await answer.json())["code"] == "not_found", path


async def test_wrong_method_is_a_405_problem_that_names_the_right_ones(salon: Salon) -> None:
    one, read = UUID(int=1), {"GET", "HEAD"}
    for method, path, allowed in (
        ("POST", "leads", read), ("DELETE", f"leads/{one}", read), ("PUT", "visits", read), ("PATCH", "ledger", read),
        ("GET", f"quarantine/{one}/replay", {"POST"}), ("POST", "integrations/leads", read | {"PUT"}),
        ("POST", "health", read), ("DELETE", "deals", read),
    ):  # fmt: skip
        refused = await problem(salon.http, method, f"/api/v1/{path}", 405, salon.token)
        assert refused["code"] == "method_not_allowed"
        assert {name.strip() for name in refused["headers"]["Allow"].split(",")} == allowed, path


async def test_head_answers_as_get_without_a_body(salon: Salon) -> None:
    for name in ("leads", "ledger"):
        async with salon.http.head(f"/api/v1/{name}", headers=salon.token) as answer:
            assert (answer.status, await answer.read()) == (200, b"")


# --- settings of integrations


async def test_settings_of_leads_are_kept_as_sent(salon: Salon) -> None:
    assert await salon.get("/integrations/leads") == {
        "enabled": False,
        "default": {"entity": "source", "campaign_id": None, "source_id": None, "site_id": None},
        "mobile_app": {"entity": "source", "campaign_id": None, "source_id": None, "site_id": None},
        "utm_sessions": {"enabled": False, "site_id": None},
        "correct": True,
    }
    wanted = {
        "enabled": True,
        "default": {"entity": "campaign", "campaign_id": 7, "source_id": None, "site_id": None},
        "mobile_app": {"entity": "source", "campaign_id": None, "source_id": 8, "site_id": 9},
        "utm_sessions": {"enabled": True, "site_id": 9},
        "correct": False,
    }
    async with salon.http.put("/api/v1/integrations/leads", json=wanted, headers=salon.token) as answer:
        assert (answer.status, await answer.json()) == (200, wanted)
    assert await salon.get("/integrations/leads") == wanted


async def test_saved_fallbacks_attribute_later_leads(salon: Salon) -> None:
    wanted = {
        "enabled": True, "default": {"entity": "campaign", "campaign_id": 7},
        "mobile_app": {"entity": "source", "source_id": 8, "site_id": 9},
    }  # fmt: skip
    async with salon.http.put("/api/v1/integrations/leads", json=wanted, headers=salon.token) as answer:
        assert answer.status == 200
    await salon.webhook(webhook(401))
    await salon.webhook(webhook(402, online=True, bookform_id=0, is_mobile=0, record_from="YPLACES"))
    assert (await settled(salon, 401))["attribution"] == {
        "kind": "default", "campaign_id": 7, "source_id": None, "site_id": None
    }  # fmt: skip
    assert (await settled(salon, 402))["attribution"] == {
        "kind": "app", "campaign_id": None, "source_id": 8, "site_id": 9
    }  # fmt: skip


BAD_SETTINGS = [
    b"", b"{torn", b"null", b"[]", b'"x"', b'{"enabled": "perhaps"}', b'{"enabled": true}', b'{"unknown": 1}',
    b'{"default": {"campaign_id": -1}}', b'{"default": {"campaign_id": 9007199254740993}}', b'{"default": {"entity": "x"}}',
    b'{"default": {"role": "owner"}}', b'{"account_id": "x", "enabled": false}', b"\xff\xfe", b"[" * 5000,
    b'{"enabled": true, "default": {"entity": "campaign", "source_id": 1}}', b'{"default": {"campaign_id": 1e400}}',
]  # fmt: skip


async def test_settings_that_cannot_be_used_are_a_422_and_change_nothing(salon: Salon) -> None:
    before = await salon.get("/integrations/leads")
    for body in BAD_SETTINGS:
        refused = await problem(salon.http, "PUT", "/api/v1/integrations/leads", 422, salon.token, data=body)
        assert refused["code"] == "bad_settings"
        assert misfits(refused["errors"], [{"field": any_text, "message": text}], "errors") == []
        assert refused["errors"]
        assert await salon.get("/integrations/leads") == before


async def test_settings_larger_than_a_body_may_be_are_a_413(salon: Salon) -> None:
    body = b'{"enabled": false, "pad": "' + b"x" * 2_000_000 + b'"}'
    await problem(salon.http, "PUT", "/api/v1/integrations/leads", 413, salon.token, data=body)


async def test_settings_of_texts_are_kept_as_they_were_put(salon: Salon) -> None:
    assert (await salon.get("/integrations/texts"))["enabled"] is False
    wanted = {
        "enabled": True,
        "chats": {"enabled": True, "default_company_id": 4564, "create_on": "tag", "tags": [{"name": "VIP"}]},
    }
    async with salon.http.put("/api/v1/integrations/texts", json=wanted, headers=salon.token) as answer:
        kept = await answer.json()
    assert kept == await salon.get("/integrations/texts")
    assert (kept["chats"]["create_on"], kept["chats"]["tags"]) == ("tag", [{"id": None, "name": "VIP"}])
    refused = await problem(
        salon.http, "PUT", "/api/v1/integrations/texts", 422, salon.token, json={"chats": {"create_on": "never"}}
    )
    assert refused["errors"][0]["field"] == "chats.create_on"


async def test_a_network_is_kept_sealed_and_telephony_is_set_for_it(salon: Salon) -> None:
    token = "0f9c1b2a-canary-token"
    path = "/api/v1/integrations/telephony/networks"
    async with salon.http.post(path, json={"name": "Сеть", "token": token}, headers=salon.token) as answer:
        assert answer.status == 201
        network = await answer.json()
    assert (network["name"], network["state"], network["wanted"]) == ("Сеть", "new", False)
    async with salon.http.post(path, json={"name": "Другое имя", "token": token}, headers=salon.token) as answer:
        assert (await answer.json())["id"] == network["id"]
    wanted = {
        "enabled": True,
        "networks": [{"network_id": network["id"], "numbers": [{"number": "+7 (495) 000-00-01", "company_id": 4564}]}],
    }
    async with salon.http.put("/api/v1/integrations/telephony", json=wanted, headers=salon.token) as answer:
        kept = await answer.json()
    assert kept == await salon.get("/integrations/telephony")
    assert kept["networks"][0]["numbers"] == [{"number": "74950000001", "company_id": 4564}]
    (shown,) = (await salon.get("/integrations/telephony/networks"))["data"]
    assert (shown["name"], shown["wanted"]) == ("Другое имя", True)
    assert token not in str(shown) + str(kept)
    await problem(salon.http, "POST", path, 422, salon.token, json={"name": "Сеть", "token": "short"})


async def test_telephony_is_set_only_for_networks_of_ones_own(salon: Salon) -> None:
    wanted = {"networks": [{"network_id": str(UUID(int=7)), "default_company_id": 4564}]}
    refused = await problem(salon.http, "PUT", "/api/v1/integrations/telephony", 422, salon.token, json=wanted)
    assert refused["errors"][0]["field"] == "networks.0.network_id"


# --- quarantine


async def log_in(salon: Salon, pool: asyncpg.Pool, settings: Settings) -> None:
    """The owner's session, in the client's own cookies."""
    async with pool.acquire() as conn:
        link = await flow.new_login_link(conn, salon.made.owner, settings.base_url, now=utc_now())
    async with salon.http.get(link.removeprefix(settings.base_url), allow_redirects=False) as answer:
        assert answer.status == 302


async def test_quarantined_item_is_shown_whole_with_its_reason(salon: Salon) -> None:
    torn = b'{"company_id": 4564, "comment": "\xd0\xb4\xd0\xb0'
    await salon.webhook(torn)
    await salon.webhook(b"\xff\x00\xfe")
    await quiet(salon)
    held = (await salon.get("/quarantine"))["data"]
    assert misfits(held, [QUARANTINED], "quarantine") == []
    assert {item["state"] for item in held} == {"open"}
    assert {base64.b64decode(item["body_base64"]) for item in held} == {torn, b"\xff\x00\xfe"}
    assert next(item["body"] for item in held if item["reason"] == "not_json") == torn.decode()


async def test_replayed_item_leaves_the_open_ones_and_stays_in_the_record(salon: Salon, pool: asyncpg.Pool) -> None:
    await salon.webhook(webhook(501, company_id=778))
    await quiet(salon)
    item = (await salon.get("/quarantine"))["data"][0]
    assert (item["reason"], item["company_id"], item["replayed_at"]) == ("unknown_branch", 778, None)
    path = f"/api/v1/quarantine/{item['id']}/replay"
    refused = await problem(salon.http, "POST", path, 409, salon.token)
    assert refused["code"] == "unknown_branch"
    assert (await salon.get("/quarantine"))["data"] == [item]
    await pool.execute(
        "insert into branch (account_id, branch_id, company_id, timezone) values ($1, gen_random_uuid(), 778, 'Europe/Moscow')",
        salon.made.account.account_id,
    )

    async def replayed() -> Any:
        async with salon.http.post(path, headers=salon.token) as answer:
            return answer.status == 200 and await answer.json()

    assert (await eventually(replayed, within_s=12))["state"] == "replayed"
    assert (await salon.get("/quarantine"))["data"] == []
    kept = (await salon.get("/quarantine", state="replayed"))["data"]
    assert misfits(kept, [QUARANTINED], "quarantine") == []
    assert [(one["id"], one["state"]) for one in kept] == [(item["id"], "replayed")]
    assert moment(kept[0]["replayed_at"])
    await problem(salon.http, "POST", path, 404, salon.token)
    assert len((await salon.get("/bookings", record_id=501))["data"]) == 1


async def test_dismissed_item_is_kept_but_not_open_and_not_replayable(
    salon: Salon, pool: asyncpg.Pool, settings: Settings
) -> None:
    await salon.webhook(b"{torn")
    await salon.webhook(b"{torn, too")
    await quiet(salon)
    first, second = (await salon.get("/quarantine"))["data"]
    await log_in(salon, pool, settings)
    async with salon.http.post(f"/intake/{first['id']}/dismiss", allow_redirects=False) as answer:
        assert answer.status == 302
    assert [item["id"] for item in (await salon.get("/quarantine"))["data"]] == [second["id"]]
    assert [item["id"] for item in (await salon.get("/quarantine", state="dismissed"))["data"]] == [first["id"]]
    assert len((await salon.get("/quarantine", state="all"))["data"]) == 2
    await problem(salon.http, "POST", f"/api/v1/quarantine/{first['id']}/replay", 404, salon.token)


async def test_replay_of_nothing_is_404(salon: Salon) -> None:
    for item in (UUID(int=1), "x", "%00"):
        await problem(salon.http, "POST", f"/api/v1/quarantine/{item}/replay", 404, salon.token)


async def test_unknown_state_of_quarantine_is_refused(salon: Salon) -> None:
    await problem(salon.http, "GET", "/api/v1/quarantine", 400, salon.token, params={"state": "lost"})


async def test_many_replays_at_once_have_one_effect(salon: Salon, pool: asyncpg.Pool) -> None:
    await salon.webhook(webhook(502, company_id=779))
    await quiet(salon)
    item = (await salon.get("/quarantine"))["data"][0]
    await pool.execute(
        "insert into branch (account_id, branch_id, company_id, timezone) values ($1, gen_random_uuid(), 779, 'Europe/Moscow')",
        salon.made.account.account_id,
    )

    async def replay() -> int:
        async with salon.http.post(f"/api/v1/quarantine/{item['id']}/replay", headers=salon.token) as answer:
            return answer.status

    async def known() -> bool:
        return 200 in await asyncio.gather(*(replay() for _ in range(6)))

    await eventually(known, within_s=12)
    assert set(await asyncio.gather(*(replay() for _ in range(6)))) == {404}
    assert await pool.fetchval("select count(*) from booking_history") == 1


# --- ledger and health


async def test_ledger_adds_up_by_door_by_hour_and_in_total(salon: Salon) -> None:
    browser = Browser(AD)
    batch = browser.batch(browser.hit(), browser.open(ident()))
    for _ in range(2):
        await salon.collect(batch)
    await salon.collect(b"{torn")
    body = webhook(601)
    for told in (body, body, b"{torn", {**webhook(602), "resource": "staff"}):
        await salon.webhook(told)
    async with salon.http.post(f"/hooks/uis/{salon.made.hook_tokens['uis']}", json={"event": "call"}) as answer:
        assert answer.status == 200
    await quiet(salon)
    await quiet(salon, "uis")
    await quiet(salon, "collector")
    ledger = await salon.get("/ledger")
    assert ledger.keys() == {"since", "until", "total", "doors", "hours", "refusals"}
    assert moment(ledger["since"])
    assert moment(ledger["until"])
    assert misfits(ledger["doors"], {"collector": DOOR, "uis": DOOR, "yclients": DOOR}, "doors") == []
    assert misfits(ledger["total"], DOOR, "total") == []
    empty = dict.fromkeys(DOOR, 0)
    assert ledger["doors"] == {
        "yclients": empty | {"accepted": 4, "stored": 1, "duplicate": 1, "quarantined": 1, "kept": 1},
        "uis": empty | {"accepted": 1, "kept": 1},
        "collector": empty | {"accepted": 4, "stored": 2, "duplicate": 2, "refused": 1},
    }
    assert ledger["total"] == {name: sum(door[name] for door in ledger["doors"].values()) for name in DOOR}
    for door, line in ledger["doors"].items():
        for outcome in ("accepted", "stored", "kept", "duplicate", "quarantined"):
            by_hour = sum(hour.get(outcome, 0) for hour in ledger["hours"] if hour["door"] == door)
            assert by_hour == line[outcome], (door, outcome)
    assert [(item["door"], item["reason"], item["count"]) for item in ledger["refusals"]] == [
        ("collector", "not_json", 1)
    ]
    assert moment(ledger["refusals"][0]["last_at"])


async def test_ledger_of_a_time_before_anything_came_is_empty(salon: Salon) -> None:
    await salon.webhook(webhook(603))
    await quiet(salon)
    ledger = await salon.get("/ledger", since="2020-01-01", until="2020-01-02")
    assert sum(line["accepted"] for line in ledger["doors"].values()) == 0
    assert ledger["hours"] == []
    assert datetime.fromisoformat(ledger["since"]) == datetime(2020, 1, 1, tzinfo=UTC)
    await problem(salon.http, "GET", "/api/v1/ledger", 400, salon.token, params={"since": "soon"})


async def test_refusals_of_the_ledger_end_where_it_ends(salon: Salon) -> None:
    """`until` bounds the sums; the list of refusals beside them must not show more than they count."""
    await salon.collect(b"{torn")
    ledger = await salon.get("/ledger", since="2020-01-01", until="2020-01-02")
    assert sum(line["refused"] for line in ledger["doors"].values()) == 0
    assert ledger["refusals"] == []


async def test_health_says_what_needs_attention(salon: Salon) -> None:
    well = await salon.get("/health")
    assert well == {
        "status": "well", "troubles": [], "last_24h": {"visits": 0, "bookings": 0, "matched": 0, "waiting": 0},
        "last_webhook_at": None, "yclients_connected": False,
    }  # fmt: skip
    await tracked(salon, 604)
    await salon.webhook(b"{torn")
    await quiet(salon)
    health = await salon.get("/health")
    assert (health["status"], health["troubles"]) == ("attention", [{"code": "quarantine", "count": 1}])
    assert health["last_24h"] | {"waiting": 0} == {"visits": 1, "bookings": 1, "matched": 1, "waiting": 0}
    assert moment(health["last_webhook_at"])


# --- the operator's addresses


async def test_live_ready_and_metrics_answer(http: TestClient) -> None:
    async with http.get("/healthz") as answer:
        assert (answer.status, await answer.json()) == (200, {"status": "live"})
    async with http.get("/readyz") as answer:
        assert answer.status == 200
        assert await answer.json() == {
            "status": "ready", "checks": {"database": True, "migrations": True, "spool": True}
        }  # fmt: skip
    async with http.get("/metrics") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/plain"
        lines = (await answer.text()).splitlines()
    assert any(line.startswith("yclick_http_requests_total{") for line in lines)
    samples = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z_]+(\{[^}]*(\{[a-z]+\}[^}]*)*\})? [0-9.eE+-]+(inf|nan)?", line) for line in samples)


async def test_metrics_carry_no_secret_and_no_address(salon: Salon) -> None:
    lead = await tracked(salon, 701)
    await salon.get(f"/leads/{lead['id']}")
    async with salon.http.get("/metrics") as answer:
        shown = await answer.text()
    tokens = [salon.made.api_token, *salon.made.hook_tokens.values(), salon.key(), salon.key("form")]
    for secret in (*tokens, lead["id"], lead["contact"]["phone"], str(salon.made.account.account_id)):
        assert secret not in shown
    assert 'route="/api/v1/leads/{id}"' in shown


async def test_metrics_are_not_for_forwarded_strangers(http: TestClient) -> None:
    await problem(http, "GET", "/metrics", 404, {"X-Forwarded-For": "203.0.113.5"})
    await problem(http, "GET", "/metrics", 404, {"X-Forwarded-For": "127.0.0.1"})


async def test_not_ready_while_something_is_left_to_migrate(http: TestClient, pool: asyncpg.Pool) -> None:
    await pool.execute("delete from schema_migration where name like '0001%'")
    async with http.get("/readyz") as answer:
        assert answer.status == 503
        assert (await answer.json())["checks"] == {"database": True, "migrations": False, "spool": True}
    async with http.get("/healthz") as answer:
        assert answer.status == 200


async def test_worker_alone_serves_no_api_but_tells_its_health(dsn: str, settings: Settings) -> None:
    async with TestClient(TestServer(build(settings, dsn, role="worker"))) as client:
        async with client.get("/readyz") as answer:
            assert answer.status == 200
        await problem(client, "GET", "/api/v1/leads", 404, {})


async def test_web_alone_takes_what_a_worker_beside_it_works_on(
    dsn: str, pool: asyncpg.Pool, settings: Settings
) -> None:
    async with (
        TestClient(TestServer(build(settings, dsn, role="web"))) as web,
        TestClient(TestServer(build(settings, dsn, role="worker"))) as _,
    ):
        salon = await make_salon(web, pool, settings)
        assert await salon.webhook(webhook(702)) == 200
        assert (await lead_of(salon, 702))["booking"]["record_id"] == 702
