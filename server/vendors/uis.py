"""UIS as the business folders see it: their Protocols over the Data API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Literal

from server.delivery.relay import Delivered, Held, Refused, Result, TryAgain
from server.leads.directory import UNAVAILABLE, Choice, Directory, DirectoryAway
from server.leads.sending import OutgoingLead, OutgoingVisit
from server.platform.egress import Forbidden, RateLimited, Rejected, Unauthorized, VendorError
from server.platform.notes import both
from server.uis.data_api import DataApi
from server.uis.errors import AccessRefused, RequestRefused, RightRefused, sentence
from server.uis.groups import Outcome
from server.uis.model import MARKS, ByDefault, InSession, Named, OfflineRequest, SessionUpload

#: Refusals that concern what was asked for alone: the account's other methods may well work.
_OF_ONE_KIND = frozenset({
    "forbidden", "method_component_disabled", "parameter_component_disabled", "tariff_restrictions",
})  # fmt: skip
FORM_NAME = "YCLIENTS: онлайн-запись"
_NOT_SHOWN = TryAgain("session_not_shown", "UIS принял визит, но номера сессии ещё не показал")
_DEVICES: dict[str, Literal["desktop", "mobile", "tablet"]] = {
    "desktop": "desktop",
    "mobile": "mobile",
    "tablet": "tablet",
}


class LeadsOfUis:
    """`leads.sending.LeadDesk`: an online booking is an offline request of the account."""

    def __init__(self, api: DataApi) -> None:
        self._api = api

    async def load(self, leads: Sequence[OutgoingLead], *, uncertain: frozenset[str]) -> list[Result]:
        sessions = await self._sessions([lead.visit for lead in leads if lead.visit])
        found = [sessions.get(lead.visit.ext_id, _NOT_SHOWN) if lead.visit else lead.session_id for lead in leads]
        ready = [
            replace(lead, session_id=session)
            for lead, session in zip(leads, found, strict=True)
            if session is None or isinstance(session, int)
        ]
        outcomes = await self._api.ensure_offline_requests([_request(lead) for lead in ready], unknown=uncertain)
        results = {lead.ext_id: _result(outcome, lead) for outcome, lead in zip(outcomes, ready, strict=True)}
        for lead, trouble in zip(leads, found, strict=True):
            if trouble is not None and not isinstance(trouble, int):
                results[lead.ext_id] = trouble
        return [results[lead.ext_id] for lead in leads]

    async def _sessions(self, visits: Sequence[OutgoingVisit]) -> dict[str, int | Result]:
        """The session of each visit, or why there is none yet."""
        wanted = {visit.ext_id: _session(visit) for visit in visits}
        if not wanted:
            return {}
        try:
            return {**await self._api.ensure_sessions(list(wanted.values()))}
        except RightRefused as refusal:  # the component is off: no reason to keep the leads back
            return dict.fromkeys(wanted, Refused(refusal.reason, _told(refusal.reason, refusal.facts)))
        except VendorError as error:
            trouble = result_of(error, sent=False)
            if isinstance(trouble, Refused) and len(visits) > 1:  # one bad visit must not spoil the others
                alone = [await self._sessions([visit]) for visit in visits]
                return {ext_id: found for one in alone for ext_id, found in one.items()}
            return dict.fromkeys(wanted, trouble)

    async def remove(self, lead: OutgoingLead) -> Result | None:
        """None: it is gone. Anything else says why it could not be taken away."""
        try:
            await self._api.remove_offline_request(_request(lead))
        except VendorError as error:
            return result_of(error, sent=False)
        return None


async def directory_of(api: DataApi) -> Directory:
    """The lists of the account, for its settings. Raises `DirectoryAway`."""
    try:
        sites, campaigns, sources = await api.sites(), await api.campaigns(), await api.sources()
        numbers, scenarios, tags = (
            await _if_allowed(api.numbers),
            await _if_allowed(api.scenarios),
            await _if_allowed(api.tags),
        )
    except VendorError as error:
        raise _away(error) from None
    return Directory(
        tuple(
            Choice(one.id, f"{one.name} ({one.domain})" if one.domain else one.name, called=one.domain) for one in sites
        ),
        tuple(Choice(one.id, one.name, one.active) for one in campaigns if one.id > 0),
        tuple(
            Choice(one.id, f"{one.name} · {one.channel}" if one.channel else one.name, one.usable, called=one.name)
            for one in sources
        ),
        *(tuple(Choice(one.id, one.name, one.usable) for one in named) for named in (numbers, scenarios, tags)),
    )


async def _if_allowed(read: Callable[[], Awaitable[list[Named]]]) -> list[Named]:
    """A list of telephony; an account that may not read it does without."""
    try:
        return await read()
    except (RightRefused, RequestRefused, Rejected):
        return []


def _away(error: VendorError) -> DirectoryAway:
    if isinstance(error, (AccessRefused, RightRefused)):
        told = [sentence(error.reason, facts=error.facts, lang=lang) for lang in ("ru", "en")]
        return DirectoryAway(error.reason, (told[0], told[1]))
    return DirectoryAway(
        UNAVAILABLE,
        (
            f"UIS сейчас не отвечает, попробуйте через минуту ({error}).",
            f"UIS does not answer; try in a minute ({error}).",
        ),
    )


def _session(visit: OutgoingVisit) -> SessionUpload:
    marks = tuple((name, value) for name, value in sorted(visit.marks.items()) if name in MARKS)
    return SessionUpload(
        ext_id=visit.ext_id, site_id=visit.site_id, at=visit.at, visitor_is_new=visit.visitor_is_new,
        visitor_ip=visit.network, marks=marks, referrer=visit.referrer, entrance_url=visit.landing_page,
        device=_DEVICES.get(visit.device, "other"),
    )  # fmt: skip


def _request(lead: OutgoingLead) -> OfflineRequest:
    origin: InSession | ByDefault = (
        InSession(lead.session_id)
        if lead.session_id
        else ByDefault(campaign_id=lead.campaign_id, source_id=lead.source_id, site_id=lead.site_id)
    )
    return OfflineRequest(
        ext_id=lead.ext_id, at=lead.at, origin=origin, name=lead.name, phone=lead.phone, email=lead.email,
        message=lead.message, form_name=FORM_NAME,
    )  # fmt: skip


def _result(outcome: Outcome, lead: OutgoingLead) -> Result:
    if outcome.state == "accepted":
        return Delivered(str(outcome.vendor_id) if outcome.vendor_id else None, lead.wanted)
    error = outcome.error or VendorError("no answer")
    return result_of(error, sent=outcome.state == "unknown")


def _told(reason: str, facts: Mapping[str, str]) -> str:
    return both(sentence(reason, facts=facts, lang="ru"), sentence(reason, facts=facts, lang="en"))


def result_of(error: VendorError, *, sent: bool) -> Result:
    """What an error of the vendor means for one thing on its way. The sentence is kept in both languages."""
    match error:
        case AccessRefused(reason=reason, facts=facts) | RightRefused(reason=reason, facts=facts):
            scope: Literal["connection", "kind"] = "kind" if reason in _OF_ONE_KIND else "connection"
            return Held(reason, _told(reason, facts), scope, sent=sent)
        case Unauthorized() | Forbidden():
            return Held("refused", str(error), sent=sent)
        case RateLimited(retry_after_s=pause_s):
            return TryAgain("limit", str(error), after_s=pause_s, sent=sent)
        case RequestRefused(code=code):
            return Refused(code, str(error))
        case Rejected(code=code):
            return Refused(code, str(error))
        case _:
            return TryAgain("unavailable", str(error), sent=sent)
