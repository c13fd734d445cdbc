"""The commands as the contract promises them: what they print, what they refuse, how they end."""

from __future__ import annotations

import asyncio
import concurrent.futures
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from e2e.stand.uis.app import RunningUis
from e2e.stand.uis.talks import form
from server.accounts import store
from server.platform.clock import utc_now
from tests.server_process import ROOT


class CommandLine:
    """`yclick` with a database and a data directory of its own."""

    def __init__(self, dsn: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="yclick-command-"))
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("YCLICK_", "YCLIENTS_"))}
        self.environment = {
            **kept, "PYTHONPATH": str(ROOT), "YCLICK_DATABASE_URL": dsn, "YCLICK_DATA_DIR": str(self.folder / "data"),
            "YCLICK_PUBLIC_URL": "https://yclick.test", "YCLICK_YCLIENTS_API_URL": "http://127.0.0.1:9",
        }  # fmt: skip

    def __call__(self, *arguments: str, given: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "server", *arguments], env={**self.environment, **environment}, cwd=self.folder,
            capture_output=True, text=True, timeout=60, input=given, check=False,
        )  # fmt: skip

    def json(self, *arguments: str) -> Any:
        done = self(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


@pytest.fixture
def yclick(dsn: str) -> Iterator[CommandLine]:
    made = CommandLine(dsn)
    yield made
    shutil.rmtree(made.folder, ignore_errors=True)


def make(yclick: CommandLine, name: str = "Salon") -> Any:
    return yclick.json(
        "account",
        "create",
        "--name",
        name,
        "--site",
        "salon.example",
        "--branch",
        "4564:Europe/Moscow",
        "--branch",
        "77",
    )


async def test_account_json_is_the_contracts_to_the_letter(yclick: CommandLine) -> None:
    made = make(yclick)
    assert set(made) == {"account_id", "api_token", "site", "form", "branches", "webhooks"}
    site, form = made["site"], made["form"]
    assert set(site) == {"id", "domain", "key", "script_url", "script_tag"}
    assert set(form) == {"key", "script_url", "script_tag"}
    assert site["domain"] == "salon.example"
    assert site["script_url"] == f"https://yclick.test/s/{site['key']}.js"
    assert form["script_url"] == f"https://yclick.test/f/{form['key']}.js"
    for script in (site, form):
        assert script["script_tag"].startswith("<script async src=")
        assert script["script_url"] in script["script_tag"]
        assert script["script_tag"].endswith("></script>")
    branches = [{"company_id": 4564, "timezone": "Europe/Moscow"}, {"company_id": 77, "timezone": "Europe/Moscow"}]
    assert [{name: one[name] for name in ("company_id", "timezone")} for one in made["branches"]] == branches
    assert all(set(one) == {"id", "company_id", "timezone"} for one in made["branches"])
    assert made["webhooks"].keys() == {"yclients", "uis"}
    for vendor, url in made["webhooks"].items():
        assert url.startswith(f"https://yclick.test/hooks/{vendor}/")


async def test_account_is_shown_without_its_secrets_and_gets_further_tokens(yclick: CommandLine) -> None:
    made = make(yclick)
    for wanted in (made["account_id"], "Salon"):
        shown = yclick.json("account", "show", wanted)
        assert shown["account_id"] == made["account_id"]
        assert shown["site"] == made["site"]
    whole = yclick("account", "show", "--json").stdout
    for secret in (made["api_token"], *(url.rsplit("/", 1)[1] for url in made["webhooks"].values())):
        assert secret not in whole
    token = yclick("account", "token", "Salon")
    assert token.returncode == 0
    assert token.stdout.strip() not in ("", made["api_token"])
    assert yclick("account", "show", "Nobody").returncode == 1


@pytest.mark.parametrize(
    "arguments",
    [
        ("--site", "not a domain", "--branch", "4564"),
        ("--site", "salon.example", "--branch", "zero"),
        ("--site", "salon.example", "--branch", "0"),
        ("--site", "salon.example", "--branch", "4564:Mars/Olympus"),
        ("--site", "salon.example", "--branch", "4564", "--branch", "4564"),
    ],
)
async def test_account_that_makes_no_sense_is_refused_in_a_sentence(
    yclick: CommandLine, arguments: tuple[str, ...]
) -> None:
    done = yclick("account", "create", "--name", "Salon", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("yclick: ")
    assert "Traceback" not in done.stderr
    assert yclick.json("account", "show") == []


async def test_credentials_come_from_stdin_or_environment_and_are_never_printed(yclick: CommandLine) -> None:
    make(yclick)
    given = json.dumps({"user_token": "canary-user", "partner_token": "canary-partner"})
    done = yclick("account", "connect", "yclients", "Salon", given=given)
    assert done.returncode == 0, done.stderr
    again = yclick("account", "connect", "yclients", "Salon", YCLIENTS_USER_TOKEN="canary-user")
    assert again.returncode == 0, again.stderr
    assert "canary" not in done.stdout + done.stderr + again.stdout + again.stderr
    for nothing in ("", "{}", "not json", "[1]"):
        refused = yclick("account", "connect", "yclients", "Salon", given=nothing)
        assert refused.returncode == 1
        assert "Traceback" not in refused.stderr
    as_argument = yclick("account", "connect", "yclients", "Salon", "--user-token", "canary", given=given)
    assert as_argument.returncode == 2


async def test_check_masks_every_secret_and_tells_what_does_not_answer(yclick: CommandLine) -> None:
    secrets = {"YCLICK_YCLIENTS_PARTNER_TOKEN": "canary-partner"}
    good = yclick("check", **secrets)
    assert good.returncode == 0, good.stdout + good.stderr  # a vendor out of reach is told, it is no fault of ours
    assert "PostgreSQL" in good.stdout
    assert "YCLICK_MATCH_GRACE_S" in good.stdout
    assert "not reached" in good.stdout
    bad = yclick(
        "check", **secrets, YCLICK_DATABASE_URL="postgresql://user:canary-password@127.0.0.1:9/none",
        YCLICK_REDIS_URL="redis://:canary-redis@127.0.0.1:9/0", YCLICK_MASTER_KEY="canary-key",
    )  # fmt: skip
    assert bad.returncode == 1
    assert bad.stdout.count("FAILED") == 3
    for done in (good, bad):
        assert "canary" not in done.stdout + done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("command", [("serve",), ("check",), ("migrate",), ("demo",), ("account", "show")])
async def test_unknown_setting_is_an_error_that_names_it(yclick: CommandLine, command: tuple[str, ...]) -> None:
    done = yclick(*command, YCLICK_MACH_GRACE_S="5")
    assert done.returncode == 2
    assert "YCLICK_MACH_GRACE_S" in done.stderr


async def test_database_out_of_reach_is_a_sentence_not_a_traceback(yclick: CommandLine) -> None:
    for command in (("migrate",), ("account", "show"), ("serve",), ("serve", "--processes", "2")):
        done = yclick(*command, YCLICK_DATABASE_URL="postgresql://u:canary-password@127.0.0.1:9/none")
        assert done.returncode == 1, command
        assert "Traceback" not in done.stderr
        assert "canary" not in done.stdout + done.stderr


async def test_four_migrations_at_once_all_succeed(yclick: CommandLine) -> None:
    with concurrent.futures.ThreadPoolExecutor(4) as crowd:
        ends = list(crowd.map(lambda _: yclick("migrate").returncode, range(4)))
    assert ends == [0, 0, 0, 0]


async def test_operations_count_first_and_change_nothing(yclick: CommandLine) -> None:
    make(yclick)
    counted = yclick("replay", "--account", "Salon", "--dry-run")
    assert (counted.returncode, counted.stdout.split()[0]) == (0, "0"), counted.stderr
    for command in ("backfill", "reconcile"):
        unconnected = yclick(command, "--account", "Salon", "--dry-run")
        assert unconnected.returncode == 1
        assert "not connected" in unconnected.stderr
        assert "Traceback" not in unconnected.stderr


async def test_past_calls_say_what_is_missing_for_them(yclick: CommandLine) -> None:
    make(yclick)
    for extra, sentence in (((), "telephony is off"), (("--dry-run",), "UIS is not connected")):
        done = yclick("backfill", "--account", "Salon", "--what", "calls", *extra)
        assert (done.returncode, done.stdout) == (1, "")
        assert sentence in done.stderr
        assert "Traceback" not in done.stderr


async def test_past_chats_and_forms_are_found_or_it_says_what_is_missing(
    yclick: CommandLine, uis: RunningUis, pool: asyncpg.Pool
) -> None:
    made = make(yclick)
    where = {"YCLICK_UIS_DATA_API_URL": f"{uis.url}/v2.0", "YCLICK_ALLOW_PRIVATE_EGRESS": "true"}
    ask = ("backfill", "--account", "Salon", "--what", "texts", "--days", "30")
    for extra, sentence in (((), "texts is off"), (("--dry-run",), "UIS is not connected")):
        refused = await asyncio.to_thread(yclick, *ask, *extra)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert sentence in refused.stderr
        assert "Traceback" not in refused.stderr
    secret = json.dumps({"access_token": "stand-key-0123456789"})
    assert yclick("account", "connect", "uis", "Salon", given=secret).returncode == 0
    async with pool.acquire() as conn:
        forms = {"enabled": True, "default_company_id": 4564}
        await store.save_integration(
            conn, UUID(made["account_id"]), "texts", {"enabled": True, "forms": forms}, now=utc_now()
        )
    row = form(uis.uis, phone="79165550101")
    uis.uis.messages[row["id"]]["date_time"] = uis.uis.wall(utc_now() - timedelta(days=20))
    counted = await asyncio.to_thread(yclick, *ask, "--dry-run", **where)
    assert counted.stdout == "1 chats and site forms to look at\n", counted.stderr
    assert await pool.fetchval("select count(*) from text_communication") == 0
    done = await asyncio.to_thread(yclick, *ask, **where)
    assert done.stdout == "done: 1 chats and site forms that were not known\n", done.stderr
    assert await pool.fetchval("select asked and state = 'done' from text_communication")


async def test_serve_refuses_numbers_and_roles_that_do_not_exist(yclick: CommandLine) -> None:
    assert yclick("serve", "--processes", "0").returncode == 2
    assert yclick("serve", "--role", "cook").returncode == 2


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_an_address_that_is_taken_is_a_sentence_and_an_end(yclick: CommandLine, processes: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as strangers:
        port = str(strangers.getsockname()[1])
        done = yclick("serve", "--processes", processes, YCLICK_HOST="127.0.0.1", YCLICK_PORT=port)
    assert done.returncode == 1
    assert "in use" in done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
