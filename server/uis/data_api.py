"""The Data API of UIS and CoMagic: what this product asks of it, in its own words.

Promises: `ensure_*` may be called again with the same things, whatever became of the last call; a row this product
did not load is never deleted; every failure is a typed error of the egress or one of `errors`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, TypeVar
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from server.platform.budget import Priority
from server.platform.egress import Egress, Unavailable, VendorError
from server.uis import mapping, model
from server.uis.errors import RequestRefused
from server.uis.groups import Outcome, Settled, groups, settle
from server.uis.model import (
    Access,
    Account,
    Campaign,
    Contact,
    DealStep,
    Employee,
    FieldDefinition,
    Funnel,
    LoadedRequest,
    LoadedStep,
    Named,
    OfflineRequest,
    Options,
    Owner,
    Plan,
    SessionUpload,
    Site,
    Source,
    Stage,
)
from server.uis.rpc import Memory, Rpc

UIS_URL = "https://dataapi.uiscom.ru"
COMAGIC_URL = "https://dataapi.comagic.ru"

_PAGE = 1000
_OFFSET_MOST = 100_000
_LEAVES_MOST = 50  # values in one filter
_REPORT_DAYS = 60  # a report spans three months at most; the margin pays for short months and zones
_EVERY = timedelta(days=_REPORT_DAYS)

Row = TypeVar("Row")


class DataApi:
    """One account. `memory` outlives the client: keep one per account and process, and pass it again."""

    def __init__(
        self,
        egress: Egress,
        *,
        base_url: str,
        access: Access,
        account: str = "-",
        timezone: str = "",
        user_id: int | None = None,
        options: Options | None = None,
        memory: Memory | None = None,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rpc = Rpc(
            egress, base_url=base_url, access=access, account=account, user_id=user_id, memory=memory, now=now
        )
        self._options = options or Options()
        self._timezone = timezone

    @property
    def points(self) -> model.Points | None:
        """What was left when the last answer came; None before the first."""
        return self._rpc.memory.points

    async def logout(self) -> None:
        await self._rpc.logout()

    # --- the account and its lists

    async def account(self, *, priority: Priority = Priority.OPERATOR) -> Account:
        """The cheapest call that proves the access. Keeps the time zone for later calls."""
        data = (await self._rpc.call("get.account", {}, priority=priority)).get("data")
        row = data[0] if isinstance(data, list) and data else data
        if not isinstance(row, dict):
            raise Unavailable("the answer has no account")
        found = mapping.account_of(row)
        self._rpc.memory.timezone = found.timezone or self._rpc.memory.timezone
        return found

    async def plan(self, *, priority: Priority = Priority.OPERATOR) -> Plan:
        """Which components are on. Itself needs the component "Data API для настройки"."""
        data = (await self._rpc.call("getobj.account", {}, priority=priority)).get("data")
        if not isinstance(data, dict):
            raise Unavailable("the answer has no account")
        return mapping.plan_of(data)

    async def sites(self, *, priority: Priority = Priority.OPERATOR) -> list[Site]:
        rows = await self._all("get.sites", {"fields": list(mapping.SITE_COLUMNS)}, priority)
        return _sound(mapping.site_of(row) for row in rows)

    async def campaigns(self, *, priority: Priority = Priority.OPERATOR) -> list[Campaign]:
        rows = await self._all("get.campaigns", {"fields": list(mapping.CAMPAIGN_COLUMNS)}, priority)
        return _sound(mapping.campaign_of(row) for row in rows)

    async def sources(self, *, priority: Priority = Priority.OPERATOR) -> list[Source]:
        rows = await self._all("get.sources", {"fields": list(mapping.SOURCE_COLUMNS)}, priority)
        return _sound(mapping.source_of(row) for row in rows)

    async def numbers(self, *, priority: Priority = Priority.OPERATOR) -> list[Named]:
        """Virtual numbers of the account."""
        rows = await self._all("get.virtual_numbers", {"fields": list(mapping.NUMBER_COLUMNS)}, priority)
        return _sound(mapping.number_of(row) for row in rows)

    async def scenarios(self, *, priority: Priority = Priority.OPERATOR) -> list[Named]:
        rows = await self._all("get.scenarios", {"fields": list(mapping.SCENARIO_COLUMNS)}, priority)
        return _sound(mapping.named_of(row) for row in rows)

    async def tags(self, *, priority: Priority = Priority.OPERATOR) -> list[Named]:
        rows = await self._all("get.tags", {"fields": list(mapping.TAG_COLUMNS)}, priority)
        return _sound(mapping.named_of(row) for row in rows)

    async def zone(self, *, priority: Priority = Priority.WEBHOOK) -> ZoneInfo:
        """The zone of all times of this account, read once."""
        name = self._timezone or self._rpc.memory.timezone or (await self.account(priority=priority)).timezone
        try:
            return ZoneInfo(name)
        except (ZoneInfoNotFoundError, ValueError, OSError):
            raise RequestRefused("unknown_timezone", f"the account's time zone {name[:40]!r} is not known") from None

    # --- offline requests

    async def upload_offline_requests(
        self, requests: Sequence[OfflineRequest], *, priority: Priority = Priority.WEBHOOK
    ) -> list[int]:
        """Loads up to 50 as they are and answers their ids, in their order as far as one can tell.

        Not safe to repeat: the vendor promises nothing about the same `ext_id`. `ensure_offline_requests` is.
        """
        zone = await self.zone(priority=priority)
        items = [mapping.request_params(one, zone, self._options) for one in requests]
        result = await self._rpc.call("upload.offline_messages", {"offline_messages": items}, priority=priority)
        data = result.get("data")
        ids = [number for row in data if (number := _id(row))] if isinstance(data, list) else []
        if len(ids) != len(requests):
            raise Unavailable(f"the answer has {len(ids)} ids for {len(requests)} requests")
        return ids

    async def find_offline_requests(
        self, requests: Sequence[OfflineRequest], *, priority: Priority = Priority.WEBHOOK
    ) -> dict[str, list[LoadedRequest]]:
        """Rows the vendor holds under the `ext_id` of each, oldest id first, loaded by the Data API only."""
        zone = await self.zone(priority=priority)
        margin = timedelta(days=self._options.look_around_days)
        found: dict[str, list[LoadedRequest]] = {}
        for group in _near([(one.at, one.ext_id) for one in requests]):
            params = {
                "date_from": mapping.wall_time(group[0][0] - margin, zone),
                "date_till": mapping.wall_time(group[-1][0] + margin, zone),
                "filter": mapping.any_of("ext_id", [ext_id for _, ext_id in group]),
                "fields": list(mapping.REQUEST_COLUMNS),
            }
            rows = await self._all("get.offline_messages_report", params, priority)
            for one in _sound(mapping.loaded_request_of(row, zone) for row in rows):
                if one.by_api:
                    found.setdefault(one.ext_id, []).append(one)
        wanted = {one.ext_id for one in requests}
        return {ext_id: sorted(rows, key=lambda row: row.id) for ext_id, rows in found.items() if ext_id in wanted}

    async def ensure_offline_requests(
        self,
        requests: Sequence[OfflineRequest],
        *,
        unknown: frozenset[str] = frozenset(),
        priority: Priority = Priority.WEBHOOK,
    ) -> list[Outcome]:
        """Loads each request once; never raises a vendor's error, each request has its outcome.

        `unknown` names those whose last upload ended without an answer: they are looked up, and what is found there
        is not loaded again. They stay unknown until they are accepted or refused: a loaded row may show with a delay,
        so let some time pass before asking again. A refused group is looked up as well before its halves are tried,
        for whether one bad row fails the others is not documented.
        """
        outcomes: dict[str, Outcome] = {}
        stop: VendorError | None = None
        once = {one.ext_id: one for one in requests}
        asked = [one for one in once.values() if one.ext_id in unknown]
        try:
            held = await self.find_offline_requests(asked, priority=priority) if asked else {}
        except VendorError as error:
            return [_still_unknown(Outcome(one.ext_id, "not_sent", error=error), unknown) for one in requests]
        outcomes |= {ext_id: _accepted(rows) for ext_id, rows in held.items()}
        left = [one for one in once.values() if one.ext_id not in outcomes]
        for group in groups(left, min(self._options.small_group, model.REQUESTS_MOST)):
            if stop is None:
                told = await self._load(group, priority)
                stop = next((one.error for one in told if one.state in ("unknown", "not_sent")), None)
            else:
                told = [Outcome(one.ext_id, "not_sent", error=stop) for one in group]
            outcomes |= {one.ext_id: one for one in told}
        return [_still_unknown(outcomes[one.ext_id], unknown) for one in requests]

    async def _load(self, group: list[OfflineRequest], priority: Priority) -> list[Outcome]:
        try:
            ids = await self.upload_offline_requests(group, priority=priority)
        except RequestRefused as refused:
            if len(group) == 1:
                return [Outcome(group[0].ext_id, "refused", error=refused)]
            return await self._load_apart(group, priority)
        except Unavailable as error:
            return [Outcome(one.ext_id, "unknown", error=error) for one in group]
        except VendorError as error:
            return [Outcome(one.ext_id, "not_sent", error=error) for one in group]
        return [Outcome(one.ext_id, "accepted", number) for one, number in zip(group, ids, strict=True)]

    async def _load_apart(self, group: list[OfflineRequest], priority: Priority) -> list[Outcome]:
        """What a refused group left out, in two halves: the wrong request ends up alone, in few calls."""
        try:
            held = await self.find_offline_requests(group, priority=priority)
        except VendorError as error:
            return [Outcome(one.ext_id, "unknown", error=error) for one in group]
        told = [_accepted(rows) for rows in held.values()]
        left = [one for one in group if one.ext_id not in held]
        stop: VendorError | None = None
        for half in (left[: (len(left) + 1) // 2], left[(len(left) + 1) // 2 :]):
            if stop is None and half:
                told += await self._load(half, priority)
                stop = next((one.error for one in told if one.state in ("unknown", "not_sent")), None)
            else:
                told += [Outcome(one.ext_id, "not_sent", error=stop) for one in half]
        return told

    async def remove_offline_request(self, request: OfflineRequest, *, priority: Priority = Priority.WEBHOOK) -> int:
        """Deletes every row under this `ext_id` that the Data API loaded; answers how many. Safe to repeat.

        The rows are looked up, never taken from a noted id: the order of ids in an upload's answer is not promised,
        and a wrong id would delete another client's request.
        """
        rows = (await self.find_offline_requests([request], priority=priority)).get(request.ext_id, [])
        for row in rows:
            await self._delete("delete.offline_messages", {"id": row.id}, priority)
        return len(rows)

    # --- sessions

    async def ensure_sessions(
        self, sessions: Sequence[SessionUpload], *, priority: Priority = Priority.WEBHOOK
    ) -> dict[str, int]:
        """Loads visits and answers the vendor's session of each. Safe to repeat: it drops a known `ext_id`.

        A visit that is missing from the result was taken but has no number yet: ask again later. Raises a vendor's
        error; what was loaded before it stays loaded.
        """
        zone = await self.zone(priority=priority)
        found: dict[str, int] = {}
        room = model.SESSIONS_BYTES_MOST - 4096  # the envelope takes some

        def weigh(one: SessionUpload) -> dict[str, Any]:
            return mapping.session_params(one, zone)

        for group in groups(sessions, model.SESSIONS_MOST, bytes_most=room, weigh=weigh):
            result = await self._rpc.call(
                "upload.sessions", {"sessions": [weigh(one) for one in group]}, priority=priority
            )
            data = result.get("data")
            found |= _session_ids(data if isinstance(data, list) else [], "session_id")
        missing = [(one.at, one.ext_id) for one in sessions if one.ext_id not in found]
        for part in _near(missing):
            params = {
                "date_from": mapping.wall_time(part[0][0] - timedelta(days=1), zone),
                "date_till": mapping.wall_time(part[-1][0] + timedelta(days=1), zone),
                "filter": mapping.any_of("ext_id", [ext_id for _, ext_id in part]), "fields": ["id", "ext_id"],
            }  # fmt: skip
            found |= _session_ids(await self._all("get.visitor_sessions_report", params, priority), "id")
        wanted = {one.ext_id for one in sessions}
        return {ext_id: number for ext_id, number in found.items() if ext_id in wanted}

    # --- fields of deals and requests

    async def fields(self, of: Owner, *, priority: Priority = Priority.OPERATOR) -> list[FieldDefinition]:
        rows = await self._all(f"get.{mapping.OWNERS[of]}_user_fields", {}, priority)
        return _sound(mapping.field_of(row) for row in rows)

    async def ensure_fields(
        self, of: Owner, wanted: Iterable[FieldDefinition], *, priority: Priority = Priority.OPERATOR
    ) -> None:
        """Makes the fields that are missing and renames those that differ. A field keeps the type it was made with."""
        known = {one.ext_id: one for one in await self.fields(of, priority=priority)}
        for one in wanted:
            named = {"ext_id": one.ext_id, "name": one.name}
            if one.ext_id not in known:
                await self._create(
                    f"create.{mapping.OWNERS[of]}_user_field", {**named, "data_type": one.data_type}, priority
                )
            elif known[one.ext_id].name != one.name:
                await self._rpc.call(f"update.{mapping.OWNERS[of]}_user_field", named, priority=priority)

    # --- funnels

    async def funnels(self, *, priority: Priority = Priority.OPERATOR) -> list[Funnel]:
        rows = await self._all("get.sales_funnel", {}, priority)
        return _sound(mapping.funnel_of(row) for row in rows)

    async def funnel(self, ext_id: str, *, priority: Priority = Priority.OPERATOR) -> Funnel | None:
        rows = await self._all("get.sales_funnel", {"filter": mapping.any_of("ext_id", [ext_id])}, priority)
        return next(iter(_sound(mapping.funnel_of(row) for row in rows)), None)

    async def ensure_funnel(self, wanted: Funnel, *, priority: Priority = Priority.OPERATOR) -> None:
        """Makes the funnel, or brings names, order and missing stages of the one that is there up to date.

        A stage that is there and not wanted stays: deals may stand in it.
        """
        known = await self.funnel(wanted.ext_id, priority=priority)
        if known is None:
            if await self._create("create.sales_funnel", mapping.funnel_params(wanted), priority):
                return
            known = await self.funnel(wanted.ext_id, priority=priority)  # made by somebody else meanwhile
            if known is None:
                raise Unavailable("the funnel is said to be there and is not shown")
        if known.name != wanted.name:
            await self._rpc.call(
                "update.sales_funnel", {"ext_id": wanted.ext_id, "name": wanted.name}, priority=priority
            )
        there = {stage.ext_id: stage for stage in (*known.on_the_way, known.success, known.failed)}
        for stage in (*wanted.on_the_way, wanted.success, wanted.failed):
            await self._ensure_stage(wanted.ext_id, stage, there.get(stage.ext_id), priority)

    async def _ensure_stage(self, funnel: str, stage: Stage, known: Stage | None, priority: Priority) -> None:
        params: dict[str, Any] = {"sales_funnel_ext_id": funnel, "ext_id": stage.ext_id, "name": stage.name}
        if stage.status == "in_process":
            params["order"] = stage.order
        if known is None:
            if stage.status != "in_process":
                raise RequestRefused("stage_is_fixed", "the funnel in UIS ends in other stages than the wanted ones")
            await self._create("create.sales_funnel_stages", params, priority)
        elif known.name != stage.name or (stage.status == "in_process" and known.order != stage.order):
            await self._rpc.call("update.sales_funnel_stages", params, priority=priority)

    # --- responsible people and contacts

    async def employees(self, *, priority: Priority = Priority.OPERATOR) -> list[Employee]:
        rows = await self._all("get.deal_employees", {}, priority)
        return _sound(mapping.employee_of(row) for row in rows)

    async def ensure_employees(self, wanted: Iterable[Employee], *, priority: Priority = Priority.WEBHOOK) -> None:
        known = {one.ext_id: one.name for one in await self.employees(priority=priority)}
        for one in wanted:
            named = {"ext_id": one.ext_id, "name": one.name}
            if one.ext_id not in known:
                await self._create("create.deal_employees", named, priority)
            elif known[one.ext_id] != one.name:
                await self._rpc.call("update.deal_employees", named, priority=priority)

    async def contacts(self, ext_ids: Sequence[str], *, priority: Priority = Priority.WEBHOOK) -> dict[str, Contact]:
        zone = await self.zone(priority=priority)
        found: dict[str, Contact] = {}
        for part in groups(dict.fromkeys(ext_ids), _LEAVES_MOST):
            rows = await self._all("get.deal_contacts", {"filter": mapping.any_of("ext_id", part)}, priority)
            found |= {one.ext_id: one for one in _sound(mapping.contact_of(row, zone) for row in rows)}
        return found

    async def ensure_contacts(
        self, wanted: Sequence[Contact], *, priority: Priority = Priority.WEBHOOK
    ) -> list[Outcome]:
        """Makes contacts that are missing and updates those that differ. Never raises a vendor's error.

        A contact that is there keeps its time of creation unless an earlier one is known.
        """
        try:
            zone = await self.zone(priority=priority)
            known = await self.contacts([one.ext_id for one in wanted], priority=priority)
        except VendorError as error:
            return [Outcome(one.ext_id, "not_sent", error=error) for one in wanted]

        async def create(part: list[Contact]) -> None:
            items = [mapping.contact_params(one, zone, self._options) for one in part]
            try:
                await self._rpc.call("create.deal_contacts", {"contacts": items}, priority=priority)
            except RequestRefused as refused:
                if refused.code != "duplicate_entity" or len(part) > 1:
                    raise
                await update(part)

        async def update(part: list[Contact]) -> None:
            params = mapping.contact_params(part[0], zone, self._options, whole=True)
            await self._rpc.call("update.deal_contacts", params, priority=priority)

        settled: list[Settled[Contact]] = []
        once = {one.ext_id: one for one in wanted}
        for group in groups([one for one in once.values() if one.ext_id not in known], model.CONTACTS_MOST):
            settled += await settle([(one,) for one in group], create)
        for one in once.values():
            if one.ext_id in known:
                wish = _keeping_earlier(known[one.ext_id], one)
                same = _same_contact(known[one.ext_id], wish)
                settled += [Settled((one,), "accepted")] if same else await settle([(wish,)], update)
        return _outcomes(settled, [one.ext_id for one in wanted])

    # --- deals

    async def ensure_deal_steps(
        self, steps: Sequence[DealStep], *, priority: Priority = Priority.WEBHOOK
    ) -> list[Outcome]:
        """Loads steps of deals; one outcome for each deal. Never raises a vendor's error.

        One wrong deal fails the vendor's whole request: the group is halved until the wrong deal stands alone. The
        steps of one deal stay together and in the order of their stage times. A step that is loaded again is a step
        at the time of the last one, which the vendor allows.
        """
        try:
            zone = await self.zone(priority=priority)
        except VendorError as error:
            return [Outcome(ext_id, "not_sent", error=error) for ext_id in dict.fromkeys(one.ext_id for one in steps)]

        async def upload(part: list[DealStep]) -> None:
            deals = [mapping.deal_params(one, zone) for one in part]
            await self._rpc.call("upload.deals_history", {"deals": deals}, priority=priority)

        settled: list[Settled[DealStep]] = []
        for group in _deal_groups(steps):
            before = settled[-1] if settled else None
            if before and before.state in ("unknown", "not_sent"):
                settled += [Settled(unit, "not_sent", before.error) for unit in group]
            else:
                settled += await settle(group, upload)
        return _outcomes(settled, list(dict.fromkeys(one.ext_id for one in steps)))

    async def deal_history(self, ext_id: str, *, priority: Priority = Priority.WEBHOOK) -> list[LoadedStep]:
        """The steps the vendor holds, oldest stage first; the vendor works loaded deals off with a delay."""
        return (await self.deal_histories([ext_id], priority=priority)).get(ext_id, [])

    async def deal_histories(
        self, ext_ids: Sequence[str], *, priority: Priority = Priority.WEBHOOK
    ) -> dict[str, list[LoadedStep]]:
        """`deal_history` of many at once; a deal that does not show is missing."""
        zone = await self.zone(priority=priority)
        found: dict[str, list[LoadedStep]] = {}
        for part in groups(dict.fromkeys(ext_ids), _LEAVES_MOST):
            params = {
                "filter": mapping.any_of("ext_id", part),
                "sort": [{"field": "modified_stage_date_time", "order": "asc"}],
            }
            rows = await self._all("get.deals_history", params, priority)
            for step in _sound(mapping.loaded_step_of(row, zone) for row in rows):
                found.setdefault(step.ext_id, []).append(step)
        return found

    async def deals_in_processing(self, *, priority: Priority = Priority.RECONCILE) -> int:
        data = (await self._rpc.call("get.deals_in_processing", {}, priority=priority)).get("data")
        count = data.get("count") if isinstance(data, dict) else None
        if isinstance(count, bool) or not isinstance(count, int):
            raise Unavailable("the answer has no count")
        return count

    async def delete_deal(self, ext_id: str, *, priority: Priority = Priority.WEBHOOK) -> None:
        """Takes the deal and its history away; a deal that is not there is gone already."""
        await self._delete("delete.deals", {"ext_id": ext_id}, priority)

    # --- the verbs

    async def report(
        self,
        method: str,
        params: dict[str, Any],
        *,
        since: datetime | None = None,
        till: datetime | None = None,
        priority: Priority,
    ) -> tuple[list[dict[str, Any]], ZoneInfo]:
        """All rows of a report with the zone of their times. A longer time than one report spans is asked in parts."""
        zone = await self.zone(priority=priority)
        if since is None or till is None:
            return await self._all(method, params, priority), zone
        rows: list[dict[str, Any]] = []
        while since < till:
            end = min(till, since + _EVERY)
            span = {"date_from": mapping.wall_time(since, zone), "date_till": mapping.wall_time(end, zone)}
            rows += await self._all(method, {**params, **span}, priority)
            since = end
        return rows, zone

    async def _all(self, method: str, params: dict[str, Any], priority: Priority) -> list[dict[str, Any]]:
        """All rows, page by page, as far as the vendor pages (100,000)."""
        rows: list[dict[str, Any]] = []
        for offset in range(0, _OFFSET_MOST + 1, _PAGE):
            page = {"limit": _PAGE, "offset": offset} if offset else {"limit": _PAGE}
            result = await self._rpc.call(method, {**params, **page}, priority=priority)
            data, metadata = result.get("data"), result.get("metadata")
            if not isinstance(data, list):
                raise Unavailable("the answer has no list")
            rows += [row for row in data if isinstance(row, dict)]
            total = metadata.get("total_items") if isinstance(metadata, dict) else None
            if len(data) < _PAGE or (isinstance(total, int) and offset + len(data) >= total):
                break
        return rows

    async def visitors(self, ids: Sequence[int], *, priority: Priority) -> list[dict[str, Any]]:
        """Rows of people by their ids; the method knows no pages."""
        data = (await self._rpc.call("get.visitors", {"ids": list(ids)}, priority=priority)).get("data")
        if not isinstance(data, list):
            raise Unavailable("the answer has no list")
        return [row for row in data if isinstance(row, dict)]

    async def _create(self, method: str, params: dict[str, Any], priority: Priority) -> bool:
        """False when it is there already."""
        try:
            await self._rpc.call(method, params, priority=priority)
        except RequestRefused as refused:
            if refused.code != "duplicate_entity":
                raise
            return False
        return True

    async def _delete(self, method: str, params: dict[str, Any], priority: Priority) -> None:
        try:
            await self._rpc.call(method, params, priority=priority)
        except RequestRefused as refused:
            if refused.code != "entity_not_found":
                raise


def _sound(rows: Iterable[Row | None]) -> list[Row]:
    return [row for row in rows if row is not None]


def _id(row: Any) -> int | None:
    number = row.get("id") if isinstance(row, dict) else None
    return number if isinstance(number, int) and not isinstance(number, bool) else None


def _accepted(rows: list[LoadedRequest]) -> Outcome:
    first, *others = rows
    doubles = tuple(row.id for row in others)
    return Outcome(first.ext_id, "accepted", first.id, first.communication_id, doubles=doubles)


def _still_unknown(told: Outcome, unknown: frozenset[str]) -> Outcome:
    return replace(told, state="unknown") if told.state == "not_sent" and told.ext_id in unknown else told


def _session_ids(rows: list[Any], name: str) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        number, ext_id = (row.get(name), row.get("ext_id")) if isinstance(row, dict) else (None, None)
        if isinstance(number, int) and not isinstance(number, bool) and isinstance(ext_id, str):
            found[ext_id] = number
    return found


def _near(wanted: Iterable[tuple[datetime, str]]) -> list[list[tuple[datetime, str]]]:
    """Groups that one report can answer: few values, and not far apart in time."""
    found: list[list[tuple[datetime, str]]] = []
    for one in sorted(set(wanted)):
        if not found or len(found[-1]) >= _LEAVES_MOST or one[0] - found[-1][0][0] > _EVERY:
            found.append([])
        found[-1].append(one)
    return found


def _keeping_earlier(known: Contact, wanted: Contact) -> Contact:
    earlier = known.created_at and wanted.created_at and known.created_at <= wanted.created_at
    return replace(wanted, created_at=None) if earlier else wanted


def _same_contact(known: Contact, wanted: Contact) -> bool:
    phones = {phone.lstrip("+") for phone in known.phones} == {phone.lstrip("+") for phone in wanted.phones}
    created = wanted.created_at is None or known.created_at == wanted.created_at.replace(microsecond=0)
    return known.name == wanted.name.strip() and phones and set(known.emails) == set(wanted.emails) and created


def _deal_groups(steps: Sequence[DealStep]) -> list[list[tuple[DealStep, ...]]]:
    """Deals with all their steps, in groups the vendor takes at once; a deal is never cut."""
    deals: dict[str, list[DealStep]] = {}
    for step in steps:
        deals.setdefault(step.ext_id, []).append(step)
    found: list[list[tuple[DealStep, ...]]] = []
    size = 0
    for unit in deals.values():
        if not found or size + len(unit) > model.DEALS_MOST:
            found.append([])
            size = 0
        found[-1].append(tuple(sorted(unit, key=lambda step: step.stage_at)))
        size += len(unit)
    return found


def _outcomes(settled: Iterable[Settled[Any]], order: list[str]) -> list[Outcome]:
    told = {one.unit[0].ext_id: Outcome(one.unit[0].ext_id, one.state, error=one.error) for one in settled}
    return [told[ext_id] for ext_id in order]
