"""The log holds no secret and no phone, whatever a caller passes and however deep it lies."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from hypothesis import given
from hypothesis import strategies as st

from server.platform.log import configure_log, logger, redact

PHONE = "79161234567"
Lines = Callable[[], list[dict[str, Any]]]
SECRET = "kX93hTq7LmW2zRb8"


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """What goes to standard error, the log being configured as the server does it."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    access, server = logging.getLogger("aiohttp.access"), logging.getLogger("aiohttp.server")
    filters = server.filters[:]
    configure_log(level="debug", form="json")
    stream = io.StringIO()
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    yield stream
    root.handlers[:], level = before
    root.setLevel(level)
    access.setLevel(logging.NOTSET)
    server.filters[:] = filters
    structlog.reset_defaults()


@pytest.fixture
def lines(written: io.StringIO) -> Lines:
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.parametrize(
    "text",
    [
        PHONE,
        "+79161234567",
        "8 (916) 123-45-67",
        "+7 916 123 45 67",
        "+7\u00a0916\u00a0123-45-67",
        "+375 29 123-45-67",
        "звонок с 8-916-123-45-67, ждём",
        f"tel:+{PHONE}",
        f"phone={PHONE}",
        f'{{"phone": "{PHONE}"}}',
        f'{{"phone":{PHONE}}}',
        f"phone:{PHONE}",
        f"Клиент: {PHONE}.",
        f"не дозвонились до {PHONE}: занято",
    ],
)
def test_a_phone_is_taken_out_of_text(text: str) -> None:
    assert "4567" not in redact(text)
    assert "45-67" not in redact(text)
    assert "45 67" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        f"Bearer {SECRET}",
        f"Authorization: Bearer part, User {SECRET}",
        f"authorization: bearer {SECRET}",
        f"POST /hooks/yclients/{SECRET}",
        f"POST https://yclick.ru/hooks/uis/{SECRET}?x=1",
        f"GET /login/{SECRET}",
        f"postgresql://yclick:{SECRET}@db:5432/yclick",
        f"redis://:{SECRET}@cache:6379/0",
        f"jwt eyJhbGciOiJI.eyJzdWIi.{SECRET}",
        f"GET https://api.example/v1?token={SECRET}&page=2",
        f"GET /x?page=2&api_key={SECRET}",
        f"GET /x?access_token={SECRET}",
        f"GET /hook?secret={SECRET}",
        f"login failed: password={SECRET}",
        f'{{"password": "{SECRET}"}}',
        f"Cookie: yclick_session={SECRET}",
        f"Authorization: Basic {SECRET}",
    ],
)
def test_a_secret_is_taken_out_of_text(text: str) -> None:
    assert SECRET not in redact(text)


@pytest.mark.parametrize(
    "text", ["anna@salon.ru", "write to anna.k+book@mail.salon.co.uk now", "mailto:a_b@xn--80ak.xn--p1ai"]
)
def test_an_e_mail_is_taken_out_of_text(text: str) -> None:
    assert "@" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "booking 596792978 of branch 4564",
        "2026-11-24T12:00:00.123456+00:00",
        "2026-11-24 12:00:00",
        "018f3c1e-7b2a-7c3d-8e4f-123456789012",
        "listening on 127.0.0.1:8080",
        "[2001:db8::1]:443",
        "GET https://yclick.ru/api/v1/leads?limit=50",
        "took 0.123456789 s",
        "Не получилось: повтор через 30 с",
    ],
)
def test_what_is_no_secret_stays_readable(text: str) -> None:
    assert redact(text) == text


def test_what_surrounds_a_secret_stays() -> None:
    assert redact(f"POST /hooks/yclients/{SECRET} 202") == "POST /hooks/yclients/[secret] 202"
    assert redact(f"redis://user:{SECRET}@cache:6379/0") == "redis://user:[secret]@cache:6379/0"


def test_a_long_text_is_cut_and_of_a_traceback_the_end_is_kept() -> None:
    assert len(redact("a " * 50_000)) == 2000
    told = redact("Traceback (most recent call last):\n" + "  a line\n" * 5000 + "ValueError: at last")
    assert told.endswith("ValueError: at last")
    assert len(told) <= 8000


def test_a_secret_that_the_cut_falls_into_is_gone_too() -> None:
    """A traceback is cut to its last 8,000 characters: the word before the secret may fall away."""
    told = f"Bearer {SECRET}"
    for gap in range(len(told) - 8):
        text = "Traceback " + "x " * 6000 + told + "." + "y" * (7999 - len(told) + gap)
        assert SECRET[-8:] not in redact(text), gap


@given(st.text(max_size=3000))
def test_redacting_never_fails_nor_grows_without_bound(text: str) -> None:
    assert len(redact(text)) <= 2000 * 8


