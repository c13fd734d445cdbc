"""What the command line does with accounts and history; the cabinet offers the same operations."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from server.accounts import flow, store
from server.accounts.lookup import Lookup
from server.accounts.model import ScriptSettings
from server.accounts.sealing import prove_key
from server.bookings import backfill
from server.bookings import catching_up_store as catching_up
from server.bookings.source import SourceAway, SourceRefused
from server.calls import reading as calls
from server.chats import flow as texts
from server.chats import store as text_store
from server.chats.source import SourceAway as TextsAway
from server.delivery import inbox, notices, relay, replays
from server.delivery.spool import Spool
from server.marketplace import store as marketplace
from server.marketplace.model import link_json
from server.platform.bus import MemoryBus
from server.platform.clock import utc_now
from server.platform.egress import Unauthorized
from server.platform.postgres import Conn, Pool, open_pool
from server.platform.vault import load_vault
from server.rotation import rotate
from server.settings import Settings
from server.worker import NOT_CONNECTED, Parts, Worker

DEFAULT_ZONE = "Europe/Moscow"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")


async def account(settings: Settings, dsn: str, arguments: argparse.Namespace, secret: dict[str, str]) -> int:
    vault = load_vault(
        settings.master_key.get_secret_value(), settings.data_dir, settings.master_key_old.get_secret_value()
    )
    pool = await open_pool(dsn, min_size=1, max_size=2)
    try:
        async with pool.acquire() as conn:
            await prove_key(conn, vault)
            if arguments.action == "create":
                return await _create(conn, vault, settings, arguments)
            if arguments.action == "show":
                return await _show(conn, settings, arguments)
            account_id = await find_account(conn, arguments.account)
            if arguments.action == "token":
                return await _token(conn, account_id, arguments)
            if arguments.action == "hook":
                grace = timedelta(hours=max(0.0, arguments.grace_hours))
                await flow.rotate_hook(
                    conn, vault, account_id, arguments.vendor, grace=grace, by="command line", now=utc_now()
                )
                _say((await flow.hook_urls(conn, vault, account_id, settings.base_url))[arguments.vendor])
            elif arguments.action == "login":
                owner = await store.first_owner(conn, account_id)
                if owner is None:
                    raise SystemExit("yclick: the account has no owner")
                _say(await flow.new_login_link(conn, owner, settings.base_url, now=utc_now()))
            else:
                async with conn.transaction():
                    await flow.connect(conn, vault, account_id, arguments.vendor, arguments.name, secret)
                    await relay.release_all(conn, account_id, arguments.vendor, now=utc_now())
                    if arguments.vendor == "yclients":  # of UIS the next delivery tells, which proves it
                        await notices.recovered(conn, account_id, "yclients", now=utc_now())
                _say(f"{arguments.vendor}: kept, sealed ({', '.join(sorted(secret))})")
    finally:
        await pool.close()
    return 0


async def _token(conn: Conn, account_id: UUID, arguments: argparse.Namespace) -> int:
    if arguments.list:
        for row in await store.api_tokens(conn, account_id):
            _say(f"{flow.token_id(row['token_hash'])}  {row['created_at']:%Y-%m-%d %H:%M}  {row['name']}")
    elif arguments.revoke:
        if not await flow.revoke_api_token(conn, account_id, arguments.revoke, by="command line", now=utc_now()):
            _complain("no valid token has this id; `yclick account token ACCOUNT --list` names them")
            return 1
        _say("revoked; a server that runs refuses it within some seconds")
    else:
        _say(await flow.new_api_token(conn, account_id, "command line"))
    return 0


async def rotate_secrets(settings: Settings, dsn: str) -> int:
    vault = load_vault(
        settings.master_key.get_secret_value(), settings.data_dir, settings.master_key_old.get_secret_value()
    )
    pool = await open_pool(dsn, min_size=1, max_size=3)
    try:
        async with pool.acquire() as conn:
            await prove_key(conn, vault)
        done = await rotate(pool, vault)
    finally:
        await pool.close()
    _say(f"{done.sealed_anew} values sealed anew with the current key")
    if done.unreadable:
        _complain(f"{done.unreadable} values do not open with any key this server has; they are left as they are")
        return 1
    _say("former keys are no longer needed, once every server runs with the current one")
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
                "marketplace": [link_json(link) for link in await marketplace.links(conn, account_id)],
            }
        )
    if arguments.json:
        _say(json.dumps(shown[0] if arguments.account else shown, ensure_ascii=False))
        return 0
    for item in shown:
        companies = ", ".join(str(branch["company_id"]) for branch in item["branches"]) or "none"
        _say(f"{item['account_id']}  {item['name']}  {item['site']['domain']}  branches: {companies}")
        for link in item["marketplace"]:
            _say(f"    marketplace: branch {link['company_id']} {link['state']} {link['code']}".rstrip())
    if not shown:
        _say("no accounts yet; make one: yclick account create --name NAME --site DOMAIN --branch COMPANY_ID")
    return 0


# --- what the spool set aside


def look_at_spool(settings: Settings, arguments: argparse.Namespace) -> int:
    """Without an act only says what there is; a body is never printed: it is a client's."""
    spool = Spool(settings.data_dir / "spool")
    if arguments.retry:
        _say(f"{spool.try_again()} wait again; a server that runs places them within seconds, or sets them aside anew")
        return 0
    if arguments.drop:
        _say(f"{spool.drop_aside(utc_now() - timedelta(days=arguments.days))} forgotten")
        return 0
    found = spool.aside()
    for path in found:
        facts = path.stat()
        at = datetime.fromtimestamp(facts.st_mtime, UTC)
        _say(f"{at:%Y-%m-%d %H:%M}  {path.suffix.removeprefix('.'):10}  {facts.st_size} bytes  {path}")
    if not found:
        _say("nothing was set aside")
    return 0


