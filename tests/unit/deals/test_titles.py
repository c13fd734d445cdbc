"""The title of a deal: what a template may say, and that no value breaks out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.deals.titles import PLACEHOLDERS, TitleRefused, read_title, write_title

VALUES = {"client": "Анна", "services": "Стрижка, укладка", "number": "123", "sum": "1999.90"}


@pytest.mark.parametrize(
    ("template", "expected"),
    [
        ("{services} — {client}", "Стрижка, укладка — Анна"),
        ("№ {number}", "№ 123"),
        ("{client}{client}", "АннаАнна"),
        ("{{client}} {client}", "{client} Анна"),
        ("{{{client}}}", "{Анна}"),
        ("Запись", "Запись"),
        ("  {client}\n{number}  ", "Анна 123"),
        ("{services} — {staff}", "Стрижка, укладка"),
        ("{staff}, {client}", "Анна"),
        ("{staff}", ""),
    ],
)
def test_placeholders_are_replaced_by_what_is_known(template: str, expected: str) -> None:
    assert write_title(read_title(template), VALUES, limit=255) == expected


@pytest.mark.parametrize(
    ("template", "reason", "part"),
    [
        ("{phone}", "unknown_placeholder", "phone"),
        ("{client.__class__}", "unknown_placeholder", "client.__class__"),
        ("{client!r}", "unknown_placeholder", "client!r"),
        ("{sum:>9999999999}", "unknown_placeholder", "sum:>9999999999"),
        ("{0}", "unknown_placeholder", "0"),
        ("{}", "unknown_placeholder", ""),
        ("{ client }", "unknown_placeholder", " client "),
        ("{client", "lone_brace", "{"),
        ("client}", "lone_brace", "}"),
        ("  ", "empty", ""),
        ("я" * 501, "too_long", ""),
    ],
)
def test_what_is_no_placeholder_is_refused_when_the_template_is_read(template: str, reason: str, part: str) -> None:
    with pytest.raises(TitleRefused) as refused:
        read_title(template)
    assert (refused.value.reason, refused.value.placeholder) == (reason, part)


@pytest.mark.parametrize("value", ["{client}", "{{sum}}", "{", "}", "%s", "${x}", "{number!r}"])
def test_a_value_that_looks_like_a_template_stays_text(value: str) -> None:
    assert write_title(read_title("{services} {number}"), {**VALUES, "services": value}, limit=255) == f"{value} 123"


@pytest.mark.parametrize(
    ("value", "shown"),
    [("a\r\nb", "a b"), ("a\x00b", "a b"), ("a\u2028b", "a b"), ("a\u202eb", "ab"), ("a\ud800b", "ab")],
)
def test_line_breaks_and_unseen_signs_do_not_reach_the_title(value: str, shown: str) -> None:
    assert write_title(read_title("{client}"), {"client": value}, limit=255) == shown


@given(st.text(max_size=500))
def test_any_text_is_read_or_refused(template: str) -> None:
    try:
        title = read_title(template)
    except TitleRefused:
        return
    assert set(title.names) <= PLACEHOLDERS
    assert len(title.texts) == len(title.names) + 1


@given(st.dictionaries(st.sampled_from(sorted(PLACEHOLDERS)), st.text(max_size=300)), st.integers(1, 255))
def test_a_title_is_one_line_within_its_limit(values: dict[str, str], limit: int) -> None:
    line = write_title(read_title(" ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS))), values, limit=limit)
    assert len(line) <= limit
    assert line == " ".join(line.split())
    line.encode("utf-8")
