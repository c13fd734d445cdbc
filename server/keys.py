"""Typed keys under which the web application keeps its parts.

The types are imported for the checker only: at run time this file knows nobody, so every folder may use it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from aiohttp import web

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable
    from uuid import UUID

    from server.accounts.authorize import Authorize, SeesBranch
    from server.accounts.lookup import Lookup
    from server.calls.routes import OpenRecording
    from server.delivery.inbox import Handle, InboxWriter
    from server.delivery.spool import Spool
    from server.leads.directory import ProveUis, ReadDirectory
    from server.marketplace.model import DescribeBranches, ReadEvent, ReadRedirect
    from server.platform.bus import Bus
    from server.platform.postgres import Pool
    from server.platform.vault import Vault
    from server.platform.web import ClientAddress
    from server.settings import Settings
    from server.tracking.collector import Collector
    from server.tracking.scripts import ScriptRenderer
    from server.uis.notification_bodies import NotificationBody
    from server.workplace.frames import ReadFrame
    from server.workplace.hub import Hub
    from server.workplace.outside import Outside
    from server.workplace.page import Widget

SETTINGS: web.AppKey[Settings] = web.AppKey("settings")
POOL: web.AppKey[Pool] = web.AppKey("pool")
BUS: web.AppKey[Bus] = web.AppKey("bus")
VAULT: web.AppKey[Vault] = web.AppKey("vault")
LOOKUP: web.AppKey[Lookup] = web.AppKey("lookup")
SPOOL: web.AppKey[Spool] = web.AppKey("spool")
INBOX: web.AppKey[InboxWriter] = web.AppKey("inbox")
HANDLERS: web.AppKey[dict[str, Handle]] = web.AppKey("handlers")
SEES_BRANCH: web.AppKey[SeesBranch] = web.AppKey("sees_branch")
AUTHORIZE: web.AppKey[Authorize] = web.AppKey("authorize")
PROVE_UIS: web.AppKey[ProveUis] = web.AppKey("prove_uis")
DIRECTORY: web.AppKey[ReadDirectory] = web.AppKey("directory")
NOTIFICATION_BODIES: web.AppKey[Callable[[bytes], tuple[NotificationBody, ...]]] = web.AppKey("notification_bodies")
READ_REDIRECT: web.AppKey[ReadRedirect] = web.AppKey("read_redirect")
DESCRIBE_BRANCHES: web.AppKey[DescribeBranches] = web.AppKey("describe_branches")
READ_EVENT: web.AppKey[ReadEvent] = web.AppKey("read_event")
RECORDINGS: web.AppKey[OpenRecording] = web.AppKey("recordings")
CHECK_NUMBERS: web.AppKey[Callable[[UUID], Awaitable[dict[str, bool]]]] = web.AppKey("check_numbers")
COLLECTOR: web.AppKey[Collector] = web.AppKey("collector")
SCRIPTS: web.AppKey[ScriptRenderer] = web.AppKey("scripts")
ADDRESS: web.AppKey[ClientAddress] = web.AppKey("address")
HUB: web.AppKey[Hub] = web.AppKey("hub")
OUTSIDE: web.AppKey[Outside] = web.AppKey("outside")
READ_FRAME: web.AppKey[ReadFrame] = web.AppKey("read_frame")
WIDGET: web.AppKey[Widget] = web.AppKey("widget")
DRAINING: web.AppKey[asyncio.Event] = web.AppKey("draining")
