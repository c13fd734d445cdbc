"""Finds a communication of any kind: its tags, and what a notification about it says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from e2e.stand.uis.state import Refused, Uis
from e2e.stand.uis.talks import message_variables
from e2e.stand.uis.telephone import variables


def tagged(uis: Uis, kind: str, communication_id: int) -> tuple[list[dict[str, Any]], Callable[[], dict[str, Any]]]:
    """Raises `Refused` where there is no such communication."""
    if kind == "call" and communication_id in uis.calls:
        call = uis.calls[communication_id]
        return call.tags, lambda: variables(uis, call)
    if kind == "chat":
        chat = next((one for one in uis.chats.values() if one.communication_id == communication_id), None)
        if chat is not None:
            return chat.tags, lambda: chat.variables(uis)
    if kind == "offline_message":
        row = next((one for one in uis.messages.values() if one["communication_id"] == communication_id), None)
        if row is not None:
            return row.setdefault("tags", []), lambda: message_variables(uis, row)
    raise Refused("entity_not_found", field="communication_id", value=communication_id)
