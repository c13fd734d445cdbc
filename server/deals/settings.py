"""What the owner sets for deals; this model draws the API schema, too. Words are those of the help page."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from server.bookings.model import BookingStatus
from server.deals.funnel import STAGES_IN_PROCESS, Funnel, make_funnel
from server.deals.history import Rules
from server.deals.model import DealSettings, FieldName, FieldRule, Responsible, ResponsibleRule
from server.deals.titles import PLACEHOLDERS, TEMPLATE_LIMIT, read_title

Locale = Literal["ru", "en"]
Key = Annotated[str, Field(pattern=r"^[0-9A-Za-z_.:-]{1,64}$")]
Name = Annotated[str, Field(min_length=1, max_length=255, pattern=r"\S")]
Number = Annotated[int, Field(gt=0, lt=1 << 53)]
_FUNNEL = "yclick"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class StageSettings(_Strict):
    """«Этап»."""

    key: Key
    name: Name


class StageOf(_Strict):
    """The key of the stage for each status of a booking."""

    waiting: Key = "waiting"
    confirmed: Key = "confirmed"
    came: Key = "success"
    no_show: Key = "failed"
    deleted: Key = "failed"


class FunnelSettings(_Strict):
    """«Воронка продаж и ее этапы»: the stages in process in their order, one of success, one of failure."""

    key: Key | None = Field(None, description="of a funnel that exists already; without it one is made")
    name: Name = "Записи YCLIENTS"
    in_process: list[StageSettings] = Field(
        default_factory=lambda: [
            StageSettings(key="waiting", name="Ожидает"),
            StageSettings(key="confirmed", name="Подтверждена"),
        ],
        max_length=STAGES_IN_PROCESS,
    )
    success: StageSettings = StageSettings(key="success", name="Клиент пришёл")
    failed: StageSettings = StageSettings(key="failed", name="Отменена или клиент не пришёл")
    stage_of: StageOf = Field(default_factory=StageOf)

    @model_validator(mode="after")
    def _possible(self) -> FunnelSettings:
        self.funnel(_FUNNEL)
        return self

    def funnel(self, key: str, name: str | None = None) -> Funnel:
        stage_of = self.stage_of.model_dump()
        return make_funnel(
            self.key or key,
            name or self.name,
            in_process=[(stage.key, stage.name) for stage in self.in_process],
            success=(self.success.key, self.success.name),
            failed=(self.failed.key, self.failed.name),
            stage_of={status: stage_of[status.value] for status in BookingStatus},
        )


class BranchFunnel(_Strict):
    """The funnel of one branch."""

    company_id: Number
    funnel: FunnelSettings


class ResponsiblePerson(_Strict):
    """A row of the table of responsible people: who in YCLIENTS is whom in UIS."""

    id: Number = Field(description="of the staff member, or of the user who created the booking")
    name: Name
    key: Key | None = Field(None, description="of an employee that exists already; without it one is made")


class ResponsibleFallback(_Strict):
    """Who answers where nobody is found."""

    name: Name
    key: Key = "yclick_default"


class ResponsibleSettings(_Strict):
    """«Ответственный менеджер»."""

    by: Literal["staff", "creator"] = "staff"
    staff: list[ResponsiblePerson] = Field(default_factory=list, max_length=5000)
    creators: list[ResponsiblePerson] = Field(default_factory=list, max_length=5000)
    make_missing: bool = Field(True, description="a person who is not in the table is added under their own name")
    fallback: ResponsibleFallback | None = None

    @field_validator("staff", "creators")
    @classmethod
    def _once(cls, people: list[ResponsiblePerson]) -> list[ResponsiblePerson]:
        ids = [person.id for person in people]
        if len(set(ids)) < len(ids):
            raise ValueError(f"{_repeated(ids)} stands twice in the table of responsible people")
        return people

    def rule(self) -> ResponsibleRule:
        people = self.staff if self.by == "staff" else self.creators
        table = {
            person.id: Responsible(person.key or f"yclick_{self.by}_{person.id}", person.name) for person in people
        }
        fallback = Responsible(self.fallback.key, self.fallback.name) if self.fallback else None
        return ResponsibleRule(self.by, table, self.make_missing, fallback)


class CustomField(_Strict):
    """An additional field of the booking in YCLIENTS."""

    code: Annotated[str, Field(pattern=r"^[0-9A-Za-z_-]{1,48}$")]
    name: Name


class FieldsSettings(_Strict):
    """«Дополнительные поля»: on or off."""

    services: bool = True
    goods: bool = True
    category: bool = True
    branch: bool = True
    online: bool = True
    origin: bool = True
    labels: bool = True
    status: bool = True
    paid_share: bool = True
    currency: bool = True
    custom: list[CustomField] = Field(default_factory=list, max_length=100)

    @field_validator("custom")
    @classmethod
    def _once(cls, custom: list[CustomField]) -> list[CustomField]:
        codes = [told.code for told in custom]
        if len(set(codes)) < len(codes):
            raise ValueError(f"the additional field «{_repeated(codes)}» stands twice")
        return custom

    def rules(self) -> tuple[FieldRule, ...]:
        own = (FieldRule(f"yclick_{name}", of=name) for name in _FIELD_NAMES if getattr(self, name))
        return (*own, *(FieldRule(f"yclick_custom_{told.code}", code=told.code) for told in self.custom))

    def made(self, locale: Locale) -> list[tuple[str, str, Literal["string", "numeric"]]]:
        """(key, name, kind) of the fields to be made before the first deal."""
        shown = FIELD_WORDS[locale]
        own = [
            (f"yclick_{name}", shown[name], "numeric" if name == "paid_share" else "string")
            for name in _FIELD_NAMES
            if getattr(self, name)
        ]
        return [*own, *((f"yclick_custom_{told.code}", told.name, "string") for told in self.custom)]  # type: ignore[list-item]


class VendorRules(_Strict):
    """How UIS behaves where its documents are silent; to be changed only on the vendor's word."""

    backward: Literal["send", "closed_stays", "forward_only"] = "send"
    skipped: Literal["generated", "filled"] = "generated"
    content: Literal["change_time", "stage_time"] = "change_time"
    empty_fields: Literal["omit", "send"] = "omit"


