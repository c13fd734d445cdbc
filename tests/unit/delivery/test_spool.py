"""The spool: what was put is there after any crash, whole or absent; what cannot be read is set aside, not lost."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.delivery.spool import Spool, Spooled, SpoolFull

NOON = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def _item(number: int = 1, body: bytes = b'{"a": 1}') -> Spooled:
    return Spooled(
        inbox_id=UUID(int=number), received_at=NOON + timedelta(seconds=number), vendor="yclients", token_hash=b"t" * 32,
        content_type="application/json; charset=utf-8", body=body, body_size=len(body),
    )  # fmt: skip


def _waiting(folder: Path) -> list[Spooled]:
    return [item for _, item in Spool(folder).items()]


@pytest.mark.parametrize("body", [b"", b"\0\xff\xfe" * 100, "Привет".encode(), b'{"a": 1}\n', b"x" * 1_048_576])
def test_what_was_put_is_read_back_by_another_process(tmp_path: Path, body: bytes) -> None:
    Spool(tmp_path / "deep" / "spool").put(_item(body=body))
    assert _waiting(tmp_path / "deep" / "spool") == [_item(body=body)]


@given(st.binary(max_size=200), st.text(max_size=20), st.binary(max_size=40), st.integers(0, 10**9))
def test_any_item_is_read_back(tmp_path_factory, body: bytes, text: str, token: bytes, size: int) -> None:
    folder = tmp_path_factory.mktemp("spool")
    item = Spooled(UUID(int=5), NOON, text, token, text, body, size)
    Spool(folder).put(item)
    assert _waiting(folder) == [item]


def test_many_are_read_in_the_order_they_came(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(200):
        spool.put(_item(number))
    assert spool.waiting() == Spool(tmp_path).waiting() == 200
    seconds = [item.received_at for item in _waiting(tmp_path)]
    assert sorted(seconds) == [NOON + timedelta(seconds=number) for number in range(200)]
    # Files of one millisecond may change places; a second never does.
    assert all(later - earlier > -timedelta(seconds=20) for earlier, later in pairwise(seconds))


def test_what_was_dropped_is_gone_and_the_rest_stays(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(5):
        spool.put(_item(number))
    for path, item in list(spool.items()):
        if item.inbox_id.int % 2:
            spool.drop(path)
            spool.drop(path)  # twice does no harm
    assert sorted(item.inbox_id.int for item in _waiting(tmp_path)) == [0, 2, 4]


@pytest.mark.parametrize(
    "torn",
    [
        lambda text: b"",
        lambda text: text[:-1],
        lambda text: text[: len(text) // 2],
        lambda text: b"\0" * len(text),
        lambda text: b"null",
        lambda text: b"[]",
        lambda text: b"5",
        lambda text: b"{}",
        lambda text: b"[" * 100_000,
        lambda text: json.dumps(json.loads(text) | {"inbox_id": "x"}).encode(),
        lambda text: json.dumps(json.loads(text) | {"inbox_id": 5}).encode(),
        lambda text: json.dumps(json.loads(text) | {"received_at": "then"}).encode(),
        lambda text: json.dumps(json.loads(text) | {"received_at": None}).encode(),
        lambda text: json.dumps(json.loads(text) | {"token_hash": "zz"}).encode(),
        lambda text: json.dumps(json.loads(text) | {"body": 5}).encode(),
        lambda text: json.dumps(json.loads(text) | {"body": "я"}).encode(),
        lambda text: text + text,
    ],
    ids=["empty", "torn", "half", "zeros", "null", "array", "number", "no fields", "deep", "bad id", "number for id",
         "bad time", "no time", "bad token", "number for body", "bad body", "doubled"],
)  # fmt: skip
def test_a_damaged_file_is_set_aside_and_stands_in_nobodys_way(tmp_path: Path, torn) -> None:
    spool = Spool(tmp_path)
    spool.put(_item(1))
    (damaged,) = tmp_path.glob("*.json")
    content = torn(damaged.read_bytes())
    damaged.write_bytes(content)
    spool.put(_item(2))
    assert [item.inbox_id.int for _, item in spool.items()] == [2]
    (aside,) = tmp_path.glob("*.unreadable")
    assert aside.read_bytes() == content
    assert spool.waiting() == 1
    assert [item.inbox_id.int for item in _waiting(tmp_path)] == [2]


def test_a_half_written_file_of_a_crash_is_no_item_and_goes_at_the_start(tmp_path: Path) -> None:
    Spool(tmp_path).put(_item())
    (tmp_path / "018f.part").write_bytes(b'{"inbox_id"')
    spool = Spool(tmp_path)
    assert [item for _, item in spool.items()] == [_item()]
    assert not list(tmp_path.glob("*.part"))


def test_nothing_half_written_is_left_behind_by_a_good_one(tmp_path: Path) -> None:
    Spool(tmp_path).put(_item())
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


def test_a_full_spool_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=2000)
    taken = 0
    for number in range(100):
        with suppress(SpoolFull):
            spool.put(_item(number, b"x" * 300))
            taken += 1
    assert taken == 2
    assert len(_waiting(tmp_path)) == taken
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) <= 2000


def test_a_full_spool_is_full_after_a_restart_too_and_has_room_once_drained(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=1000)
    spool.put(_item(1, b"x" * 300))
    again = Spool(tmp_path, limit_bytes=1000)
    with pytest.raises(SpoolFull):
        again.put(_item(2, b"x" * 300))
    ((path, _),) = again.items()
    again.drop(path)
    again.put(_item(2, b"x" * 300))
    assert [item.inbox_id.int for item in _waiting(tmp_path)] == [2]


def test_an_item_over_the_limit_is_refused_whole(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=100)
    assert spool.writable()
    with pytest.raises(SpoolFull):
        spool.put(_item())
    assert list(tmp_path.iterdir()) == []
    assert not Spool(tmp_path, limit_bytes=0).writable()


def test_a_disk_that_refuses_is_told_as_a_full_spool(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool")
    shutil.rmtree(tmp_path / "spool")
    with pytest.raises(SpoolFull):
        spool.put(_item())
    assert not spool.writable()


def test_room_that_a_refused_write_did_not_take_is_free(tmp_path: Path) -> None:
    spool = Spool(tmp_path / "spool", limit_bytes=1000)
    shutil.rmtree(tmp_path / "spool")
    for _ in range(10):
        with pytest.raises(SpoolFull):
            spool.put(_item(body=b"x" * 300))
    (tmp_path / "spool").mkdir()
    spool.put(_item(body=b"x" * 300))


def test_an_item_that_nobody_owns_is_kept_out_of_the_way(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    spool.put(_item(1))
    ((path, _),) = spool.items()
    content = path.read_bytes()
    spool.set_aside(path)
    assert list(spool.items()) == []
    (aside,) = tmp_path.glob("*.unplaced")
    assert aside.read_bytes() == content


def test_what_was_set_aside_stays_until_a_person_decides(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in (1, 2):
        spool.put(_item(number))
    (first, _), (second, _) = spool.items()
    spool.set_aside(first)
    second.write_bytes(b"{torn")
    assert spool.read(second) is None
    assert [path.suffix for path in spool.aside()] == [".unplaced", ".unreadable"]
    os.utime(spool.aside()[1], (0, 0))
    assert spool.drop_aside(NOON - timedelta(days=30)) == 1  # the torn one alone is that old
    assert [path.suffix for path in spool.aside()] == [".unplaced"]
    assert spool.try_again() == 1
    assert (spool.aside(), _waiting(tmp_path)) == ([], [_item(1)])


def test_what_was_set_aside_takes_no_room_of_new_items(tmp_path: Path) -> None:
    spool = Spool(tmp_path, limit_bytes=1000)
    for number in range(3):
        spool.put(_item(number, b"x" * 300))
        ((path, _),) = spool.items()
        spool.set_aside(path)
    assert spool.waiting() == 0


def test_an_item_that_another_process_drained_meanwhile_is_passed_over(tmp_path: Path) -> None:
    spool = Spool(tmp_path)
    for number in range(3):
        spool.put(_item(number))
    seen = []
    for path, item in spool.items():
        seen.append(item.inbox_id.int)
        for other in set(tmp_path.glob("*.json")) - {path}:
            other.unlink()
    assert len(seen) == 1
