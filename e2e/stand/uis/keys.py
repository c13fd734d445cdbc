"""Where the parts of the simulated account stand in its application."""

from __future__ import annotations

from aiohttp import web

from e2e.stand.uis.notices import Sender
from e2e.stand.uis.state import Uis
from e2e.stand.uis.talks import Talks
from e2e.stand.uis.telephone import Player

UIS: web.AppKey[Uis] = web.AppKey("uis", Uis)
SENDER: web.AppKey[Sender] = web.AppKey("sender", Sender)
TELEPHONE: web.AppKey[Player] = web.AppKey("telephone", Player)
TALKS: web.AppKey[Talks] = web.AppKey("talks", Talks)
