"""What operators' screens are told of a chat or a form. No I/O."""

from __future__ import annotations

from server.chats.model import Text
from server.feed.advert import advert_of
from server.feed.model import ChatEnded, ChatStarted, Employee, Event, FormSent
from server.platform.postgres import Row


def event(vendor_id: str, text: Text, company_id: int | None, visit: Row | None) -> Event:
    """How it stands now. `visit`: from which it came, if that is known."""
    advert = advert_of(visit, campaign=text.campaign, source=text.traffic_source, site=text.site)
    if text.kind == "form":
        return FormSent(
            form_id=vendor_id, phone=text.phone, name=text.name, email=text.email, text=text.message,
            company_id=company_id, advert=advert, sent_at=text.started_at,
        )  # fmt: skip
    if text.status == "going_on":
        return ChatStarted(
            chat_id=vendor_id, channel=text.type, phone=text.phone, name=text.name, email=text.email,
            company_id=company_id, advert=advert, started_at=text.started_at,
        )  # fmt: skip
    return ChatEnded(
        chat_id=vendor_id, phone=text.phone, name=text.name, company_id=company_id,
        answered_by=Employee(name=text.employee) if text.employee else None, lost=text.status == "lost",
        ended_at=text.ended_at,
    )  # fmt: skip
