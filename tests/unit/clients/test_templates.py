"""Texts with placeholders: refused when unknown, never read twice, no empty lines."""

from __future__ import annotations

import pytest

from server.clients.templates import TemplateRefused, check_template, fill_template


@pytest.mark.parametrize("template", ["{phone.__class__}", "{0}", "{", "a } b", "{phone!r}", "{secret}"])
def test_what_is_no_placeholder_is_refused(template: str) -> None:
    with pytest.raises(TemplateRefused):
        check_template(template, {"phone"})


def test_a_value_stays_text_and_a_line_of_nothing_is_left_out() -> None:
    text = check_template("Звонок {phone} {{важно}}\nПочта: {email}\nБез подстановок", {"phone", "email"})
    assert fill_template(text, {"phone": "{email} +7", "email": None}) == "Звонок {email} +7 {важно}\nБез подстановок"


def test_spaces_of_a_missing_value_are_closed() -> None:
    assert fill_template("{date} {time} {name}", {"date": "1 марта", "time": "", "name": "Анна"}) == "1 марта Анна"
