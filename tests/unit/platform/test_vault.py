"""What is sealed opens for its own account and field alone, and old keys only open."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.platform.vault import Vault, VaultError, keyed_hash, load_vault

OLD, NEW = b"o" * 32, b"n" * 32
ANNA, BORIS = UUID(int=1), UUID(int=2)


@given(st.binary(max_size=300), st.uuids(), st.text(st.characters(exclude_categories=["Cs"]), max_size=40))
def test_what_was_sealed_opens(plain: bytes, account: UUID, field: str) -> None:
    vault = Vault(NEW)
    assert vault.open(vault.seal(plain, account_id=account, field=field), account_id=account, field=field) == plain


def test_a_sealed_value_shows_nothing_and_never_looks_the_same_twice() -> None:
    sealed = {Vault(NEW).seal(b"user-token-of-anna", account_id=ANNA, field="t") for _ in range(50)}
    assert len({value[4:16] for value in sealed}) == len({value[16:] for value in sealed}) == 50
    assert not any(b"anna" in value for value in sealed)


@pytest.mark.parametrize(
    ("account", "field"),
    [(BORIS, "token"), (ANNA, "phone"), (ANNA, ""), (ANNA, "token "), (UUID(int=11), "token")],
    ids=["another account", "another field", "no field", "a longer field", "a likely account"],
)
def test_a_value_moved_elsewhere_does_not_open(account: UUID, field: str) -> None:
    sealed = Vault(NEW).seal(b"secret", account_id=ANNA, field="token")
    with pytest.raises(VaultError):
        Vault(NEW).open(sealed, account_id=account, field=field)


def test_another_key_does_not_open() -> None:
    sealed = Vault(OLD).seal(b"secret", account_id=ANNA, field="token")
    with pytest.raises(VaultError):
        Vault(NEW).open(sealed, account_id=ANNA, field="token")


def test_a_foreign_key_of_the_same_name_does_not_open() -> None:
    sealed = Vault(OLD).seal(b"secret", account_id=ANNA, field="token")
    name = Vault(NEW).seal(b"", account_id=ANNA, field="token")[:4]
    with pytest.raises(VaultError):
        Vault(NEW).open(name + sealed[4:], account_id=ANNA, field="token")


def test_after_a_change_of_key_old_values_open_and_new_ones_are_sealed_by_the_new() -> None:
    before = Vault(OLD).seal(b"secret", account_id=ANNA, field="token")
    both = Vault(NEW, older=(OLD,))
    after = both.seal(b"secret", account_id=ANNA, field="token")
    assert both.open(before, account_id=ANNA, field="token") == b"secret"
    assert Vault(NEW).open(after, account_id=ANNA, field="token") == b"secret"
    with pytest.raises(VaultError):
        Vault(OLD).open(after, account_id=ANNA, field="token")


def test_any_flipped_bit_is_noticed() -> None:
    sealed = Vault(NEW).seal(b"secret", account_id=ANNA, field="token")
    for place in range(len(sealed) * 8):
        damaged = bytearray(sealed)
        damaged[place // 8] ^= 1 << place % 8
        with pytest.raises(VaultError):
            Vault(NEW).open(bytes(damaged), account_id=ANNA, field="token")


def test_any_part_of_a_sealed_value_is_refused() -> None:
    sealed = Vault(NEW).seal(b"secret", account_id=ANNA, field="token")
    for length in range(len(sealed)):
        with pytest.raises(VaultError):
            Vault(NEW).open(sealed[:length], account_id=ANNA, field="token")


@given(st.binary(max_size=100))
def test_bytes_of_any_kind_are_refused_and_never_break(junk: bytes) -> None:
    for sealed in (junk, Vault(NEW).seal(b"", account_id=ANNA, field="t")[:4] + junk):
        with pytest.raises(VaultError):
            Vault(NEW).open(sealed, account_id=ANNA, field="t")


def test_a_refusal_tells_nothing_of_what_was_sealed() -> None:
    sealed = Vault(NEW).seal(b"hunter2", account_id=ANNA, field="token")
    with pytest.raises(VaultError) as refusal:
        Vault(NEW).open(sealed, account_id=BORIS, field="token")
    assert "hunter2" not in str(refusal.value)
    assert refusal.value.__cause__ is None


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_key_of_a_wrong_length_is_refused(length: int) -> None:
    with pytest.raises(VaultError):
        Vault(b"k" * length)
    with pytest.raises(VaultError):
        Vault(NEW, older=(b"k" * length,))


# --- the hash under which phones meet


def test_equal_phones_of_one_account_meet_and_of_two_accounts_never() -> None:
    phone = "+79161234567"
    assert keyed_hash(OLD, phone) == keyed_hash(OLD, phone)
    assert keyed_hash(OLD, phone) != keyed_hash(NEW, phone)
    assert keyed_hash(OLD, phone) != keyed_hash(OLD, "+79161234568")


def test_the_hash_is_32_bytes_and_needs_its_key() -> None:
    assert len(keyed_hash(OLD, "+79161234567")) == 32
    assert keyed_hash(b"", "+79161234567") != keyed_hash(OLD, "+79161234567")


# --- where the key comes from


def test_a_key_of_the_settings_is_used_and_none_is_written(tmp_path: Path) -> None:
    vault = load_vault(base64.b64encode(NEW).decode(), tmp_path)
    sealed = vault.seal(b"secret", account_id=ANNA, field="t")
    assert Vault(NEW).open(sealed, account_id=ANNA, field="t") == b"secret"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "text", ["hunter2", "not base64!", base64.b64encode(b"short").decode(), "=", "ключ", base64.b64encode(NEW).decode() + "\n!"]
)  # fmt: skip
def test_a_malformed_key_of_the_settings_is_refused_without_being_shown(text: str, tmp_path: Path) -> None:
    with pytest.raises(VaultError) as refusal:
        load_vault(text, tmp_path)
    assert "YCLICK_MASTER_KEY" in str(refusal.value)
    assert "hunter2" not in str(refusal.value)


def test_without_a_key_one_is_made_once_for_the_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "deeper"
    sealed = load_vault("", folder).seal(b"secret", account_id=ANNA, field="t")
    assert load_vault("", folder).open(sealed, account_id=ANNA, field="t") == b"secret"
    (path,) = folder.iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(base64.b64decode(path.read_text())) == 32


def test_two_servers_make_two_keys(tmp_path: Path) -> None:
    sealed = load_vault("", tmp_path / "a").seal(b"secret", account_id=ANNA, field="t")
    with pytest.raises(VaultError):
        load_vault("", tmp_path / "b").open(sealed, account_id=ANNA, field="t")


@pytest.mark.parametrize("content", [b"", b"abc", b"not base64!", b"\xff\xfe\x00", base64.b64encode(b"short")])
def test_a_damaged_key_file_is_refused_and_never_replaced(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "master.key").write_bytes(content)
    with pytest.raises(VaultError):
        load_vault("", tmp_path)
    assert (tmp_path / "master.key").read_bytes() == content


def test_a_key_file_with_a_line_end_is_read(tmp_path: Path) -> None:
    (tmp_path / "master.key").write_text(base64.b64encode(NEW).decode() + os.linesep)
    sealed = Vault(NEW).seal(b"secret", account_id=ANNA, field="t")
    assert load_vault("", tmp_path).open(sealed, account_id=ANNA, field="t") == b"secret"
