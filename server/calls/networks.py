"""The networks of an account: their User tokens, sealed, and whether telephony is on in the booking system.

`want` only writes the wish and a job, in the caller's transaction; the job (`SETUP_JOB`, by the network's id) tells
the vendor and notes what became of it with `mark`.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

from server.accounts import store as accounts
from server.calls.settings import TelephonyIntegration
from server.delivery import outbox
from server.platform.ids import digest, new_id
from server.platform.postgres import Conn, Row
from server.platform.vault import Vault

SETUP_JOB = "calls.setup"
#: How long after a refusal the vendor is asked again.
ASK_AGAIN = timedelta(minutes=15)
State = Literal["new", "on", "off", "refused"]


async def add(conn: Conn, vault: Vault, account_id: UUID, *, name: str, token: str, now: datetime) -> UUID:
    """Keeps a User token; the same one entered again is the same network under its newest name."""
    network_id: UUID = await conn.fetchval(
        "insert into network (account_id, network_id, name, token_hash, sealed_token, created_at, updated_at)"
        " values ($1, $2, $3, $4, $5, $6, $6) on conflict (account_id, token_hash) do update set name = excluded.name,"
        " updated_at = excluded.updated_at returning network_id",
        account_id, new_id(), name, digest(token), vault.seal(token.encode(), account_id=account_id, field="crm_token"),
        now,
    )  # fmt: skip
    return network_id


async def rows(conn: Conn, account_id: UUID) -> list[Row]:
    """Without the token."""
    return await conn.fetch(
        "select network_id, name, wanted, state, state_note, updated_at from network where account_id = $1"
        " order by created_at, network_id",
        account_id,
    )


async def token(conn: Conn, vault: Vault, account_id: UUID, network_id: UUID) -> str | None:
    """The User token; None where there is no such network."""
    sealed = await conn.fetchval(
        "select sealed_token from network where account_id = $1 and network_id = $2", account_id, network_id
    )
    return vault.open(sealed, account_id=account_id, field="crm_token").decode() if sealed is not None else None


async def want(conn: Conn, account_id: UUID, network_ids: frozenset[UUID], *, now: datetime) -> None:
    """Telephony is to be on in these networks and off in all others; those that stand so already are left alone."""
    changed = await conn.fetch(
        "update network set wanted = network_id = any($2::uuid[]), updated_at = $3 where account_id = $1 and"
        " (wanted <> (network_id = any($2::uuid[])) or (network_id = any($2::uuid[]) and state <> 'on'))"
        " returning network_id",
        account_id, list(network_ids), now,
    )  # fmt: skip
    for row in changed:
        await outbox.enqueue(conn, account_id, SETUP_JOB, str(row["network_id"]), run_at=now)


async def keep_settings(conn: Conn, account_id: UUID, settings: TelephonyIntegration, *, now: datetime) -> None:
    """Stores what the owner set; telephony is to be on in the networks that are used, off in the others."""
    await accounts.save_integration(conn, account_id, "telephony", settings.model_dump(mode="json"), now=now)
    used = frozenset(one.network_id for one in settings.networks if settings.enabled and one.enabled)
    await want(conn, account_id, used, now=now)


async def wanted(conn: Conn, account_id: UUID, network_id: UUID) -> bool | None:
    """Whether telephony is to be on; None where there is no such network."""
    told: bool | None = await conn.fetchval(
        "select wanted from network where account_id = $1 and network_id = $2", account_id, network_id
    )
    return told


async def mark(conn: Conn, account_id: UUID, network_id: UUID, state: State, note: str, *, now: datetime) -> None:
    """What the vendor said."""
    await conn.execute(
        "update network set state = $3, state_note = $4, updated_at = $5 where account_id = $1 and network_id = $2",
        account_id, network_id, state, note[:500], now,
    )  # fmt: skip


async def refuse(conn: Conn, account_id: UUID, network_id: UUID, note: str, *, now: datetime) -> None:
    """The vendor took the token and takes it no more; it is asked again after a while, for it may have been an error."""
    await mark(conn, account_id, network_id, "refused", note, now=now)
    await outbox.enqueue(conn, account_id, SETUP_JOB, str(network_id), run_at=now + ASK_AGAIN)


async def state(conn: Conn, account_id: UUID, network_id: UUID) -> State | None:
    """None where there is no such network."""
    told: State | None = await conn.fetchval(
        "select state from network where account_id = $1 and network_id = $2", account_id, network_id
    )
    return told
