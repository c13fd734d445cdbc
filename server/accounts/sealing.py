"""Whether the master key of this server is the one the database was sealed with: asked at every start.

Two servers with different keys on one database would otherwise go on silently, each unable to read the other's secrets.
"""

from __future__ import annotations

from uuid import UUID

from server.platform.postgres import Conn
from server.platform.vault import Vault, VaultError

NOBODY = UUID(int=0)
CHECK_FIELD = "key_check"
_PLAIN = b"yclick"


class WrongMasterKey(RuntimeError):
    """What stands sealed in the database does not open."""

    def __init__(self) -> None:
        super().__init__(
            "this database was sealed with another master key: set YCLICK_MASTER_KEY (or put back master.key in the data"
            " directory) to the one it was made with, or name that one in YCLICK_MASTER_KEY_OLD and run"
            " `yclick secrets rotate`"
        )


async def prove_key(conn: Conn, vault: Vault) -> None:
    """Raises `WrongMasterKey`. The first server on a database leaves what later ones are proved by."""
    try:
        sealed = await conn.fetchval("select sealed from key_check where account_id = $1", NOBODY)
        if sealed is None:
            first = await conn.fetchrow("select account_id, hash_key from account order by created_at limit 1")
            if first is not None:  # sealed before there was a check
                vault.open(first["hash_key"], account_id=first["account_id"], field="hash_key")
            await conn.execute(
                "insert into key_check (account_id, sealed) values ($1, $2) on conflict do nothing",
                NOBODY, vault.seal(_PLAIN, account_id=NOBODY, field=CHECK_FIELD),
            )  # fmt: skip
            sealed = await conn.fetchval("select sealed from key_check where account_id = $1", NOBODY)
        vault.open(sealed, account_id=NOBODY, field=CHECK_FIELD)
    except VaultError:
        raise WrongMasterKey from None
