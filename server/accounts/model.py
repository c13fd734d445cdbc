"""Tenants and what belongs to them. Pure types; no I/O."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal
from uuid import UUID

Locale = Literal["ru", "en"]
AccountId = UUID


class Role(StrEnum):
    OWNER = "owner"
    TECHNICIAN = "technician"
    MARKETER = "marketer"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class ScriptSettings:
    """What the owner sets for the scripts; defaults as in docs/collector.md."""

    form_hosts: tuple[str, ...] = ()
    consent: Literal["granted", "required"] = "granted"
    gpc: Literal["respect", "ignore"] = "respect"
    visit_timeout_s: int = 1800
    excluded_referrers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Account:
    account_id: AccountId
    name: str
    locale: Locale
    phone_region: str  # ISO 3166 country in which a phone without a country code is dialled
    currency: str  # ISO 4217
    hash_key: bytes = field(repr=False)  # keys the HMAC of phones and e-mails
    script: ScriptSettings = ScriptSettings()


@dataclass(frozen=True, slots=True)
class Site:
    account_id: AccountId
    site_id: UUID
    domain: str
    site_key: str
    form_key: str


@dataclass(frozen=True, slots=True)
class Branch:
    account_id: AccountId
    branch_id: UUID
    company_id: int
    title: str
    timezone: str  # IANA name; the branch's wall clock


@dataclass(frozen=True, slots=True)
class Person:
    account_id: AccountId
    person_id: UUID
    email: str
    name: str
    role: Role
    locale: Locale | None


@dataclass(frozen=True, slots=True)
class LoginSession:
    person: Person
    session_hash: bytes = field(repr=False)
    created_at: datetime


@dataclass(frozen=True, slots=True)
class Device:
    """A screen of the workplace and whose it is."""

    person: Person
    device_id: UUID
    kind: Literal["extension", "frame", "tab"]


@dataclass(frozen=True, slots=True)
class ScriptKey:
    """What a public key in a page stands for."""

    site: Site
    place: Literal["site", "form"]
