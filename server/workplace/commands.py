"""What operators do. A command that changes something is done once for the id its screen gave it: repeated, it gets the
answer it got.

What concerns our tables alone is one transaction. An order to another system is noted before it is sent; where no
answer came, nobody repeats it (`uncertain`): the telephone would ring twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from server.accounts import store as accounts
from server.accounts.model import Account, Person
from server.calls.settings import read_settings
from server.feed import store as feed
from server.feed.flow import publish
from server.feed.model import By, CalledBack, ChatMessage, Event, Noted, ResultSet, Taken, masked
from server.platform.phones import phone_e164
from server.platform.postgres import Conn, Pool
from server.workplace import store
from server.workplace.card import card
from server.workplace.model import COMMANDS, DONE_ONCE, RIGHTS, Command, Refused
from server.workplace.outside import Outside, OutsideRefused

#: A command without an answer is taken for broken off after this long.
_UNDER_WAY = timedelta(seconds=60)
_MESSAGES = 200


@dataclass(frozen=True, slots=True)
class Desk:
    """With what commands are done, and for whom."""

    pool: Pool
    account: Account
    person: Person
    outside: Outside

    @property
    def account_id(self) -> UUID:
        return self.account.account_id


async def run(desk: Desk, command: Command, *, now: datetime) -> dict[str, Any]:
    """The answer of a command. Raises `Refused`."""
    rights = RIGHTS[desk.person.role]
    if COMMANDS[command.name][0] not in rights:
        raise Refused("no_right", "the role of this person does not allow it")
    if command.name not in DONE_ONCE:
        answer = await _ASKED[command.name](desk, command.args, now=now)
        return answer if "phones" in rights else masked(answer)
    if command.name in _ORDERED:
        return await _order(desk, command, now=now)
    async with desk.pool.acquire() as conn, conn.transaction():
        if not await _claim(conn, desk, command, now=now):
            return await _answered(conn, desk, command, now=now)
        answer = await _CHANGES[command.name](conn, desk, command.args, now=now)
        await store.answer_command(conn, desk.account_id, command.command_id, answer)
        return answer


async def _claim(conn: Conn, desk: Desk, command: Command, *, now: datetime) -> bool:
    return await store.claim_command(
        conn, desk.account_id, command.command_id, desk.person.person_id, command.name, now=now
    )


async def _answered(conn: Conn, desk: Desk, command: Command, *, now: datetime) -> dict[str, Any]:
    row = await store.command(conn, desk.account_id, command.command_id)
    if row is None or row["person_id"] != desk.person.person_id or row["name"] != command.name:
        raise Refused("id_taken", "this id belongs to another command")
    if row["answer"] is None:
        if now - row["at"] < _UNDER_WAY:
            raise Refused("under_way", "the first one is still under way")
        raise Refused("uncertain", "the first one broke off: it may have been done, or not")
    answer: dict[str, Any] = row["answer"]
    if "refused" in answer:
        raise Refused(**answer["refused"])
    return answer


# --- changes in our own tables


async def _item(conn: Conn, desk: Desk, subject: str) -> dict[str, Any]:
    item = await feed.item(conn, desk.account_id, subject)
    if item is None:
        raise Refused("not_found", "there is no such call, chat or form")
    return item


async def _by(conn: Conn, desk: Desk) -> By:
    person_id = desk.person.person_id
    return By(person_id=person_id, name=await store.person_name(conn, desk.account_id, person_id))


async def _take(conn: Conn, desk: Desk, args: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Who was first has it; the others are told who."""
    await feed.lock_head(conn, desk.account_id)
    item = await _item(conn, desk, args["subject"])
    taken = item.get("taken_by")
    if taken and taken["person_id"] != str(desk.person.person_id):
        raise Refused("taken", "somebody else has it", by=taken)
    by = await _by(conn, desk)
    await publish(conn, desk.account_id, Taken(subject=args["subject"], taken_by=by), now=now)
    return {"subject": args["subject"]}


