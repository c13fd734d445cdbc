"""The title of a deal: a template of the owner with named placeholders. Pure; no I/O.

A placeholder we do not know is refused when the template is read, never when a deal is made. A value is text and
stays text: braces inside it are never read again, and line breaks and control characters become spaces.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

#: What a title may speak of.
PLACEHOLDERS = frozenset(
    {"number", "client", "services", "category", "branch", "staff", "date", "time", "sum", "currency"}
)
TEMPLATE_LIMIT = 500
_SEPARATORS = " -–—,;:|/·"
_TOKEN = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|\{|\}")


class TitleRefused(ValueError):
    """A template that cannot be used; `placeholder` is the part at fault."""

    def __init__(self, reason: Literal["unknown_placeholder", "lone_brace", "empty", "too_long"], part: str) -> None:
        self.reason, self.placeholder = reason, part
        super().__init__(
            {
                "unknown_placeholder": f"there is no placeholder {{{part}}}; known are {', '.join(sorted(PLACEHOLDERS))}",
                "lone_brace": "write a brace that is no placeholder twice: {{ or }}",
                "empty": "the title is empty",
                "too_long": f"the template is longer than {TEMPLATE_LIMIT} characters",
            }[reason]
        )


@dataclass(frozen=True, slots=True)
class Title:
    """A read template: plain texts and names of placeholders in turn, beginning with a text."""

    texts: tuple[str, ...]
    names: tuple[str, ...]


def read_title(template: str) -> Title:
    """Reads `{name}`, `{{` and `}}`; raises `TitleRefused`. Formats, attributes and indexes are unknown names."""
    if len(template) > TEMPLATE_LIMIT:
        raise TitleRefused("too_long", "")
    if not template.strip():
        raise TitleRefused("empty", "")
    texts, names, end = [""], [], 0
    for token in _TOKEN.finditer(template):
        texts[-1] += template[end : token.start()]
        end = token.end()
        if token[0] in ("{{", "}}"):
            texts[-1] += token[0][0]
        elif token[1] is None:
            raise TitleRefused("lone_brace", token[0])
        elif token[1] not in PLACEHOLDERS:
            raise TitleRefused("unknown_placeholder", token[1])
        else:
            names.append(token[1])
            texts.append("")
    texts[-1] += template[end:]
    return Title(tuple(texts), tuple(names))


def write_title(title: Title, values: Mapping[str, str], *, limit: int) -> str:
    """The title with its values, one line of at most `limit` characters. A value that is not known leaves no dash or
    comma dangling at the ends."""
    parts = [title.texts[0]]
    for name, text in zip(title.names, title.texts[1:], strict=True):
        parts += (values.get(name, ""), text)
    line = one_line("".join(parts), limit)
    return line if all(values.get(name) for name in title.names) else line.strip(_SEPARATORS)


def one_line(text: str, limit: int) -> str:
    """Text on one line without control characters, lone surrogates or marks that turn the direction of writing."""
    plain = "".join(" " if unicodedata.category(sign) in ("Cc", "Zl", "Zp") else sign for sign in text)
    plain = "".join(sign for sign in plain if unicodedata.category(sign) not in ("Cs", "Cf"))
    return " ".join(plain.split())[:limit].rstrip()