# --- replay, backfill, reconcile


async def operate(settings: Settings, dsn: str, arguments: argparse.Namespace) -> int:
    pool = await open_pool(dsn, min_size=1, max_size=4)
    try:
        vault = load_vault(
            settings.master_key.get_secret_value(), settings.data_dir, settings.master_key_old.get_secret_value()
        )
        worker = Worker(
            Parts(settings, pool, MemoryBus(), vault, Lookup(pool, vault), Spool(settings.data_dir / "spool"))
        )
        async with pool.acquire() as conn:
            account_id = await find_account(conn, arguments.account)
        try:
            if arguments.operation in ("pause", "resume"):
                return await _pause(pool, account_id, arguments)
            if arguments.operation == "replay" and arguments.deliveries:
                return await _replay_deliveries(pool, account_id, arguments)
            if arguments.operation == "replay":
                if any((arguments.kind, arguments.code, arguments.since, arguments.until)):
                    _complain("--kind, --code, --since and --until choose deliveries: add --deliveries")
                    return 1
                return await _replay(pool, worker, account_id, dry_run=arguments.dry_run)
            if arguments.operation == "reconcile":
                back = timedelta(hours=arguments.hours)
                return await _look(worker, account_id, back, dry_run=arguments.dry_run)
            past = {"bookings": _backfill, "calls": _past_calls, "texts": _past_texts}[arguments.what]
            return await past(pool, worker, account_id, timedelta(days=arguments.days), dry_run=arguments.dry_run)
        except (SourceAway, SourceRefused, Unauthorized) as error:
            _complain(f"YCLIENTS: {error}")
            return 1
        except TextsAway as error:
            _complain(f"UIS: {error}")
            return 1
        finally:
            await worker.stop()
    finally:
        await pool.close()


