"""Outgoing calls: which addresses are never called, what a refusal asks for, and one budget for all."""

from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.platform.egress import (
    Answer,
    Breaker,
    Egress,
    ForbiddenAddress,
    RateLimited,
    Rejected,
    Unavailable,
    is_public,
    retry_after,
)

# --- addresses


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "1.1.1.1", "93.158.134.3", "2a00:1450:4010:c0e::71", "2a02:6b8::2:242", "::ffff:8.8.8.8"]
)
def test_an_address_of_the_open_internet_may_be_called(address: str) -> None:
    assert is_public(address)


NEVER = {
    "loopback": "127.0.0.1", "all of loopback": "127.255.0.9", "this host": "0.0.0.0", "this network": "0.1.2.3",
    "private 10": "10.0.0.1", "private 172": "172.16.0.1", "private 192": "192.168.1.1", "carrier": "100.64.0.1",
    "link-local, cloud metadata": "169.254.169.254", "benchmark": "198.18.0.1", "documentation": "192.0.2.1",
    "multicast": "224.0.0.1", "reserved": "240.0.0.1", "broadcast": "255.255.255.255",
    "loopback 6": "::1", "unspecified 6": "::", "unique local": "fc00::1", "unique local too": "fd12:3456::1",
    "link-local 6": "fe80::1", "link-local with zone": "fe80::1%eth0", "multicast 6": "ff02::1",
    "documentation 6": "2001:db8::1", "discard": "100::1", "site-local": "fec0::1",
    "mapped loopback": "::ffff:127.0.0.1", "mapped private": "::ffff:10.0.0.1", "mapped metadata": "::ffff:a9fe:a9fe",
    "mapped carrier": "::ffff:100.64.0.1", "mapped multicast": "::ffff:224.0.0.1",
    "compatible loopback": "::127.0.0.1", "compatible private": "::10.0.0.1", "translated": "::ffff:0:127.0.0.1",
    "NAT64": "64:ff9b::7f00:1", "NAT64 of the network": "64:ff9b:1::7f00:1", "6to4": "2002:7f00:1::",
    "Teredo": "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "no address": "localhost", "nothing": "", "a number": "2130706433", "octal": "0177.0.0.1", "short": "127.1",
}  # fmt: skip


@pytest.mark.parametrize("address", NEVER.values(), ids=NEVER)
def test_an_address_inside_is_never_called(address: str) -> None:
    assert not is_public(address)


@given(st.ip_addresses(v=4, network="10.0.0.0/8") | st.ip_addresses(v=4, network="127.0.0.0/8"))
def test_no_spelling_in_ipv6_opens_an_inner_address(address) -> None:
    number = int(address)
    for prefix in ("::ffff:0:0", "2002::", "64:ff9b::"):
        base = int(ip_address(prefix))
        spelt = base | (number << 80 if prefix == "2002::" else number)
        assert not is_public(str(ip_address(spelt)))


@given(st.text(max_size=60) | st.ip_addresses().map(str))
def test_any_text_is_an_answer(address: str) -> None:
    assert is_public(address) in (True, False)


async def _call(url: str, *, allow_private: bool = False) -> None:
    egress = Egress(allow_private=allow_private)
    try:
        await egress.call("POST", url, vendor="yclients", account="a")
    finally:
        await egress.close()


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://127.0.0.1:1/",
        "https://localhost/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::127.0.0.1]/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://0177.0.0.1/",
        "https://127.1/",
        "https://0/",
        "https://127.0.0.1./",
        "http://8.8.8.8/",
        "ftp://8.8.8.8/",
        "file:///etc/passwd",
        "https:///x",
        "//8.8.8.8/",
        "",
        "https://user@8.8.8.8/",
        "https://user:pw@8.8.8.8/",
        "https://8.8.8.8/\r\nHost: x",
        "https://8.8.8.8\t/",
        "https://[bad/",
        "https://8.8.8.8:99999/",
    ],
)
async def test_a_bad_address_is_refused_before_anything_is_sent(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await _call(url)


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:1/", "http://127.0.0.1:1/", "http://[::1]:1/", "http://localhost:1/"]
)
async def test_an_inner_address_is_called_where_the_operator_switched_it_on(url: str) -> None:
    with pytest.raises(Unavailable):  # nobody listens there, but it was tried
        await _call(url, allow_private=True)


