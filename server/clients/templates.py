"""Texts the owner writes with named placeholders: the name of a new client, a comment. Pure; no I/O.

A placeholder we do not know is refused when the text is read, never when a client is made. A value is text and stays
text: braces inside it are never read again.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|\{|\}")


class TemplateRefused(ValueError):
    """A text that cannot be used; `part` is what is at fault."""

    def __init__(self, part: str, placeholders: Collection[str]) -> None:
        self.part = part
        known = ", ".join(f"{{{name}}}" for name in sorted(placeholders))
        super().__init__(f"«{part}» is no placeholder; known are {known}; write a lone brace twice")


def check_template(template: str, placeholders: Collection[str]) -> str:
    """The template itself; raises `TemplateRefused`."""
    for token in _TOKEN.finditer(template):
        if token[0] not in ("{{", "}}") and token[1] not in placeholders:
            raise TemplateRefused(token[0], placeholders)
    return template


def fill_template(template: str, values: Mapping[str, str | None]) -> str:
    """The text with its values. A line whose every placeholder is empty is left out: no «Почта:» without an e-mail."""
    lines = (_line(line, values) for line in template.splitlines())
    return "\n".join(line for line in lines if line is not None).strip()


def _line(line: str, values: Mapping[str, str | None]) -> str | None:
    names = [token[1] for token in _TOKEN.finditer(line) if token[1] is not None]
    if names and not any(values.get(name) for name in names):
        return None

    def value(token: re.Match[str]) -> str:
        return token[0][0] if token[1] is None else values.get(token[1]) or ""

    return " ".join(part for part in _TOKEN.sub(value, line).split(" ") if part).rstrip()
