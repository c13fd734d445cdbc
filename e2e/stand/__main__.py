"""`python -m e2e.stand --port 8081`: the stand alone."""

from __future__ import annotations

import argparse
import asyncio

from e2e.stand.app import start_stand
from e2e.stand.state import StandConfig


async def _run(arguments: argparse.Namespace) -> None:
    port = arguments.port
    config = StandConfig(
        domain=f"yclients.localhost:{port}", salon_host=f"salon.localhost:{port}", own_form_host=f"zapis.salon.localhost:{port}",
        site_script_url=arguments.site_script, form_script_url=arguments.form_script,
    )  # fmt: skip
    await start_stand(config, port=port)
    print(f"http://{config.salon_host}/  http://n822081.{config.domain}/  http://{config.domain}/")
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=8081)
    parser.add_argument("--site-script", default="")
    parser.add_argument("--form-script", default="")
    asyncio.run(_run(parser.parse_args()))
