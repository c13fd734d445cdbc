"""The REST client of YCLIENTS: headers, the four error shapes, paging. Raises the typed errors of the egress.

Facts: the v2 media type wraps answers as `{success, data, meta}`; without it `data` comes bare. Errors come as
`success: false` (also with 200), as `{errors: {code, message}}`, with an empty body, or as an HTML page.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from server.platform.budget import Priority, Wanted
from server.platform.egress import Answer, Egress, Forbidden, Rejected, Unauthorized, Unavailable
from server.yclients.webhooks import storable, whole_id

ACCEPT = "application/vnd.yclients.v2+json"
_PAGE_SIZE = 200
_PAGES_MOST = 5000


class LicenceEnded(Forbidden):
    """The branch's licence has to be prolonged: 402, or a 403 whose words say so. The token is still good."""


_LICENCE = re.compile(r"лиценз|licen[cs]e", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Page:
    """`length` is how many the vendor put on the page, those that are no records of this branch included."""

    items: list[dict[str, Any]]
    total: int | None
    length: int


@dataclass(frozen=True, slots=True)
class Token:
    user_token: str = field(repr=False)
    user_id: int | None


@dataclass(frozen=True, slots=True)
class TwoFactorNeeded:
    """A code went to `recipient`; call `login` again with it and this uuid."""

    uuid: str
    recipient: str


class YclientsClient:
    def __init__(
        self, egress: Egress, *, base_url: str, partner_token: str, user_token: str = "", account: str = "-"
    ) -> None:
        self._egress = egress
        self._base_url = base_url.rstrip("/")
        self._partner_token, self._user_token = partner_token, user_token
        self._account = account

    @property
    def has_token(self) -> bool:
        """Whether anything may be asked at all: without our own token nothing is."""
        return bool(self._partner_token)

    async def get_record(
        self, company_id: int, record_id: int, *, priority: Priority = Priority.WEBHOOK
    ) -> dict[str, Any] | None:
        """One record; None when the vendor has none (or no longer). Refuses another company's record."""
        data = await self._get(f"/record/{company_id}/{record_id}", priority=priority, none_on_404=True)
        if data is None:
            return None
        if not isinstance(data, dict) or whole_id(data.get("id")) != record_id:
            raise Unavailable("the answer is not the record that was asked for")
        if whole_id(data.get("company_id")) not in (None, company_id):
            raise Unavailable("the answer is a record of another company")
        return data

    async def list_records(
        self,
        company_id: int,
        *,
        page: int = 1,
        count: int = _PAGE_SIZE,
        changed_after: datetime | None = None,
        created_from: date | None = None,
        created_to: date | None = None,
        with_deleted: bool = True,
        priority: Priority = Priority.RECONCILE,
    ) -> Page:
        """One page. `changed_after` is a wall-clock time as the vendor reads it; days of creation are inclusive."""
        params = {"page": str(page), "count": str(count), "with_deleted": "1" if with_deleted else "0"}
        if changed_after:
            params["changed_after"] = changed_after.strftime("%Y-%m-%dT%H:%M:%S")
        for name, day in (("c_start_date", created_from), ("c_end_date", created_to)):
            if day:
                params[name] = day.isoformat()
        answer = await self._call("GET", f"/records/{company_id}", params=params, priority=priority)
        if answer.status == 404:
            return Page([], 0, 0)  # a list of nothing may be "not found"
        document = answer_document(answer)
        items = answer_data(answer, document)
        meta = document.get("meta") if isinstance(document, dict) else None
        total = whole_id(meta.get("total_count")) if isinstance(meta, dict) else None
        told = items if isinstance(items, list) else []
        records = [item for item in told if isinstance(item, dict)]
        own = [item for item in records if whole_id(item.get("company_id")) in (None, company_id)]
        return Page(own, total, len(told))

    async def companies(self) -> list[dict[str, Any]]:
        data = await self._get("/companies", params={"my": "1"}, priority=Priority.OPERATOR)
        return [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []

    async def company(self, company_id: int) -> dict[str, Any]:
        """What the branch says of itself; {} when the vendor does not show it."""
        data = await self._get(f"/company/{company_id}/", priority=Priority.OPERATOR, none_on_404=True)
        return data if isinstance(data, dict) else {}

    async def login(self, login: str, password: str, *, uuid: str = "", code: str = "") -> Token | TwoFactorNeeded:
        """201 = logged in, 200 = a code is wanted (two-factor login is on)."""
        body: dict[str, Any] = {"login": login, "password": password}
        if code:
            body["2fa"] = {"uuid": uuid, "secret": code}
        answer = await self._call("POST", "/auth", body=body, priority=Priority.OPERATOR, as_user=False)
        data = answer_data(answer, answer_document(answer))
        if isinstance(data, dict) and isinstance(data.get("user_token"), str):
            return Token(data["user_token"], whole_id(data.get("id")))
        if isinstance(data, dict) and isinstance(data.get("uuid"), str):
            transport = data.get("transport")
            return TwoFactorNeeded(
                data["uuid"], str(transport.get("recipient", "")) if isinstance(transport, dict) else ""
            )
        raise Rejected("unexpected", "the answer to the login has neither a token nor a request for a code")

    async def ensure_hook(self, company_id: int, url: str) -> bool:
        """Adds our address to the branch's webhooks; answers whether that was needed.

        The vendor's POST replaces everything for the branch, so the settings are read first and every foreign
        address and flag is written back as it was.
        """
        settings = await self._get(f"/hooks_settings/{company_id}", priority=Priority.OPERATOR)
        settings = settings if isinstance(settings, dict) else {}
        urls = [item for item in settings.get("urls") or [] if isinstance(item, str)]
        on = url in urls and all(int(settings.get(name) or 0) for name in ("active", "record", "client"))
        if on:
            return False
        if url not in urls and len(urls) >= 10:
            raise Rejected("too_many_hooks", "the branch already has ten webhook addresses")
        flags = {name: value for name, value in settings.items() if isinstance(value, int) and name != "id"}
        body = {**flags, "active": 1, "record": 1, "client": 1, "urls": [*urls, *([] if url in urls else [url])]}
        answer = await self._call("POST", f"/hooks_settings/{company_id}", body=body, priority=Priority.OPERATOR)
        answer_data(answer, answer_document(answer))
        return True

    # --- one call

    async def ask(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        priority: Priority,
        none_on_404: bool = False,
        as_user: bool = True,
        wanted: Wanted | None = None,
    ) -> Any:
        """`data` of the answer, for the parts of the API that stand in files of their own. `wanted`: see the egress."""
        answer = await self._call(
            method, path, params=params, body=body, priority=priority, as_user=as_user, wanted=wanted
        )
        if none_on_404 and answer.status == 404:
            return None
        return answer_data(answer, answer_document(answer))

    async def _get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        priority: Priority,
        none_on_404: bool = False,
    ) -> Any:
        answer = await self._call("GET", path, params=params, priority=priority)
        if none_on_404 and answer.status == 404:
            return None
        return answer_data(answer, answer_document(answer))

    async def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        priority: Priority,
        as_user: bool = True,
        wanted: Wanted | None = None,
    ) -> Answer:
        authorization = f"Bearer {self._partner_token}"
        if as_user and self._user_token:
            authorization += f", User {self._user_token}"
        return await self._egress.call(
            method, f"{self._base_url}/api/v1{path}", vendor="yclients", account=self._account, priority=priority,
            headers={"Accept": ACCEPT, "Authorization": authorization}, params=params, json=body,
            wanted=wanted,
        )  # fmt: skip


