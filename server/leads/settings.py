"""What the owner sets for leads; this model draws the API schema, too. Words are those of the help page."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from server.leads.model import Fallback, LeadSettings

Lack = Literal["site"]


class Target(BaseModel):
    """«Рекламная кампания/источник»: a campaign, or a source with a site."""

    model_config = ConfigDict(extra="forbid")

    entity: Literal["source", "campaign"] = "source"
    campaign_id: int | None = Field(None, gt=0, lt=1 << 53)
    source_id: int | None = Field(None, gt=-(1 << 31), lt=1 << 53, description="system sources have negative ids")
    site_id: int | None = Field(None, gt=0, lt=1 << 53)

    @property
    def lacks(self) -> Lack | None:
        """What is missing of a choice that was begun; None when nothing or all of it is there."""
        if self.entity == "source" and self.source_id is not None and self.site_id is None:
            return "site"
        return None

    def fallback(self) -> Fallback:
        if self.entity == "campaign":
            return Fallback(campaign_id=self.campaign_id)
        return Fallback(source_id=self.source_id, site_id=self.site_id)


class UtmSessions(BaseModel):
    """A visit that UIS did not see, with UTM or a click id, becomes a session there; needs a component of the account."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = False
    site_id: int | None = Field(None, gt=0, lt=1 << 53, description="the site of UIS that the sessions belong to")


class LeadsIntegration(BaseModel):
    """Settings of «Yclients передача заявок c Онлайн-виджета»."""

    model_config = ConfigDict(extra="forbid")

    enabled: bool = False
    default: Target = Field(default_factory=Target, description="for bookings without a session")
    mobile_app: Target = Field(default_factory=Target, description="for bookings made in the mobile app")
    utm_sessions: UtmSessions = Field(
        default_factory=UtmSessions,
        description="visits with UTM but without a session of UIS are loaded as sessions («Загрузка сессий из внешней системы»)",
    )
    correct: bool = Field(
        True, description="a lead whose visit is found after it was delivered is put right, once and within a day"
    )

    @model_validator(mode="after")
    def _complete(self) -> LeadsIntegration:
        if self.enabled and self.default.fallback() == Fallback():
            raise ValueError("choose a campaign, or a source and a site, for bookings without a session")
        if self.default.lacks or self.mobile_app.lacks:
            raise ValueError("a source needs its site")
        if self.utm_sessions.enabled and self.utm_sessions.site_id is None:
            raise ValueError("sessions by UTM need their site")
        return self

    def settings(self) -> LeadSettings:
        return LeadSettings(self.enabled, self.default.fallback(), self.mobile_app.fallback())


def read_settings(stored: dict[str, Any] | None) -> LeadsIntegration:
    return LeadsIntegration.model_validate(stored or {})
