"""What the settings of calls and of texts have in common: a thing chosen by name or id, a branch, the client's card."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from server.clients.templates import check_template

Number = Annotated[int, Field(gt=0, lt=1 << 53)]
#: Of things of UIS; system ones have negative numbers.
VendorId = Annotated[int, Field(gt=-(1 << 53), lt=1 << 53)]


class Strict(BaseModel):
    """Settings cannot be changed in place, and a key that is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Chosen(Strict):
    """A site, source, scenario or tag of UIS: chosen from the list (with its id), or written by hand (its name)."""

    id: VendorId | None = None
    name: str = Field("", max_length=255)

    @field_validator("name")
    @classmethod
    def _trimmed(cls, name: str) -> str:
        return " ".join(name.split())

    @model_validator(mode="after")
    def _something(self) -> Chosen:
        if self.id is None and not self.name:
            raise ValueError("an id or a name is needed")
        return self

    def means(self, id: int | None, name: str | None) -> bool:
        """Whether this is what was told. Ids decide where both have one; names are compared without case."""
        if self.id is not None and id is not None:
            return self.id == id
        return bool(name and self.name) and " ".join(str(name).split()).casefold() == self.name.casefold()


def among(chosen: Sequence[Chosen], id: int | None, name: str | None) -> bool:
    return any(one.means(id, name) for one in chosen)


class SiteBranch(Strict):
    """A row of «Соотношение филиалов»: whose branch a site is."""

    site: Chosen
    company_id: Number


def branch_of_site(rows: Sequence[SiteBranch], default: int | None, id: int | None, name: str | None) -> int | None:
    """The company id for a site; None where neither the table nor a default branch tells one."""
    return next((row.company_id for row in rows if row.site.means(id, name)), default)


#: What the texts of a client's card may speak of.
PLACEHOLDERS = frozenset(
    {"phone", "name", "email", "date", "time", "branch", "site", "source", "campaign", "number", "scenario", "employee",
     "channel", "message", "transcript", "kind"}
)  # fmt: skip


class CardSettings(Strict):
    """How the card of a client in YCLIENTS is filled; the help page is silent here, so each has a good default."""

    name: str = Field("Клиент {phone}", min_length=1, max_length=200, description="where no name is known")
    comment: str = Field("", max_length=2000, description="placeholders in braces; empty: no comment")
    source: str = Field("UIS", max_length=100, description="label that says where the client came from; empty: none")
    fill_empty: bool = Field(False, description="empty fields of a client who exists already are filled")

    @field_validator("name", "comment")
    @classmethod
    def _readable(cls, template: str) -> str:
        return check_template(template, PLACEHOLDERS)
