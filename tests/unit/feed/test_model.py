"""Events of the feed folded into items: any order, doubled, late; nothing known is wiped out, no state goes back."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from server.feed.model import (
    Advert,
    By,
    CallAnswered,
    CalledBack,
    CallEnded,
    CallLapsed,
    CallMissed,
    CallRinging,
    ChatEnded,
    ChatMessage,
    ChatMessageStatus,
    ChatStarted,
    Employee,
    Event,
    FormSent,
    Noted,
    Taken,
    fold,
    masked,
    once,
    plain,
)

AT = datetime(2026, 11, 25, 10, tzinfo=UTC)
RINGING = CallRinging(
    call_id="7", direction="in", phone="+79161234567", name="Anna", virtual_number="74951234567",
    employees=(Employee(employee_id=1, name="Olga"),), advert=Advert(campaign="spring"), started_at=AT,
)  # fmt: skip
ANSWERED = CallAnswered(call_id="7", answered_by=Employee(employee_id=1, name="Olga"), answered_at=AT)
ENDED = CallEnded(call_id="7", talk_s=61, ended_at=AT)
BY = By(person_id=UUID(int=1), name="Olga")


def folded(*events: Event) -> dict[str, Any]:
    item: dict[str, Any] | None = None
    for event in events:
        item = fold(item, event, at=AT)
    assert item is not None
    return item


def test_call_ends_the_same_in_whatever_order_its_events_come() -> None:
    wanted = folded(RINGING, ANSWERED, ENDED)
    assert wanted["state"] == "ended"
    assert (wanted["phone"], wanted["talk_s"], wanted["advert"]["campaign"]) == ("+79161234567", 61, "spring")
    every: tuple[Event, ...] = (RINGING, ANSWERED, ENDED)
    for order in itertools.permutations(every):
        assert folded(*order) == wanted


@pytest.mark.parametrize("event", [RINGING, ANSWERED, ENDED, ChatStarted(chat_id="1", name="Anna")])
def test_the_same_event_again_changes_nothing(event: Event) -> None:
    assert folded(event, event) == folded(event)


def test_every_phone_that_rings_is_gathered() -> None:
    second = CallRinging(call_id="7", direction="in", employees=(Employee(employee_id=2, name="Ira"),))
    item = folded(RINGING, second)
    assert [one["name"] for one in item["employees"]] == ["Olga", "Ira"]
    assert item["name"] == "Anna"


def test_empty_fields_wipe_nothing_out() -> None:
    assert folded(RINGING, CallMissed(call_id="7"))["phone"] == "+79161234567"


def test_lapsed_call_still_hears_the_truth_and_an_ended_one_does_not_lapse() -> None:
    assert folded(RINGING, CallLapsed(call_id="7"))["state"] == "lapsed"
    assert folded(RINGING, CallLapsed(call_id="7"), ANSWERED)["state"] == "talking"
    assert folded(ENDED, CallLapsed(call_id="7"))["state"] == "ended"
    assert folded(CallMissed(call_id="7"), ENDED)["state"] == "missed"


def test_what_operators_do_stays_whatever_the_vendor_tells_later() -> None:
    taken = Taken(subject="call:7", taken_by=BY)
    item = folded(RINGING, taken, Noted(subject="call:7", note="asks for Friday", noted_by=BY), ENDED)
    assert (item["state"], item["taken_by"]["name"], item["note"]) == ("ended", "Olga", "asks for Friday")
    back = folded(CallMissed(call_id="7"), CalledBack(subject="call:7", called_back_by=BY, back_call_id="8"))
    assert (back["state"], back["back_call_id"]) == ("missed", "8")


def test_chat_keeps_its_last_message_and_how_far_it_came() -> None:
    message = ChatMessage(chat_id="1", message_id="m", author="operator", text="Hello", command_id="c")
    read = ChatMessageStatus(chat_id="1", message_id="m", delivered="read")
    item = folded(ChatStarted(chat_id="1"), message, read)
    assert item["last_message"] == {
        "message_id": "m", "author": "operator", "author_name": "", "text": "Hello", "delivered": "read",
    }  # fmt: skip
    assert folded(message)["state"] == "open"
    assert folded(message, ChatEnded(chat_id="1"), message)["state"] == "ended"
    assert once(message) == "message:1:m"
    assert once(RINGING) is None


def test_event_is_plain_json_with_every_field_and_clipped_texts() -> None:
    told = plain(FormSent(form_id="9", text="x" * 9000 + "\0", sent_at=AT))
    assert json.loads(json.dumps(told)) == told
    assert len(told["text"]) == 4000
    assert (told["sent_at"], told["phone"], told["advert"]) == ("2026-11-25T10:00:00+00:00", "", None)


def test_who_may_not_see_phones_sees_two_digits() -> None:
    shown = masked({"event": plain(RINGING), "item": folded(RINGING)})
    assert shown["event"]["phone"] == shown["item"]["phone"] == "••••••••••67"
    assert shown["event"]["name"] == "Anna"
    assert "9161234" not in json.dumps(shown, ensure_ascii=False)


def test_name_that_is_a_number_is_not_seen_by_who_may_not_see_phones() -> None:
    said = {"last_message": {"author_name": "+7 (916) 123-45-67"}, "messages": [{"author_name": "8-916-123-45-67"}]}
    assert masked({"name": "8 916 123 45 67", "item": said, "employees": [{"name": "Ira 2", "phone": "1234"}]}) == {
        "name": "•••",
        "item": {"last_message": {"author_name": "•••"}, "messages": [{"author_name": "•••"}]},
        "employees": [{"name": "Ira 2", "phone": "••34"}],
    }