class DealsIntegration(_Strict):
    """Settings of «Yclients передача сделок»."""

    enabled: bool = False
    funnels: Literal["one", "per_branch"] = "one"
    funnel: FunnelSettings = Field(
        default_factory=FunnelSettings, description="of all branches, or of those without their own"
    )
    branch_funnels: list[BranchFunnel] = Field(
        default_factory=list, max_length=1000, description="used where funnels are per branch"
    )
    title: str = Field(
        "{services} — {client}",
        max_length=TEMPLATE_LIMIT,
        description="placeholders: " + ", ".join(f"{{{name}}}" for name in sorted(PLACEHOLDERS)),
    )
    responsible: ResponsibleSettings = Field(default_factory=ResponsibleSettings)
    fields: FieldsSettings = Field(default_factory=FieldsSettings)
    vendor_rules: VendorRules = Field(default_factory=VendorRules)

    @field_validator("title")
    @classmethod
    def _readable(cls, title: str) -> str:
        read_title(title)
        return title

    @field_validator("branch_funnels")
    @classmethod
    def _one_each(cls, told: list[BranchFunnel]) -> list[BranchFunnel]:
        branches = [branch.company_id for branch in told]
        if len(set(branches)) < len(branches):
            raise ValueError(f"the branch {_repeated(branches)} has two funnels")
        return told

    @model_validator(mode="after")
    def _one_funnel_per_key(self) -> DealsIntegration:
        known: dict[str, FunnelSettings] = {}
        for funnel in (self.funnel, *(branch.funnel for branch in self.branch_funnels)):
            if funnel.key and known.setdefault(funnel.key, funnel) != funnel:
                raise ValueError(f"the funnel «{funnel.key}» is described twice, and differently")
        return self

    def funnel_of(self, company_id: int, branch_name: str) -> Funnel:
        """The funnel of a branch; made for it alone where funnels are per branch."""
        if self.funnels == "one":
            return self.funnel.funnel(_FUNNEL)
        key = f"{_FUNNEL}_{company_id}"
        for branch in self.branch_funnels:
            if branch.company_id == company_id:
                return branch.funnel.funnel(key)
        shared = self.funnel.key is not None
        return self.funnel.funnel(key, None if shared else f"{self.funnel.name} — {branch_name}"[:255])

    def settings(self, locale: Locale = "ru") -> DealSettings:
        return DealSettings(
            enabled=self.enabled,
            title=read_title(self.title),
            responsible=self.responsible.rule(),
            fields=self.fields.rules(),
            rules=Rules(**self.vendor_rules.model_dump()),
            words=VALUE_WORDS[locale],
        )


def read_settings(stored: Mapping[str, Any] | None) -> DealsIntegration:
    return DealsIntegration.model_validate(stored or {})


def _repeated(values: list[Any]) -> Any:
    return next(value for place, value in enumerate(values) if value in values[:place])


# --- what the owner reads in UIS

_FIELD_NAMES: tuple[FieldName, ...] = get_args(FieldName)
FIELD_WORDS: Mapping[Locale, Mapping[FieldName, str]] = {
    "ru": {
        "services": "Услуги", "goods": "Товары", "category": "Категория", "branch": "Филиал", "online": "Онлайн-запись",
        "origin": "Откуда запись", "labels": "Метки", "status": "Статус записи", "paid_share": "Оплаченная доля",
        "currency": "Валюта",
    },
    "en": {
        "services": "Services", "goods": "Goods", "category": "Category", "branch": "Branch",
        "online": "Online booking", "origin": "Booked from", "labels": "Labels", "status": "Booking status",
        "paid_share": "Paid share", "currency": "Currency",
    },
}  # fmt: skip
VALUE_WORDS: Mapping[Locale, Mapping[str, str]] = {
    "ru": {
        "yes": "да", "no": "нет", "waiting": "ожидает", "confirmed": "подтверждена", "came": "клиент пришёл",
        "no_show": "клиент не пришёл", "deleted": "удалена", "widget_desktop": "форма записи, компьютер",
        "widget_mobile": "форма записи, телефон", "mobile_app": "мобильное приложение", "staff": "сотрудник",
        "api": "через API", "import": "загрузка", "unknown": "не известно",
    },
    "en": {
        "yes": "yes", "no": "no", "waiting": "waiting", "confirmed": "confirmed", "came": "came",
        "no_show": "did not come", "deleted": "deleted", "widget_desktop": "booking form, computer",
        "widget_mobile": "booking form, phone", "mobile_app": "mobile app", "staff": "staff", "api": "by API",
        "import": "import", "unknown": "unknown",
    },
}  # fmt: skip
