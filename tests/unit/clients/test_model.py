"""Whose card it is, and what is said in it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.clients.flow import client_phone
from server.clients.model import NAME_MOST, person_name, remark, same_person, same_text, tidy


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        ("  Анна\n Петрова ", "Анна Петрова"), ("Посетитель 1234", ""), ("Гость", ""), ("Visitor #12", ""),
        ("+7 916 123-45-67", ""), ("anna@example.com", ""), ("https://vk.com/anna", ""), ("", ""), ("—", ""),
        ("Клиентова Анна", "Клиентова Анна"), ("\u202eАнна\u0000", "Анна"), ("Ли", "Ли"),
    ],
)  # fmt: skip
def test_a_name_is_what_a_person_gave(raw: str, name: str) -> None:
    assert person_name(raw) == name


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Анна", "анна", True), ("Анна Петрова", "Петрова Анна", True), ("Анна", "Анна Петрова", True), ("Алёна", "Алена", True),
        ("", "Анна", True), ("Посетитель 5", "Анна", True), ("Анна", "Иван", False), ("Анна Петрова", "Иван Петров", False),
        ("Анна Иванова", "Анна Петрова", False),
    ],
)  # fmt: skip
def test_who_is_somebody_else(one: str, other: str, same: bool) -> None:
    assert same_person(one, other) is same is same_person(other, one)


def test_somebody_else_is_named_before_what_they_said() -> None:
    assert remark("Здравствуйте", "Анна", "Анна Петрова", "chat") == "Здравствуйте"
    assert remark("Здравствуйте", "Иван", "Анна", "form") == "Заявку оставил(а): Иван\nЗдравствуйте"
    assert remark("", "Иван", "Анна", "call") == "Звонил(а): Иван (с этого же телефона)"
    assert remark("", "", "Анна", "call") == ""


def test_texts_are_the_same_however_spaces_and_signs_are_kept() -> None:
    assert same_text("Чат 5\n— Здравствуйте!", "чат 5 здравствуйте")
    assert not same_text("Чат 5", "Чат 6")
    assert not same_text("!", "?")


@given(st.text(max_size=400))
def test_tidy_text_is_short_and_shows_all_it_holds(text: str) -> None:
    tidied = tidy(text, 50)
    assert len(tidied) <= 50
    assert tidy(tidied, 50) == tidied
    assert not set(tidied) & {"\u202e", "\u200b", "\0", "\r", "\x1b"}
    assert len(person_name(text)) <= NAME_MOST


@pytest.mark.parametrize(
    ("raw", "region", "phone"),
    [
        ("916 123-45-67", "RU", "+79161234567"), ("701 234 56 78", "KZ", "+77012345678"), ("+1 212 555 01 99", "RU", "+12125550199"),
        ("", "RU", "no_phone"), ("Номер скрыт", "RU", "bad_phone"), ("8 800 555-35-35", "RU", "service_phone"),
        ("+1 800 555 0199", "RU", "service_phone"), ("102", "RU", "bad_phone"),
    ],
)  # fmt: skip
def test_a_phone_is_a_persons_or_says_why_not(raw: str, region: str, phone: str) -> None:
    assert client_phone(raw, region=region) == phone
