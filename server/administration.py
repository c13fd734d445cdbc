"""What the command line does with accounts and history; the cabinet offers the same operations."""

from __future__ import annotations

import argparse
import json
import sys
from datetime import timedelta
from typing import Any
from uuid import UUID

from server.accounts import flow, store
from server.accounts.lookup import Lookup
from server.accounts.model import ScriptSettings
from server.delivery import inbox
from server.delivery.spool import Spool
from server.platform.bus import MemoryBus
from server.platform.clock import utc_now
from server.platform.egress import VendorError
from server.platform.postgres import Conn, Pool, open_pool
from server.platform.vault import load_vault
from server.settings import Settings
from server.worker import Parts, Worker

DEFAULT_ZONE = "Europe/Moscow"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


async def account(settings: Settings, dsn: str, arguments: argparse.Namespace, secret: dict[str, str]) -> int:
    vault = load_vault(settings.master_key.get_secret_value(), settings.data_dir)
    pool = await open_pool(dsn, min_size=1, max_size=2)
    try:
        async with pool.acquire() as conn:
            if arguments.action == "create":
                return await _create(conn, vault, settings, arguments)
            if arguments.action == "show":
                return await _show(conn, settings, arguments)
            account_id = await find_account(conn, arguments.account)
            if arguments.action == "token":
                _say(await flow.new_api_token(conn, account_id, "command line"))
            elif arguments.action == "login":
                owner = await store.first_owner(conn, account_id)
                if owner is None:
                    raise SystemExit("yclick: the account has no owner")
                _say(await flow.new_login_link(conn, owner, settings.base_url, now=utc_now()))
            else:
                await flow.connect(conn, vault, account_id, arguments.vendor, arguments.name, secret)
                _say(f"{arguments.vendor}: kept, sealed ({', '.join(sorted(secret))})")
    finally:
        await pool.close()
    return 0


async def _create(conn: Conn, vault: Any, settings: Settings, arguments: argparse.Namespace) -> int:
    try:
        branches = [_branch(text) for text in arguments.branch]
        made = await flow.create_account(
            conn, vault, name=arguments.name, domain=arguments.site, branches=branches, owner_email=arguments.email,
            script=ScriptSettings(form_hosts=tuple(flow.clean_domain(host) for host in arguments.form_host)),
        )  # fmt: skip
    except flow.BadAccount as error:
        _complain(str(error))
        return 1
    document = made.as_json(settings.base_url)
    if arguments.json:
        _say(json.dumps(document, ensure_ascii=False))
        return 0
    _say(f"account      {document['account_id']}")
    _say(f"API token    {document['api_token']}   (shown this once)")
    _say(f"site script  {document['site']['script_tag']}")
    _say(f"form script  {document['form']['script_tag']}")
    for vendor, url in document["webhooks"].items():
        _say(f"webhook      {vendor}: {url}")
    return 0


def _branch(text: str) -> tuple[int, str]:
    company, _, zone = text.partition(":")
    if not company.isascii() or not company.isdigit() or not 0 < int(company) < 1 << 63:
        raise flow.BadAccount(f"not a company id: {company[:40]!r}")
    return int(company), zone or DEFAULT_ZONE


def _complain(text: str) -> None:
    sys.stderr.write(f"yclick: {text}\n")


async def find_account(conn: Conn, text: str) -> UUID:
    """By id or by name; a name that several accounts have is refused."""
    try:
        account_id = UUID(text)
    except ValueError:
        found = await store.account_id_by_name(conn, text)
        if len(found) != 1:
            raise SystemExit(f"yclick: {'no' if not found else 'more than one'} account is called {text!r}") from None
        return found[0]
    if await store.account_row(conn, account_id) is None:
        raise SystemExit(f"yclick: there is no account {text}")
    return account_id


async def _show(conn: Conn, settings: Settings, arguments: argparse.Namespace) -> int:
    wanted = [await find_account(conn, arguments.account)] if arguments.account else await store.account_ids(conn)
    shown = []
    for account_id in wanted:
        row = await store.account_row(conn, account_id)
        sites = await store.sites(conn, account_id)
        branches = tuple(await store.branches(conn, account_id))
        if row is None or not sites:
            continue
        shown.append(
            {
                "account_id": str(account_id),
                "name": row["name"],
                **flow.public_json(sites[0], branches, settings.base_url),
            }
        )
    if arguments.json:
        _say(json.dumps(shown[0] if arguments.account else shown, ensure_ascii=False))
        return 0
    for item in shown:
        companies = ", ".join(str(branch["company_id"]) for branch in item["branches"]) or "none"
        _say(f"{item['account_id']}  {item['name']}  {item['site']['domain']}  branches: {companies}")
    if not shown:
        _say("no accounts yet; make one: yclick account create --name NAME --site DOMAIN --branch COMPANY_ID")
    return 0


# --- replay, backfill, reconcile


async def operate(settings: Settings, dsn: str, arguments: argparse.Namespace) -> int:
    pool = await open_pool(dsn, min_size=1, max_size=4)
    try:
        vault = load_vault(settings.master_key.get_secret_value(), settings.data_dir)
        worker = Worker(
            Parts(settings, pool, MemoryBus(), vault, Lookup(pool, vault), Spool(settings.data_dir / "spool"))
        )
        async with pool.acquire() as conn:
            account_id = await find_account(conn, arguments.account)
        try:
            if arguments.operation == "replay":
                return await _replay(pool, worker, account_id, dry_run=arguments.dry_run)
            since = (
                timedelta(days=arguments.days)
                if arguments.operation == "backfill"
                else timedelta(hours=arguments.hours)
            )
            return await _pull(worker, account_id, since, arguments.operation, dry_run=arguments.dry_run)
        except VendorError as error:
            _complain(f"YCLIENTS: {error}")
            return 1
        finally:
            await worker.stop()
    finally:
        await pool.close()


async def _replay(pool: Pool, worker: Worker, account_id: UUID, *, dry_run: bool) -> int:
    async with pool.acquire() as conn:
        items = await inbox.quarantined(conn, account_id, limit=100_000)
    _say(f"{len(items)} quarantined items" + (" would be worked on again" if dry_run else ""))
    if dry_run:
        return 0
    done = 0
    for number, item in enumerate(items, 1):
        async with pool.acquire() as conn, conn.transaction():
            outcome = await inbox.replay(conn, worker.handlers, account_id, item["quarantine_id"], now=utc_now())
        done += outcome is not None and not outcome.rejected
        _progress(number, len(items))
    _say(f"{done} replayed, {len(items) - done} stay in quarantine")
    return 0


async def _pull(worker: Worker, account_id: UUID, back: timedelta, name: str, *, dry_run: bool) -> int:
    """Reads bookings by API and takes those the server does not have in that state."""
    read = 0
    missed = 0
    async for company_id, stored in worker.pull(
        account_id, since=utc_now() - back, by_creation=name == "backfill", dry_run=dry_run
    ):
        read += 1
        missed += stored
        if sys.stderr.isatty() and read % 20 == 0:
            sys.stderr.write(f"\r{name}: branch {company_id}, {read} read, {missed} new or changed ")
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    _say(f"{read} bookings read, {missed} {'would be' if dry_run else 'were'} new or changed")
    return 0


def _progress(done: int, whole: int) -> None:
    if sys.stderr.isatty():
        width = 30 * done // max(1, whole)
        sys.stderr.write(f"\r[{'█' * width}{'·' * (30 - width)}] {done}/{whole}" + ("\n" if done == whole else ""))
