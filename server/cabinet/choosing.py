"""How the settings of calls and texts are chosen on a page: from the lists of UIS where they can be read, else by hand.

A choice travels as `id|name`, so that a form can be read without the lists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from aiohttp import web
from multidict import MultiDictProxy
from pydantic import ValidationError

from server.accounts.lookup import Known
from server.accounts.model import Branch
from server.cabinet import words
from server.keys import DIRECTORY
from server.leads.directory import Choice, Directory, DirectoryAway

Form = MultiDictProxy[str | bytes | bytearray | web.FileField]
_MOST = 500


async def directory_of(request: web.Request, known: Known, locale: str) -> tuple[Directory, str]:
    """The lists to choose from, and why they are empty if they are."""
    try:
        return await request.app[DIRECTORY](known.account.account_id, False), ""
    except DirectoryAway as away:
        return Directory(), away.sentence[1 if locale == "en" else 0]


def branch_choices(branches: Sequence[Branch], locale: str) -> list[tuple[int, str]]:
    return [
        (branch.company_id, branch.title or words.text("branch_no", locale, number=branch.company_id))
        for branch in branches
    ]


# --- what the page shows


def options(choices: Iterable[Choice], chosen: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The boxes to tick: all that may be chosen, then what was chosen and is in no list (any more, or yet)."""
    known = [
        {
            "value": _value(one.id, one.called or one.name),
            "shown": one.name,
            "on": any(_is(one, told) for told in chosen),
        }
        for one in choices
        if one.usable or any(_is(one, told) for told in chosen)
    ]
    listed = list(choices)
    rest = [told for told in chosen if not any(_is(one, told) for one in listed)]
    return known + [
        {"value": _value(told.get("id"), str(told.get("name") or "")), "shown": told.get("name") or f"№ {told['id']}", "on": True}
        for told in rest
    ]  # fmt: skip


def site_rows(choices: Iterable[Choice], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """«Соотношение филиалов»: a row for every site of UIS and for those written by hand."""
    listed = list(choices)
    shown = [
        {
            "value": _value(one.id, one.called or one.name), "shown": one.name,
            "company_id": next((row["company_id"] for row in rows if _is(one, row["site"])), None),
        }
        for one in listed
    ]  # fmt: skip
    return shown + [
        {
            "value": _value(row["site"].get("id"), str(row["site"].get("name") or "")),
            "shown": row["site"].get("name") or f"№ {row['site']['id']}", "company_id": row["company_id"],
        }
        for row in rows
        if not any(_is(one, row["site"]) for one in listed)
    ]  # fmt: skip


def number_rows(choices: Iterable[Choice], rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """«Внешние номера филиалов»: what is set, then the numbers of UIS that are not."""
    told = [{"number": str(row["number"]), "company_id": row["company_id"]} for row in rows]
    set_already = {re.sub(r"\D", "", row["number"]) for row in told}
    return told + [
        {"number": one.name, "company_id": None}
        for one in choices
        if one.usable and re.sub(r"\D", "", one.name) not in set_already
    ]


def _is(one: Choice, told: Mapping[str, Any]) -> bool:
    if told.get("id") is not None:
        return bool(one.id == told["id"])
    name = str(told.get("name") or "").casefold()
    return bool(name) and name in ((one.called or one.name).casefold(), one.name.casefold())


def _value(id: int | None, name: str) -> str:
    return f"{id if id is not None else ''}|{name}"


# --- what the form says


def text(form: Form, name: str) -> str:
    return str(form.get(name) or "").strip()


def number_or_none(form: Form, name: str) -> int | None:
    told = text(form, name)
    return int(told) if re.fullmatch(r"[0-9]{1,16}", told) else None


def texts(form: Form, name: str) -> list[str]:
    return [str(value).strip() for value in form.getall(name, [])][:_MOST]


def chosen(form: Form, name: str) -> list[dict[str, Any]]:
    """What was ticked under `name`, and what was written by hand under `name_more`, one a line."""
    told = [
        *(_chosen(value) for value in texts(form, name)),
        *({"id": None, "name": line} for line in lines(form, f"{name}_more")),
    ]
    return list({(one["id"], one["name"]): one for one in told if one["id"] is not None or one["name"]}.values())


def lines(form: Form, name: str) -> list[str]:
    return [line.strip()[:255] for line in str(form.get(name) or "").splitlines() if line.strip()][:_MOST]


def pairs(form: Form, left: str, right: str) -> list[tuple[str, int]]:
    """Rows of a table with a branch each; one without a branch is none."""
    rows = zip(texts(form, left), texts(form, right), strict=False)
    return [(name, int(company)) for name, company in rows if name and re.fullmatch(r"[0-9]{1,16}", company)]


def sites(form: Form, name: str) -> list[dict[str, Any]]:
    """«Соотношение филиалов» as it was filled in; a site written by hand is its bare name."""
    return [
        {"site": _chosen(site if "|" in site else f"|{site}"), "company_id": company}
        for site, company in pairs(form, f"{name}_site", f"{name}_company")
        if site != "|"
    ]


def _chosen(value: str) -> dict[str, Any]:
    id, _, name = value.partition("|")
    return {"id": int(id) if re.fullmatch(r"-?[0-9]{1,16}", id) else None, "name": name.strip()[:255]}


def first_fault(error: ValidationError) -> tuple[tuple[str, ...], str, str]:
    """Where the first thing that is wrong stands, what is said of it, and what it was."""
    first = error.errors()[0]
    return tuple(map(str, first["loc"])), first["msg"], str(first.get("input"))[:60]
