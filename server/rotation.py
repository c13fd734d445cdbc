"""Seals everything anew with the current master key: `yclick secrets rotate`.

Beside running servers, in small batches, each committed: whatever ends it, the next run goes on where it stopped. A
value that changes meanwhile is left to the next pass; one that does not open is counted and left as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.accounts.sealing import CHECK_FIELD
from server.platform.postgres import Conn, Pool, Row
from server.platform.vault import Vault, VaultError

_BATCH = 200


@dataclass(frozen=True, slots=True)
class Sealed:
    """A column of sealed values; `field` is the SQL text of what they are bound to, besides their account."""

    table: str
    column: str
    field: str


#: Every column that holds sealed values. A new one belongs here.
SEALED = (
    Sealed("account", "hash_key", "'hash_key'"),
    Sealed("hook_token", "sealed_token", "'hook_token'"),
    Sealed("connection", "sealed", "'connection:' || vendor"),
    Sealed("waiting_login", "sealed", "'waiting_login:' || vendor"),
    Sealed("network", "sealed_token", "'crm_token'"),
    Sealed("call", "record", "'call.record:' || call_id"),
    Sealed("call_event", "record", "'call.record:' || call_id"),
    Sealed("key_check", "sealed", f"'{CHECK_FIELD}'"),
)


@dataclass(frozen=True, slots=True)
class Rotated:
    sealed_anew: int
    unreadable: int


async def rotate(pool: Pool, vault: Vault) -> Rotated:
    """Until nothing readable is left that was sealed with another key."""
    total = unreadable = 0
    for one in SEALED:
        while True:
            done, bad = await _pass(pool, vault, one)
            total += done
            if not done:
                unreadable += bad
                break
    return Rotated(total, unreadable)


async def _pass(pool: Pool, vault: Vault, one: Sealed) -> tuple[int, int]:
    """How many were sealed anew, and how many do not open."""
    done = bad = 0
    async with pool.acquire() as reading, pool.acquire() as writing, reading.transaction(readonly=True):
        batch: list[Row] = []
        async for row in reading.cursor(
            f"select ctid as place, account_id, {one.column} as sealed, {one.field} as field from {one.table}"
            f" where {one.column} is not null and substring({one.column} from 1 for 4) <> $1",
            vault.key_id, prefetch=_BATCH,
        ):  # fmt: skip
            batch.append(row)
            if len(batch) == _BATCH:
                done, bad = _sum((done, bad), await _seal_anew(writing, vault, one, batch))
                batch.clear()
        done, bad = _sum((done, bad), await _seal_anew(writing, vault, one, batch))
    return done, bad


def _sum(left: tuple[int, int], right: tuple[int, int]) -> tuple[int, int]:
    return left[0] + right[0], left[1] + right[1]


async def _seal_anew(conn: Conn, vault: Vault, one: Sealed, rows: Sequence[Row]) -> tuple[int, int]:
    done = bad = 0
    async with conn.transaction():
        for row in rows:
            try:
                plain = vault.open(row["sealed"], account_id=row["account_id"], field=row["field"])
            except VaultError:
                bad += 1
                continue
            # Only what still stands as it was read: whoever changed it meanwhile knows better.
            changed = await conn.execute(
                f"update {one.table} set {one.column} = $3 where ctid = $1 and {one.column} = $2",
                row["place"], row["sealed"], vault.seal(plain, account_id=row["account_id"], field=row["field"]),
            )  # fmt: skip
            done += int(changed.split()[-1])
    return done, bad
