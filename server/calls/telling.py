"""What operators' screens are told of a call. No I/O."""

from __future__ import annotations

from server.calls.model import NOBODY, Call, Named, phone_digits
from server.feed.advert import advert_of
from server.feed.model import CallAnswered, CallEnded, CallMissed, CallRinging, Direction, Employee, Event
from server.platform.postgres import Row


def events(session_id: str, call: Call, company_id: int | None, visit: Row | None) -> list[Event]:
    """The one event that says how the call stands now, if reception is concerned at all. `visit`: from which it came."""
    if call.direction == "internal":
        return []
    direction: Direction = call.direction
    digits = phone_digits(call.contact)
    phone = f"+{digits}" if len(digits) > 9 else digits
    advert = advert_of(visit, source=call.source[1] or "", site=call.site[1] or "")
    if call.state == "ringing":
        return [
            CallRinging(
                call_id=session_id, direction=direction, phone=phone, company_id=company_id, virtual_number=call.number,
                scenario=call.scenario[1] or "", employees=_some(call.employee), advert=advert,
                external_id=call.external_id, started_at=call.started_at,
            )
        ]  # fmt: skip
    if call.state == "talking":
        return [
            CallAnswered(
                call_id=session_id, direction=direction, phone=phone, company_id=company_id,
                answered_by=_one(call.employee), external_id=call.external_id, answered_at=call.heard_at,
            )
        ]  # fmt: skip
    if direction == "in" and call.outcome in ("missed", "voice_mail"):
        return [
            CallMissed(
                call_id=session_id, phone=phone, company_id=company_id, virtual_number=call.number,
                scenario=call.scenario[1] or "", advert=advert, wait_s=call.wait_s, ended_at=call.ended_at,
            )
        ]  # fmt: skip
    return [
        CallEnded(
            call_id=session_id, direction=direction, phone=phone, company_id=company_id, answered_by=_one(call.employee),
            talk_s=call.talk_s, wait_s=call.wait_s, external_id=call.external_id, ended_at=call.ended_at,
        )
    ]  # fmt: skip


def _one(employee: Named) -> Employee | None:
    return None if employee == NOBODY else Employee(employee_id=employee[0], name=employee[1] or "")


def _some(employee: Named) -> tuple[Employee, ...]:
    one = _one(employee)
    return (one,) if one else ()
