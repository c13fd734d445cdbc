"""What a screen may send, and how a message becomes bytes for many."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.accounts.model import Role
from server.workplace.model import COMMANDS, DONE_ONCE, MESSAGE_MOST, RIGHTS, Refused, read_command, read_message
from server.workplace.wire import Built, as_text, socket_frame, stream_chunk

_NAMES = ["subject", "phone", "note", "text", "result", "stop", "fresh", "company_id"]
_VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda one: st.lists(one, max_size=3), max_leaves=5)  # fmt: skip


def code_of(read: Callable[[], object]) -> str:
    try:
        read()
    except Refused as refused:
        return refused.code
    return ""


@given(st.text(max_size=300) | st.binary(max_size=300))
def test_whatever_comes_is_a_message_or_refused(text: str | bytes) -> None:
    assert code_of(lambda: read_message(text)) in ("", "bad_message")


@given(st.sampled_from(sorted(COMMANDS)), st.dictionaries(st.sampled_from(_NAMES), _VALUES))  # fmt: skip
def test_whatever_arguments_come_are_well_formed_or_refused(name: str, args: dict[str, Any]) -> None:
    assert code_of(lambda: read_command({"id": str(uuid4()), "name": name, "args": args})) in ("", "bad_argument")


def test_command_is_read_with_what_it_needs_alone() -> None:
    number = str(uuid4())
    told = {"id": number, "name": "note", "args": {"subject": "call:7", "note": " x ", "evil": 1}}
    command = read_command(told)
    assert (str(command.command_id), command.name, command.args) == (number, "note", {"subject": "call:7", "note": "x"})
    assert read_command({"id": number, "name": "card", "args": {"phone": "8 (916) 123-45-67"}}).args == {"phone": "89161234567"}  # fmt: skip


@pytest.mark.parametrize("text", ["x" * (MESSAGE_MOST + 1), b"x" * (MESSAGE_MOST + 1)])
def test_too_large_a_message_is_refused_before_it_is_read(text: str | bytes) -> None:
    with pytest.raises(Refused) as refused:
        read_message(text)
    assert refused.value.code == "too_large"


def test_rights_of_roles() -> None:
    assert RIGHTS[Role.OPERATOR] == RIGHTS[Role.OWNER] == {"see", "phones", "act", "call", "write"}
    assert RIGHTS[Role.MARKETER] == RIGHTS[Role.TECHNICIAN] == {"see"}
    assert all(COMMANDS[name][0] != "see" for name in DONE_ONCE)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 65_535, 65_536, 100_000])
def test_frame_says_its_length(size: int) -> None:
    frame = socket_frame("x" * size)
    assert frame[0] == 0x81
    told = frame[1]
    assert told < 128, "a server does not mask"
    head = 2 if told < 126 else 4 if told == 126 else 10
    length = told if told < 126 else struct.unpack("!H" if told == 126 else "!Q", frame[2:head])[0]
    assert (length, len(frame) - head) == (size, size)


@given(st.dictionaries(st.text(max_size=5), _VALUES))
def test_event_of_a_stream_is_one_line_whatever_is_in_it(payload: dict[str, Any]) -> None:
    chunk = stream_chunk(as_text(payload), seq=7)
    size, _, rest = chunk.partition(b"\r\n")
    assert len(rest) == int(size, 16) + 2
    lines = rest[:-2].decode().split("\n")
    assert (lines[0], len(lines), lines[2:]) == ("id: 7", 4, ["", ""])
    assert json.loads(lines[1].removeprefix("data: ")) == payload


def test_bytes_are_built_once_for_all() -> None:
    built = Built({"type": "event", "seq": 7})
    assert built.bytes_for("socket") is built.bytes_for("socket")
    assert b"id: 7\n" in built.bytes_for("stream")
    assert b"id:" not in Built({"type": "beat", "seq": 7}).bytes_for("stream")
