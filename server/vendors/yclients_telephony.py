"""Telephony of YCLIENTS as `calls.jobs` sees it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from zoneinfo import ZoneInfo

from server.calls.jobs import Away, Rejected, TokenRefused
from server.calls.model import Entry
from server.platform import egress
from server.platform.budget import Priority, Wanted
from server.yclients.client import YclientsClient
from server.yclients.telephony import CallEntry, Ringing, TelephonyApi

_CLOCKS = timedelta(seconds=90)


class TelephonyOfYclients:
    """`calls.jobs.TelephonyDesk`. `lists` says who may look at the calls of a branch; asked only when somebody looks."""

    def __init__(self, api: TelephonyApi, lists: Callable[[], Awaitable[Mapping[int, YclientsClient]]]) -> None:
        self._api, self._lists = api, lists

    async def setup(self, token: str, *, on: bool) -> None:
        with _told():
            await self._api.setup(token, on=on)

    async def ring(self, token: str, *, phone: str, number: str, wanted: Wanted) -> None:
        with _told():
            await self._api.ring(token, Ringing(phone, number), wanted=wanted)

    async def record(self, token: str, entry: Entry, *, urgent: bool) -> None:
        with _told():
            await self._api.record(
                token,
                CallEntry(
                    entry.kind, entry.phone, entry.number, entry.session_id, entry.missed, entry.duration_s, entry.at,
                    entry.link,
                ),
                priority=Priority.WEBHOOK if urgent else Priority.BACKFILL,
            )  # fmt: skip

    async def stands(self, company_id: int, timezone: str, entry: Entry) -> bool | None:
        client = (await self._lists()).get(company_id)
        if client is None:
            return None
        try:
            with _told():
                listed = await TelephonyApi(client).calls(
                    company_id, phone=entry.phone, first=entry.at, last=entry.at, zone=ZoneInfo(timezone),
                    priority=Priority.RECONCILE,
                )  # fmt: skip
        except (TokenRefused, Rejected):
            return None
        return any(
            one.phone == entry.phone and one.type == entry.kind and one.missed == entry.missed
            and one.duration_s == entry.duration_s and (one.at is None or abs(one.at - entry.at) <= _CLOCKS)
            for one in listed
        )  # fmt: skip


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except egress.RateLimited as limited:
        raise Away(str(limited), code="limit", after_s=limited.retry_after_s) from None
    except (egress.Unauthorized, egress.Forbidden) as refusal:
        raise TokenRefused(str(refusal)) from None
    except egress.Rejected as refusal:
        if refusal.code == "404":  # an unknown network, as some say it
            raise TokenRefused(str(refusal)) from None
        raise Rejected(str(refusal)) from None
    except egress.Unavailable as error:
        raise Away(str(error), sent=error.sent) from None
    except egress.VendorError as error:
        raise Away(str(error), sent=True) from None
