"""Leads: what an online booking is to the owner's advertising. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

Kind = Literal["visit", "default", "app"]


@dataclass(frozen=True, slots=True)
class Fallback:
    """Where a lead without a session goes: a campaign, or a source with a site."""

    campaign_id: int | None = None
    source_id: int | None = None
    site_id: int | None = None


@dataclass(frozen=True, slots=True)
class LeadSettings:
    """The integration «Yclients передача заявок c Онлайн-виджета»."""

    enabled: bool = False
    default: Fallback = Fallback()
    app: Fallback = Fallback()


@dataclass(frozen=True, slots=True)
class Attribution:
    kind: Kind
    to: Fallback


def attribute(*, has_visit: bool, origin: str, settings: LeadSettings) -> Attribution:
    """A matched visit speaks for itself; a booking from the app goes where the owner set, the rest to the default."""
    if has_visit:
        return Attribution("visit", Fallback())
    if origin == "mobile_app":
        return Attribution("app", settings.app)
    return Attribution("default", settings.default)


def session_of(wish: Mapping[str, Any]) -> str | None:
    """Which session a wish names: one of the other system's own, or the visit that is to become one."""
    for name in ("session_id", "visit_id"):
        if wish.get(name) is not None:
            return f"{name}:{wish[name]}"
    return None


#: How long, and how often, what was sent may still be put right.
CORRECTION_WINDOW = timedelta(hours=24)
CORRECTIONS_MOST = 1


def may_correct(
    sent: Mapping[str, Any],
    wanted: Mapping[str, Any],
    *,
    corrections: int,
    sent_at: datetime | None,
    allowed: bool,
    now: datetime,
) -> bool:
    """Whether a lead that was sent is taken back and sent again: once, within a day, and only because its visit was found.

    A change of the owner's settings is no reason: what stands there may have been worked on. Nor is a session that the
    other system has refused already.
    """
    session = session_of(wanted)
    if session is None or session in (session_of(sent), sent.get("refused")):
        return False
    fresh = sent_at is None or now - sent_at <= CORRECTION_WINDOW
    return allowed and fresh and corrections < CORRECTIONS_MOST
