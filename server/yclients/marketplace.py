"""The vendor's marketplace: what its redirect and its lifecycle events say, and the calls of an application.

Facts: `user_data_sign` is the HMAC of the base64-decoded bytes, whatever the vendor's text says; it covers neither the
branch nor the time, so a redirect proves nothing about a branch. The routes stand beside the API, and at times answer
with a page of HTML.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from server.platform.budget import Priority
from server.platform.egress import Egress, Rejected
from server.yclients.client import ACCEPT, answer_data, answer_document
from server.yclients.webhooks import storable, whole_id

#: Branches of one redirect; more than any network connects at once.
SALONS_MOST = 100
_USER_DATA_MOST = 16 * 1024
_ID = re.compile(r"[1-9][0-9]{0,17}")
_INDEXED = re.compile(r"salon_ids\[[0-9]{0,4}\]")


class BadRedirect(ValueError):
    """A redirect that cannot have come from the vendor; `code`: signature, no_branch, too_many."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Redirect:
    """Branches somebody wants to connect, and what the vendor signed about that person; empty when it passes nothing."""

    salon_ids: tuple[int, ...]
    user_name: str = ""
    salon_name: str = ""


def read_redirect(query: Iterable[tuple[str, str]], partner_token: str) -> Redirect:
    """The redirect as it came: `salon_id`, `salon_ids[0]…`, `salon_ids` with commas, in any mixture.

    Raises `BadRedirect`: one number that is none, a wrong or missing signature, too many branches.
    """
    found: dict[int, None] = {}
    told: dict[str, list[str]] = {"user_data": [], "user_data_sign": []}
    for name, value in query:
        if name in told:
            told[name].append(value)
        elif name in ("salon_id", "salon_ids") or _INDEXED.fullmatch(name):
            for part in value.split(","):
                if not _ID.fullmatch(part.strip()):
                    raise BadRedirect("no_branch")
                found[int(part)] = None
                if len(found) > SALONS_MOST:
                    raise BadRedirect("too_many")
    if not found:
        raise BadRedirect("no_branch")
    if not any(any(values) for values in told.values()):
        return Redirect(tuple(found))
    if any(len(values) != 1 for values in told.values()):
        raise BadRedirect("signature")
    user = _signed(told["user_data"][0], told["user_data_sign"][0], partner_token)
    return Redirect(tuple(found), _words(user.get("name")), _words(user.get("salon_name")))


def _signed(user_data: str, sign: str, partner_token: str) -> dict[str, Any]:
    if not partner_token or len(user_data) > _USER_DATA_MOST:
        raise BadRedirect("signature")
    # A "+" that was not encoded arrives as a space.
    text = user_data.strip().replace(" ", "+").replace("-", "+").replace("_", "/")
    try:
        decoded = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise BadRedirect("signature") from None
    right = hmac.new(partner_token.encode(), decoded, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(right.encode(), sign.strip().lower().encode("utf-8", "replace")):
        raise BadRedirect("signature")
    try:
        user = storable(json.loads(decoded))
    except (ValueError, RecursionError):
        user = None
    return user if isinstance(user, dict) else {}


def _words(value: Any) -> str:
    return " ".join(value.split())[:100] if isinstance(value, str) else ""


# --- lifecycle events


@dataclass(frozen=True, slots=True)
class AppEvent:
    """What became of the application in a branch. `body`: the event without its token, to be kept."""

    salon_id: int
    application_id: int | None
    event: str  # uninstall, freeze; another is kept and nothing acts on it
    body: bytes


def read_event(body: bytes, partner_token: str) -> AppEvent | None:
    """None for whatever does not carry our token, or names no branch. The token is compared in constant time."""
    try:
        told = storable(json.loads(body))
    except (ValueError, RecursionError):
        return None
    token = told.pop("partner_token", None) if isinstance(told, dict) else None
    sent = token.encode("utf-8", "replace") if isinstance(token, str) else b""
    if not hmac.compare_digest(partner_token.encode(), sent) or not partner_token:
        return None
    salon_id, event = whole_id(told.get("salon_id")), told.get("event")
    if salon_id is None or not 0 < salon_id < 10**18:
        return None
    kept = json.dumps(told, ensure_ascii=False).encode("utf-8", "replace")
    return AppEvent(salon_id, whole_id(told.get("application_id")), event if isinstance(event, str) else "", kept)


# --- calls of the application


class MarketplaceClient:
    """Partner routes of one application. Raises the typed errors of the egress."""

    def __init__(self, egress: Egress, *, base_url: str, partner_token: str, application_id: int, account: str) -> None:
        self._egress, self._account = egress, account
        self._base_url = base_url.rstrip("/")
        self._partner_token, self._application_id = partner_token, application_id

    async def status(self, salon_id: int) -> str | None:
        """`pending`, `active`, `freezed` or whatever else the vendor says; None: the branch does not have it."""
        status, data = await self._call("GET", f"/salon/{salon_id}/application/{self._application_id}")
        if status == 404:
            return None
        connection = data.get("connection_status") if isinstance(data, dict) else None
        told = connection.get("status") if isinstance(connection, dict) else None
        if not isinstance(told, str):
            raise Rejected("unexpected", "the answer does not say how the application stands")
        return told

    async def activate(self, salon_id: int, webhook_urls: Sequence[str]) -> None:
        """Confirms a pending installation, and has our addresses entered for its events."""
        body = {
            "salon_id": salon_id, "application_id": self._application_id, "webhook_urls": list(webhook_urls),
        }  # fmt: skip
        status, _ = await self._call("POST", "/partner/callback", body)
        if status == 404:
            raise Rejected("404", "the vendor does not know this branch or application")

    async def _call(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        answer = await self._egress.call(
            method, f"{self._base_url}/marketplace{path}", vendor="yclients", account=self._account,
            priority=Priority.OPERATOR, headers={"Accept": ACCEPT, "Authorization": f"Bearer {self._partner_token}"},
            json=body,
        )  # fmt: skip
        document = answer_document(answer)
        if answer.status == 404 or (document is None and answer.status < 300):
            return answer.status, None
        if 300 <= answer.status < 400:  # the vendor sends a browser on; the work is done
            return answer.status, None
        return answer.status, answer_data(answer, document)
