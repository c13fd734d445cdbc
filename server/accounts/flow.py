"""Use cases of accounts: make one, log in, find out who is asking."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import secrets
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import argon2
import idna

from server.accounts import store
from server.accounts.model import Account, AccountId, Branch, LoginSession, Person, Role, ScriptSettings, Site
from server.platform.ids import digest, new_id, random_text
from server.platform.log import logger
from server.platform.postgres import Conn, Pool
from server.platform.vault import Vault

_log = logger(__name__)
LOGIN_LINK_LIFE = timedelta(hours=24)
#: How long a login waits for its code; then its password is forgotten.
WAITING_LOGIN_LIFE = timedelta(minutes=15)
SESSION_LIFE = timedelta(days=30)
_HASHER = argon2.PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
#: A hash no password has; checking against it makes an unknown e-mail cost as much time as a known one.
_NOBODY = _HASHER.hash(secrets.token_hex(16))
_hashing = asyncio.Semaphore(4)  # 19 MiB each: bounds the memory a flood of logins can take
_FREE_FAILURES = 5
_ID_BYTES = 6
#: How long a former webhook address stays good beside the new one.
HOOK_GRACE = timedelta(hours=48)


class BadAccount(ValueError):
    """A name, domain, branch or time zone that cannot be used; the text says why."""


class BadAccess(ValueError):
    """A change of e-mail or password that is refused; `code`: wrong, email, short, taken."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class TooManyAttempts(Exception):
    """Logins for this e-mail fail too often; `retry_after_s` says when to try again."""

    def __init__(self, retry_after_s: int) -> None:
        super().__init__(f"try again in {retry_after_s} s")
        self.retry_after_s = retry_after_s


@dataclass(frozen=True, slots=True)
class NewAccount:
    """What `account create` hands out; the secrets in it are shown this once."""

    account: Account
    site: Site
    branches: tuple[Branch, ...]
    api_token: str = field(repr=False)
    hook_tokens: dict[str, str] = field(repr=False)
    owner: Person

    def as_json(self, base_url: str) -> dict[str, Any]:
        """The account JSON of the contract."""
        return {
            "account_id": str(self.account.account_id),
            "api_token": self.api_token,
            **public_json(self.site, self.branches, base_url),
            "webhooks": {vendor: f"{base_url}/hooks/{vendor}/{token}" for vendor, token in self.hook_tokens.items()},
        }


def script_tag(url: str) -> str:
    return f'<script async src="{url}"></script>'


def public_json(site: Site, branches: tuple[Branch, ...], base_url: str) -> dict[str, Any]:
    site_url, form_url = f"{base_url}/s/{site.site_key}.js", f"{base_url}/f/{site.form_key}.js"
    return {
        "site": {
            "id": str(site.site_id), "domain": site.domain, "key": site.site_key,
            "script_url": site_url, "script_tag": script_tag(site_url),
        },
        "form": {"key": site.form_key, "script_url": form_url, "script_tag": script_tag(form_url)},
        "branches": [
            {"id": str(branch.branch_id), "company_id": branch.company_id, "timezone": branch.timezone}
            for branch in branches
        ],
    }  # fmt: skip


