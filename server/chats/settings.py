"""What the owner sets for texts (forms and chats); this model draws the API schema, too. Words are those of the help
page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from server.clients.settings import CardSettings, Chosen, Number, SiteBranch, Strict, among, branch_of_site

ClientOn = Literal["start", "end", "tag"]
FORM_COMMENT = "Заявка {date} {time}\nСайт: {site}\nКампания: {campaign}\nИмя: {name}\nПочта: {email}\n{message}"
CHAT_COMMENT = "Чат {date} {time}\nСайт: {site}\nКанал: {channel}\nИмя: {name}\nПочта: {email}\n{transcript}"
#: Types of forms and of chats as UIS names them; others may be written by hand.
FORM_TYPES = ("Пользовательская", "Стандартная", "DataAPI", "Facebook Ads")
CHAT_TYPES = (
    "comagic", "whatsapp", "waba", "telegram", "telegram_private", "vkontakte_groups", "viber", "avito", "instagram",
    "facebook", "max", "max_bot", "sms", "email", "cian", "auto_ru", "realty_yandex", "offline_message",
)  # fmt: skip


class TextFilter(Strict):
    """«Условия фильтрации»; an empty list lets everything through."""

    sites: tuple[Chosen, ...] = Field((), max_length=500)
    types: tuple[str, ...] = Field(
        (), max_length=50, description="of forms, or the channels of chats; as UIS names them"
    )

    @field_validator("types")
    @classmethod
    def _named(cls, types: tuple[str, ...]) -> tuple[str, ...]:
        if any(not name.strip() or len(name) > 100 for name in types):
            raise ValueError("a type needs a name of at most 100 characters")
        return tuple(dict.fromkeys(name.strip() for name in types))

    def why_not(self, *, site: tuple[int | None, str | None], type: str | None) -> Literal["site", "type"] | None:
        """The condition that is not met; None: it passes."""
        if self.sites and not among(self.sites, *site):
            return "site"
        if self.types and (type or "").strip().casefold() not in {name.casefold() for name in self.types}:
            return "type"
        return None


class FormsSettings(Strict):
    """«Передача заявок»."""

    enabled: bool = Field(False, description="«Передавать заявки»")
    branches: tuple[SiteBranch, ...] = Field((), max_length=1000, description="«Соотношение филиалов»")
    default_company_id: Number | None = Field(None, description="«Филиал по умолчанию»")
    filter: TextFilter = Field(default_factory=TextFilter, description="«Условия фильтрации»")
    create_client: bool = Field(True, description="«Создавать клиента»")
    card: CardSettings = Field(default_factory=lambda: CardSettings(comment=FORM_COMMENT))

    def branch_of(self, site_id: int | None, site_name: str | None) -> int | None:
        return branch_of_site(self.branches, self.default_company_id, site_id, site_name)


class ChatsSettings(Strict):
    """«Передача чатов»."""

    enabled: bool = Field(False, description="«Передавать чаты»")
    branches: tuple[SiteBranch, ...] = Field((), max_length=1000, description="«Соотношение филиалов»")
    default_company_id: Number | None = Field(None, description="«Филиал по умолчанию»")
    filter: TextFilter = Field(default_factory=TextFilter, description="«Условия фильтрации»")
    create_client: bool = Field(True, description="«Создавать клиента»")
    create_on: ClientOn = Field("end", description="начало чата | завершение чата | простановка тега")
    tags: tuple[Chosen, ...] = Field((), max_length=500, description="of «простановка тега»; empty: any tag")
    card: CardSettings = Field(default_factory=lambda: CardSettings(comment=CHAT_COMMENT))

    def branch_of(self, site_id: int | None, site_name: str | None) -> int | None:
        return branch_of_site(self.branches, self.default_company_id, site_id, site_name)

    def creates(self, event: ClientOn, tags: Sequence[tuple[int | None, str | None]] = ()) -> bool:
        """Whether the client is to be made on this event; `tags` are those of the chat so far."""
        if not self.create_client or event != self.create_on:
            return False
        if event != "tag":
            return True
        return any(among(self.tags, *tag) for tag in tags) if self.tags else bool(tags)


class TextsIntegration(Strict):
    """Settings of «Подключение текстовых коммуникаций»."""

    enabled: bool = False
    forms: FormsSettings = Field(default_factory=FormsSettings)
    chats: ChatsSettings = Field(default_factory=ChatsSettings)

    @model_validator(mode="after")
    def _each_site_once(self) -> TextsIntegration:
        for name, rows in (("forms", self.forms.branches), ("chats", self.chats.branches)):
            sites = [row.site.id if row.site.id is not None else row.site.name.casefold() for row in rows]
            if len(set(sites)) < len(sites):
                raise ValueError(f"{name}: a site stands twice in the table of branches")
        return self


def read_settings(stored: Mapping[str, Any] | None) -> TextsIntegration:
    return TextsIntegration.model_validate(stored or {})
