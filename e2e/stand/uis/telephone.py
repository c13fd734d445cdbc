"""Calls of the simulated account: what happens in each scenario, when, and what is told of it.

Lengths are those a call claims (`wait_s`, `talk_s`); `scale` says how fast it is played: 1 as in life, 0 at once.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

from e2e.stand.uis.marks import put_tag, tag_of
from e2e.stand.uis.state import Communication, Uis


@dataclass
class Leg:
    id: int
    employee: dict[str, Any] | None  # nobody: the contact's own leg
    phone: str
    at: datetime
    state: str = "Дозвон"
    connected: datetime | None = None
    ended: datetime | None = None
    talk_s: int = 0


@dataclass
class Call:
    id: int
    direction: str
    virtual: str
    contact: str
    at: datetime
    site_id: int | None
    campaign_id: int | None
    scenario: dict[str, Any]
    source: str = "va"
    source_id: int | None = None
    external_id: str | None = None
    session_id: int | None = None
    internal: bool = False
    number: int = 1  # which communication of this contact it is
    wait_s: int = 0
    talk_s: int = 0
    lost: bool = False
    transfer: bool = False
    finish_reason: str | None = None
    ended: datetime | None = None
    legs: list[Leg] = field(default_factory=list)
    records: list[str] = field(default_factory=list)
    voice_mails: list[str] = field(default_factory=list)
    tags: list[dict[str, Any]] = field(default_factory=list)

    @property
    def talked(self) -> list[Leg]:
        return [leg for leg in self.legs if leg.employee and leg.talk_s]

    @property
    def total_s(self) -> int:
        return self.wait_s + self.talk_s


@dataclass(frozen=True)
class Plan:
    """How a scenario goes. `record_s`: seconds after the end until the recording is there; None: there is none."""

    direction: str = "in"
    answered: bool = True
    transfer: bool = False
    internal: bool = False
    voice_mail: bool = False
    record_s: float | None = 3
    reason: str = "subscriber_disconnects"
    ends: bool = True  # False: the end is never told of


SCENARIOS: dict[str, Plan] = {
    "answered": Plan(),
    "recording_later": Plan(record_s=60),
    "no_recording": Plan(record_s=None),
    "transfer": Plan(transfer=True),
    "lost": Plan(answered=False, reason="no_success_operator_call"),
    "busy": Plan(answered=False, reason="operator_busy"),
    "hung_up": Plan(answered=False, reason="subscriber_disconnects"),
    "voicemail": Plan(answered=False, voice_mail=True, reason="no_success_operator_call"),
    "outgoing": Plan(direction="out", reason="operator_disconnects"),
    "outgoing_lost": Plan(direction="out", answered=False, reason="timeout"),
    "internal": Plan(direction="out", internal=True, reason="operator_disconnects"),
    "no_end": Plan(ends=False),
    "no_end_lost": Plan(ends=False, answered=False, reason="no_success_operator_call"),
}


class Player:
    """Plays calls of one account; what is being played stops with it."""

    def __init__(self, uis: Uis) -> None:
        self._uis = uis
        self._playing: dict[int, tuple[asyncio.Task[None], Pace]] = {}

    async def stop(self) -> None:
        tasks = [task for task, _ in self._playing.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def call(self, **asked: Any) -> Call:
        """Starts a call and answers it; with `until_end` only when it is over. Raises `KeyError` for what is not known."""
        until_end = asked.pop("until_end", False)
        call = self.start(**asked)
        if until_end:
            await self._playing[call.id][0]
        return call

    def start(self, **asked: Any) -> Call:
        plan, call, pace = begin(self._uis, **asked)
        task = asyncio.create_task(self._play(plan, call, pace))
        self._playing[call.id] = (task, pace)
        task.add_done_callback(lambda _: self._playing.pop(call.id, None))
        return call

    def release(self, call: Call) -> None:
        """Ends a call that goes on: it has lasted as long as it has."""
        if call.id not in self._playing:
            return
        _, pace = self._playing[call.id]
        lasted = (asyncio.get_running_loop().time() - pace.started) / pace.scale if pace.scale else call.total_s
        call.talk_s = max(0, min(call.talk_s, int(lasted) - call.wait_s))
        pace.released.set()

    async def _play(self, plan: Plan, call: Call, pace: Pace) -> None:
        uis = self._uis
        if plan.direction == "in":
            leg = await self._ring(call, pace, pace.staff[0])
        else:
            leg = await self._dial(call, pace, pace.staff[0])
        await pace.until(call.wait_s)
        if pace.released.is_set():
            plan = replace(plan, answered=False, voice_mail=False)
        if plan.answered:
            leg = await self._talk(plan, call, pace, leg)
        self._hang_up(plan, call, leg)
        if plan.voice_mail:
            await self._file(call, pace, plan.record_s or 0, "voice_message", call.voice_mails)
        elif plan.answered and plan.record_s is not None:
            after_s = plan.record_s if pace.record_s is None else pace.record_s
            await self._file(call, pace, after_s, "talk_record_file", call.records, silent=not plan.ends)
        if pace.tag is not None:
            put_tag(uis, "call", call.tags, lambda: variables(uis, call), pace.tag)

    async def _ring(self, call: Call, pace: Pace, person: dict[str, Any]) -> Leg:
        self._tell("in_call_session", call)
        leg = self._leg(call, person)
        self._tell("in_call", call, leg)
        await pace.until(0.3)
        self._tell("call_proceeding", call, leg)
        return leg

    async def _dial(self, call: Call, pace: Pace, person: dict[str, Any]) -> Leg:
        leg = self._leg(call, person)
        self._tell("out_call_session", call, leg)
        self._tell("out_call", call, leg)
        await pace.until(0.3)
        self._tell("call_proceeding", call, leg)
        return leg

    async def _talk(self, plan: Plan, call: Call, pace: Pace, leg: Leg) -> Leg:
        self._connect(call, leg)
        first_s = call.talk_s // 2 if plan.transfer else call.talk_s
        await pace.until(call.wait_s + first_s)
        leg.talk_s = first_s = min(first_s, call.talk_s)
        if plan.ends:
            self._tell("talk_finished", call, leg)
        if not plan.transfer or pace.released.is_set():
            return leg
        call.transfer, leg.state, leg.ended = True, "Разъединено", self._uis.clock()
        self._tell("call_disconnected", call, leg)
        second = self._leg(call, pace.staff[1])
        self._tell("in_call", call, second)
        self._tell("call_proceeding", call, second)
        self._connect(call, second)
        await pace.until(call.wait_s + call.talk_s)
        second.talk_s = call.talk_s - first_s
        self._tell("talk_finished", call, second)
        return second

    def _connect(self, call: Call, leg: Leg) -> None:
        leg.connected, leg.state = self._uis.clock(), "Разговор"
        self._tell("call_connected", call, leg)
        self._tell("talk_started", call, leg)

    def _hang_up(self, plan: Plan, call: Call, leg: Leg) -> None:
        now = self._uis.clock()
        leg.state, leg.ended, call.ended, call.finish_reason = "Разъединено", now, now, plan.reason
        call.lost = not plan.answered and plan.direction == "in"
        call.talk_s = call.talk_s if plan.answered else 0
        self._uis.communications.append(Communication(call.id, "call", call.at, frozenset({call.contact.lstrip("+")})))
        if not plan.ends:
            return
        self._tell("call_disconnected", call, leg)
        if call.lost:
            self._tell("lost_call_session", call)
        if not call.lost or self._uis.switches.lost_call_ends:
            self._tell("call_session_finished", call, leg if plan.answered else None)

    async def _file(
        self, call: Call, pace: Pace, after_s: float, event: str, kept: list[str], *, silent: bool = False
    ) -> None:
        await pace.pause(after_s)
        kept.append(secrets.token_hex(16))
        self._uis.told_at[kept[-1]] = time.monotonic()
        if not silent:
            kind = "voice_mail" if event == "voice_message" else "talk"
            length = call.talk_s or 12
            self._tell(
                event,
                call,
                *call.talked[:1],
                file_link=self._uis.media_link(kind, call.id, kept[-1]),
                file_duration=length,
            )

    def _leg(self, call: Call, person: dict[str, Any]) -> Leg:
        leg = Leg(self._uis.new_id(), person, person["phone"], self._uis.clock())
        call.legs.append(leg)
        return leg

    def _tell(self, event: str, call: Call, leg: Leg | None = None, **more: Any) -> None:
        self._uis.tell(event, {**variables(self._uis, call, leg), **more})


@dataclass
class Pace:
    """The time a call is played in."""

    scale: float
    started: float
    staff: list[dict[str, Any]]
    record_s: float | None
    tag: int | None
    released: asyncio.Event = field(default_factory=asyncio.Event)

    async def until(self, offset_s: float) -> None:
        """That moment of the call, or its early end."""
        left = self.started + offset_s * self.scale - asyncio.get_running_loop().time()
        if left > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self.released.wait(), left)
        else:
            await asyncio.sleep(0)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds * self.scale)


def begin(
    uis: Uis,
    *,
    scenario: str = "answered",
    caller: str = "79165550101",
    number: str = "74950000001",
    site_id: int | None = None,
    campaign_id: int | None = None,
    source_id: int | None = None,
    session_id: int | None = None,
    call_source: str = "",
    scenario_id: int | None = None,
    scenario_name: str = "",
    employee_id: int | None = None,
    external_id: str | None = None,
    wait_s: int = 3,
    talk_s: int = 20,
    record_s: float | None = None,
    tag: int | str | None = None,
    tags: list[int | str] | None = None,
    scale: float = 1.0,
) -> tuple[Plan, Call, Pace]:
    """A new call as it is asked for. `tag` is set after the end and told of; `tags` are there from the beginning."""
    plan = SCENARIOS[scenario]
    line = next((one for one in uis.numbers if one["virtual_phone_number"] == number), None)
    site = site_id if site_id is not None else _of_line(line, "site_id")
    campaign = campaign_id if campaign_id is not None else _of_line(line, "campaign_id")
    route = next(
        (one for one in uis.scenarios if one["id"] == scenario_id or (scenario_name and one["name"] == scenario_name)),
        {"id": scenario_id, "name": scenario_name} if scenario_name else uis.scenarios[0],
    )
    first = next((one for one in uis.staff if one["id"] == employee_id), uis.staff[0])
    others = [one for one in uis.staff if one is not first]
    contact = str(others[0]["extension"]) if plan.internal else caller
    uis.callers[contact] += 1
    call = Call(
        uis.new_id(), plan.direction, number, contact, uis.clock(), site, campaign, route,
        call_source or ("dynamic_call_tracking" if session_id else "call_tracking" if campaign else "va"), source_id, external_id,
        session_id, plan.internal, uis.callers[contact], wait_s,
        talk_s if plan.answered else 0, tags=[tag_of(uis, one) for one in tags or []],
    )  # fmt: skip
    uis.calls[call.id] = call
    mark = tag_of(uis, tag)["tag_id"] if tag is not None else None
    return plan, call, Pace(scale, asyncio.get_running_loop().time(), [first, *others], record_s, mark)


def _of_line(line: dict[str, Any] | None, name: str) -> int | None:
    return line["campaigns"][0][name] if line and line["campaigns"] else None


def variables(uis: Uis, call: Call, leg: Leg | None = None) -> dict[str, Any]:
    """All that the vendor's pages and public integrations name of a call; a template takes what it wants."""
    person = (leg.employee if leg else None) or {}
    now = uis.clock()
    campaign = next((one for one in uis.campaigns if one["id"] == call.campaign_id), {})
    site = next((one for one in uis.sites if one["id"] == call.site_id), {})
    talked = call.talked
    return {
        "notification_time": uis.wall(now), "notification_timestamp": int(now.timestamp()), "app_id": 1103,
        "virtual_phone_number": call.virtual, "contact_phone_number": call.contact, "communication_number": call.number,
        "communication_id": call.id, "communication_type": "call", "call_session_id": call.id, "direction": call.direction,
        "call_source": call.source, "external_id": call.external_id, "is_internal": call.internal,
        "scenario_id": call.scenario["id"], "scenario_name": call.scenario["name"], "contact_id": None, "contact_full_name": None,
        "employee_id": person.get("id"), "employee_full_name": person.get("full_name"), "employee_phone_number": person.get("phone"),
        "employee_email": person.get("email"), "extension_phone_number": person.get("extension"),
        "employee_ids": [one.employee["id"] for one in call.legs if one.employee],
        "leg_id": leg.id if leg else None, "leg_ids": [one.id for one in call.legs], "called_phone_number": leg.phone if leg else None,
        "calling_phone_number": call.contact, "start_time": uis.wall(call.at), "wait_time_duration": call.wait_s,
        "talk_time_duration": call.talk_s, "total_time_duration": call.total_s, "tag_ids": [one["tag_id"] for one in call.tags],
        "tag_names": [one["tag_name"] for one in call.tags], "site_id": call.site_id, "site_domain_name": site.get("domain_name"),
        "campaign_id": call.campaign_id, "campaign_name": campaign.get("name"), "session_id": call.session_id,
        "first_talked_employee_email": talked[0].employee.get("email") if talked and talked[0].employee else None,
        "last_talked_employee_email": talked[-1].employee.get("email") if talked and talked[-1].employee else None,
        "lost_reason": call.finish_reason if call.lost else None, "call_status": "lost" if call.lost else "success",
    }  # fmt: skip


def record_time(call: Call) -> datetime:
    """The end a report shows: by the lengths the call claims, however fast it was played."""
    return call.at + timedelta(seconds=call.total_s)