async def _replay(pool: Pool, worker: Worker, account_id: UUID, *, dry_run: bool) -> int:
    async with pool.acquire() as conn:
        items = await inbox.open_ids(conn, account_id)
    _say(f"{len(items)} quarantined items" + (" would be worked on again" if dry_run else ""))
    if dry_run:
        return 0
    done = 0
    for number, quarantine_id in enumerate(items, 1):
        async with pool.acquire() as conn, conn.transaction():
            outcome = await inbox.replay(conn, worker.handlers, account_id, quarantine_id, now=utc_now())
        done += outcome is not None and not outcome.rejected
        _progress(number, len(items))
    _say(f"{done} replayed, {len(items) - done} stay in quarantine")
    return 0


#: How long the command waits for a server to do something, before it leaves the rest to it.
_PATIENCE_S = 20.0


async def _replay_deliveries(pool: Pool, account_id: UUID, arguments: argparse.Namespace) -> int:
    """Counts, or begins and shows how far it is. The running server sends them: the command may end meanwhile."""
    wanted = replays.Wanted(arguments.state, arguments.kind, arguments.code, arguments.since, arguments.until)
    async with pool.acquire() as conn, conn.transaction():
        number = await replays.count(conn, account_id, wanted)
        _say(f"{number} deliveries" + (" would be sent again" if arguments.dry_run else ""))
        if arguments.dry_run or not number:
            return 0
        try:
            replay_id = await replays.start(conn, account_id, wanted, now=utc_now())
        except replays.AlreadyRunning:
            _complain("a replay of this account has not ended; wait for it, or cancel it in the cabinet")
            return 1
    if replay_id is None:
        return 0
    tried, moved_at = 0, time.monotonic()
    while True:
        async with pool.acquire() as conn:
            one = await replays.one(conn, account_id, replay_id)
        if one is None:
            return 1
        _progress(one.total if one.run == "done" else min(one.tried, one.total - 1), one.total)
        if one.run != "running":
            _say(f"{one.run}: {one.delivered} delivered, {one.failed} failed, {one.retrying} retried, {one.held} held")
            return 0
        if one.tried > tried:
            tried, moved_at = one.tried, time.monotonic()
        elif time.monotonic() > moved_at + _PATIENCE_S:
            _say(f"{one.tried} of {one.total} tried; the server goes on with the rest")
            return 0
        await asyncio.sleep(0.5)


async def _pause(pool: Pool, account_id: UUID, arguments: argparse.Namespace) -> int:
    kinds = arguments.kind or list(relay.JOBS)
    act = relay.hold_up if arguments.operation == "pause" else relay.let_go
    async with pool.acquire() as conn, conn.transaction():
        if not arguments.dry_run:
            await act(conn, account_id, kinds, now=utc_now())
        for way in await relay.ways(conn, account_id):
            state = f"paused since {way.paused_at:%Y-%m-%d %H:%M} UTC" if way.paused_at else "on"
            _say(f"{way.kind:8} {state}, {way.waiting} waiting")
    return 0


async def _look(worker: Worker, account_id: UUID, back: timedelta, *, dry_run: bool) -> int:
    """Reads what changed lately by API and takes what the server does not have in that state."""
    read = 0
    missed = 0
    async for company_id, stored in worker.look_now(account_id, back=back, dry_run=dry_run):
        read += 1
        missed += stored
        if sys.stderr.isatty() and read % 20 == 0:
            sys.stderr.write(f"\rreconcile: branch {company_id}, {read} read, {missed} new or changed ")
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    _say(f"{read} bookings read, {missed} {'would be' if dry_run else 'were'} new or changed")
    return 0


