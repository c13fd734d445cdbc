"""Operators of an account: people who may use the workplace and nothing else of the cabinet but their own login."""

from __future__ import annotations

import re
from datetime import datetime
from uuid import UUID

from server.accounts import flow as accounts
from server.accounts import store as account_store
from server.accounts.model import Person, Role
from server.platform.ids import new_id
from server.platform.postgres import Conn
from server.workplace import store

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(?:\.[^@\s.]+)+")


class BadOperator(ValueError):
    """`code`: email, taken, employee, number."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


async def add(conn: Conn, account_id: UUID, *, name: str, email: str, base_url: str, now: datetime) -> str:
    """A new operator; answers the address that logs them in once. Raises `BadOperator`."""
    email = email.strip().lower()
    if not _EMAIL.fullmatch(email) or len(email) > 320:
        raise BadOperator("email")
    person = Person(account_id, new_id(), email, name.strip()[:100], Role.OPERATOR, None)
    if await account_store.email_in_use(conn, account_id, email, but=person.person_id):
        raise BadOperator("taken")
    await account_store.insert_person(conn, person, None)
    return await accounts.new_login_link(conn, person, base_url, now=now)


async def login_link(conn: Conn, account_id: UUID, person_id: UUID, *, base_url: str, now: datetime) -> str | None:
    """Another address that logs an operator in once; None for anybody else."""
    person = await store.operator_person(conn, account_id, person_id)
    return await accounts.new_login_link(conn, person, base_url, now=now) if person else None


async def save(conn: Conn, account_id: UUID, person_id: UUID, *, employee: str, number: str) -> bool:
    """Which employee of the telephony a person is, and which number clients see. Raises `BadOperator`."""
    employee, number = employee.strip(), re.sub(r"[\s()+-]", "", number)
    if employee and not re.fullmatch(r"[1-9][0-9]{0,17}", employee, re.ASCII):
        raise BadOperator("employee")
    if number and not re.fullmatch(r"[0-9]{5,15}", number, re.ASCII):
        raise BadOperator("number")
    if not await store.is_person(conn, account_id, person_id):
        return False
    await store.save_operator(
        conn, account_id, person_id, employee_id=int(employee) if employee else None, virtual_number=number
    )
    return True


async def remove(conn: Conn, account_id: UUID, person_id: UUID) -> bool:
    """Takes an operator away, with their logins and screens; what they did stays under their name."""
    if await store.operator_person(conn, account_id, person_id) is None:
        return False
    await store.delete_person(conn, account_id, person_id)
    return True
