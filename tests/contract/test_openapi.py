"""The OpenAPI document names exactly what the server has, and the server's answers are what it says."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import asyncpg
import jsonschema_rs
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient

from tests.communications import call, replayed, text
from tests.conftest import Salon
from tests.factories import Browser, ident, webhook
from tests.integration.test_intake import quiet
from tests.integration.test_main_job import AD, lead_of

#: Not described by itself.
ITSELF = {("GET", "/api/v1/openapi.json")}
METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}


async def described(http: TestClient) -> dict[str, Any]:
    async with http.get("/api/v1/openapi.json") as answer:
        assert answer.status == 200
        assert answer.content_type == "application/json"
        document: dict[str, Any] = await answer.json()
        return document


def spread(pattern: str) -> list[str]:
    """`/x/{name:a|b}` as /x/a and /x/b; `{id}` stays as it is."""
    parts = re.split(r"\{\w+:([\w|]+)\}", pattern)
    choices = [[part] if at % 2 == 0 else part.split("|") for at, part in enumerate(parts)]
    return ["".join(chosen) for chosen in itertools.product(*choices)]


def served(app: web.Application) -> set[tuple[str, str]]:
    found = set()
    for route in app.router.routes():
        assert route.resource is not None
        information = route.resource.get_info()
        pattern = str(information.get("formatter") or information.get("path"))
        if "pattern" in information:  # the formatter has lost the words a variable is limited to
            pattern = _with_words(information["pattern"].pattern, pattern)
        found |= {(route.method, path) for path in spread(pattern)}
    return found


def _with_words(expression: str, formatter: str) -> str:
    for name, words in re.findall(r"\(\?P<(\w+)>([a-z|]+)\)", expression):
        formatter = formatter.replace(f"{{{name}}}", f"{{{name}:{words}}}")
    return formatter


async def test_document_names_exactly_the_routes_of_the_api(http: TestClient) -> None:
    document = await described(http)
    named = {
        (method.upper(), path)
        for path, operations in document["paths"].items()
        for method in operations
        if path.startswith("/api/v1/")
    }
    assert http.app is not None
    real = {(method, path) for method, path in served(http.app) if path.startswith("/api/v1/") and method != "HEAD"}
    assert len(real) > 15
    assert named == real - ITSELF


async def test_described_routes_outside_the_api_exist_too(http: TestClient) -> None:
    document = await described(http)
    assert http.app is not None
    real = served(http.app)
    for path, operations in document["paths"].items():
        for method in operations:
            assert (method.upper(), path) in real, path
    assert {"/c", "/hooks/yclients/{token}"} <= document["paths"].keys()


def parts_of(value: Any, place: str = "#") -> Iterator[tuple[str, Any]]:
    yield place, value
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for name, child in children:
        yield from parts_of(child, f"{place}/{name}")


def resolved(document: dict[str, Any], reference: str) -> Any:
    found: Any = document
    assert reference.startswith("#/")
    for name in reference[2:].split("/"):
        found = found[name.replace("~1", "/").replace("~0", "~")]
    return found


async def test_every_reference_leads_somewhere_and_every_schema_is_used(http: TestClient) -> None:
    document = await described(http)
    references = {part["$ref"] for _, part in parts_of(document) if isinstance(part, dict) and "$ref" in part}
    assert references
    for reference in references:
        assert isinstance(resolved(document, reference), dict)
    unused = {f"#/components/schemas/{name}" for name in document["components"]["schemas"]} - references
    assert unused == set()


async def test_document_is_openapi_of_three_point_one(http: TestClient) -> None:
    document = await described(http)
    assert document["openapi"].startswith("3.1")
    assert document["info"].keys() >= {"title", "version"}
    schemes = document["components"]["securitySchemes"]
    for demand in document["security"]:
        assert demand.keys() <= schemes.keys()
    for path, operations in document["paths"].items():
        assert operations.keys() <= METHODS | {"parameters"}
        wanted = set(re.findall(r"\{(\w+)\}", path))
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["summary"], where
            parameters = operation.get("parameters", [])
            assert {item["name"] for item in parameters if item["in"] == "path"} == wanted, where
            assert all(item.get("required") for item in parameters if item["in"] == "path"), where
            named = [(item["in"], item["name"]) for item in parameters]
            assert len(named) == len(set(named)), where
            for status, answer in operation["responses"].items():
                assert re.fullmatch(r"[1-5]\d\d|default", status), where
                assert answer["description"], where


async def test_every_schema_is_a_valid_schema(http: TestClient) -> None:
    document = await described(http)
    for name, schema in document["components"]["schemas"].items():
        jsonschema_rs.meta.validate({**schema, "$schema": "https://json-schema.org/draft/2020-12/schema"})
        assert validator(document, {"$ref": f"#/components/schemas/{name}"})


def validator(document: dict[str, Any], schema: dict[str, Any]) -> Any:
    return jsonschema_rs.Draft202012Validator({**schema, "components": document["components"]}, validate_formats=True)


def schema_of(document: dict[str, Any], path: str, method: str, status: int, media: str) -> dict[str, Any]:
    answers = document["paths"][path][method]["responses"]
    assert str(status) in answers, f"{method} {path}: {status} is not described"
    schema: dict[str, Any] = answers[str(status)]["content"][media]["schema"]
    return schema


async def full(salon: Salon) -> dict[str, str]:
    """An account with something in every list; answers what to put into the addresses."""
    browser, mark = Browser(AD, "https://yandex.ru/"), ident()
    await salon.collect(browser.batch(browser.hit(), browser.open(mark)))
    await salon.collect(browser.batch(browser.form(mark), browser.record(mark, 1)), "form")
    await salon.webhook(webhook(1))
    await salon.webhook(webhook(2, client=None, services=[], staff=None, online=False))
    await salon.webhook(b"{torn")
    await salon.webhook(webhook(3, company_id=999))
    await salon.collect(b"{torn")
    lead = await lead_of(salon, 1, level="L0")
    await lead_of(salon, 2)
    await quiet(salon)
    return {
        "leads": lead["id"], "bookings": lead["booking"]["id"], "visits": lead["visit"]["id"],
        "quarantine": (await salon.get("/quarantine"))["data"][0]["id"],
    }  # fmt: skip


async def test_real_answers_are_as_described(salon: Salon, pool: asyncpg.Pool) -> None:
    document = await described(salon.http)
    account_id = salon.made.account.account_id
    ids = {
        **await full(salon), "calls": str(await call(pool, account_id, "3173444634")),
        "chats": str(await text(pool, account_id, 199304420)), "deliveries": str(await replayed(pool, account_id)),
    }  # fmt: skip
    checked = 0
    for path, operations in document["paths"].items():
        if not path.startswith("/api/v1/") or "get" not in operations:
            continue
        if "200" not in operations["get"]["responses"]:
            continue  # described as never there
        address = path.format(id=ids.get(path.split("/")[3], ""))
        async with salon.http.get(address, headers=salon.token) as answer:
            assert answer.status == 200, address
            body = await answer.json()
        schema = schema_of(document, path, "get", 200, "application/json")
        found = [
            f"{address}: {error.instance_path}: {error.message}"
            for error in validator(document, schema).iter_errors(body)
        ]
        assert found == []
        if path in ("/api/v1/leads", "/api/v1/bookings", "/api/v1/visits", "/api/v1/quarantine"):
            assert body["data"], path
        checked += 1
    assert checked >= 15


async def test_description_is_no_looser_than_the_answers(salon: Salon) -> None:
    """Every key of a real lead, booking, visit and quarantined item is described, and every described one is there."""
    document = await described(salon.http)
    await full(salon)
    schemas = document["components"]["schemas"]
    for path, name in (
        ("/leads", "Lead"),
        ("/bookings", "Booking"),
        ("/quarantine", "Quarantined"),
        ("/visits", "Visit"),
    ):
        for item in (await salon.get(path))["data"]:
            assert item.keys() == schemas[name]["properties"].keys(), name
            assert set(schemas[name]["required"]) == item.keys(), name


async def test_refusals_are_described_with_their_codes(salon: Salon) -> None:
    document = await described(salon.http)
    ids = await full(salon)
    nobody, token = str(UUID(int=1)), salon.token
    replay = "/api/v1/quarantine/{id}/replay"
    unknown_branch = next(
        item["id"] for item in (await salon.get("/quarantine"))["data"] if item["reason"] == "unknown_branch"
    )
    cases: list[tuple[str, str, str, dict[str, str], Any, int]] = [
        ("get", "/api/v1/leads", "?limit=0", token, None, 400), ("get", "/api/v1/leads", "", {}, None, 401),
        ("get", "/api/v1/leads/{id}", nobody, token, None, 404), ("get", "/api/v1/bookings/{id}", nobody, token, None, 404),
        ("get", "/api/v1/bookings/{id}/journey", nobody, token, None, 404), ("get", "/api/v1/visits/{id}", nobody, token, None, 404),
        ("post", replay, nobody, token, None, 404), ("post", replay, ids["quarantine"], {}, None, 401),
        ("post", replay, unknown_branch, token, None, 409),
        ("put", "/api/v1/integrations/leads", "", token, b"{torn", 422), ("put", "/api/v1/integrations/leads", "", {}, b"{}", 401),
        ("put", "/api/v1/integrations/leads", "", token, b'{"x": "' + b"x" * 2_000_000 + b'"}', 413),
        ("post", "/c", "?k=nobodyskey", {}, b"{}", 404), ("post", "/c", f"?k={salon.key()}", {}, b"{torn", 400),
        ("post", "/c", f"?k={salon.key()}", {}, b"x" * 70_000, 413),
        ("post", "/hooks/yclients/{token}", "wrong", {}, b"{}", 404),
    ]  # fmt: skip
    missing = []
    for method, path, rest, headers, data, status in cases:
        address = re.sub(r"\{\w+\}", rest, path) if "{" in path else path + rest
        async with salon.http.request(method, address, headers=headers, data=data) as answer:
            assert answer.status == status, address
            assert answer.content_type == "application/problem+json", address
            body = await answer.json()
        if str(status) not in document["paths"][path][method]["responses"]:
            missing.append(f"{method} {path}: {status}")
            continue
        schema = schema_of(document, path, method, status, "application/problem+json")
        assert [error.message for error in validator(document, schema).iter_errors(body)] == [], address
    assert missing == []


async def test_settings_schema_takes_what_the_server_takes(salon: Salon) -> None:
    document = await described(salon.http)
    schema = document["paths"]["/api/v1/integrations/leads"]["put"]["requestBody"]["content"]["application/json"][
        "schema"
    ]
    check = validator(document, schema)
    good = [
        {}, {"enabled": False}, {"enabled": True, "default": {"entity": "campaign", "campaign_id": 5}},
        {"enabled": True, "default": {"source_id": 5, "site_id": 6}, "mobile_app": {"entity": "source"}},
    ]  # fmt: skip
    bad = [{"enabled": "perhaps"}, {"unknown": 1}, {"default": {"campaign_id": 0}}, {"default": {"entity": "x"}}, []]
    for wanted, taken in [(item, True) for item in good] + [(item, False) for item in bad]:
        assert check.is_valid(wanted) is taken, wanted
        async with salon.http.put("/api/v1/integrations/leads", json=wanted, headers=salon.token) as answer:
            assert answer.status == (200 if taken else 422), wanted


async def test_batch_schema_takes_what_the_collector_takes(salon: Salon, pool: asyncpg.Pool) -> None:
    document = await described(salon.http)
    contents = document["paths"]["/c"]["post"]["requestBody"]["content"]
    assert contents.keys() == {"text/plain", "application/json"}
    check = validator(document, contents["application/json"]["schema"])
    browser, mark = Browser(AD), ident()
    fine = browser.batch(browser.hit(), browser.open(mark), browser.form(mark), browser.record(mark, 5))
    bare = {"v": 1, "sent_at": 1, "events": []}
    for batch in (fine, bare):
        assert check.is_valid(batch)
        assert await salon.collect(batch) == 204
    torn: list[Any] = [
        {}, [], {**bare, "v": 2}, {**bare, "events": {}}, {**bare, "sent_at": "now"}, {"v": 1, "events": []},
        {**bare, "events": [browser.hit() for _ in range(51)]}, {**bare, "visits": []}, {**bare, "sent_at": -1},
    ]  # fmt: skip
    for batch in torn:
        assert not check.is_valid(batch), batch
        assert await salon.collect(json.dumps(batch).encode()) in (400, 413), batch
    odd = browser.batch(
        {**browser.hit(), "kind": "nonsense"}, {**browser.hit(), "id": "short"}, {**browser.hit(), "at": "now"}
    )
    assert not check.is_valid(odd)
    assert await salon.collect(odd) == 204
    await quiet(salon, "collector")
    assert sum(item["count"] for item in (await salon.get("/ledger"))["refusals"] if item["reason"] == "bad_event") == 3


async def test_every_kind_of_event_is_described(http: TestClient) -> None:
    document = await described(http)
    kinds = document["components"]["schemas"]["Batch"]["properties"]["events"]["items"]["properties"]["kind"]["enum"]
    assert set(kinds) == {"hit", "open", "form", "step", "booked", "record", "uis", "contact", "consent"}


async def test_each_described_parameter_does_something(salon: Salon) -> None:
    """A value of the wrong type is refused, or the filter leaves nothing: a forgotten one would leave all."""
    document = await described(salon.http)
    await full(salon)
    wrong: dict[str, str] = {"integer": "none", "boolean": "none", "string": "no-such-thing"}
    for path, name in itertools.product(("/leads", "/bookings", "/visits", "/quarantine"), ("data",)):
        before = (await salon.get(path, limit=200))[name]
        assert before
        for parameter in document["paths"][f"/api/v1{path}"]["get"]["parameters"]:
            value = wrong[parameter["schema"].get("type", "string")]
            async with salon.http.get(
                f"/api/v1{path}", params={parameter["name"]: value}, headers=salon.token
            ) as answer:
                body = await answer.json()
            assert answer.status == 400 or body["data"] == [], (path, parameter["name"])


async def test_page_shows_every_described_route_and_loads_nothing_foreign(http: TestClient) -> None:
    document = await described(http)
    async with http.get("/api/docs") as answer:
        assert answer.status == 200
        assert answer.content_type == "text/html"
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        page = await answer.text()
    for path in document["paths"]:
        assert f"<code>{path}</code>" in page
    assert re.findall(r'(?:src|href)="(?!/)[^"]*"', page) == []


async def test_document_is_open_to_other_sites_and_holds_no_secret(salon: Salon) -> None:
    async with salon.http.get("/api/v1/openapi.json") as answer:
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        shown = await answer.text()
    assert salon.made.api_token not in shown
    assert salon.key() not in shown


@pytest.mark.parametrize(
    ("pattern", "paths"), [("/a/{id}", ["/a/{id}"]), ("/a/{name:x|y}", ["/a/x", "/a/y"]), ("/a", ["/a"])]
)
def test_spread_knows_patterns(pattern: str, paths: list[str]) -> None:
    assert spread(pattern) == paths
