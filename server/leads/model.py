"""Leads: what an online booking is to the owner's advertising. Pure; no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

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
