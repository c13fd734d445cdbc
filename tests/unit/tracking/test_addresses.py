"""Addresses of pages: what of them may be stored, and which hosts hold booking forms."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.tracking.addresses import (
    clean_address,
    form_id_of,
    is_form_host,
    parameters,
    parse_address,
    plain_host,
    readable,
    within,
    within_any,
)


@pytest.mark.parametrize(
    ("url", "stored"),
    [
        ("https://salon.ru/price", "https://salon.ru/price"),
        ("https://Salon.RU.:443/x", "https://salon.ru/x"),
        ("http://salon.ru:80", "http://salon.ru"),
        ("http://salon.ru:8080/x", "http://salon.ru:8080/x"),
        ("https://anna:pw@salon.ru/", "https://salon.ru/"),
        ("https://салон.рф/цены", "https://xn--80awgdm.xn--p1ai/цены"),
        ("https://salon.ru/?token=x&utm_source=vk&name=Anna&yclid=5", "https://salon.ru/?utm_source=vk&yclid=5"),
        ("https://salon.ru/?UTM_Source=vk", "https://salon.ru/?utm_source=vk"),
        ("https://salon.ru/#about", "https://salon.ru/"),
        ("https://salon.ru/#utm_source=vk&name=Anna", "https://salon.ru/#utm_source=vk"),
        ("http://[2001:db8::5]:8080/x", "http://[2001:db8::5]:8080/x"),
        ("http://[::1]/x", "http://[::1]/x"),
        ("https://salon.ru/?utm_source=vk&amp;utm_medium=cpc", "https://salon.ru/?utm_source=vk&utm_medium=cpc"),
        ("https://salon.ru/#/book?utm_source=vk&name=Anna", "https://salon.ru/#utm_source=vk"),
        ("file:///C:/Users/anna/salon.html", "file:///"),
        ("javascript:alert(1)", ""),
        ("data:text/html,x", ""),
        ("//salon.ru/", ""),
        ("salon.ru", ""),
        ("", ""),
    ],
)
def test_of_an_address_only_what_attribution_needs_is_stored(url: str, stored: str) -> None:
    assert clean_address(url) == stored


@pytest.mark.parametrize(
    "inside",
    ["79161234567", "+79161234567", "%2B79161234567", "8-916-123-45-67", "8%20916%20123-45-67", "8+916+123+45+67",
     "8%20(916)%20123-45-67", "%2B7%20916%201234567", "tel%2089161234567", "%252B79161234567", "anna@mail.ru",
     "anna%40mail.ru", "anna%2540mail.ru"],
)  # fmt: skip
@pytest.mark.parametrize("place", ["/thanks/{}/", "/?utm_content={}", "/?phone={}", "/#utm_term={}"])
def test_a_phone_or_an_e_mail_in_an_address_is_not_stored(inside: str, place: str) -> None:
    stored = clean_address("https://salon.ru" + place.format(inside))
    assert not any(part in stored for part in ("4567", "45-67", "45+67", "anna"))


@pytest.mark.parametrize(
    "url",
    [
        "https://salon.ru/?yclid=12345678901234567",
        "https://salon.ru/a/1764000000",
        "https://salon.ru/?utm_campaign=20261124",
    ],
)
def test_numbers_that_are_no_phones_stay(url: str) -> None:
    assert clean_address(url) == url


@given(
    st.text(max_size=300)
    | st.text("https:/[].%ыя?&=#utm_ \0\ud800@:1", max_size=100).map(lambda text: "https://" + text)
)
@example("https://a/\n\x00\x7f")
@example("http://.")
def test_whatever_comes_what_is_stored_is_an_address_and_can_be_stored(url: str) -> None:
    stored = clean_address(url)
    stored.encode()
    assert "\0" not in stored
    assert len(stored) <= 2048
    assert stored == "" or stored.startswith(("http://", "https://", "android-app://", "file:///"))
    assert stored == "" or parse_address(stored) is not None


@pytest.mark.parametrize(
    ("host", "plain"),
    [
        ("Salon.RU", "salon.ru"),
        ("salon.ru.", "salon.ru"),
        ("salon.ru:443", "salon.ru"),
        (" salon.ru ", "salon.ru"),
        ("Салон.РФ", "xn--80awgdm.xn--p1ai"),
        ("xn--80awgdm.xn--p1ai", "xn--80awgdm.xn--p1ai"),
        ("салон。рф", "xn--80awgdm.xn--p1ai"),
        ("::1", "::1"),
        ("2001:db8::5", "2001:db8::5"),
        ("", ""),
    ],
)
def test_a_host_has_one_spelling(host: str, plain: str) -> None:
    assert plain_host(host) == plain


@given(st.text(max_size=300))
@example("a\u200d.рф")
@example("я" * 300)
@example("xn--я")
def test_any_text_has_a_spelling_in_ascii(host: str) -> None:
    assert plain_host(host).isascii()
    assert len(plain_host(host)) <= 253


@pytest.mark.parametrize(
    ("host", "domain", "inside"),
    [
        ("vk.com", "vk.com", True),
        ("m.vk.com", "vk.com", True),
        ("notvk.com", "vk.com", False),
        ("vk.com.ru", "vk.com", False),
        ("com", "vk.com", False),
    ],
)
def test_a_host_lies_within_by_whole_labels(host: str, domain: str, inside: bool) -> None:
    assert within(host, domain) is inside
    assert within_any(host, ["", domain.upper() + "."]) is inside


# --- parameters


def test_parameters_are_read_in_lower_case_and_the_first_that_is_not_blank_stands() -> None:
    assert parameters("A=1&a=2&b=&B=3&c&=5&d=x%3Dy") == {"a": "1", "b": "3", "c": "", "d": "x=y"}


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        ("%D0%BB%D0%B5%D1%82%D0%BE", "лето"),
        ("%EB%E5%F2%EE", "лето"),
        ("%eb%e5%f2%ee+2026", "лето 2026"),
        ("лето", "лето"),
        ("a%2Bb", "a+b"),
        ("50%25", "50%"),
        ("50%", "50%"),
        ("%2541", "%41"),
        ("%D0%B8%CC%86", "й"),
        ("a%00%1Fb%C2%85", "ab"),
        ("%20a+", "a"),
    ],
)
def test_a_value_is_read_in_either_encoding(raw: str, text: str) -> None:
    assert readable(raw) == text


@given(st.text(max_size=400) | st.binary(max_size=200).map(lambda raw: "".join(f"%{byte:02x}" for byte in raw)))
def test_any_value_becomes_a_text_that_can_be_stored(raw: str) -> None:
    text = readable(raw)
    text.encode()
    assert len(text) <= 256
    assert "\0" not in text


@pytest.mark.parametrize("query", ["&" * 500_000, "a=1&" * 100_000, ";" * 300_000, "a" * 1_000_000, "%" * 1_000_000])
def test_of_a_huge_query_a_hundred_parameters_are_read(query: str) -> None:
    assert len(parameters(query)) <= 100


# --- booking forms


@pytest.mark.parametrize(
    ("host", "number"),
    [
        ("n822081.yclients.com", 822081),
        ("B12.alteg.io", 12),
        ("w5.yclients.ru.", 5),
        ("yclients.com", None),
        ("n.yclients.com", None),
        ("x5.yclients.com", None),
    ],
)
def test_the_number_of_a_form_stands_in_its_host(host: str, number: int | None) -> None:
    assert form_id_of(host) == number
    assert is_form_host(host) is (number is not None)


@pytest.mark.parametrize(
    "host", ["n1.yclients.com.evil.ru", "evil-n1.yclients.com", "n1.notyclients.com", "api.yclients.com", ""]
)
def test_a_likely_host_holds_no_form(host: str) -> None:
    assert not is_form_host(host)


def test_the_owners_own_domain_holds_the_form() -> None:
    assert is_form_host("Zapis.Salon.ru.", ["zapis.salon.ru"])
    assert not is_form_host("salon.ru", ["zapis.salon.ru"])
