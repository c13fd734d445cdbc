"""`yclick replay`: what waits in quarantine is worked on again, whole and oldest first; the rest stays."""

from __future__ import annotations

import json
from datetime import timedelta
from uuid import UUID

import asyncpg

from server.delivery import inbox
from server.platform.clock import utc_now
from server.platform.ids import new_id
from tests.factories import webhook
from tests.integration.test_command_line import CommandLine, make, yclick

__all__ = ["yclick"]


async def test_all_that_waits_is_worked_on_again_and_what_is_refused_stays(
    yclick: CommandLine, pool: asyncpg.Pool
) -> None:
    account_id = UUID(make(yclick)["account_id"])
    # Longer than what is shown of a body: it is replayed whole all the same.
    long = json.dumps(webhook(902, comment="я" * inbox.SHOWN_BYTES)).encode()
    bodies = {3: json.dumps(webhook(901)).encode(), 2: b"no JSON", 1: long}
    for minutes, body in bodies.items():
        await pool.execute(
            "insert into quarantine (account_id, quarantine_id, inbox_id, received_at, position, source, reason, body)"
            " values ($1, $2, $3, $4, 0, 'yclients', 'unknown_branch', $5)",
            account_id, new_id(), new_id(), utc_now() - timedelta(minutes=minutes), body,
        )  # fmt: skip
    async with pool.acquire() as conn:
        waiting = await inbox.open_ids(conn, account_id)
    kept = {row["quarantine_id"]: row["body"] for row in await pool.fetch("select quarantine_id, body from quarantine")}
    assert [kept[quarantine_id] for quarantine_id in waiting] == list(bodies.values())
    done = yclick("replay", "--account", "Salon")
    assert done.returncode == 0, done.stderr
    assert "2 replayed, 1 stay in quarantine" in done.stdout
    assert {row["record_id"] for row in await pool.fetch("select record_id from booking")} == {901, 902}
    assert await pool.fetchval("select body from quarantine where state = 'open'") == b"no JSON"
