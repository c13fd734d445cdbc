"""`yclick demo`: server, private database, worker, the stand and a seeded account, in one process, with one block of links.

Ctrl-C stops everything and keeps the data; a second start finds the account again.
"""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from server.accounts import flow, store
from server.accounts.model import AccountId, ScriptSettings
from server.app import build, database, serve
from server.calls import networks
from server.calls.settings import NetworkSettings, NumberBranch, TelephonyIntegration
from server.platform.clock import utc_now
from server.platform.embedded import EmbeddedPostgresError
from server.platform.log import configure_log
from server.platform.postgres import Conn, open_pool
from server.platform.vault import Vault, load_vault
from server.settings import Settings
from server.uis.notification_bodies import notification_bodies

UIS_KEY = "stand-key-0123456789"
#: Leads without a session go to a source and a site of the simulated UIS.
LEADS = {"enabled": True, "default": {"entity": "source", "source_id": 8, "site_id": 43525}}
#: The network of the simulated YCLIENTS, and whose branch each number of the simulated UIS is.
NETWORK_TOKEN = "7cf262d6-1656-43f9-86ac-2826bdc125d2"  # noqa: S105 - simulated, too
NUMBERS = (("74950000001", 4564), ("74950000002", 4565))
TEXTS = {
    "enabled": True, "forms": {"enabled": True, "default_company_id": 4564},
    "chats": {"enabled": True, "default_company_id": 4564},
}  # fmt: skip
COMPANIES = ((4564, "Europe/Moscow"), (4565, "Europe/Moscow"))


async def run(settings: Settings) -> int:
    configure_log(level="warning" if "YCLICK_LOG_LEVEL" not in os.environ else settings.log_level, form="console")
    stand_port = settings.port + 1
    settings = settings.model_copy(
        update={
            "public_url": settings.public_url or f"http://localhost:{settings.port}",
            "yclients_api_url": f"http://127.0.0.1:{stand_port}",
            "yclients_partner_token": SecretStr("stand"),
            "yclients_frame_hosts": (f"http://yclients.localhost:{stand_port}",),
            "yclients_application_id": 777,
            "yclients_application_token": SecretStr("stand-application"),
            "uis_data_api_url": f"http://127.0.0.1:{stand_port}/uis",
            "uis_call_api_url": f"http://127.0.0.1:{stand_port}/uis/v4.0",
            "uis_media_url": f"http://127.0.0.1:{stand_port}/uis",
            "recording_hosts": ("127.0.0.1",),
            "allow_private_egress": True,
        }
    )
    try:
        async with database(settings, owner="serve") as dsn:
            account = await _seed(settings, dsn, stand_port)
            stand = await _start_stand(account, settings.base_url, stand_port)
            try:
                app = build(settings, dsn)
                app.on_startup.append(lambda _: _announce(settings, account, stand_port))
                await serve(app)
            finally:
                await stand.stop()
    except (EmbeddedPostgresError, OSError) as error:
        print(f"yclick demo: {error}")
        return 1
    return 0


async def _seed(settings: Settings, dsn: str, stand_port: int) -> dict[str, Any]:
    """The demo's account, made once; its secrets are kept in the data directory, for this is a demo."""
    kept = settings.data_dir / "demo.json"
    vault = load_vault(
        settings.master_key.get_secret_value(), settings.data_dir, settings.master_key_old.get_secret_value()
    )
    pool = await open_pool(dsn, min_size=1, max_size=2)
    try:
        async with pool.acquire() as conn:
            account: dict[str, Any] | None = json.loads(kept.read_text()) if kept.exists() else None
            if account is None or await store.account_row(conn, account["account_id"]) is None:
                account = await _create(conn, vault, settings, stand_port)
                kept.touch(mode=0o600)
                kept.write_text(json.dumps(account))
            account |= flow.public_json(
                (await store.sites(conn, account["account_id"]))[0],
                tuple(await store.branches(conn, account["account_id"])),
                settings.base_url,
            )
            account["webhooks"] = await flow.hook_urls(conn, vault, account["account_id"], settings.base_url)
            owner = await store.first_owner(conn, account["account_id"])
            assert owner is not None
            account["login"] = await flow.new_login_link(conn, owner, settings.base_url, now=utc_now())
            # The demo may be started on another port than before.
            await store.save_script_settings(conn, owner.account_id, ScriptSettings(form_hosts=_form_hosts(stand_port)))
            await flow.connect(
                conn, vault, owner.account_id, "yclients", "demo", {"partner_token": "stand", "user_token": "stand"}
            )
            await flow.connect(conn, vault, owner.account_id, "uis", "demo", {"access_token": UIS_KEY})
            if await store.integration_settings(conn, owner.account_id, "leads") is None:
                await store.save_integration(conn, owner.account_id, "leads", LEADS, now=utc_now())
                await store.save_integration(conn, owner.account_id, "deals", {"enabled": True}, now=utc_now())
            if await store.integration_settings(conn, owner.account_id, "telephony") is None:
                await _seed_talk(conn, vault, owner.account_id)
            loaded = await flow.load_account(conn, vault, owner.account_id)
            assert loaded is not None
            account["notifications"] = [(one.event, one.body) for one in notification_bodies(loaded.hash_key)]
    finally:
        await pool.close()
    return account


