"""Phones as people and vendors write them, in one form; never a guess."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from server.platform.phones import phone_e164

ANNA = "+79161234567"


@pytest.mark.parametrize(
    "written",
    [
        "+79161234567",
        "79161234567",
        79161234567,
        "89161234567",
        "9161234567",
        "8 (916) 123-45-67",
        "+7 916 123 45 67",
        "+7(916)123-45-67",
        "8-916-123-45-67",
        "8.916.123.45.67",
        "7 916 1234567",
        "+8 916 123 45 67",
        "0079161234567",
        "810 7 916 1234567",
        "  +7 916 123-45-67  ",
        "+7\u00a0916\u00a0123\u201145\u201167",
        "８９１６１２３４５６７",
        "٨٩١٦١٢٣٤٥٦٧",
        "тел. 8-916-123-45-67",
        "+7 916 123-45-67 доб. 12",
        "+7 916 123-45-67, +7 903 111-22-33",
        "8 916 123 45 67 / 8 903 111 22 33",
        "нет; 8 916 123 45 67",
        "+79161234567 Анна",
        "8 916 123-45-67 (мама)",
    ],
)
def test_a_russian_mobile_has_one_form(written: str | int) -> None:
    assert phone_e164(written) == ANNA


@pytest.mark.parametrize(
    ("written", "region", "number"),
    [
        ("8 495 123-45-67", "RU", "+74951234567"),
        ("8 800 555 35 35", "RU", "+78005553535"),
        ("77011234567", "RU", "+77011234567"),
        ("8 701 123 45 67", "KZ", "+77011234567"),
        ("375291234567", "RU", "+375291234567"),
        ("+375 29 123-45-67", "RU", "+375291234567"),
        ("998901234567", "RU", "+998901234567"),
        ("971501234567", "RU", "+971501234567"),
        ("+1 (212) 555-0100", "RU", "+12125550100"),
        ("(212) 555-0100", "US", "+12125550100"),
        ("+44 20 7946 0958", "RU", "+442079460958"),
        ("020 7946 0958", "GB", "+442079460958"),
        ("0015 not a phone", "RU", None),
    ],
)
def test_phones_of_other_places_have_theirs(written: str, region: str, number: str | None) -> None:
    assert phone_e164(written, region=region) == number


@pytest.mark.parametrize(
    "written",
    [
        None,
        "",
        " ",
        "-",
        0,
        "0",
        True,
        False,
        "нет",
        "12345",
        "112",
        "+7916123456",
        "891612345678901234567890",
        "7916***4567",
        "+7 916 123 XX 67",
        "+7 916 1XX X4567",
        "+7 916 123 45 хх",
        "+7 916 XXX 45 67",
        "7 916 ... 45 67",
        "0000000000",
        "+70000000000",
        "79990000",
        "anna@mail.ru",
        "••• 45 67",
        -79161234567890123,
        "9" * 5000,
    ],
)
def test_what_is_no_whole_phone_is_none(written: str | int | None) -> None:
    assert phone_e164(written) is None


@given(
    st.text(max_size=100) | st.integers() | st.text("+7890 ()-.,;/x*доб０٣²①\0\ud800", max_size=40),
    st.sampled_from(["RU", "KZ", "US", "", "XX", "ru"]),
)
@example("²" * 11, "RU")
@example("①" * 11, "RU")
@example("\ud800" * 11, "RU")
def test_any_text_is_a_phone_or_none(written: str | int, region: str) -> None:
    number = phone_e164(written, region=region)
    assert number is None or (
        number[0] == "+" and number[1:].isascii() and number[1:].isdigit() and 8 <= len(number) <= 16
    )


@given(st.integers(9000000000, 9999999999))
def test_every_spelling_of_a_mobile_meets_in_one_number(number: int) -> None:
    digits = str(number)
    spelt = {
        phone_e164(form.format(digits, digits[:3], digits[3:6], digits[6:8], digits[8:]))
        for form in ("+7{0}", "7{0}", "8{0}", "{0}", "8 ({1}) {2}-{3}-{4}", "+7 {1} {2} {3} {4}", "8-{1}-{2}-{3}-{4}")
    }
    assert len(spelt) == 1


@given(st.integers(10**7, 10**14))
def test_the_normal_form_is_normal(number: int) -> None:
    normal = phone_e164(f"+{number}")
    assert normal is None or phone_e164(normal) == normal