def answer_document(answer: Answer) -> Any:
    if not answer.body.strip():
        return None
    if "html" in answer.content_type or answer.body.lstrip()[:1] == b"<":
        raise Unavailable("an HTML page came instead of an answer")
    try:
        return storable(json.loads(answer.body))
    except (ValueError, RecursionError):
        raise Unavailable("the answer is not JSON") from None


def answer_data(answer: Answer, document: Any) -> Any:
    """`data` of a good answer; raises for every shape of a bad one."""
    failed = isinstance(document, dict) and (
        document.get("success") is False or ("errors" in document and "success" not in document)
    )
    if answer.status < 300 and not failed:
        wrapped = isinstance(document, dict) and "data" in document and "success" in document
        return document["data"] if wrapped else document
    code, message = _error(document)
    if answer.status == 401 or code == "401":
        raise Unauthorized(message or "the vendor does not accept the credentials")
    if "402" in (str(answer.status), code) or ((code or str(answer.status)) == "403" and _LICENCE.search(message)):
        raise LicenceEnded(message or "the licence has ended")
    if answer.status == 403 or code == "403":
        raise Forbidden(message or "the vendor refuses the right")
    raise Rejected(code or str(answer.status), message or f"the vendor answered {answer.status}")


def _error(document: Any) -> tuple[str, str]:
    if not isinstance(document, dict):
        return "", ""
    meta, errors = document.get("meta"), document.get("errors")
    message = meta.get("message") if isinstance(meta, dict) else None
    code = ""
    if isinstance(errors, dict):
        code = str(errors.get("code", "")) if isinstance(errors.get("code"), (int, str)) else ""
        message = message or errors.get("message")
    return code, message if isinstance(message, str) else ""
