"""UIS as deals see it: `deals.flow.DealDesk` over the Data API.

Funnels, fields, people and contacts are made before the first deal that names them and remembered in this process;
when UIS does not find what is named, all is made sure of again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from server.deals.flow import LEAD_GONE, FieldsMade, LeadRef, Load
from server.deals.funnel import Funnel, FunnelRefused, Stage, funnel_changes
from server.deals.model import Contact, fingerprint
from server.deals.sending import Entry, Parcel, Sent
from server.delivery.relay import Delivered, Held, Refused, Result, TryAgain
from server.leads.sending import lead_key
from server.platform.egress import Rejected, VendorError
from server.uis import model as uis
from server.uis.data_api import DataApi
from server.uis.errors import RequestRefused
from server.uis.groups import Outcome
from server.vendors.uis import result_of

_CONTACTS_REMEMBERED = 50_000
_BUSY_PAUSE_S = 5.0


@dataclass
class Ensured:
    """What is known to stand in the account. One per account and process."""

    funnels: dict[str, Funnel] = field(default_factory=dict)
    fields: set[tuple[str, str, str]] = field(default_factory=set)
    people: dict[str, str] = field(default_factory=dict)
    contacts: dict[str, str] = field(default_factory=dict)  # key → fingerprint

    def forget(self) -> None:
        for known in (self.funnels, self.fields, self.people, self.contacts):
            known.clear()


class DealsOfUis:
    """`deals.flow.DealDesk`."""

    def __init__(self, api: DataApi, ensured: Ensured) -> None:
        self._api, self._ensured = api, ensured

    # --- loading

    async def load(self, loads: Sequence[Load], fields: FieldsMade) -> list[Result]:
        results = await self._load(loads, fields)
        missing = [number for number, result in enumerate(results) if _not_found(result)]
        if not missing:
            return results
        self._ensured.forget()
        again = await self._load([loads[number] for number in missing], fields)
        for number, result in zip(missing, again, strict=True):
            results[number] = result
        return results

    async def _load(self, loads: Sequence[Load], fields: FieldsMade) -> list[Result]:
        try:
            await self._ensure_frame(loads, fields)
        except (FunnelRefused, VendorError) as error:
            return [_of_frame(error)] * len(loads)
        refused = await self._ensure_people([load.parcel for load in loads])
        refused |= await self._ensure_contacts([load.parcel for load in loads])
        whole = next((result for result in refused.values() if isinstance(result, Held)), None)
        if whole is not None:
            return [whole] * len(loads)
        parcels = [load.parcel for load in loads if load.parcel.key not in refused]
        steps = [step for parcel in parcels for step in _steps(parcel)]
        told = await self._api.ensure_deal_steps(steps) if steps else []
        outcomes = {outcome.ext_id: _result(outcome) for outcome in told}
        return [refused.get(load.parcel.key) or outcomes[load.parcel.key] for load in loads]

    # --- what stands before deals can

    async def _ensure_frame(self, loads: Sequence[Load], fields: FieldsMade) -> None:
        """Funnels and fields. Raises; what is wrong with them is wrong for every deal."""
        for funnel in {load.funnel.key: load.funnel for load in loads}.values():
            if self._ensured.funnels.get(funnel.key) != funnel:
                await self._api.ensure_funnel(_where_it_stands(funnel, await self._api.funnel(funnel.key)))
                self._ensured.funnels[funnel.key] = funnel
        wanted = [
            uis.FieldDefinition(key, name, "numeric" if kind == "numeric" else "string") for key, name, kind in fields
        ]
        if not set(fields) <= self._ensured.fields:
            await self._api.ensure_fields("deal", wanted)
            self._ensured.fields = set(fields)

    async def _ensure_people(self, parcels: Sequence[Parcel]) -> dict[str, Result]:
        """Answers the deals whose responsible person cannot be made."""
        people = {
            one.key: one.name for parcel in parcels if (one := parcel.deal.responsible) is not None
            and self._ensured.people.get(one.key) != one.name
        }  # fmt: skip
        bad: dict[str, Result] = {}
        if people:
            try:
                await self._api.ensure_employees([uis.Employee(key, name) for key, name in people.items()])
            except RequestRefused:
                bad = await self._people_one_by_one(people)
            except VendorError as error:
                bad = dict.fromkeys(people, _of_error(error, sent=False))
        self._ensured.people |= {key: name for key, name in people.items() if key not in bad}
        keyed = {parcel.key: parcel.deal.responsible for parcel in parcels}
        return {key: bad[one.key] for key, one in keyed.items() if one is not None and one.key in bad}

    async def _people_one_by_one(self, people: Mapping[str, str]) -> dict[str, Result]:
        bad: dict[str, Result] = {}
        for key, name in people.items():
            try:
                await self._api.ensure_employees([uis.Employee(key, name)])
            except VendorError as error:
                bad[key] = _of_error(error, sent=False)
        return bad

    async def _ensure_contacts(self, parcels: Sequence[Parcel]) -> dict[str, Result]:
        """Answers the deals whose contact was not taken."""
        if len(self._ensured.contacts) > _CONTACTS_REMEMBERED:
            self._ensured.contacts.clear()
        contacts = {one.key: one for parcel in parcels if (one := parcel.deal.contact) is not None}
        new = [one for one in contacts.values() if self._ensured.contacts.get(one.key) != _print(one)]
        bad: dict[str, Result] = {}
        for outcome in await self._api.ensure_contacts([_contact(one) for one in new]) if new else []:
            if outcome.state == "accepted":
                self._ensured.contacts[outcome.ext_id] = _print(contacts[outcome.ext_id])
            else:
                bad[outcome.ext_id] = _of_error(outcome.error or VendorError("no answer"), sent=False)
        keyed = {parcel.key: parcel.deal.contact for parcel in parcels}
        return {key: bad[one.key] for key, one in keyed.items() if one is not None and one.key in bad}

    # --- looking

    async def shown(self, keys: Sequence[str]) -> Mapping[str, Sent] | Result:
        try:
            if await self._api.deals_in_processing():  # asked first: what it finishes meanwhile shows in the histories
                return TryAgain("in_processing", "UIS is still working on loaded deals", _BUSY_PAUSE_S, sent=True)
            histories = await self._api.deal_histories(keys)
        except VendorError as error:
            return _of_error(error, sent=True)
        found: dict[str, Sent] = {}
        for key, steps in histories.items():
            last = steps[-1]
            if last.stage_at is None:
                return TryAgain("unavailable", f"UIS shows the deal {key} without the time of its stage", sent=True)
            found[key] = Sent(last.funnel, last.stage, last.stage_at, last.stage_at, "")
        return found

    async def communications(self, leads: Sequence[LeadRef]) -> Mapping[UUID, int] | Result:
        asked = {lead_key(one.booking_id): one.booking_id for one in leads}
        requests = [uis.OfflineRequest(lead_key(one.booking_id), one.at, uis.ByDefault()) for one in leads]
        try:
            rows = await self._api.find_offline_requests(requests)
        except VendorError as error:
            return _of_error(error, sent=False)
        return {
            asked[ext_id]: held[-1].communication_id for ext_id, held in rows.items() if held[-1].communication_id is not None
        }  # fmt: skip


# --- our words in UIS's


def _where_it_stands(wanted: Funnel, known: uis.Funnel | None) -> uis.Funnel:
    """The funnel to make sure of. Stages that stand in the wanted order keep their numbers, whatever they are."""
    held = () if known is None else tuple(map(_known_stage, (*known.on_the_way, known.success, known.failed)))
    changes = funnel_changes(wanted, known.name if known else None, held)
    moves = any(change.kind in ("make_funnel", "make_stage", "move_stage") for change in changes)
    numbers = {} if moves else {stage.key: stage.order for stage in held}
    stages = [uis.Stage(one.key, one.name, numbers.get(one.key, one.order), one.kind) for one in wanted.stages]
    *way, success, failed = stages
    return uis.Funnel(wanted.key, wanted.name, tuple(way), success, failed)


def _known_stage(stage: uis.Stage) -> Stage:
    return Stage(stage.ext_id, stage.name, stage.status, stage.order)


def _contact(contact: Contact) -> uis.Contact:
    return uis.Contact(
        contact.key, contact.name, contact.created_at, (contact.phone,) if contact.phone else (),
        (contact.email,) if contact.email else (),
    )  # fmt: skip


def _print(contact: Contact) -> str:
    return fingerprint(contact.name, contact.phone, contact.email)


def _steps(parcel: Parcel) -> list[uis.DealStep]:
    return [_step(parcel, entry) for entry in parcel.entries]


def _step(parcel: Parcel, entry: Entry) -> uis.DealStep:
    deal, step = parcel.deal, entry.step
    number = deal.link.communication
    return uis.DealStep(
        ext_id=deal.key, name=deal.title, created_at=deal.created_at, stage_at=step.at, funnel=deal.funnel_key,
        stage=step.stage.key, changed_at=entry.changed_at, closed_at=entry.closed_at,
        contacts=(deal.contact.key,) if deal.contact else (), main_contact=deal.contact.key if deal.contact else "",
        revenue=step.amount, employee=deal.responsible.key if deal.responsible else "",
        communication=uis.Communication(number, "request") if number is not None else None,
        fields=tuple(uis.FieldValue(key, value) for key, value in deal.fields),
    )  # fmt: skip


# --- UIS's answers in ours


def _result(outcome: Outcome) -> Result:
    if outcome.state == "accepted":
        return Delivered(None, {})
    return _of_error(outcome.error or VendorError("no answer"), sent=outcome.state == "unknown")


def _of_error(error: VendorError, *, sent: bool) -> Result:
    result = result_of(error, sent=sent)
    if isinstance(error, RequestRefused) and error.code == "invalid_date_time":
        return Refused("out_of_step", str(error))
    if isinstance(error, RequestRefused) and error.code == "entity_not_found":
        if "communication" in error.where:
            return Refused(LEAD_GONE, str(error))
        return Refused(error.code, f"{error.human} {error.where}".strip())
    return result


def _of_frame(error: FunnelRefused | VendorError) -> Result:
    """A funnel or a field that UIS refuses is for the owner to settle."""
    if isinstance(error, (FunnelRefused, Rejected)):
        return Held("funnel_refused", f"UIS не принимает воронку или поля сделок: {error}", "kind")
    return _of_error(error, sent=False)


def _not_found(result: Result) -> bool:
    return isinstance(result, Refused) and result.code == "entity_not_found"
