"""The line on top of an integration's page: on or off, what it lacks, when it last worked, what has not gone yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from server.accounts import store
from server.calls import networks
from server.delivery import inbox, relay
from server.delivery.relay import Kind
from server.platform.postgres import Conn, Row

#: What has not gone yet, worst first.
NOT_GONE = ("failed", "held", "retrying", "waiting")


@dataclass(frozen=True, slots=True)
class Lack:
    """`word` is a code of `words`, `mended_at` where it is mended."""

    word: str
    mended_at: str


@dataclass(frozen=True, slots=True)
class Standing:
    kind: Kind
    enabled: bool
    lacks: tuple[Lack, ...]
    last_at: datetime | None
    counts: Mapping[str, int]


async def is_on(conn: Conn, account_id: UUID, name: str) -> bool:
    """As it is saved: a form that was refused does not change it."""
    return await store.integration_enabled_at(conn, account_id, name) is not None


async def of_leads(conn: Conn, account_id: UUID, *, enabled: bool) -> Standing:
    lacks = [*_uis(await store.connection_row(conn, account_id, "uis"))]
    if not await inbox.came(conn, account_id, "yclients"):
        lacks.append(Lack("st_no_webhook", "/install"))
    return await _standing(conn, account_id, "lead", enabled, lacks)


async def of_deals(conn: Conn, account_id: UUID, *, enabled: bool) -> Standing:
    lacks = [
        *_uis(await store.connection_row(conn, account_id, "uis")),
        *_yclients(await store.connection_row(conn, account_id, "yclients")),
    ]
    if not await inbox.came(conn, account_id, "yclients"):
        lacks.append(Lack("st_no_webhook", "/install"))
    return await _standing(conn, account_id, "deal", enabled, lacks)


async def of_telephony(conn: Conn, account_id: UUID, *, enabled: bool) -> Standing:
    rows = await networks.rows(conn, account_id)
    lacks = [*_yclients(await store.connection_row(conn, account_id, "yclients"))]
    if not rows:
        lacks.insert(0, Lack("st_no_network", "#credentials"))
    elif any(row["state"] == "refused" for row in rows):
        lacks.insert(0, Lack("st_network_refused", "#credentials"))
    if not await inbox.came(conn, account_id, "uis"):
        lacks.append(Lack("st_no_notifications", "/integrations/notifications"))
    return await _standing(conn, account_id, "call", enabled, lacks)


async def of_texts(conn: Conn, account_id: UUID, *, enabled: bool) -> Standing:
    lacks = [*_yclients(await store.connection_row(conn, account_id, "yclients"))]
    if not await inbox.came(conn, account_id, "uis"):
        lacks.append(Lack("st_no_notifications", "/integrations/notifications"))
    return await _standing(conn, account_id, "client", enabled, lacks)


def _uis(connection: Row | None) -> tuple[Lack, ...]:
    if connection is None:
        return (Lack("st_no_uis", "/integrations/leads#uis"),)
    return () if connection["state"] == "active" else (Lack("st_uis_refused", "/integrations/leads#uis"),)


def _yclients(connection: Row | None) -> tuple[Lack, ...]:
    if connection is None:
        return (Lack("st_no_yclients", "/integrations/yclients"),)
    return () if connection["state"] == "active" else (Lack("st_yclients_refused", "/integrations/yclients"),)


async def _standing(conn: Conn, account_id: UUID, kind: Kind, enabled: bool, lacks: list[Lack]) -> Standing:
    counts = await relay.counts(conn, account_id, kind)
    last_at = await relay.last_delivered(conn, account_id, kind)
    return Standing(kind, enabled, tuple(lacks), last_at, counts)
