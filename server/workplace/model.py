"""What passes between the server and an operator's screen, and who may do what. Pure; no I/O, no clock.

A screen sends JSON objects with `type`; the server answers with JSON objects with `type`. Unknown fields are ignored,
an unknown type is an error of that message alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal
from uuid import UUID

from server.accounts.model import Role

Right = Literal["see", "phones", "act", "call", "write"]
RIGHTS: Mapping[Role, frozenset[Right]] = {
    Role.OWNER: frozenset({"see", "phones", "act", "call", "write"}),
    Role.OPERATOR: frozenset({"see", "phones", "act", "call", "write"}),
    Role.TECHNICIAN: frozenset({"see"}),
    Role.MARKETER: frozenset({"see"}),
}
#: The longest message of a screen, in bytes.
MESSAGE_MOST = 16 * 1024
NOTE_MOST = 2000
TEXT_MOST = 4000
_SUBJECT = re.compile(r"(?:call|chat|form):[\x21-\x7e]{1,100}")
_PHONE = re.compile(r"\+?[0-9]{5,15}")
_RESULT = re.compile(r"[a-z_]{1,40}")
#: What no database keeps: found before a message is sent, not after.
_UNSTORABLE = re.compile(r"[\0\ud800-\udfff]")


class Refused(Exception):
    """A command that is not done. `code` is stable; `detail` is a plain English sentence for the log of a developer."""

    def __init__(self, code: str, detail: str, **facts: Any) -> None:
        super().__init__(detail)
        self.code, self.detail, self.facts = code, detail, facts

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "detail": self.detail, **self.facts}


#: Each command, the right it needs and its arguments; a "?" at the end: may be left out.
COMMANDS: Mapping[str, tuple[Right, tuple[str, ...]]] = {
    "take": ("act", ("subject",)),
    "note": ("act", ("subject", "note")),
    "result": ("act", ("subject", "result")),
    "call_back": ("call", ("subject?", "phone?", "company_id?")),
    "send_message": ("write", ("subject", "text")),
    "answering": ("act", ("subject", "stop?")),
    "card": ("see", ("subject?", "phone?", "fresh?")),
    "messages": ("see", ("subject",)),
    "open_client": ("see", ("subject?", "phone?")),
}
#: Those that change something; each is done once for its id.
DONE_ONCE = frozenset({"take", "note", "result", "call_back", "send_message"})


@dataclass(frozen=True, slots=True)
class Command:
    command_id: UUID
    name: str
    args: Mapping[str, Any]


def read_message(text: str | bytes) -> dict[str, Any]:
    """A message of a screen. Raises `Refused`: too large, no JSON object, no type."""
    if len(text) > MESSAGE_MOST:
        raise Refused("too_large", f"a message has at most {MESSAGE_MOST} bytes")
    try:
        told = json.loads(text)
    except (ValueError, RecursionError):
        raise Refused("bad_message", "not JSON") from None
    if not isinstance(told, dict) or not isinstance(told.get("type"), str):
        raise Refused("bad_message", "a message is a JSON object with a type")
    return told


def read_command(told: Mapping[str, Any]) -> Command:
    """`{"type": "command", "id": UUID, "name": …, "args": {…}}`. Raises `Refused`."""
    command_id = read_id(told.get("id"))
    name, args = told.get("name"), told.get("args", {})
    if not isinstance(name, str) or name not in COMMANDS:
        raise Refused("unknown_command", "there is no such command")
    if not isinstance(args, dict):
        raise Refused("bad_argument", "args is an object", argument="args")
    wanted = COMMANDS[name][1]
    read: dict[str, Any] = {}
    for one in wanted:
        key = one.rstrip("?")
        if args.get(key) is not None:
            read[key] = _argument(key, args[key])
        elif not one.endswith("?"):
            raise Refused("bad_argument", f"{key} is missing", argument=key)
    if "subject?" in wanted and not read.keys() & {"subject", "phone"}:
        raise Refused("bad_argument", "a subject or a phone is needed", argument="subject")
    return Command(command_id, name, read)


def read_id(value: Any) -> UUID:
    try:
        return UUID(value if isinstance(value, str) else "")
    except ValueError:
        raise Refused("bad_argument", "id is a UUID made by the screen", argument="id") from None


def _argument(name: str, value: Any) -> Any:
    match name:
        case "subject" if isinstance(value, str) and _SUBJECT.fullmatch(value):
            return value
        case "phone" if isinstance(value, str) and _PHONE.fullmatch(re.sub(r"[\s()-]", "", value)):
            return re.sub(r"[\s()-]", "", value)
        case "result" if isinstance(value, str) and _RESULT.fullmatch(value):
            return value
        case "note" if isinstance(value, str) and len(value) <= NOTE_MOST and not _UNSTORABLE.search(value):
            return value.strip()
        case "text" if isinstance(value, str) and 0 < len(value.strip()) <= TEXT_MOST and not _UNSTORABLE.search(value):
            return value.strip()
        case "stop" | "fresh" if isinstance(value, bool):
            return value
        case "company_id" if isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1 << 53:
            return value
    raise Refused("bad_argument", f"{name} is not well-formed", argument=name)
