"""What brought a call, a chat or a form: what the vendor tells of it, and else the visit it came from."""

from __future__ import annotations

from server.feed.model import Advert
from server.platform.postgres import Row


def advert_of(visit: Row | None, *, campaign: str = "", source: str = "", site: str = "") -> Advert | None:
    """None where nothing is known. `visit` has a source, a campaign and a landing page."""
    page = visit["landing_page"].partition("?")[0] if visit else ""
    campaign = campaign or (visit["campaign"] if visit else "") or ""
    source = source or (visit["source"] if visit else "") or ""
    advert = Advert(campaign=campaign, source=source, site=site, page=page)
    return None if advert == Advert() else advert