async def create_account(
    conn: Conn,
    vault: Vault,
    *,
    name: str,
    domain: str,
    branches: list[tuple[int, str]],
    owner_email: str | None = None,
    script: ScriptSettings | None = None,
) -> NewAccount:
    """An account with one site, its branches, an owner, tokens. `branches` are (company_id, IANA zone)."""
    if not name.strip():
        raise BadAccount("the account needs a name")
    account_id = new_id()
    account = Account(
        account_id, name.strip()[:200], "ru", "RU", "RUB", secrets.token_bytes(32), script or ScriptSettings()
    )
    site = Site(account_id, new_id(), clean_domain(domain), random_text(16), random_text(16))
    made = tuple(Branch(account_id, new_id(), company, "", check_zone(zone)) for company, zone in branches)
    if len({branch.company_id for branch in made}) != len(made):
        raise BadAccount("a branch is named twice")
    api_token = f"yck_{random_text(40)}"
    hooks = {vendor: random_text(32) for vendor in ("yclients", "uis")}
    owner = Person(
        account_id, new_id(), (owner_email or f"owner@{site.domain.partition(':')[0]}").lower(), "", Role.OWNER, None
    )
    async with conn.transaction():
        await store.insert_account(conn, account, vault.seal(account.hash_key, account_id=account_id, field="hash_key"))
        await store.insert_site(conn, site)
        for branch in made:
            await store.insert_branch(conn, branch)
        await store.insert_api_token(conn, account_id, digest(api_token), "first")
        for vendor, token in hooks.items():
            sealed = vault.seal(token.encode(), account_id=account_id, field="hook_token")
            await store.insert_hook_token(conn, account_id, digest(token), sealed, vendor)
        await store.insert_person(conn, owner, None)
    return NewAccount(account, site, made, api_token, hooks, owner)


async def add_branch(conn: Conn, account_id: AccountId, company_id: str, zone: str) -> int:
    """Adds a branch, or changes its time zone; answers its company id. Raises `BadAccount`."""
    if not re.fullmatch(r"[0-9]{1,18}", company_id, re.ASCII) or int(company_id) == 0:
        raise BadAccount(f"not a company id: {company_id[:40]!r}")
    branch = Branch(account_id, new_id(), int(company_id), "", check_zone(zone))
    await store.insert_branch(conn, branch)
    return branch.company_id


async def load_account(conn: Conn, vault: Vault, account_id: AccountId) -> Account | None:
    row = await store.account_row(conn, account_id)
    if row is None:
        return None
    return store.account_of(row, vault.open(row["hash_key"], account_id=account_id, field="hash_key"))


async def new_api_token(conn: Conn, account_id: AccountId, name: str) -> str:
    """A further API token; the old ones stay valid until revoked."""
    token = f"yck_{random_text(40)}"
    await store.insert_api_token(conn, account_id, digest(token), name)
    return token


def token_id(token_hash: bytes) -> str:
    """By which a token is named where it must not be shown: the beginning of its hash."""
    return bytes(token_hash[:_ID_BYTES]).hex()


async def revoke_api_token(conn: Conn, account_id: AccountId, named: str, *, by: str, now: datetime) -> bool:
    """Ends a token, named as `token_id` does; False: no valid token has this name."""
    if not re.fullmatch(rf"[0-9a-f]{{{2 * _ID_BYTES}}}", named, re.ASCII):
        return False
    done = await store.revoke_api_token(conn, account_id, bytes.fromhex(named), now)
    if done:
        _log.info("access.api_token_revoked", account_id=str(account_id), token=named, by=by)
    return done


async def rotate_hook(
    conn: Conn, vault: Vault, account_id: AccountId, vendor: str, *, grace: timedelta, by: str, now: datetime
) -> str:
    """A new webhook token; those before it are good for `grace` yet, so that nothing is lost while the vendor's settings
    are changed."""
    token = random_text(32)
    sealed = vault.seal(token.encode(), account_id=account_id, field="hook_token")
    async with conn.transaction():
        await store.expire_hook_tokens(conn, account_id, vendor, now + grace)
        await store.insert_hook_token(conn, account_id, digest(token), sealed, vendor)
    _log.info("access.hook_rotated", account_id=str(account_id), vendor=vendor, by=by, grace_s=grace.total_seconds())
    return token


async def hook_urls(conn: Conn, vault: Vault, account_id: AccountId, base_url: str) -> dict[str, str]:
    """The newest webhook address of each vendor, for the owner's own page."""
    found = {}
    for row in await store.hook_tokens(conn, account_id):
        token = vault.open(row["sealed_token"], account_id=account_id, field="hook_token").decode()
        found[row["vendor"]] = f"{base_url}/hooks/{row['vendor']}/{token}"
    return found


