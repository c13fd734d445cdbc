"""What the owner is told of an outage: a line on every page while it lasts, the page «Уведомления», a letter."""

from __future__ import annotations

from aiohttp import web

from server.accounts.lookup import Known
from server.accounts.model import LoginSession
from server.cabinet import shown, words
from server.cabinet.frame import PAGE, private, render
from server.delivery import notices
from server.keys import POOL
from server.platform import paging
from server.platform.postgres import Row

routes = web.RouteTableDef()
#: Where what the notice speaks of is mended; of what is not named here, and of what was given up, the deliveries.
_MENDED_AT = {
    "uis": "/integrations/leads", "lead": "/integrations/leads", "deal": "/integrations/deals",
    "yclients": "/integrations/yclients", "call": "/integrations/telephony", "client": "/integrations/texts",
}  # fmt: skip


def mended_at(row: Row) -> str:
    gave_up = row["sort"] == "exhausted" and row["code"] == "unavailable"
    if row["topic"].startswith(notices.FROZEN):
        return "/integrations/yclients#links"
    return "/deliveries?state=failed" if gave_up else _MENDED_AT.get(row["topic"], "/deliveries")


def sentence(row: Row, locale: str) -> str:
    topic, _, number = row["topic"].partition(":")
    what = words.text(f"nt_{topic}", locale, number=number) if f"nt_{topic}" in words.TEXTS else row["topic"]
    over = "uis" if row["topic"] in ("uis", "lead", "deal") else "yclients"
    gave_up = row["sort"] == "exhausted" and row["code"] == "unavailable"
    said = words.text("notice_given_up" if gave_up else f"notice_{row['sort']}", locale, what=what)
    why = "" if row["code"] == "unavailable" else shown.delivery_error(row["code"], row["detail"], locale, over)
    return f"{said} {why}".strip()


def letter(row: Row, account: str, base_url: str, locale: str) -> tuple[str, str]:
    """Subject and text."""
    said = sentence(row, locale)
    button = words.text("notice_look" if row["sort"] == "recovered" else "notice_mend", locale)
    subject = words.text(f"ns_{row['sort']}", locale)
    return f"yclick, {account}: {subject}", f"{said}\n\n{button}: {base_url}{mended_at(row)}\n"


@routes.get("/notices")
@private
async def notices_page(request: web.Request, session: LoginSession, known: Known) -> web.StreamResponse:
    async with request.app[POOL].acquire() as conn:
        rows = await notices.notices(
            conn, known.account.account_id, before=paging.read_uuid_cursor(request.query), limit=PAGE + 1
        )
    cursor = paging.write_cursor(rows[PAGE - 1]["at"], rows[PAGE - 1]["notice_id"]) if len(rows) > PAGE else None
    return await render(request, "notices.html", session, known, {"rows": rows[:PAGE], "cursor": cursor})
