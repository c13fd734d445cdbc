"""The page «Приём данных»: what came, what became of it, what could not be used and why."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from aiohttp import web

from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.cabinet import shown
from server.cabinet.frame import PAGE, locale_of, private, render
from server.delivery import inbox, ledger
from server.keys import HANDLERS, LOOKUP, POOL
from server.platform import paging
from server.platform.clock import utc_now
from server.platform.postgres import Conn
from server.platform.web import Problem

routes = web.RouteTableDef()
#: What may stand after `?done=`; a text of `words` each.
DONE = ("replayed", "dismissed", "still_bad", "already_dismissed", "already_replayed")
#: Only these can go right at another try: the others are wrong with the body itself.
_MAY_WORK = ("unknown_branch", "handler_failed")
_SHOWN_OF_BODY = 20_000
STATES = ("waiting", "stored", "kept", "duplicate", "quarantined")


@routes.get("/intake")
@private
async def intake_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    now, account_id = utc_now(), known.account.account_id
    state = request.query.get("state", "")
    async with request.app[POOL].acquire() as conn, conn.transaction(isolation="repeatable_read", readonly=True):
        doors = await ledger.sums(conn, account_id, now - timedelta(days=7), now + timedelta(hours=1))
        again = await _still_held(conn, account_id, request)
        held = await inbox.quarantined(conn, account_id, limit=PAGE)
        refused = await ledger.refusals(conn, account_id, now - timedelta(days=7))
        letters = await inbox.recent(
            conn, account_id, state=state if state in STATES else None, before=paging.read_uuid_cursor(request.query),
            limit=PAGE + 1,
        )  # fmt: skip
    cursor = (
        paging.write_cursor(letters[PAGE - 1]["received_at"], letters[PAGE - 1]["inbox_id"])
        if len(letters) > PAGE
        else None
    )
    context = {
        "doors": doors, "refused": refused, "cursor": cursor, "state": state, "states": STATES,
        "held": [{**item, "text": _text(item["body"]), "may_work": item["reason"] in _MAY_WORK} for item in held],
        "letters": [
            {**dict(row), "text": _text(row["body"]), "about": shown.about_webhook(bytes(row["body"]), locale_of(session, known))}
            for row in letters[:PAGE]
        ],
        "message": request.query.get("done", "") if request.query.get("done") in DONE else "", "again": again,
    }  # fmt: skip
    return await render(request, "intake.html", session, known, context)


async def _still_held(conn: Conn, account_id: UUID, request: web.Request) -> dict[str, str] | None:
    """Why the item that was just worked on again is still held: the reason it is kept with, of this account alone."""
    if request.query.get("done") != "still_bad" or not request.query.get("item"):
        return None
    item = await inbox.one_quarantined(conn, account_id, paging.read_uuid(request.query["item"]))
    return {"reason": item["reason"], "detail": item["detail"]} if item else None


def _text(body: bytes) -> str:
    return inbox.as_text(bytes(body)[:_SHOWN_OF_BODY])


@routes.post("/intake/{id}/{act:replay|dismiss}")
@private
async def intake_act(request: web.Request, _: LoginSession, known: Known) -> web.StreamResponse:
    account_id, item = known.account.account_id, paging.read_uuid(request.match_info["id"])
    request.app[LOOKUP].forget()  # a branch added a second ago must count
    async with request.app[POOL].acquire() as conn, conn.transaction():
        if request.match_info["act"] == "dismiss":
            done = "dismissed" if await inbox.dismiss(conn, account_id, item) else ""
        else:
            outcome = await inbox.replay(conn, request.app[HANDLERS], account_id, item, now=utc_now())
            done = "" if outcome is None else "still_bad" if outcome.rejected else "replayed"
        if not done:  # another tab, or a second press, has dealt with it
            gone = await inbox.one_quarantined(conn, account_id, item)
            if gone is None:
                raise Problem(404, "not_found", "There is no such item.")
            done = f"already_{gone['state']}"
    raise web.HTTPFound(f"/intake?done={done}" + (f"&item={item}" if done == "still_bad" else ""))