async def _seed_talk(conn: Conn, vault: Vault, account_id: AccountId) -> None:
    """Calls, chats and requests go to the branches."""
    network_id = await networks.add(conn, vault, account_id, name="Сеть «Лён»", token=NETWORK_TOKEN, now=utc_now())
    numbers = tuple(NumberBranch(number=number, company_id=company_id) for number, company_id in NUMBERS)
    network = NetworkSettings(
        network_id=network_id, title="Сеть «Лён»", numbers=numbers, default_company_id=4564, create_client=True
    )
    settings = TelephonyIntegration(enabled=True, networks=(network,))
    await networks.keep_settings(conn, account_id, settings, now=utc_now())
    await store.save_integration(conn, account_id, "texts", TEXTS, now=utc_now())


def _form_hosts(stand_port: int) -> tuple[str, ...]:
    return (f"yclients.localhost:{stand_port}", f"zapis.salon.localhost:{stand_port}")


async def _create(conn: Conn, vault: Any, settings: Settings, stand_port: int) -> dict[str, Any]:
    made = await flow.create_account(
        conn, vault, name="Студия «Лён»", domain=f"salon.localhost:{stand_port}", branches=list(COMPANIES)
    )
    return made.as_json(settings.base_url)


async def _start_stand(account: dict[str, Any], base_url: str, port: int) -> Any:
    """The stand is the outside world; the demo alone may start it."""
    import sys

    root = Path(__file__).resolve().parent.parent
    if not (root / "e2e" / "stand").exists():
        raise OSError("the demo needs the stand: run it from a checkout")
    sys.path.insert(0, str(root))
    from e2e.stand.app import start_stand
    from e2e.stand.state import Stand, StandConfig
    from e2e.stand.uis.notices import Notice

    config = StandConfig(
        domain=f"yclients.localhost:{port}", salon_host=f"salon.localhost:{port}",
        own_form_host=f"zapis.salon.localhost:{port}", site_script_url=account["site"]["script_url"],
        form_script_url=account["form"]["script_url"], app_connect_url=f"{base_url}/marketplace/connect",
        app_hook_url=f"{base_url}/hooks/yclients-app", app_panel_url=f"{base_url}/workplace/panel",
        app_settings_url=f"{base_url}/workplace/settings",
    )  # fmt: skip
    stand = Stand(config)
    for company_id, _ in COMPANIES:
        stand.hooks[company_id] = [account["webhooks"]["yclients"]]
    # What the owner would have pasted into UIS; recordings that can be heard; YCLIENTS remembers what is connected.
    stand.uis.notices = [
        Notice(event, account["webhooks"]["uis"], body=body) for event, body in account["notifications"]
    ]
    stand.uis.switch(media_type="audio/wav")
    network = stand.telephony.by_token(NETWORK_TOKEN)
    assert network is not None
    network.enabled = True
    return await start_stand(config, port=port, stand=stand)


async def _announce(settings: Settings, account: dict[str, Any], port: int) -> None:
    async def later() -> None:
        await asyncio.sleep(0.2)  # after the port is open
        marks = "utm_source=yandex&utm_medium=cpc&utm_campaign=spring&yclid=1"
        print(
            f"""
  yclick demo is ready. Ctrl-C stops it; the data stays in {settings.data_dir}.

  1. Salon's site    http://salon.localhost:{port}/?{marks}
  2. Cabinet         {account["login"]}
                     (one-time link; «Обращения и цели» shows the booking within seconds)

  Booking form       http://n822081.yclients.localhost:{port}/
  YCLIENTS cabinet   http://yclients.localhost:{port}/timetable/4564   (with the workplace beside the journal; it asks
                     for a code of «Рабочее место» once, as an employee's browser does)
  Its bookings       http://yclients.localhost:{port}/   (change them, book by staff)
  Calls, clients     http://yclients.localhost:{port}/cabinet/4564   (the pop-up of a call shows here)
  UIS, simulated     http://127.0.0.1:{port}/uis/   (press «Позвонить»; _stand/state has what has reached the account)
  API                {settings.base_url}/api/v1/leads   page: {settings.base_url}/api/docs
  API token          {account["api_token"]}
""",
            flush=True,
        )

    _tasks.add(asyncio.create_task(later()))


_tasks: set[asyncio.Task[None]] = set()