@pytest.mark.parametrize(
    "url", ["ftp://127.0.0.1/", "http://user@127.0.0.1/", "http://2130706433/", "file:///etc/passwd"]
)
async def test_odd_addresses_stay_refused_even_then(url: str) -> None:
    with pytest.raises(ForbiddenAddress):
        await _call(url, allow_private=True)


# --- the pause of a 429

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def _pause(header: str | None, body: str = "") -> float:
    headers = {} if header is None else {"retry-after": header}
    return retry_after(Answer(429, "text/html", body.encode(), headers), now=NOW)


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ("30", "", 30),
        (" 30 ", "", 30),
        ("0", "", 1),
        ("86400", "", 3600),
        ("9" * 400, "", 3600),
        ("Tue, 24 Nov 2026 12:00:40 GMT", "", 40),
        ("Tue, 24 Nov 2026 15:00:40 +0300", "", 40),
        ("Tue, 24 Nov 2026 11:00:00 GMT", "", 1),
        ("Wed, 25 Nov 2026 12:00:00 GMT", "", 3600),
        (None, "", 5),
        (None, "Слишком много запросов, повторите через 12 секунд", 12),
        (None, "повторите через 0 секунд", 1),
        (None, "retry in 7 seconds", 7),
        (None, "Try again in 3 sec.", 3),
        (None, "error 429, code 12345", 5),
        ("soon", "через 9 сек", 9),
        ("-5", "", 5),
        ("1.5", "", 5),
        ("8", "через 90 секунд", 8),
    ],
)
def test_a_pause_is_read_from_the_header_else_from_the_words(header: str | None, body: str, seconds: float) -> None:
    assert _pause(header, body) == seconds


@given(st.text(max_size=40) | st.text("0123456789 ²³,:+-GMTJanDecWed", max_size=40), st.text(max_size=60))
@example("²", "")
@example("Thu, 01 Jan 2026 00:00:30 +99999999999999", "")
@example("Thu, 01 Jan 2026 00:00:30 -0000", "")
def test_whatever_a_vendor_writes_the_pause_is_between_a_second_and_an_hour(header: str, body: str) -> None:
    assert 1 <= _pause(header, body) <= 3600


@given(st.binary(max_size=100))
def test_a_body_that_is_no_text_breaks_nothing(body: bytes) -> None:
    assert 1 <= retry_after(Answer(429, "", body, {}), now=NOW) <= 3600


def test_a_refusal_of_a_vendor_is_told_without_its_secrets() -> None:
    error = Rejected("409", "client +79161234567 has Bearer abcdefgh12345678")
    assert str(error) == "409: client [phone] has Bearer [secret]"
    assert error.human == "client [phone] has Bearer [secret]"
    assert str(RateLimited(12.4)) == "asked to wait 12 s"


# --- the breaker


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_after_enough_failures_nobody_calls_and_after_the_pause_one_tries() -> None:
    time = Time()
    breaker = Breaker(failures=3, pause_s=20, now=time)
    for _ in range(3):
        breaker.enter()
        breaker.leave(failed=True)
    with pytest.raises(Unavailable):
        breaker.enter()
    time.now += 20
    breaker.enter()
    with pytest.raises(Unavailable):
        breaker.enter()
    breaker.leave(failed=True)
    with pytest.raises(Unavailable):
        breaker.enter()
    time.now += 20
    breaker.enter()
    breaker.leave(failed=False)
    for _ in range(5):
        breaker.enter()
        breaker.leave(failed=False)


def test_a_success_between_failures_keeps_the_way_open() -> None:
    breaker = Breaker(failures=3, pause_s=20, now=Time())
    for failed in (True, True, False, True, True):
        breaker.enter()
        breaker.leave(failed=failed)
    breaker.enter()
