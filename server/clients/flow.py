"""A person who called or wrote becomes a client of a branch: found by phone, made where absent, told about once.

`want` is for whoever heard of the person: it only writes rows and a job, in the caller's transaction. The rest follows
by the relay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

import phonenumbers

from server.accounts import store as accounts
from server.clients import store
from server.clients.model import NAME_MOST, TEXT_MOST, NoClient, Wanted, email_address, person_name, tidy
from server.delivery import relay
from server.platform.phones import phone_e164
from server.platform.postgres import Conn


@dataclass(frozen=True, slots=True)
class Asked:
    """The client is wanted. `new`: whether anything is wanted that was not before."""

    branch_client_id: UUID
    phone: str
    new: bool


async def want(conn: Conn, account_id: UUID, wanted: Wanted, *, now: datetime) -> Asked | NoClient:
    """A person is to be a client of a branch; answers why not where there is no phone that a person answers.

    Runs in the caller's transaction and calls nobody. Asked again with the same key nothing changes.
    """
    phone = client_phone(wanted.phone, region=await store.phone_region(conn, account_id))
    if not phone.startswith("+"):
        return phone  # type: ignore[return-value]
    wish = replace(
        wanted, name=person_name(wanted.name), email=email_address(wanted.email), comment=tidy(wanted.comment, TEXT_MOST),
        card_name=tidy(wanted.card_name, NAME_MOST), label=tidy(wanted.label, 100),
    )  # fmt: skip
    passed_by = wish.make and await store.is_not_to_be_made(conn, account_id, wish.company_id, phone)
    branch_client_id = await store.ensure_client(conn, account_id, phone, wish, now=now)
    new = await store.add_comment(conn, account_id, branch_client_id, wish, now=now) or passed_by
    if wish.make:
        new |= await store.revive(conn, account_id, branch_client_id)
    if not new:
        return Asked(branch_client_id, phone, new=False)
    row = await store.count_wish(conn, account_id, branch_client_id)
    held, why = await accounts.why_held(conn, account_id, "yclients")
    await relay.want(conn, account_id, "client", branch_client_id, dict(row), now=now, held=held, why=why)
    return Asked(branch_client_id, phone, new=True)


async def shown_phone(conn: Conn, account_id: UUID, raw: str) -> str:
    """The phone as E.164; empty for none, and for one nobody can be called by."""
    return (phone_e164(raw, region=await store.phone_region(conn, account_id)) or "") if raw else ""


def client_phone(raw: str, *, region: str) -> str:
    """The phone of a person as E.164, or a `NoClient`: hidden, broken, or the number of a service."""
    if not raw.strip():
        return "no_phone"
    phone = phone_e164(raw, region=region)
    if phone is None:
        return "bad_phone"
    kind = phonenumbers.number_type(phonenumbers.parse(phone))
    return "service_phone" if kind in _SERVICES else phone


_SERVICES = frozenset(
    {
        phonenumbers.PhoneNumberType.TOLL_FREE, phonenumbers.PhoneNumberType.PREMIUM_RATE,
        phonenumbers.PhoneNumberType.SHARED_COST, phonenumbers.PhoneNumberType.UAN,
        phonenumbers.PhoneNumberType.VOICEMAIL, phonenumbers.PhoneNumberType.PAGER,
    }
)  # fmt: skip