async def _note(conn: Conn, desk: Desk, args: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    await _item(conn, desk, args["subject"])
    by = await _by(conn, desk)
    await publish(conn, desk.account_id, Noted(subject=args["subject"], note=args["note"], noted_by=by), now=now)
    return {"subject": args["subject"]}


async def _result(conn: Conn, desk: Desk, args: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    await _item(conn, desk, args["subject"])
    by = await _by(conn, desk)
    event = ResultSet(subject=args["subject"], result=args["result"], result_by=by)
    await publish(conn, desk.account_id, event, now=now)
    return {"subject": args["subject"]}


_CHANGES = {"take": _take, "note": _note, "result": _result}


# --- orders to other systems


async def _order(desk: Desk, command: Command, *, now: datetime) -> dict[str, Any]:
    async with desk.pool.acquire() as conn, conn.transaction():  # what fails before the order leaves no trace
        if not await _claim(conn, desk, command, now=now):
            return await _answered(conn, desk, command, now=now)
        prepared = await _PREPARED[command.name](conn, desk, command.args)
    try:
        answer, event = await _ORDERED[command.name](desk, command, prepared, now=now)
    except OutsideRefused as refused:
        told = Refused("uncertain" if refused.sent else refused.code, refused.detail[1], said=list(refused.detail))
        async with desk.pool.acquire() as conn:
            if refused.sent:
                await store.answer_command(conn, desk.account_id, command.command_id, {"refused": told.as_json()})
            else:
                await store.forget_command(conn, desk.account_id, command.command_id)
        raise told from None
    async with desk.pool.acquire() as conn, conn.transaction():
        await store.answer_command(conn, desk.account_id, command.command_id, answer)
        if event is not None:
            await publish(conn, desk.account_id, event, now=now)
    return answer


async def _prepare_call(conn: Conn, desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    """Whose telephone rings, whom it calls, which number the client sees."""
    item = await _item(conn, desk, args["subject"]) if "subject" in args else {}
    phone = phone_e164(args.get("phone") or item.get("phone", ""), region=desk.account.phone_region)
    if phone is None:
        raise Refused("no_phone", "there is no phone to call")
    operator = await store.operator(conn, desk.account_id, desk.person.person_id)
    if operator is None or operator["employee_id"] is None:
        raise Refused("no_employee", "it is not set which employee of the telephony this person is")
    shown = item.get("virtual_number") or operator["virtual_number"]
    shown = shown or await _number_of_branch(conn, desk.account_id, args.get("company_id") or item.get("company_id"))
    if not shown:
        raise Refused("no_number", "it is not set which number clients see")
    return {
        "employee_id": operator["employee_id"],
        "phone": phone,
        "virtual_number": shown,
        "by": await _by(conn, desk),
    }


async def _number_of_branch(conn: Conn, account_id: UUID, company_id: int | None) -> str:
    """The number that the settings of telephony name for a branch; of any branch where none is asked for."""
    settings = read_settings(await accounts.integration_settings(conn, account_id, "telephony"))
    numbers = [row for network in settings.networks if network.enabled for row in network.numbers]
    return next((row.number for row in numbers if company_id is None or row.company_id == company_id), "")


async def _call_back(
    desk: Desk, command: Command, prepared: Mapping[str, Any], *, now: datetime,  # noqa: ARG001 - as every order
) -> tuple[dict[str, Any], Event | None]:  # fmt: skip
    """The id of the command is the `external_id` by which the events of the call are known."""
    call_id = await desk.outside.start_call(
        desk.account_id, employee_id=prepared["employee_id"], phone=prepared["phone"],
        virtual_number=prepared["virtual_number"], external_id=str(command.command_id),
    )  # fmt: skip
    answer = {"call_id": call_id, "subject": f"call:{call_id}", "external_id": str(command.command_id)}
    subject = command.args.get("subject")
    event = CalledBack(subject=subject, called_back_by=prepared["by"], back_call_id=call_id) if subject else None
    return answer, event


async def _prepare_message(conn: Conn, desk: Desk, args: Mapping[str, Any]) -> dict[str, Any]:
    item = await _item(conn, desk, args["subject"])
    number = item["id"] if item["kind"] == "chat" else ""
    if not item.get("channel_id") or not number.isascii() or not number.isdigit():
        raise Refused("no_reply_way", "nothing can be written into this chat from here")
    if item["state"] == "ended":
        raise Refused("ended", "the chat is over")
    return {"channel_id": item["channel_id"], "chat_id": int(number), "by": await _by(conn, desk)}


async def _send_message(
    desk: Desk, command: Command, prepared: Mapping[str, Any], *, now: datetime
) -> tuple[dict[str, Any], Event | None]:  # fmt: skip
    text = command.args["text"]
    message_id = await desk.outside.send_message(
        desk.account_id, channel_id=prepared["channel_id"], chat_id=prepared["chat_id"], text=text, at=now
    )
    event = ChatMessage(
        chat_id=str(prepared["chat_id"]), message_id=message_id, author="operator", author_name=prepared["by"].name, text=text,
        command_id=str(command.command_id), sent_at=now,
    )  # fmt: skip
    return {"message_id": message_id, "subject": command.args["subject"]}, event


_PREPARED = {"call_back": _prepare_call, "send_message": _prepare_message}
_ORDERED = {"call_back": _call_back, "send_message": _send_message}


# --- questions


async def _answering(desk: Desk, args: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """«Olga is answering»: soft, for fifteen seconds, renewed while she types. Who comes second is told and may go on."""
    person_id = desk.person.person_id
    async with desk.pool.acquire() as conn:
        if args.get("stop"):
            await store.unlock(conn, desk.account_id, args["subject"], person_id)
            return {"subject": args["subject"], "mine": False}
        await _item(conn, desk, args["subject"])
        held = await store.lock(conn, desk.account_id, args["subject"], person_id, now=now)
        name = await store.person_name(conn, desk.account_id, held["person_id"])
    return {
        "subject": args["subject"], "mine": held["person_id"] == person_id, "until": held["until"].isoformat(),
        "by": {"person_id": str(held["person_id"]), "name": name},
    }  # fmt: skip


async def _card(desk: Desk, args: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    if args.get("phone") and "phones" not in RIGHTS[desk.person.role]:
        raise Refused("no_right", "who may not see phones may not look clients up by them")
    told = await card(
        desk.pool, desk.account, subject=args.get("subject", ""), phone=args.get("phone", ""),
        fresh=args.get("fresh", False), outside=desk.outside, now=now,
    )  # fmt: skip
    return {"card": told}


async def _messages(desk: Desk, args: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:  # noqa: ARG001 - as every question
    """The last messages of a chat, each as far as it came."""
    kinds = ("chat.message", "chat.message_status")
    async with desk.pool.acquire() as conn:
        newest = (await feed.heads(conn, [desk.account_id])).get(desk.account_id, 0)
        rows = await feed.of_subject(conn, desk.account_id, args["subject"], kinds=kinds, limit=2 * _MESSAGES)
    messages: dict[str, dict[str, Any]] = {}
    for row in rows:
        event = row["payload"]["event"]
        if row["kind"] == "chat.message":
            messages[event["message_id"]] = {"seq": row["seq"], **event}
        elif event["message_id"] in messages:
            messages[event["message_id"]]["delivered"] = event["delivered"]
    return {"subject": args["subject"], "messages": list(messages.values())[-_MESSAGES:], "seq": newest}


async def _open_client(desk: Desk, args: Mapping[str, Any], *, now: datetime) -> dict[str, Any]:
    """Where the client stands in the booking system; `client_id` is null for who is not known there."""
    told = (await _card(desk, args, now=now))["card"]
    return {key: told[key] for key in ("company_id", "client_id", "phone", "name")}


_ASKED = {"answering": _answering, "card": _card, "messages": _messages, "open_client": _open_client}
