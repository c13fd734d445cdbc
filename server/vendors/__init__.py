"""How the business folders reach the vendors: adapters between their Protocols and the vendors' modules."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

from server.accounts import flow as accounts
from server.accounts import store as account_store
from server.accounts.authorize import AuthorizeRefused, CodeWanted, Entered
from server.accounts.lookup import Known, Lookup
from server.accounts.model import Branch
from server.bookings import flow as bookings
from server.bookings import store as booking_store
from server.bookings.source import Take
from server.calls.routes import Recording, RecordingAway
from server.clients import store as client_store
from server.delivery import notices, outbox
from server.leads.directory import Directory, DirectoryAway
from server.marketplace import flow as marketplace
from server.marketplace.model import AppEvent, Asked
from server.platform.budget import Budgets, Priority
from server.platform.clock import utc_now
from server.platform.egress import Egress, Forbidden, Rejected, Unauthorized, VendorError
from server.platform.log import logger
from server.platform.postgres import Conn, Pool
from server.platform.vault import Vault
from server.settings import Settings
from server.uis.call_api import CallApi
from server.uis.calls import CallsApi
from server.uis.chat_api import Adapter, ChatApi
from server.uis.chat_api import Session as ChatSession
from server.uis.data_api import DataApi
from server.uis.model import Access, Key, Login
from server.uis.rpc import Memory
from server.uis.texts import TextsApi
from server.vendors import uis_contacts
from server.vendors.uis import LeadsOfUis, directory_of
from server.vendors.uis_calls import CallsOfUis, TrustLink, trusted_links
from server.vendors.uis_deals import DealsOfUis, Ensured
from server.vendors.uis_texts import TextsOfUis
from server.vendors.workplace import OutsideOfVendors
from server.vendors.yclients import YCLIENTS, BookingsOfYclients
from server.vendors.yclients_app import AppOfYclients, asked_by
from server.vendors.yclients_clients import Categories, ClientsOfYclients
from server.vendors.yclients_deals import RECORDS
from server.vendors.yclients_refusals import refusal_note
from server.vendors.yclients_telephony import TelephonyOfYclients
from server.workplace.frames import FrameAsked
from server.yclients.client import LicenceEnded, Token, YclientsClient
from server.yclients.clients import ClientsApi
from server.yclients.frames import read_panel, read_settings_tab
from server.yclients.marketplace import MarketplaceClient, read_event
from server.yclients.telephony import TelephonyApi
from server.yclients.webhooks import whole_id

__all__ = ["RECORDS", "YCLIENTS", "Vendors"]
_log = logger(__name__)
_DIRECTORY_LIFE_S = 600.0
_LICENCE_PAUSE = timedelta(hours=1)
#: After a login was entered anew while a read by the former one was under way.
_MENDED_PAUSE = timedelta(seconds=1)
NOT_CONNECTED = DirectoryAway("not_connected", ("UIS ещё не подключён.", "UIS is not connected yet."))


class Vendors:
    """Clients of the vendors for one process, over one egress with one shared budget."""

    def __init__(self, settings: Settings, vault: Vault, pool: Pool) -> None:
        self._settings = settings
        self._vault = vault
        self._egress = Egress(allow_private=settings.allow_private_egress, budgets=Budgets(pool))
        self._uis_memory: dict[UUID, Memory] = {}
        self._deals_ensured: dict[UUID, Ensured] = {}
        self._call_memory: dict[UUID, Memory] = {}
        self._chat_sessions: dict[UUID, ChatSession] = {}
        self._categories: dict[UUID, Categories] = {}
        self._directories: dict[UUID, tuple[float, Directory]] = {}
        self.trusts: TrustLink = trusted_links(settings.uis_media_url, settings.recording_hosts)

    async def close(self) -> None:
        await self._egress.close()

    async def telephony(self, pool: Pool, account_id: UUID) -> TelephonyOfYclients | None:
        """Networks are told with our own token; the account's login only looks. None: we have no token."""
        async with pool.acquire() as conn:
            secret = await accounts.credentials(conn, self._vault, account_id, "yclients") or {}
        client = self._yclients(account_id, secret)
        if not client.has_token:
            return None
        return TelephonyOfYclients(TelephonyApi(client), partial(self.yclients, pool, account_id))

    @asynccontextmanager
    async def recording(self, link: str, byte_range: str) -> AsyncIterator[Recording]:
        """`calls.routes.OpenRecording`: from the telephony's hosts alone, whoever told of the link."""
        hosts = (*self._settings.recording_hosts, urlsplit(self._settings.uis_media_url).hostname or "")
        headers = {"Range": byte_range} if byte_range else {}
        try:
            async with self._egress.stream(link, hosts=hosts, headers=headers) as answer:
                told = answer.headers
                yield Recording(
                    answer.status, told.get("content-type", "").split(";")[0].strip().lower(),
                    told.get("content-length", ""), told.get("content-range", ""), answer.chunks,
                )  # fmt: skip
        except VendorError as error:
            _log.warning("recording.away", error=type(error).__name__)
            raise RecordingAway(str(error)) from None

    async def call_source(
        self, pool: Pool, account_id: UUID, priority: Priority, known: Known | None = None
    ) -> CallsOfUis | None:
        """None when UIS is not connected. `known`: whose calls are told to matching, too; None: nobody's."""
        api = await self.uis(pool, account_id)
        if api is None:
            return None
        calls = CallsApi(api, media_url=self._settings.uis_media_url, priority=priority)
        return CallsOfUis(calls, self.trusts, uis_contacts.of_reports(pool, known))

    async def yclients(self, pool: Pool, account_id: UUID) -> dict[int, YclientsClient]:
        """Clients by company id, for the branches that can be read: with the token of the application, or the account's."""
        async with pool.acquire() as conn:
            readable = await account_store.readable_branches(conn, account_id)
            secret = await accounts.credentials(conn, self._vault, account_id, "yclients") or {}
        by = {"app": self._as_application(account_id), "login": self._yclients(account_id, secret)}
        return {company_id: by[via] for company_id, via in readable.items()}

    def _yclients(self, account_id: UUID, secret: Mapping[str, str]) -> YclientsClient:
        return YclientsClient(
            self._egress, base_url=self._settings.yclients_api_url,
            partner_token=secret.get("partner_token") or self._settings.yclients_partner_token.get_secret_value(),
            user_token=secret.get("user_token", ""), account=str(account_id),
        )  # fmt: skip

    def _as_application(self, account_id: UUID) -> YclientsClient:
        token = self._settings.yclients_application_token.get_secret_value()
        return self._yclients(account_id, {"user_token": token})

    # --- the workplace

    def outside(self, pool: Pool) -> OutsideOfVendors:
        """`workplace.outside.Outside`."""

        async def calls(account_id: UUID) -> CallApi | None:
            async with pool.acquire() as conn:
                secret = await accounts.credentials(conn, self._vault, account_id, "uis")
            if secret is None:
                return None
            memory = self._call_memory.setdefault(account_id, Memory())
            return CallApi(
                self._egress, base_url=self._settings.uis_call_api_url, access=_uis_access(secret), account=str(account_id),
                memory=memory,
            )  # fmt: skip

        async def chats(account_id: UUID) -> tuple[ChatApi, int, int | None] | None:
            async with pool.acquire() as conn:
                secret = await accounts.credentials(conn, self._vault, account_id, "uis_chat")
            numbers = [whole_id((secret or {}).get(name)) for name in ("account_id", "operator_id")]
            if secret is None or numbers[0] is None:
                return None
            session = self._chat_sessions.setdefault(account_id, ChatSession())
            adapter = Adapter(secret.get("username", ""), secret.get("password", ""))
            api = ChatApi(
                self._egress, base_url=self._settings.uis_chat_api_url, adapter=adapter, account=str(account_id),
                session=session,
            )  # fmt: skip
            return api, numbers[0], numbers[1]

        async def clients(account_id: UUID, company_id: int) -> ClientsApi | None:
            client = (await self.yclients(pool, account_id)).get(company_id)
            if client is None:
                return None
            async with pool.acquire() as conn:
                region = await client_store.phone_region(conn, account_id)
            return ClientsApi(client, region=region, priority=Priority.OPERATOR)

        return OutsideOfVendors(calls, chats, clients)

    def frame_asked(self, surface: str, query: Sequence[tuple[str, str]]) -> FrameAsked | None:
        """`workplace.frames.ReadFrame`."""
        token = self._settings.yclients_partner_token.get_secret_value()
        if surface == "panel":
            panel = read_panel(query, token)
            return FrameAsked(panel.salon_id, panel.phone) if panel else None
        salon_id = read_settings_tab(query, token)
        return FrameAsked(salon_id) if salon_id else None

    # --- the application of the marketplace

    def asked_by(self, query: Iterable[tuple[str, str]]) -> Asked:
        """`marketplace.model.ReadRedirect`."""
        settings = self._settings
        return asked_by(query, settings.yclients_partner_token.get_secret_value(), settings.yclients_application_id)

    def app_event(self, body: bytes) -> AppEvent | None:
        """`marketplace.model.ReadEvent`."""
        event = read_event(body, self._settings.yclients_partner_token.get_secret_value())
        if event is None or event.application_id not in (None, self._settings.yclients_application_id):
            return None
        return AppEvent(event.salon_id, event.body)

    def app_desk(self, account_id: UUID) -> AppOfYclients | None:
        """The application at the vendor; None: this server has none."""
        settings = self._settings
        partner_token = settings.yclients_partner_token.get_secret_value()
        if not partner_token or not settings.yclients_application_id:
            return None
        app = MarketplaceClient(
            self._egress, base_url=settings.yclients_marketplace_url or settings.yclients_api_url,
            partner_token=partner_token, application_id=settings.yclients_application_id, account=str(account_id),
        )  # fmt: skip
        return AppOfYclients(app, self._as_application(account_id))

    async def uis(self, pool: Pool, account_id: UUID) -> DataApi | None:
        """The Data API with this account's key or login; None when it is not connected."""
        async with pool.acquire() as conn:
            secret = await accounts.credentials(conn, self._vault, account_id, "uis")
        return self._data_api(account_id, secret, self._uis_memory.setdefault(account_id, Memory())) if secret else None

    def _data_api(self, account_id: UUID, secret: Mapping[str, str], memory: Memory) -> DataApi:
        return DataApi(
            self._egress, base_url=self._settings.uis_data_api_url.rstrip("/").removesuffix("/v2.0"),
            access=_uis_access(secret), account=str(account_id), memory=memory,
        )  # fmt: skip

    async def prove_uis(self, account_id: UUID, secret: Mapping[str, str]) -> None:
        """Raises `DirectoryAway` when these credentials do not open the account's lists."""
        await directory_of(self._data_api(account_id, secret, Memory()))

    async def directory(self, pool: Pool, account_id: UUID, *, fresh: bool) -> Directory:
        """The account's lists, remembered for ten minutes. Raises `DirectoryAway`."""
        known = self._directories.get(account_id)
        if known and not fresh and known[0] > time.monotonic():
            return known[1]
        api = await self.uis(pool, account_id)
        if api is None:
            raise NOT_CONNECTED
        found = await directory_of(api)
        self._directories[account_id] = (time.monotonic() + _DIRECTORY_LIFE_S, found)
        return found

    async def lead_desk(self, pool: Pool, account_id: UUID) -> LeadsOfUis | None:
        api = await self.uis(pool, account_id)
        return LeadsOfUis(api) if api else None

    async def deal_desk(self, pool: Pool, account_id: UUID) -> DealsOfUis | None:
        api = await self.uis(pool, account_id)
        return DealsOfUis(api, self._deals_ensured.setdefault(account_id, Ensured())) if api else None

    async def text_source(
        self, pool: Pool, account_id: UUID, priority: Priority, known: Known | None = None
    ) -> TextsOfUis | None:
        """`known`: whose chats are told to matching, too; None: nobody's."""
        api = await self.uis(pool, account_id)
        return TextsOfUis(TextsApi(api, priority), uis_contacts.of_reports(pool, known)) if api else None

    async def client_desk(self, pool: Pool, account_id: UUID) -> ClientsOfYclients | None:
        clients = await self.yclients(pool, account_id)
        if not clients:
            return None
        async with pool.acquire() as conn:
            region = await client_store.phone_region(conn, account_id)
            readable = await account_store.readable_branches(conn, account_id)
        return ClientsOfYclients(
            {company_id: ClientsApi(client, region=region) for company_id, client in clients.items()},
            self._categories.setdefault(account_id, {}), by_app=[one for one, via in readable.items() if via == "app"],
        )  # fmt: skip

    async def authorize(self, account: str, login: str, password: str, uuid: str, code: str) -> Entered | CodeWanted:
        """`accounts.authorize.Authorize` at YCLIENTS."""
        partner_token = self._settings.yclients_partner_token.get_secret_value()
        client = YclientsClient(
            self._egress, base_url=self._settings.yclients_api_url, partner_token=partner_token, account=account
        )
        try:
            answer = await client.login(login, password, uuid=uuid, code=code)
        except Unauthorized:
            raise AuthorizeRefused("wrong" if partner_token else "partner") from None
        except (Rejected, Forbidden) as refusal:
            raise AuthorizeRefused("wrong", str(refusal)) from None
        except VendorError as error:
            raise AuthorizeRefused("away", str(error)) from None
        if isinstance(answer, Token):
            return Entered(answer.user_token)
        return CodeWanted(answer.uuid, answer.recipient)

    async def sees_branch(self, pool: Pool, account_id: UUID, company_id: int) -> bool | None:
        """`accounts.authorize.SeesBranch`: the bookings of a branch open to who works there alone."""
        async with pool.acquire() as conn:
            secret = await accounts.credentials(conn, self._vault, account_id, "yclients")
        if secret is None:
            return None
        client = self._yclients(account_id, secret)
        try:
            await client.list_records(company_id, count=1, changed_after=utc_now(), priority=Priority.OPERATOR)
        except LicenceEnded:
            return None
        except Forbidden:
            return False
        except VendorError:
            return None
        return True

    async def booking_source(self, pool: Pool, account_id: UUID, priority: Priority) -> BookingsOfYclients | None:
        """None when no branch of the account can be read."""
        clients = await self.yclients(pool, account_id)
        return BookingsOfYclients(clients, priority) if clients else None

    async def read_booking(self, pool: Pool, lookup: Lookup, job: outbox.Job) -> None:
        """Job `booking.read`: what the API says of a booking is applied like a telling, and wins a tie."""
        began_at = utc_now()  # before the credentials are read: what is mended since is not taken for refused
        clients, known = await self.yclients(pool, job.account_id), await lookup.known(job.account_id)
        if not clients or known is None:
            return
        async with pool.acquire() as conn:
            row = await booking_store.by_id(conn, job.account_id, UUID(job.key))
        client = clients.get(row["company_id"]) if row else None
        if row is None or client is None:
            return
        asked_at = utc_now()  # what was told before the question is in the answer
        try:
            data = await client.get_record(row["company_id"], row["record_id"])
        except LicenceEnded as ended:  # no login mends that: asked again until it is prolonged
            raise outbox.Later(asked_at + _LICENCE_PAUSE, str(ended)) from None
        except (Unauthorized, Forbidden) as error:
            if not await self._refused(
                pool, lookup, job.account_id, row["company_id"], refusal_note(error), tried_at=began_at
            ):
                raise outbox.Later(utc_now() + _MENDED_PAUSE) from None
            return
        async with pool.acquire() as conn, conn.transaction():
            branch = await account_store.branch_of_company(conn, job.account_id, row["company_id"])
            if branch is None:
                return
            await booking_store.mark_read(conn, job.account_id, row["booking_id"], asked_at)
            if data is None:
                data = {"id": row["record_id"], "company_id": row["company_id"], "deleted": True}
            await self.take(conn, known, branch, data, now=asked_at)

    async def take(self, conn: Conn, known: Known, branch: Branch, data: Mapping[str, Any], *, now: datetime) -> str:
        """Applies one record read by API, asked for at `now`; answers `stored` or `duplicate`. `ValueError`: no id."""
        record_id = whole_id(data.get("id"))
        if record_id is None:
            raise ValueError("a record without an id")
        desk = bookings.Desk(known.account, {branch.company_id: branch}, YCLIENTS)
        return await bookings.take_booking(
            conn, data, desk, branch, record_id=record_id, status="read", received_at=now, inbox_id=None, now=now
        )

    def taker(self, known: Known) -> Take:
        """How a booking that was read is applied for this account."""

        async def take(conn: Conn, branch: Branch, data: Mapping[str, Any], now: datetime) -> str:
            return await self.take(conn, known, branch, data, now=now)

        return take

    async def _refused(
        self, pool: Pool, lookup: Lookup, account_id: UUID, company_id: int, note: str, *, tried_at: datetime
    ) -> bool:
        """A refused token stops further calls and is shown to the owner; webhooks go on without re-reading.

        Of a branch that joined by the application the vendor is asked first how that stands. False: the login was
        entered anew since `tried_at`.
        """
        _log.warning("yclients.refused", account_id=str(account_id))
        async with pool.acquire() as conn, conn.transaction():
            if (await account_store.readable_branches(conn, account_id)).get(company_id) == "app":
                await marketplace.doubt(conn, account_id, company_id, note, now=utc_now())
                return True
            refused = await account_store.refuse_connection(conn, account_id, "yclients", note, tried_at=tried_at)
            if refused:
                await notices.exhausted(conn, account_id, "yclients", "connection_refused", note, now=utc_now())
        lookup.forget()
        return refused


def _uis_access(secret: Mapping[str, str]) -> Access:
    if secret.get("access_token"):
        return Key(secret["access_token"])
    return Login(secret.get("login", ""), secret.get("password", ""))
