"""What the owner sets for telephony; this model draws the API schema, too. Words are those of the help page."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AfterValidator, Field, model_validator

from server.clients.settings import CardSettings, Chosen, Number, Strict, among

CallType = Literal["in", "out", "missed", "tag"]
COMMENT = "Звонок {date} {time}\nНомер: {number}\nСценарий: {scenario}\nСайт: {site}\nИсточник: {source}"


def clean_number(text: str) -> str:
    """`+7 (495) 123-45-67` → `74951234567`, as YCLIENTS routing wants it: no plus, brackets, dashes or spaces.

    A number of Russia dialled with 8, or without its 7, gets the 7. Raises `ValueError`.
    """
    digits = re.sub(r"\D", "", text, flags=re.ASCII)
    if len(digits) == 11 and digits.startswith("8") and not text.strip().startswith("+"):
        digits = "7" + digits[1:]
    elif len(digits) == 10 and not text.strip().startswith("+"):
        digits = "7" + digits
    if not 3 <= len(digits) <= 15 or re.search(r"[^\d\s()+.\u2010-\u2015-]", text):
        raise ValueError("not a phone number")
    return digits


VirtualNumber = Annotated[str, Field(max_length=40), AfterValidator(clean_number)]


class NumberBranch(Strict):
    """A row of «Внешние номера филиалов»: whose branch a virtual number is."""

    number: VirtualNumber
    company_id: Number


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What is known of a call when it is looked at through «Условия фильтрации»; None and empty: not known."""

    direction: Literal["in", "out", "internal"]
    missed: bool | None = None
    site: tuple[int | None, str | None] = (None, None)
    source: tuple[int | None, str | None] = (None, None)
    scenario: tuple[int | None, str | None] = (None, None)
    tags: Sequence[tuple[int | None, str | None]] = ()


class CallFilter(Strict):
    """«Условия фильтрации»; an empty list lets everything through."""

    sites: tuple[Chosen, ...] = Field((), max_length=500)
    sources: tuple[Chosen, ...] = Field((), max_length=500)
    scenarios: tuple[Chosen, ...] = Field((), max_length=500)
    types: tuple[CallType, ...] = Field((), description="a call passes when one of them fits")
    tags: tuple[Chosen, ...] = Field((), max_length=500, description="of the type «tag»; empty: any tag")

    def why_not(
        self, call: CallFacts, *, ringing: bool = False
    ) -> Literal["site", "source", "scenario", "type"] | None:
        """The condition a call does not meet; None: it passes.

        While it rings, what is not told yet does not stop it: better a pop-up too many than a client unknown.
        """
        for name, chosen, told in (
            ("site", self.sites, call.site), ("source", self.sources, call.source),
            ("scenario", self.scenarios, call.scenario),
        ):  # fmt: skip
            unknown = ringing and told == (None, None)
            if chosen and not unknown and not among(chosen, *told):
                return name  # type: ignore[return-value]
        if self.types and not any(self._is(kind, call, ringing) for kind in self.types):
            return "type"
        return None

    def _is(self, kind: CallType, call: CallFacts, ringing: bool) -> bool:
        match kind:
            case "in":
                return call.direction == "in" and (ringing or call.missed is not True)
            case "out":
                return call.direction == "out"
            case "missed":  # not known before the end
                return call.direction == "in" and call.missed is True
            case "tag":
                return any(among(self.tags, *tag) for tag in call.tags) if self.tags else bool(call.tags)


class NetworkSettings(Strict):
    """«Обработка звонков» of one network; each network is connected with its own User token."""

    network_id: UUID = Field(description="of the credentials that hold the network's User token")
    enabled: bool = Field(True, description="off: its calls are not passed, its settings stay")
    title: str = Field("", max_length=200, description="«Сеть»")
    numbers: tuple[NumberBranch, ...] = Field((), max_length=5000, description="«Внешние номера филиалов»")
    default_company_id: Number | None = Field(None, description="«Филиал по умолчанию»")
    filter: CallFilter = Field(default_factory=CallFilter, description="«Условия фильтрации»")
    create_client: bool = Field(False, description="«Создавать клиента»")

    def branch_of(self, number: str) -> int | None:
        """The company id of a virtual number; None where neither the table nor a default branch tells one."""
        digits = clean_or_empty(number)
        return next((row.company_id for row in self.numbers if row.number == digits), self.default_company_id)

    def names(self, number: str) -> bool:
        """Whether the number stands in this network's own table."""
        digits = clean_or_empty(number)
        return any(row.number == digits for row in self.numbers)


class TelephonyIntegration(Strict):
    """Settings of «Подключение телефонии»."""

    enabled: bool = False
    networks: tuple[NetworkSettings, ...] = Field((), max_length=50)
    card: CardSettings = Field(default_factory=lambda: CardSettings(comment=COMMENT))
    recording_grace_s: int = Field(
        180, ge=0, le=3600, description="how long the history of a call waits for its recording"
    )
    internal_calls: bool = Field(False, description="calls between employees go to the history, too")

    @model_validator(mode="after")
    def _each_once(self) -> TelephonyIntegration:
        ids = [network.network_id for network in self.networks]
        if len(set(ids)) < len(ids):
            raise ValueError("a network stands twice")
        numbers = [row.number for network in self.networks for row in network.numbers]
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"the number {_repeated(numbers)} stands twice")
        return self

    def network_of(self, number: str) -> NetworkSettings | None:
        """Whose network a virtual number is: the one that names it, else the first with a default branch.

        A number of a network that is off is nobody's: another network's default branch would be the wrong one.
        """
        named = next((network for network in self.networks if network.names(number)), None)
        if named is not None:
            return named if named.enabled else None
        used = (network for network in self.networks if network.enabled)
        return next((network for network in used if network.default_company_id is not None), None)


def clean_or_empty(text: str) -> str:
    try:
        return clean_number(text)
    except ValueError:
        return ""


def read_settings(stored: Mapping[str, Any] | None) -> TelephonyIntegration:
    return TelephonyIntegration.model_validate(stored or {})


def _repeated(values: list[str]) -> str:
    return next(value for place, value in enumerate(values) if value in values[:place])