@given(st.text(alphabet="+-() 0123456789.:/@%&=aеBearer_\n", max_size=300))
def test_redacting_twice_changes_nothing_more(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


# --- events


@pytest.mark.parametrize(
    "key",
    [
        "password", "new_password", "secret", "client_secret", "token", "partner_token", "user_token", "Authorization",
        "cookie", "Set-Cookie", "api_key", "apiKey", "master_key", "phone", "client_phone_raw", "email", "e_mail",
    ],
)  # fmt: skip
def test_a_value_under_a_telling_key_is_not_written(lines: Lines, key: str) -> None:
    logger("t").info("event", **{key: "plainwords"})
    logger("t").info("event", **{key: b"plainwords"})
    assert [line[key] for line in lines()] == ["[secret]", "[secret]"]


@pytest.mark.parametrize(
    "value",
    [
        {"client": {"phone": "plainwords"}},
        {"a": [{"token": "plainwords"}]},
        [({"password": "plainwords"},)],
        {"a": {"b": {"c": {"d": {"e": {"password": "plainwords"}}}}}},
        [[[[[{"password": "plainwords"}]]]]],
        {"headers": {"cookie": {"session": "plainwords"}}},
        {"token": {"value": "plainwords"}},
        {"tokens_of": {"password": ["plainwords"]}},
        ValueError("password=plainwords"),
        {"error": RuntimeError("GET /x?token=plainwords")},
        {"phone=" + PHONE: "plain"},
    ],
    ids=str,
)
def test_nothing_secret_survives_inside_something_else(lines: Lines, value: Any) -> None:
    logger("t").info("event", detail=value)
    told = json.dumps(lines())
    assert "plainwords" not in told
    assert PHONE not in told


@pytest.mark.parametrize(
    "event",
    [
        {"phone": int(PHONE)},
        {"client": {"phone": int(PHONE)}},
        {"phones": [int(PHONE)]},
        {"password": 12345678},
        {"detail": f"called {PHONE}"},
        {f"+{PHONE}": 1},
        {"found": {f"+{PHONE}": 1}},
        {"found": {f"+{PHONE}"}},
    ],
    ids=str,
)
def test_a_phone_or_pin_that_is_a_number_or_a_key_is_not_written(lines: Lines, event: dict[str, Any]) -> None:
    logger("t").info("event", **event)
    told = json.dumps(lines())
    assert PHONE not in told
    assert "12345678" not in told


def test_bytes_are_counted_and_not_shown(lines: Lines) -> None:
    logger("t").info("event", body=f"phone={PHONE}".encode())
    assert lines()[0]["body"] == "<17 bytes>"


def test_an_exception_is_told_without_its_secrets(lines: Lines) -> None:
    def fail(password: str) -> None:
        raise ValueError(f"no answer to Bearer {SECRET} for +{PHONE} at postgresql://u:{SECRET}@h/d")

    try:
        fail(SECRET)
    except ValueError:
        logger("t").exception("failed")
        logging.getLogger("asyncpg").error("failed for %s", f"+{PHONE}", exc_info=sys.exc_info())
    written = lines()
    assert len(written) == 2
    assert all("ValueError" in line["exception"] for line in written)
    assert SECRET not in json.dumps(written)
    assert PHONE not in json.dumps(written)


def test_what_libraries_say_passes_the_same_door(lines: Lines) -> None:
    logging.getLogger("some.library").warning("GET /hooks/yclients/%s from %s", SECRET, f"+{PHONE}")
    (line,) = lines()
    assert line["event"] == "GET /hooks/yclients/[secret] from [phone]"
    assert (line["level"], line["logger"]) == ("warning", "some.library")


def test_plain_facts_are_written_as_they_are(lines: Lines) -> None:
    logger("t").info("stored", count=3, share=0.5, ok=True, nothing=None, tokens=5, ids=[1, 2], where={"a": 1})
    (line,) = lines()
    facts = {"count": 3, "share": 0.5, "ok": True, "nothing": None, "tokens": 5, "ids": [1, 2], "where": {"a": 1}}
    assert facts.items() <= line.items()


def test_an_event_is_one_line_of_readable_text(written: io.StringIO) -> None:
    logger("t").info("Привет\nмир")
    assert written.getvalue().count("\n") == 1
    assert "Привет" in written.getvalue()


def test_malformed_requests_cannot_fill_the_disk(lines: Lines) -> None:
    class BadHttpMessage(Exception):
        pass

    server = logging.getLogger("aiohttp.server")
    for _ in range(200):
        try:
            raise BadHttpMessage("x")
        except BadHttpMessage:
            server.exception("Error handling request")
    written = lines()
    assert 10 <= len(written) <= 20  # the minute may turn between
    assert not any("exception" in line for line in written)