# --- connections to vendors


async def connect(
    conn: Conn,
    vault: Vault,
    account_id: AccountId,
    vendor: str,
    name: str,
    secret: dict[str, str],
    *,
    state: str = "active",
    note: str = "",
) -> None:
    """Keeps a vendor's credentials sealed, bound to this account and vendor."""
    sealed = vault.seal(json.dumps(secret).encode(), account_id=account_id, field=f"connection:{vendor}")
    await store.save_connection(conn, account_id, vendor, name, sealed, state=state, note=note)


async def credentials(
    conn: Conn, vault: Vault, account_id: AccountId, vendor: str, *, state: str = "active"
) -> dict[str, str] | None:
    """The opened credentials of a connection in this state; None when there is none (it was refused or switched off)."""
    row = await store.connection_row(conn, account_id, vendor)
    if row is None or row["state"] != state:
        return None
    opened: dict[str, str] = json.loads(vault.open(row["sealed"], account_id=account_id, field=f"connection:{vendor}"))
    return opened


async def keep_login(
    conn: Conn,
    vault: Vault,
    account_id: AccountId,
    vendor: str,
    typed: dict[str, str],
    *,
    recipient: str,
    now: datetime,
) -> None:
    """Keeps a login until its code comes, sealed and for `WAITING_LOGIN_LIFE`; the connection stays as it is."""
    sealed = vault.seal(json.dumps(typed).encode(), account_id=account_id, field=f"waiting_login:{vendor}")
    await store.save_login(conn, account_id, vendor, sealed, recipient=recipient, until=now + WAITING_LOGIN_LIFE)


async def waiting_login(
    conn: Conn, vault: Vault, account_id: AccountId, vendor: str, *, now: datetime
) -> dict[str, str] | None:
    row = await store.waiting_login(conn, account_id, vendor, now=now)
    if row is None:
        return None
    field = f"waiting_login:{vendor}"
    opened: dict[str, str] = json.loads(vault.open(row["sealed"], account_id=account_id, field=field))
    return opened


# --- logging in


async def new_login_link(conn: Conn, person: Person, base_url: str, *, now: datetime) -> str:
    """An address that logs this person in once, within a day."""
    token = random_text(32)
    await store.insert_login_link(conn, person, digest(token), now + LOGIN_LINK_LIFE)
    return f"{base_url}/login/{token}"


async def log_in_by_link(conn: Conn, token: str, *, now: datetime, user_agent: str) -> str | None:
    """The session token of a new session, or None for a spent, expired or unknown link."""
    person = await store.use_login_link(conn, digest(token), now)
    return await _open_session(conn, person, now=now, user_agent=user_agent) if person else None


async def log_in(pool: Pool, email: str, password: str, *, now: datetime, user_agent: str) -> str | None:
    """The session token, or None. Same answer and same time for an unknown e-mail as for a wrong password.

    Raises `TooManyAttempts`; the pause is kept per e-mail and grows, and nobody is locked out for longer than
    fifteen minutes, so that a stranger cannot keep an owner away. No connection is held while a password is checked:
    a flood of logins must not take the place of webhooks.
    """
    email = email.strip().lower()[:320]
    subject = digest(f"login:{email}")
    async with pool.acquire() as conn:
        await _refuse_too_many(conn, subject, now)
        people = await store.people_with_email(conn, email)
    known = [(person, stored) for person, stored in people if stored]
    if not known:
        await _is_right(_NOBODY, password)
    entered: Person | None = None
    for person, stored in known:
        if entered is None and await _is_right(stored, password):
            entered = person
    async with pool.acquire() as conn:
        if entered is None:
            await store.count_login_failure(conn, subject, now)
            return None
        if len(known) == 1:  # where several share an e-mail, one's login must not wipe out guesses at another's
            await store.forget_login_failures(conn, subject)
        return await _open_session(conn, entered, now=now, user_agent=user_agent)


