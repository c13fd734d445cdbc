"""The application of the marketplace: `marketplace.model.AppDesk` over the vendor's module, and what its redirect says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from server.marketplace.model import Asked, Away, BadAsk, Described, Refusal, Standing
from server.platform.egress import Forbidden, RateLimited, Rejected, Unauthorized, VendorError
from server.yclients.client import YclientsClient
from server.yclients.marketplace import BadRedirect, MarketplaceClient, read_redirect

_STANDINGS: dict[str | None, Standing] = {"pending": "pending", "active": "active", "freezed": "frozen", None: "absent"}


class AppOfYclients:
    """`marketplace.model.AppDesk`. `client` reads as the application's system user."""

    def __init__(self, app: MarketplaceClient, client: YclientsClient) -> None:
        self._app, self._client = app, client

    async def standing(self, company_id: int) -> Standing:
        with _told():
            return _STANDINGS.get(await self._app.status(company_id), "unknown")

    async def confirm(self, company_id: int, hook_url: str) -> None:
        try:
            with _told():
                await self._app.activate(company_id, [hook_url])
        except Refusal as refusal:
            if refusal.code == "forbidden":  # said of what is installed already; the standing tells whether it is true
                raise Refusal("already", refusal.note) from None
            raise

    async def describe(self, company_id: int) -> Described:
        with _told():
            told = await self._client.company(company_id)
        title, zone = told.get("title"), told.get("timezone_name")
        return Described(title if isinstance(title, str) else "", zone if isinstance(zone, str) else "")

    async def ensure_hook(self, company_id: int, hook_url: str) -> None:
        with _told():
            await self._client.ensure_hook(company_id, hook_url)


@contextmanager
def _told() -> Iterator[None]:
    """The vendor's errors as the business knows them."""
    try:
        yield
    except RateLimited as limited:
        raise Away(str(limited), limited.retry_after_s) from None
    except Unauthorized as refused:
        raise Refusal("partner", str(refused)) from None
    except Forbidden as refused:
        raise Refusal("forbidden", str(refused)) from None
    except Rejected as refused:
        aggregator = refused.code == "400" and "агрегатор" in refused.human.lower()
        raise Refusal("aggregator" if aggregator else "refused", refused.human) from None
    except VendorError as away:
        raise Away(str(away)) from None


def asked_by(query: Iterable[tuple[str, str]], partner_token: str, application_id: int) -> Asked:
    """What a redirect asks for. Raises `BadAsk`."""
    if not partner_token or not application_id:
        raise BadAsk("off")
    try:
        redirect = read_redirect(query, partner_token)
    except BadRedirect as bad:
        raise BadAsk(bad.code) from None
    return Asked(redirect.salon_ids, redirect.user_name, redirect.salon_name)
