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
from server.accounts.model import ScriptSettings
from server.app import build, database, serve
from server.platform.clock import utc_now
from server.platform.embedded import EmbeddedPostgresError
from server.platform.log import configure_log
from server.platform.postgres import Conn, open_pool
from server.platform.vault import load_vault
from server.settings import Settings

UIS_KEY = "stand-key-0123456789"
#: Leads without a session go to a source and a site of the simulated UIS.
LEADS = {"enabled": True, "default": {"entity": "source", "source_id": 8, "site_id": 43525}}
COMPANIES = ((4564, "Europe/Moscow"), (4565, "Europe/Moscow"))


async def run(settings: Settings) -> int:
    configure_log(level="warning" if "YCLICK_LOG_LEVEL" not in os.environ else settings.log_level, form="console")
    stand_port = settings.port + 1
    settings = settings.model_copy(
        update={
            "public_url": settings.public_url or f"http://localhost:{settings.port}",
            "yclients_api_url": f"http://127.0.0.1:{stand_port}",
            "yclients_partner_token": SecretStr("stand"),
            "yclients_application_id": 777,
            "yclients_application_token": SecretStr("stand-application"),
            "uis_data_api_url": f"http://127.0.0.1:{stand_port}/uis",
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
    finally:
        await pool.close()
    return account


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

    config = StandConfig(
        domain=f"yclients.localhost:{port}", salon_host=f"salon.localhost:{port}",
        own_form_host=f"zapis.salon.localhost:{port}", site_script_url=account["site"]["script_url"],
        form_script_url=account["form"]["script_url"], app_connect_url=f"{base_url}/marketplace/connect",
        app_hook_url=f"{base_url}/hooks/yclients-app",
    )  # fmt: skip
    stand = Stand(config)
    for company_id, _ in COMPANIES:
        stand.hooks[company_id] = [account["webhooks"]["yclients"]]
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
  YCLIENTS cabinet   http://yclients.localhost:{port}/
  UIS, simulated     http://127.0.0.1:{port}/uis/_stand/state   (what has reached the UIS account)
  API                {settings.base_url}/api/v1/leads   page: {settings.base_url}/api/docs
  API token          {account["api_token"]}
""",
            flush=True,
        )

    _tasks.add(asyncio.create_task(later()))


_tasks: set[asyncio.Task[None]] = set()