async def change_access(
    pool: Pool, session: LoginSession, *, email: str, password: str, old_password: str, now: datetime
) -> None:
    """A new e-mail, and a new password where one is given; other sessions of the person end.

    Raises `BadAccess`, or `TooManyAttempts` after wrong old passwords. Who has no password yet came by a link of the
    server's terminal and is asked for none.
    """
    person, email = session.person, email.strip().lower()
    subject = digest(f"access:{person.account_id}:{person.person_id}")
    async with pool.acquire() as conn:
        stored = await store.password_hash(conn, person.account_id, person.person_id)
        await _refuse_too_many(conn, subject, now)
    if stored is not None and not await _is_right(stored, old_password):
        async with pool.acquire() as conn:
            await store.count_login_failure(conn, subject, now)
        raise BadAccess("wrong")
    if not re.fullmatch(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+", email) or len(email) > 320:
        raise BadAccess("email")
    if (password or stored is None) and not 10 <= len(password) <= 1000:
        raise BadAccess("short")
    hashed = await _hashed(password) if password else None
    async with pool.acquire() as conn, conn.transaction():
        if await store.email_in_use(conn, person.account_id, email, but=person.person_id):
            raise BadAccess("taken")
        await store.forget_login_failures(conn, subject)
        await store.save_access(conn, person, email=email, password_hash=hashed)
        await store.delete_other_sessions(conn, person, but=session.session_hash)


async def _is_right(stored: str, password: str) -> bool:
    async with _hashing:
        return await asyncio.to_thread(_verify, stored, password)


async def _hashed(password: str) -> str:
    async with _hashing:
        return await asyncio.to_thread(_HASHER.hash, password)


async def _refuse_too_many(conn: Conn, subject: bytes, now: datetime) -> None:
    row = await store.login_failures(conn, subject)
    if row is None or row["failures"] < _FREE_FAILURES:
        return
    pause_s = min(900, 5 * 2 ** (row["failures"] - _FREE_FAILURES))
    waited_s = (now - row["last_at"]).total_seconds()
    if waited_s < pause_s:
        raise TooManyAttempts(max(1, int(pause_s - waited_s)))


def _verify(stored: str, password: str) -> bool:
    with contextlib.suppress(argon2.exceptions.VerifyMismatchError, argon2.exceptions.InvalidHashError):
        return _HASHER.verify(stored, password)
    return False


async def _open_session(conn: Conn, person: Person, *, now: datetime, user_agent: str) -> str:
    token = random_text(43)
    await store.insert_session(
        conn, person, digest(token), now=now, expires_at=now + SESSION_LIFE, user_agent=user_agent
    )
    return token


async def session(conn: Conn, token: str, *, now: datetime) -> LoginSession | None:
    return await store.session_by_hash(conn, digest(token), now) if token else None


# --- checks of what a person typed

_DOMAIN = re.compile(r"^(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?::\d{1,5})?$")


def clean_domain(text: str) -> str:
    """`https://Салон.рф/page` → `xn--80aqecdr1a.xn--p1ai`; a port stays. Raises `BadAccount`."""
    host = re.sub(r"^[a-z]+://", "", text.strip().lower()).split("/")[0].split("@")[-1].rstrip(".")
    name, _, port = host.partition(":")
    with contextlib.suppress(idna.IDNAError):
        name = idna.encode(name, uts46=True).decode() if not name.isascii() else name
    host = f"{name}:{port}" if port else name
    if not host or len(host) > 253 or not _DOMAIN.match(host):
        raise BadAccount(f"not a domain: {text[:80]!r}")
    return host


def check_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise BadAccount(f"not a time zone: {name[:80]!r}; write it like Europe/Moscow") from None
    return name
