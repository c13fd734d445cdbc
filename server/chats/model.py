"""A chat or a form as what was told of it says, and what is to be done about it. Pure; no I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from typing import Any, Literal

from server.chats.settings import TextsIntegration
from server.clients.model import TEXT_MOST, tidy

Kind = Literal["chat", "form"]
Event = Literal["start", "end", "lost", "tag", "untag", "sent", "report", "talk"]
Status = Literal["going_on", "ended", "lost", "refused", "sent"]
State = Literal["waiting", "done", "skipped"]
Reason = Literal[
    "", "off", "forms_off", "chats_off", "own_lead", "before_enabled", "site", "type", "no_branch", "unread", "refused",
    "waits_contact", "waits_end", "waits_tag", "create_off", "no_phone", "bad_phone", "service_phone",
]  # fmt: skip
#: How what this product loads into UIS itself is told: it never comes back as new.
OWN_KEY = "yclick-"
OWN_FORM = "YCLIENTS: онлайн-запись"
TRANSCRIPT_MOST = 3000
_CLOCKS = timedelta(minutes=1)  # the vendor's clock shows whole seconds, and not ours
_LINE_MOST = 500


@dataclass(frozen=True, slots=True)
class Telling:
    """One thing that was told. `key` is equal for repeated tellings; `facts` are fields of `Text`, as far as known,
    `tags` as pairs of id and name, and `status` as UIS calls it."""

    kind: Kind
    vendor_id: int
    event: Event
    source: Literal["notification", "report"]
    key: str
    at: datetime
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)


Tag = tuple[int | None, str | None]


@dataclass(frozen=True, slots=True)
class Text:
    """A chat or a form."""

    kind: Kind
    status: Status
    started_at: datetime
    ended_at: datetime | None = None
    read: bool = False  # whether a report told of it as it now is: of a chat that ended, after its end
    communication_id: int | None = None
    site_id: int | None = None
    site: str = ""
    campaign: str = ""
    traffic_source: str = ""
    type: str = ""  # channel of a chat, type of a form
    form_name: str = ""
    ext_id: str = ""
    initiator: str = ""
    employee: str = ""
    visitor_id: int | None = None
    session_id: int | None = None
    name: str = field(default="", repr=False)
    phone: str = field(default="", repr=False)
    email: str = field(default="", repr=False)
    message: str = field(default="", repr=False)
    transcript: str | None = field(default=None, repr=False)
    tags: tuple[Tag, ...] = ()  # every tag that was ever set


_CLOSED: Mapping[str, Status] = {"succeed": "ended", "lost": "lost", "refused": "refused"}
_SCALARS = frozenset(
    {"communication_id", "site_id", "site", "campaign", "traffic_source", "type", "form_name", "ext_id", "initiator",
     "employee", "visitor_id", "session_id", "name", "phone", "email", "message", "transcript"}
)  # fmt: skip


def text_of(tellings: Iterable[Telling]) -> Text:
    """What is known, whatever the order and the number of times it was told in.

    A report wins over a notification, a later telling over an earlier one; what was empty says nothing. A chat that
    ended stays ended; a tag that was set has been set.
    """
    told = sorted(tellings, key=lambda one: (one.source == "report", one.at, one.event, one.key))
    if not told:
        raise ValueError("nothing was told")
    kind = told[0].kind
    known: dict[str, Any] = {}
    tags: dict[Tag, None] = {}
    for one in told:
        known |= {
            name: tidy(value, TEXT_MOST) if isinstance(value, str) else value
            for name, value in one.facts.items()
            if name in _SCALARS and (value not in (None, "") or (name == "transcript" and value == ""))
        }
        tags |= dict.fromkeys((tag[0], tag[1]) for tag in one.facts.get("tags", ()) if one.event != "untag")
    starts = [_moment(one.facts["started_at"]) for one in told if one.facts.get("started_at")]
    # A start that is told is the truth; else the first we heard is the nearest to it.
    started_at = min(starts) if starts else min(one.at for one in told)
    status, ended_at = ("sent", None) if kind == "form" else _status(told)
    reports = [one for one in told if one.event == "report"]
    read = any(status in ("going_on", "sent") or one.facts.get("status") in _CLOSED for one in reports)
    return Text(
        kind, status, started_at, ended_at, read=read,
        tags=tuple(sorted(tags, key=str)), **known,
    )  # fmt: skip


def _status(told: Sequence[Telling]) -> tuple[Status, datetime | None]:
    ends = [one for one in told if one.event in ("end", "lost") or one.facts.get("status") in _CLOSED]
    if not ends:
        return "going_on", None
    named = [_CLOSED[one.facts["status"]] for one in ends if one.facts.get("status") in _CLOSED]
    lost = any(one.event == "lost" for one in ends)
    return named[-1] if named else "lost" if lost else "ended", min(one.at for one in ends)


def _moment(value: Any) -> datetime:
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def kept(text: Text) -> dict[str, Any]:
    """Its facts as they are stored; without what has a column of its own."""
    own = {"kind", "status", "started_at", "ended_at", "communication_id"}
    facts = {one.name: getattr(text, one.name) for one in fields(text) if one.name not in own}
    return {name: list(value) if name == "tags" else value for name, value in facts.items()}


# --- what is to be done


@dataclass(frozen=True, slots=True)
class Want:
    """A client is to stand in the branch. `part` tells the beginning of a chat from what was said in it; `say`: the
    comment is written; `make`: a client is made where there is none."""

    part: Literal["start", "talk", "form"]
    make: bool
    say: bool


@dataclass(frozen=True, slots=True)
class Decision:
    state: State
    reason: Reason
    company_id: int | None = None
    want: Want | None = None


def decide(
    text: Text,
    settings: TextsIntegration,
    *,
    enabled_at: datetime | None,
    own: bool = False,
    asked: bool = False,
    readable: bool = True,
) -> Decision:
    """What to do about it now. `own`: this product loaded it; `asked`: the owner asked for that time by hand;
    `readable`: the reports may still tell more of it."""
    part = settings.forms if text.kind == "form" else settings.chats
    if own or text.ext_id.startswith(OWN_KEY) or (text.type == "DataAPI" and text.form_name == OWN_FORM):
        return Decision("skipped", "own_lead")
    if not settings.enabled or enabled_at is None:
        return Decision("skipped", "off")
    if not part.enabled:
        return Decision("skipped", "forms_off" if text.kind == "form" else "chats_off")
    if text.started_at < enabled_at - _CLOCKS and not asked:
        return Decision("skipped", "before_enabled")
    if not text.read and readable:
        return Decision("waiting", "unread")
    site = (text.site_id, text.site or None)
    if why := part.filter.why_not(site=site, type=text.type or None):
        return Decision("skipped", why)
    company_id = part.branch_of(*site)
    if company_id is None:
        return Decision("skipped", "no_branch")
    if text.kind == "form":
        if not text.phone:
            return Decision("skipped", "no_phone", company_id)
        return Decision("done", "", company_id, Want("form", make=settings.forms.create_client, say=True))
    return _of_chat(text, settings, company_id, readable=readable)


def _of_chat(text: Text, settings: TextsIntegration, company_id: int, *, readable: bool) -> Decision:
    chats = settings.chats
    ended = text.status != "going_on"
    make = (
        chats.creates("start")
        or (ended and text.status != "refused" and chats.creates("end"))
        or chats.creates("tag", text.tags)
    )
    if not text.phone:
        return (
            Decision("skipped", "no_phone", company_id) if ended else Decision("waiting", "waits_contact", company_id)
        )
    if ended and text.transcript is None and readable:
        want = Want("start", make=True, say=False) if make else None
        return Decision("waiting", "unread", company_id, want)
    if ended:
        if text.status == "refused" and not make:
            return Decision("skipped", "refused", company_id)
        waits_tag = chats.create_client and chats.create_on == "tag" and not make
        return Decision(
            "waiting" if waits_tag else "done", "waits_tag" if waits_tag else "" if make else "create_off", company_id,
            Want("talk", make=make, say=True),
        )  # fmt: skip
    if make:
        return Decision("waiting", "waits_end", company_id, Want("start", make=True, say=False))
    waits: Reason = "waits_tag" if chats.create_client and chats.create_on == "tag" else "waits_end"
    return Decision("waiting", waits, company_id)


# --- what was said


@dataclass(frozen=True, slots=True)
class Line:
    """One message; `by` is who speaks."""

    by: Literal["visitor", "operator", "bot", "system"]
    name: str
    text: str
    file: str = ""


_WHO = {"visitor": "Клиент", "operator": "Оператор", "bot": "Бот"}


def transcript_of(lines: Sequence[Line]) -> str:
    """The conversation for the eye, of bounded length: a long one keeps its beginning and its end."""
    told = [shown for line in lines if (shown := _shown(line))]
    if sum(len(one) + 1 for one in told) <= TRANSCRIPT_MOST:
        return "\n".join(told)
    head: list[str] = []
    tail: list[str] = []
    room = TRANSCRIPT_MOST - 40
    first, last = 0, len(told) - 1
    while first <= last:
        ahead = len("".join(head)) * 2 <= len("".join(tail))
        one = told[first if ahead else last]
        if len(one) + 1 > room:
            break
        room -= len(one) + 1
        if ahead:
            head.append(one)
            first += 1
        else:
            tail.insert(0, one)
            last -= 1
    return "\n".join([*head, f"… пропущено сообщений: {last - first + 1} …", *tail])


def _shown(line: Line) -> str:
    text = " ".join(line.text.split())
    if line.by == "system" or not (text or line.file):
        return ""
    text = text if len(text) <= _LINE_MOST else text[: _LINE_MOST - 1] + "…"
    said = " ".join(part for part in (text, f"[файл {line.file}]" if line.file else "") if part)
    who = f"{_WHO[line.by]} {line.name}" if line.by == "operator" and line.name else _WHO[line.by]
    return f"{who}: {said}"
