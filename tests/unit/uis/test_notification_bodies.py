"""A body that was copied and rendered by UIS is read back as the event it was made for."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from server.uis.notification_bodies import NotificationBody, notification_bodies
from server.uis.notifications import EVENTS, Notification, parse_notification, right_secret

KEY = b"k" * 32
AT = datetime(2026, 11, 25, 12, tzinfo=UTC)
BODIES = notification_bodies(KEY)
VALUES: dict[str, object] = {
    "notification_time": "2026-11-25 15:00:00", "call_session_id": 3173444634, "chat_id": 199304420,
    "offline_message_id": 28048731, "contact_phone_number": "79000000001", "visitor_phone_number": "79000000001",
    "tag_id": 515114, "tag_ids": [515114], "tag_names": ["Целевой"], "visitor_message": 'Текст "в кавычках"\nи с новой строки',
}  # fmt: skip


def _rendered(body: str) -> str:
    """As UIS fills a template in: every variable becomes a JSON literal."""
    return re.sub(r"\{\{(\w+)\}\}", lambda found: json.dumps(VALUES.get(found[1]), ensure_ascii=False), body)


@pytest.mark.parametrize("told", BODIES, ids=lambda told: told.event)
def test_a_body_is_read_back_as_its_event(told: NotificationBody) -> None:
    read = parse_notification(_rendered(told.body).encode(), received_at=AT, zone=ZoneInfo("Europe/Moscow"))
    assert isinstance(read, Notification)
    assert (read.event, read.at) == (told.event, AT)
    assert right_secret(read, KEY)
    assert not right_secret(read, b"another account's key")
    assert read.call_id or read.chat_id or read.offline_message_id
    assert told.name == EVENTS[told.event]


def test_names_of_no_placeholder_are_quoted_and_none_is_named_twice() -> None:
    for told in BODIES:
        names = re.findall(r"\{\{(\w+)\}\}", told.body)
        assert len(names) == len(set(names)), told.event
        assert not re.search(r'"\{\{', told.body), told.event


def test_only_documented_variables_are_named(samples: Path) -> None:
    """A tag names the thing it was set on besides; everything else stands in the event's default template."""
    known = json.loads((samples / "notification_variables.json").read_text())
    for told in BODIES:
        extra = set(re.findall(r"\{\{(\w+)\}\}", told.body)) - set(known[told.event])
        assert extra <= ({"communication_id", "communication_type"} if "mark" in told.event else set()), told.event


@pytest.fixture
def samples() -> Path:
    return Path(__file__).parents[2] / "contract" / "samples" / "uis"