async def _backfill(pool: Pool, worker: Worker, account_id: UUID, back: timedelta, *, dry_run: bool) -> int:
    """Reads past months in, here and now; one begun before (here or in the cabinet) goes on where it was."""
    async with pool.acquire() as conn:
        readable = await store.readable_branches(conn, account_id)
        branches = backfill.worth_reading(tuple(await store.branches(conn, account_id)), readable)
        since = utc_now() - back
        if dry_run:
            number = await worker.count_created(account_id, since=since)
            _say(
                "the vendor does not say how many bookings there are"
                if number is None
                else f"{number} bookings to read"
            )
            return 0
        try:
            await backfill.start(conn, account_id, branches, since=since, now=utc_now())
        except backfill.AlreadyRunning:
            _say("a backfill of this account has not ended; it goes on where it was")
    while True:
        now = utc_now()
        job = await catching_up.claim_backfill(pool, now=now, lease_until=now + backfill.LEASE, account_id=account_id)
        if job is not None:
            await worker.backfill_step(job)
        async with pool.acquire() as conn:
            state = (await catching_up.backfills(conn, account_id, limit=1))[0]
        _progress(state.slice, state.slices)
        if state.state != "running":
            _say(f"{state.state}: {state.read} bookings read, {state.stored} new or changed")
            if state.unreadable:
                _complain(f"{state.unreadable} of them could not be read; the log names them")
            return 0 if state.state == "done" else 1
        if job is None or state.last_error:
            if state.last_error:
                _complain(f"YCLIENTS: {state.last_error}")
                if state.last_error == NOT_CONNECTED:
                    return 1
            await asyncio.sleep(min(5.0, max(0.2, (state.next_at - utc_now()).total_seconds())))


async def _past_calls(pool: Pool, worker: Worker, account_id: UUID, back: timedelta, *, dry_run: bool) -> int:
    """Reads past calls from UIS, here and now; a running server passes them on by the settings of telephony."""
    since = utc_now() - back
    if dry_run:
        try:
            number = await worker.calls.count_past(account_id, since=since)
        except calls.SourceAway as away:
            _complain(f"UIS: {away}")
            return 1
        if number is None:
            _complain("UIS is not connected; run `yclick account connect uis ACCOUNT`")
            return 1
        _say(f"{number} calls to read")
        return 0
    async with pool.acquire() as conn:
        try:
            begun = await calls.ask_past_since(conn, account_id, since=since, now=utc_now())
        except calls.NotOn:
            _complain("telephony is off; switch it on first: page «Подключение телефонии»")
            return 1
    if not begun:
        _say("a reading of past calls has not ended; it goes on where it was")
    while True:
        worked = await worker.calls.read_past(account_id)
        async with pool.acquire() as conn:
            state = await calls.past(conn, account_id)
        if state is None:
            return 1
        _progress(round(state.share * 100), 100)
        if state.done:
            _say(f"done: {state.read} calls read, {state.missed} new or changed")
            return 0
        if state.last_error:
            _complain(f"UIS: {state.last_error}")
            return 1
        if not worked:
            await asyncio.sleep(0.5)  # a running server has this part of it


async def _past_texts(pool: Pool, worker: Worker, account_id: UUID, back: timedelta, *, dry_run: bool) -> int:
    """Finds chats and site forms of past days, here and now; a server reads what was said and makes the clients."""
    now = utc_now()
    if dry_run:
        _say(f"{await worker.count_texts(account_id, since=now - back)} chats and site forms to look at")
        return 0
    async with pool.acquire() as conn:
        if why := await texts.why_no_past(conn, account_id):
            _complain(why)
            return 1
        if not await text_store.ask(conn, account_id, now - back, now, now=now):
            _say("past chats and site forms of this account are being read; it goes on where it was")
    while True:
        looked = await worker.look_at_texts(account_id)
        async with pool.acquire() as conn:
            watch = await text_store.watch_of(conn, account_id)
        assert watch is not None
        whole = watch["asked_till"] - watch["asked_from"]
        _progress((watch["asked_done"] - watch["asked_from"]) // timedelta(days=1), whole // timedelta(days=1))
        if watch["asked_done"] >= watch["asked_till"]:
            _say(f"done: {watch['asked_found']} chats and site forms that were not known")
            return 0
        if watch["last_error"]:
            _complain(f"UIS: {watch['last_error']}; a server goes on with it")
            return 1
        if not looked:
            await asyncio.sleep(0.5)


def _progress(done: int, whole: int) -> None:
    if sys.stderr.isatty():
        width = 30 * done // max(1, whole)
        sys.stderr.write(f"\r[{'█' * width}{'·' * (30 - width)}] {done}/{whole}" + ("\n" if done == whole else ""))
