"""Frames inside the vendor's pages: the panel of the journal and the settings tab of the application.

Facts: the panel's address carries `salon_id` and `hash = sha1(salon_id + partner_token)`, which never changes, so it
proves that the address came from the vendor for this branch, not who looks at it, nor when; `user_id` is not signed and what the numbers
of `lang_id` mean is not known. The settings tab carries a signed `user_data`, whose signature leaves out the branch.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from server.yclients.marketplace import BadRedirect, read_redirect

_ID = re.compile(r"[1-9][0-9]{0,17}")
_PHONE = re.compile(r"\+?[0-9]{5,15}")


@dataclass(frozen=True, slots=True)
class Panel:
    salon_id: int
    phone: str


def panel_hash(salon_id: int, partner_token: str) -> str:
    return hashlib.sha1(f"{salon_id}{partner_token}".encode(), usedforsecurity=False).hexdigest()  # the vendor's choice


def read_panel(query: Iterable[tuple[str, str]], partner_token: str) -> Panel | None:
    """None: the hash does not fit, or a name stands twice."""
    told: dict[str, str] = {}
    for name, value in query:
        if name in ("salon_id", "hash") and name in told:
            return None
        told[name] = value
    salon, given = told.get("salon_id", ""), told.get("hash", "").strip().lower()
    if not partner_token or not _ID.fullmatch(salon):
        return None
    right = panel_hash(int(salon), partner_token)
    if not hmac.compare_digest(right.encode(), given.encode("utf-8", "replace")):
        return None
    phone = re.sub(r"[\s()-]", "", told.get("phone", ""))
    return Panel(int(salon), phone if _PHONE.fullmatch(phone) else "")


def read_settings_tab(query: Iterable[tuple[str, str]], partner_token: str) -> int | None:
    """The branch whose settings are open; None unless the vendor signed who looks."""
    pairs = list(query)
    if not any(name == "user_data" and value for name, value in pairs):
        return None
    try:
        told = read_redirect(pairs, partner_token)
    except BadRedirect:
        return None
    return told.salon_ids[0] if len(told.salon_ids) == 1 else None
