"""Calls of UIS as `calls` sees them: notifications, and rows of the report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from urllib.parse import urlsplit

from server.accounts.lookup import Known
from server.calls import flow
from server.calls.flow import Told
from server.calls.model import NOBODY, Event, Named, Signal
from server.calls.reading import Reported, SourceAway
from server.platform.clock import utc_now
from server.platform.egress import Forbidden, RateLimited, Rejected, Unauthorized, VendorError
from server.platform.log import logger
from server.platform.postgres import Conn
from server.platform.vault import Vault
from server.uis.calls import CallRow, CallsApi
from server.uis.errors import AccessRefused, RightRefused
from server.uis.notifications import Notification
from server.vendors.uis_contacts import Contact, Note
from server.vendors.uis_notifications import TakeNotification

_log = logger(__name__)
#: Whether a link to a recording leads to the telephony. Any other is kept nowhere, asked of nobody and passed to nobody.
TrustLink = Callable[[str], bool]
_LINK_MOST = 2000


def trusted_links(media_url: str, hosts: Collection[str]) -> TrustLink:
    """Links to these hosts by HTTPS, and to where recordings lie as it is set."""
    media = urlsplit(media_url)
    known = {host.lower() for host in (*hosts, media.hostname or "") if host}

    def trusts(link: str) -> bool:
        # What a browser reads otherwise than we do is no link at all: spaces, breaks, backslashes, a name before the host.
        if len(link) > _LINK_MOST or not link.isascii() or not link.isprintable() or set(link) & set(' "<>\\'):
            return False
        try:
            parts = urlsplit(link)
            host, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError:
            return False
        if "@" in parts.netloc or host not in known:
            return False
        return (parts.scheme, parts.netloc) == (media.scheme, media.netloc) or (
            parts.scheme == "https" and port in (None, 443)
        )

    return trusts


def _trusted(link: str | None, trusts: TrustLink) -> str | None:
    if link is not None and not trusts(link):
        _log.warning("recording.foreign_link")
        return None
    return link


#: What each event of UIS is to a call. A raised receiver alone is no talk: the other side may still be dialled.
_EVENTS: dict[str, Event] = {
    "in_call_session": "ring", "call_proceeding": "leg", "in_call": "leg", "out_call": "other",
    "out_call_session": "out", "call_connected": "other", "talk_started": "answer", "talk_finished": "talk_over",
    "call_disconnected": "other", "call_session_finished": "over", "lost_call_session": "lost",
    "talk_record_file": "record", "voice_message": "voice", "set_mark": "tag", "unset_mark": "untag",
    "call_hold_control": "other", "talk_record_control": "other",
}  # fmt: skip


def handlers(vault: Vault, trusts: TrustLink) -> dict[str, TakeNotification]:
    """Who acts on notifications of calls."""

    async def take(conn: Conn, known: Known, told: Notification, now: datetime) -> str:
        if told.call_id is None:
            return "kept"
        return await flow.take(conn, vault, known, told.call_id, [told_of(told, trusts)], received_at=now, now=now)

    return dict.fromkeys(_EVENTS, take)


def told_of(told: Notification, trusts: TrustLink) -> Told:
    event = _EVENTS[told.event]
    # An end tells of the last one who talked; of a tag or a lost call the person is nobody who talked.
    employee = (told.employee_id, told.employee_name) if event not in ("tag", "untag", "lost", "voice") else NOBODY
    tags: tuple[Named, ...] = ()
    if event in ("tag", "untag"):
        tags = ((told.tag_id, told.tag_name),) if told.tag_id is not None or told.tag_name else ()
    elif told.tag_names or told.tag_ids:
        ids, names = told.tag_ids or (), told.tag_names or ()
        tags = tuple(
            (ids[place] if place < len(ids) else None, names[place] if place < len(names) else None)
            for place in range(max(len(ids), len(names)))
        )
    direction = "internal" if told.internal else told.direction
    if direction is None and event == "ring":
        direction = "in"
    return Told(
        Signal(
            told.key, event, told.at, direction=direction,  # type: ignore[arg-type]
            contact=told.contact_phone, number=told.virtual_phone, employee=employee,
            talk_s=told.file_s if event == "record" else told.talk_s, wait_s=told.wait_s, site=(None, told.site),
            scenario=(None, told.scenario), tags=tags, external_id=_external_id(told),
        ),
        _trusted(told.file_link, trusts) if event in ("record", "voice") else None,
    )  # fmt: skip


def _external_id(told: Notification) -> str | None:
    found = told.facts.get("external_id")
    return found[:64] if isinstance(found, str) and found else None


def told_by_report(row: CallRow, trusts: TrustLink, *, read_at: datetime) -> list[Told]:
    """A row of the report; what was read later wins."""
    report = Told(
        Signal(
            "report", "report", read_at, direction="internal" if row.internal else row.direction, contact=row.contact,
            number=row.number, employee=row.employee, talked=not row.lost, transferred=row.transferred,
            started_at=row.started_at, ended_at=row.ended_at, talk_s=row.talk_s, wait_s=row.wait_s,
            site=(row.site_id, row.site), source=(row.source_id, row.source), scenario=(row.scenario_id, row.scenario),
            tags=row.tags,
        ),
        _trusted(row.record, trusts),
    )  # fmt: skip
    if not (row.voice_mail and row.lost):
        return [report]
    return [report, Told(Signal("voice", "voice", row.ended_at or read_at))]


class CallsOfUis:
    """`calls.reading.CallSource`."""

    def __init__(self, api: CallsApi, trusts: TrustLink, note: Note | None = None) -> None:
        self._api, self._trusts, self._note = api, trusts, note

    async def begun(self, since: datetime, till: datetime) -> Sequence[Reported]:
        read_at = utc_now()
        try:
            rows = await self._api.begun(since, till)
        except RateLimited as limited:
            raise SourceAway(str(limited), limited.retry_after_s) from None
        except (AccessRefused, RightRefused, Unauthorized, Forbidden, Rejected) as refusal:
            raise SourceAway(str(refusal)) from None
        except VendorError as error:
            raise SourceAway(str(error), 30.0) from None
        if self._note:
            await self._note(
                [
                    Contact("call", row.id, row.started_at, row.session_id, row.contact)
                    for row in rows
                    if row.started_at and row.session_id and row.contact and row.direction == "in" and not row.internal
                ]
            )
        return [Reported(row.id, told_by_report(row, self._trusts, read_at=read_at)) for row in rows]
