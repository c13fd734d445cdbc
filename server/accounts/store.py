"""SQL of accounts. `account_id` comes first in every query but the look-ups that find the account itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from server.accounts.model import (
    Account,
    AccountId,
    Branch,
    LoginSession,
    Person,
    Role,
    ScriptKey,
    ScriptSettings,
    Site,
)
from server.delivery import notices
from server.platform.postgres import Conn, Row


async def insert_account(conn: Conn, account: Account, sealed_hash_key: bytes) -> None:
    await conn.execute(
        "insert into account (account_id, name, locale, phone_region, currency, hash_key, settings)"
        " values ($1, $2, $3, $4, $5, $6, $7)",
        account.account_id, account.name, account.locale, account.phone_region, account.currency, sealed_hash_key,
        {"script": _script_json(account.script)},
    )  # fmt: skip


async def account_row(conn: Conn, account_id: AccountId) -> Row | None:
    return await conn.fetchrow(
        "select account_id, name, locale, phone_region, currency, hash_key, settings from account where account_id = $1",
        account_id,
    )


async def account_ids(conn: Conn) -> list[AccountId]:
    return [row["account_id"] for row in await conn.fetch("select account_id from account order by created_at")]


async def account_id_by_name(conn: Conn, name: str) -> list[AccountId]:
    rows = await conn.fetch("select account_id from account where name = $1 order by created_at", name)
    return [row["account_id"] for row in rows]


def account_of(row: Row, hash_key: bytes) -> Account:
    script: Mapping[str, Any] = row["settings"].get("script", {})
    return Account(
        account_id=row["account_id"],
        name=row["name"],
        locale=row["locale"],
        phone_region=row["phone_region"],
        currency=row["currency"],
        hash_key=hash_key,
        script=ScriptSettings(
            form_hosts=tuple(script.get("form_hosts", ())),
            consent=script.get("consent", "granted"),
            gpc=script.get("gpc", "respect"),
            visit_timeout_s=script.get("visit_timeout_s", 1800),
            excluded_referrers=tuple(script.get("excluded_referrers", ())),
        ),
    )


async def save_script_settings(conn: Conn, account_id: AccountId, script: ScriptSettings) -> None:
    await conn.execute(
        "update account set settings = settings || $2 where account_id = $1",
        account_id,
        {"script": _script_json(script)},
    )


async def save_locale(conn: Conn, account_id: AccountId, person_id: UUID, locale: str) -> None:
    await conn.execute(
        "update person set locale = $3 where account_id = $1 and person_id = $2", account_id, person_id, locale
    )


def _script_json(script: ScriptSettings) -> dict[str, Any]:
    return {
        "form_hosts": list(script.form_hosts),
        "consent": script.consent,
        "gpc": script.gpc,
        "visit_timeout_s": script.visit_timeout_s,
        "excluded_referrers": list(script.excluded_referrers),
    }


# --- sites and branches


async def insert_site(conn: Conn, site: Site) -> None:
    await conn.execute(
        "insert into site (account_id, site_id, domain, site_key, form_key) values ($1, $2, $3, $4, $5)",
        site.account_id, site.site_id, site.domain, site.site_key, site.form_key,
    )  # fmt: skip


async def sites(conn: Conn, account_id: AccountId) -> list[Site]:
    rows = await conn.fetch(
        "select account_id, site_id, domain, site_key, form_key from site where account_id = $1 order by created_at",
        account_id,
    )
    return [_site(row) for row in rows]


async def script_key(conn: Conn, key: str) -> ScriptKey | None:
    """What the public `key` of a page stands for; looked up without an account, for it names one."""
    row = await conn.fetchrow(
        "select account_id, site_id, domain, site_key, form_key from site where site_key = $1 or form_key = $1", key
    )
    return ScriptKey(_site(row), "site" if row["site_key"] == key else "form") if row else None


def _site(row: Row) -> Site:
    return Site(row["account_id"], row["site_id"], row["domain"], row["site_key"], row["form_key"])


async def insert_branch(conn: Conn, branch: Branch) -> None:
    await conn.execute(
        "insert into branch (account_id, branch_id, company_id, title, timezone) values ($1, $2, $3, $4, $5)"
        " on conflict (account_id, company_id) do update set timezone = excluded.timezone",
        branch.account_id, branch.branch_id, branch.company_id, branch.title, branch.timezone,
    )  # fmt: skip


async def branches(conn: Conn, account_id: AccountId) -> list[Branch]:
    rows = await conn.fetch(
        "select account_id, branch_id, company_id, title, timezone from branch where account_id = $1"
        " order by created_at, company_id",
        account_id,
    )
    return [Branch(*row.values()) for row in rows]


async def readable_branches(conn: Conn, account_id: AccountId) -> dict[int, str]:
    """Company ids of the branches that can be read by API, and by what: `app` or `login`."""
    rows = await conn.fetch("select company_id, via from readable_branch where account_id = $1", account_id)
    return {row["company_id"]: row["via"] for row in rows}


async def branch_of_company(conn: Conn, account_id: AccountId, company_id: int) -> Branch | None:
    row = await conn.fetchrow(
        "select account_id, branch_id, company_id, title, timezone from branch"
        " where account_id = $1 and company_id = $2",
        account_id,
        company_id,
    )
    return Branch(*row.values()) if row else None


# --- secrets that name an account


async def insert_hook_token(conn: Conn, account_id: AccountId, token_hash: bytes, sealed: bytes, vendor: str) -> None:
    await conn.execute(
        "insert into hook_token (account_id, token_hash, sealed_token, vendor) values ($1, $2, $3, $4)",
        account_id, token_hash, sealed, vendor,
    )  # fmt: skip


async def account_of_hook(conn: Conn, token_hash: bytes, vendor: str, now: datetime) -> AccountId | None:
    account_id: AccountId | None = await conn.fetchval(
        "select account_id from hook_token where token_hash = $1 and vendor = $2"
        " and (expires_at is null or expires_at > $3)",
        token_hash,
        vendor,
        now,
    )
    return account_id


async def touch_hook_token(conn: Conn, account_id: AccountId, token_hash: bytes, now: datetime) -> None:
    await conn.execute(
        "update hook_token set last_used_at = $3 where account_id = $1 and token_hash = $2", account_id, token_hash, now
    )


async def hook_tokens(conn: Conn, account_id: AccountId) -> list[Row]:
    return await conn.fetch(
        "select vendor, sealed_token, created_at, last_used_at, expires_at from hook_token where account_id = $1"
        " order by created_at",
        account_id,
    )


async def expire_hook_tokens(conn: Conn, account_id: AccountId, vendor: str, until: datetime) -> None:
    """What is valid now is valid until then at most."""
    await conn.execute(
        "update hook_token set expires_at = least(coalesce(expires_at, $3), $3) where account_id = $1 and vendor = $2",
        account_id, vendor, until,
    )  # fmt: skip


async def api_tokens(conn: Conn, account_id: AccountId) -> list[Row]:
    """Those that are valid."""
    return await conn.fetch(
        "select token_hash, name, created_at from api_token where account_id = $1 and revoked_at is null"
        " order by created_at",
        account_id,
    )


async def revoke_api_token(conn: Conn, account_id: AccountId, hash_start: bytes, now: datetime) -> bool:
    """Revokes the valid token whose hash begins so; False: there is none."""
    done = await conn.execute(
        "update api_token set revoked_at = $3 where account_id = $1 and revoked_at is null"
        " and substring(token_hash from 1 for length($2::bytea)) = $2::bytea",
        account_id, hash_start, now,
    )  # fmt: skip
    return not done.endswith(" 0")


async def insert_api_token(conn: Conn, account_id: AccountId, token_hash: bytes, name: str) -> None:
    await conn.execute(
        "insert into api_token (account_id, token_hash, name) values ($1, $2, $3)", account_id, token_hash, name
    )


async def account_of_api_token(conn: Conn, token_hash: bytes) -> AccountId | None:
    account_id: AccountId | None = await conn.fetchval(
        "select account_id from api_token where token_hash = $1 and revoked_at is null", token_hash
    )
    return account_id


# --- people


async def insert_person(conn: Conn, person: Person, password_hash: str | None) -> None:
    await conn.execute(
        "insert into person (account_id, person_id, email, name, password_hash, role, locale)"
        " values ($1, $2, $3, $4, $5, $6, $7)",
        person.account_id, person.person_id, person.email, person.name, password_hash, person.role.value, person.locale,
    )  # fmt: skip


async def people_with_email(conn: Conn, email: str) -> list[tuple[Person, str | None]]:
    """Everybody who logs in with this e-mail (one person may own several accounts), with their password hashes."""
    rows = await conn.fetch(
        "select account_id, person_id, email, name, role, locale, password_hash from person where email = $1"
        " order by created_at limit 5",
        email,
    )
    return [(_person(row), row["password_hash"]) for row in rows]


async def password_hash(conn: Conn, account_id: AccountId, person_id: UUID) -> str | None:
    found: str | None = await conn.fetchval(
        "select password_hash from person where account_id = $1 and person_id = $2", account_id, person_id
    )
    return found


async def email_in_use(conn: Conn, account_id: AccountId, email: str, *, but: UUID) -> bool:
    """Whether another person of the account has this e-mail."""
    used: bool = await conn.fetchval(
        "select exists (select 1 from person where account_id = $1 and email = $2 and person_id <> $3)",
        account_id, email, but,
    )  # fmt: skip
    return used


async def first_owner(conn: Conn, account_id: AccountId) -> Person | None:
    row = await conn.fetchrow(
        "select account_id, person_id, email, name, role, locale from person"
        " where account_id = $1 and role = 'owner' order by created_at limit 1",
        account_id,
    )
    return _person(row) if row else None


async def owners(conn: Conn, account_id: AccountId) -> list[Person]:
    """Who is told what happens to the account."""
    rows = await conn.fetch(
        "select account_id, person_id, email, name, role, locale from person"
        " where account_id = $1 and role = 'owner' order by created_at",
        account_id,
    )
    return [_person(row) for row in rows]


async def save_access(conn: Conn, person: Person, *, email: str, password_hash: str | None) -> None:
    """The e-mail, and the password where a new one is given."""
    await conn.execute(
        "update person set email = $3, password_hash = coalesce($4, password_hash)"
        " where account_id = $1 and person_id = $2",
        person.account_id, person.person_id, email, password_hash,
    )  # fmt: skip


def _person(row: Row) -> Person:
    return Person(row["account_id"], row["person_id"], row["email"], row["name"], Role(row["role"]), row["locale"])


async def insert_login_link(conn: Conn, person: Person, link_hash: bytes, expires_at: datetime) -> None:
    await conn.execute(
        "insert into login_link (account_id, link_hash, person_id, expires_at) values ($1, $2, $3, $4)",
        person.account_id, link_hash, person.person_id, expires_at,
    )  # fmt: skip


async def use_login_link(conn: Conn, link_hash: bytes, now: datetime) -> Person | None:
    """The person of an unused, unexpired link; the link is spent by the same statement."""
    row = await conn.fetchrow(
        "update login_link l set used_at = $2 from person p"
        " where l.link_hash = $1 and l.used_at is null and l.expires_at > $2"
        " and p.account_id = l.account_id and p.person_id = l.person_id"
        " returning p.account_id, p.person_id, p.email, p.name, p.role, p.locale",
        link_hash,
        now,
    )
    return _person(row) if row else None


async def insert_session(
    conn: Conn, person: Person, session_hash: bytes, *, now: datetime, expires_at: datetime, user_agent: str
) -> None:
    await conn.execute(
        "insert into login_session (account_id, session_hash, person_id, created_at, last_seen_at, expires_at, user_agent)"
        " values ($1, $2, $3, $4, $4, $5, $6)",
        person.account_id, session_hash, person.person_id, now, expires_at, user_agent[:256],
    )  # fmt: skip


async def session_by_hash(conn: Conn, session_hash: bytes, now: datetime) -> LoginSession | None:
    row = await conn.fetchrow(
        "select p.account_id, p.person_id, p.email, p.name, p.role, p.locale, s.created_at"
        " from login_session s join person p on p.account_id = s.account_id and p.person_id = s.person_id"
        " where s.session_hash = $1 and s.expires_at > $2",
        session_hash,
        now,
    )
    return LoginSession(_person(row), session_hash, row["created_at"]) if row else None


async def delete_session(conn: Conn, account_id: AccountId, session_hash: bytes) -> None:
    """Ends a session, and the screens of the workplace that were opened from it.

    The session first: a screen that is just being opened from it is waited for, and then seen.
    """
    async with conn.transaction():
        await conn.execute(
            "delete from login_session where account_id = $1 and session_hash = $2", account_id, session_hash
        )
        await conn.execute("delete from device where account_id = $1 and opened_by = $2", account_id, session_hash)


async def sessions_of(conn: Conn, account_id: AccountId, person_id: UUID, now: datetime) -> list[Row]:
    return await conn.fetch(
        "select session_hash, created_at, user_agent from login_session"
        " where account_id = $1 and person_id = $2 and expires_at > $3 order by created_at desc",
        account_id, person_id, now,
    )  # fmt: skip


async def delete_other_sessions(conn: Conn, person: Person, *, but: bytes) -> None:
    """Ends all sessions of a person but one, and the screens that were not opened from that; in the order of one."""
    async with conn.transaction():
        await conn.execute(
            "delete from login_session where account_id = $1 and person_id = $2 and session_hash <> $3",
            person.account_id, person.person_id, but,
        )  # fmt: skip
        await conn.execute(
            "delete from device where account_id = $1 and person_id = $2 and opened_by is distinct from $3",
            person.account_id, person.person_id, but,
        )  # fmt: skip


async def login_failures(conn: Conn, subject_hash: bytes) -> Row | None:
    return await conn.fetchrow("select failures, last_at from login_attempt where subject_hash = $1", subject_hash)


async def count_login_failure(conn: Conn, subject_hash: bytes, now: datetime) -> None:
    """Counts one, and forgets what is a day old: a flood of made-up e-mails must not grow the table for ever."""
    await conn.execute("delete from login_attempt where last_at < $1", now - timedelta(days=1))
    await conn.execute(
        "insert into login_attempt (subject_hash, failures, last_at) values ($1, 1, $2)"
        " on conflict (account_id, subject_hash) do update set failures = case"
        " when login_attempt.last_at < $2 - interval '1 hour' then 1 else login_attempt.failures + 1 end, last_at = $2",
        subject_hash,
        now,
    )


async def forget_login_failures(conn: Conn, subject_hash: bytes) -> None:
    await conn.execute("delete from login_attempt where subject_hash = $1", subject_hash)


# --- connections and integrations


async def save_connection(
    conn: Conn, account_id: AccountId, vendor: str, name: str, sealed: bytes, *, state: str = "active", note: str = ""
) -> None:
    await conn.execute(
        "insert into connection (account_id, vendor, name, sealed, state, state_note) values ($1, $2, $3, $4, $5, $6)"
        " on conflict (account_id, vendor) do update set name = excluded.name, sealed = excluded.sealed,"
        " state = excluded.state, state_note = excluded.state_note, updated_at = now()",
        account_id, vendor, name, sealed, state, note,
    )  # fmt: skip


async def connection_row(conn: Conn, account_id: AccountId, vendor: str) -> Row | None:
    return await conn.fetchrow(
        "select name, sealed, state, state_note, updated_at from connection where account_id = $1 and vendor = $2",
        account_id,
        vendor,
    )


async def why_held(conn: Conn, account_id: AccountId, vendor: str) -> tuple[str, str]:
    """Why nothing may be sent over a connection: a code and its sentence; both empty while it works."""
    row = await connection_row(conn, account_id, vendor)
    # Branches that joined by the marketplace need no login of the account.
    if (row is None or row["state"] != "active") and vendor == "yclients" and await readable_branches(conn, account_id):
        return "", ""
    if row is None:
        return "not_connected", ""
    return ("", "") if row["state"] == "active" else ("connection_refused", row["state_note"])


async def refuse_connection(conn: Conn, account_id: AccountId, vendor: str, note: str, *, tried_at: datetime) -> bool:
    """The vendor refused a try begun at `tried_at`; False: the connection was mended since, and stays as it is."""
    marked = await conn.fetchval(
        "update connection set state = 'refused', state_note = $3, updated_at = now()"
        " where account_id = $1 and vendor = $2 and (state = 'refused' or updated_at <= $4) returning true",
        account_id, vendor, note[:500], tried_at,
    )  # fmt: skip
    return marked is True


async def mark_connection(conn: Conn, account_id: AccountId, vendor: str, state: str, note: str) -> None:
    await conn.execute(
        "update connection set state = $3, state_note = $4, updated_at = now() where account_id = $1 and vendor = $2",
        account_id, vendor, state, note[:500],
    )  # fmt: skip


async def save_login(
    conn: Conn, account_id: AccountId, vendor: str, sealed: bytes, *, recipient: str, until: datetime
) -> None:
    await conn.execute(
        "insert into waiting_login (account_id, vendor, sealed, recipient, until) values ($1, $2, $3, $4, $5)"
        " on conflict (account_id, vendor) do update set sealed = excluded.sealed, recipient = excluded.recipient,"
        " until = excluded.until",
        account_id, vendor, sealed, recipient[:200], until,
    )  # fmt: skip


async def waiting_login(conn: Conn, account_id: AccountId, vendor: str, *, now: datetime) -> Row | None:
    """A login whose code has not come yet. One whose time is over is deleted, not answered."""
    await conn.execute(
        "delete from waiting_login where account_id = $1 and vendor = $2 and until <= $3", account_id, vendor, now
    )
    return await conn.fetchrow(
        "select sealed, recipient, until from waiting_login where account_id = $1 and vendor = $2", account_id, vendor
    )


async def forget_login(conn: Conn, account_id: AccountId, vendor: str) -> None:
    await conn.execute("delete from waiting_login where account_id = $1 and vendor = $2", account_id, vendor)


async def integration_settings(conn: Conn, account_id: AccountId, name: str) -> dict[str, Any] | None:
    settings: dict[str, Any] | None = await conn.fetchval(
        "select settings from integration where account_id = $1 and name = $2", account_id, name
    )
    return settings


async def integration_enabled_at(conn: Conn, account_id: AccountId, name: str) -> datetime | None:
    """Since when an integration is on; None while it is off."""
    at: datetime | None = await conn.fetchval(
        "select enabled_at from integration where account_id = $1 and name = $2", account_id, name
    )
    return at


#: What each integration delivers, as notices name it.
_TOPICS = {"leads": "lead", "deals": "deal", "telephony": "call", "texts": "client"}


async def save_integration(
    conn: Conn, account_id: AccountId, name: str, settings: Mapping[str, Any], *, now: datetime
) -> None:
    """Keeps what the owner set; the moment it was switched on stays while it is on."""
    await conn.execute(
        "insert into integration (account_id, name, settings, enabled_at, updated_at) values ($1, $2, $3,"
        " case when $4 then $5::timestamptz end, $5) on conflict (account_id, name) do update set"
        " settings = excluded.settings, updated_at = excluded.updated_at,"
        " enabled_at = case when $4 then coalesce(integration.enabled_at, $5) end",
        account_id, name, dict(settings), bool(settings.get("enabled")), now,
    )  # fmt: skip
    if not settings.get("enabled") and name in _TOPICS:
        await notices.over(conn, account_id, _TOPICS[name], now=now)  # nobody waits for what is switched off
