"""The command line `yclick`: serve, demo, worker tools, accounts.

Secrets come from standard input or the environment, never from arguments: those stand in the process list.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from pydantic import ValidationError

from server.settings import Settings, UnknownSetting, env_example, load_settings


def main() -> None:
    arguments = _parser().parse_args()
    try:
        sys.exit(arguments.run(arguments) or 0)
    except (UnknownSetting, ValidationError) as error:
        text = (
            "; ".join(f"YCLICK_{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}" for item in error.errors())
            if isinstance(error, ValidationError)
            else str(error)
        )
        _fail(f"settings: {text}", 2)
    except KeyboardInterrupt:
        sys.exit(130)
    except Refusal as refusal:
        _fail(str(refusal), 1)


class Refusal(Exception):
    """A command that cannot be carried out; the text says why and what to do."""


def _fail(text: str, code: int) -> None:
    print(f"yclick: {text}", file=sys.stderr)
    sys.exit(code)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="yclick", description="YCLIENTS bookings, and the adverts that brought them.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    serve = commands.add_parser("serve", help="run the server")
    serve.add_argument("--processes", type=_positive, default=1, help="web processes sharing the port (SO_REUSEPORT)")
    serve.add_argument("--role", choices=("all", "web", "worker"), default="all")
    serve.set_defaults(run=_serve)

    worker = commands.add_parser("worker", help="run the worker alone (as `serve --role worker`)")
    worker.set_defaults(run=_serve, processes=1, role="worker")

    demo = commands.add_parser("demo", help="server, stand and a seeded account on one machine")
    demo.set_defaults(run=_demo)

    migrate = commands.add_parser("migrate", help="bring the database up to date, under a lock")
    migrate.set_defaults(run=_migrate)

    check = commands.add_parser("check", help="print the effective settings and test what they lead to")
    check.add_argument("--env-example", action="store_true", help="print .env.example and end")
    check.set_defaults(run=_check)

    _account_parser(commands)

    for name, text in (
        ("replay", "work on quarantined webhooks again"),
        ("backfill", "read bookings, calls, or chats and site forms, of past days by API"),
        ("reconcile", "read bookings changed since the last look, find what webhooks missed"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--account", required=True, help="account id or name")
        command.add_argument("--dry-run", action="store_true", help="only count")
        if name == "backfill":
            command.add_argument("--what", choices=("bookings", "calls", "texts"), default="bookings")
            command.add_argument("--days", type=_positive, default=90)
        if name == "reconcile":
            command.add_argument("--hours", type=_positive, default=24)
        if name == "replay":
            _replay_parser(command)
        command.set_defaults(run=_operate, operation=name)

    for name, text in (
        ("pause", "let no deliveries leave; what comes is kept and waits"),
        ("resume", "let paused deliveries go on from where they were"),
    ):
        command = commands.add_parser(name, help=text)
        command.add_argument("--account", required=True, help="account id or name")
        command.add_argument("--kind", action="append", default=[], choices=_KINDS, help="none: all kinds; may repeat")
        command.add_argument("--dry-run", action="store_true", help="only show what is paused and what waits")
        command.set_defaults(run=_operate, operation=name)

    spool = commands.add_parser(
        "spool", help="webhook bodies that were set aside: no account has their token, or unreadable"
    )
    act = spool.add_mutually_exclusive_group()
    act.add_argument("--retry", action="store_true", help="place them again, once their account is back")
    act.add_argument("--drop", action="store_true", help="forget those older than --days")
    spool.add_argument("--days", type=_positive, default=30)
    spool.set_defaults(run=_spool)

    extension = commands.add_parser("extension", help="pack the browser's extension for this server")
    extension.add_argument("--out", default="yclick-extension.zip", help="the zip to write")
    extension.add_argument("--unpacked", action="store_true", help="write a folder instead")
    extension.set_defaults(run=_extension)

    secrets = commands.add_parser("secrets", help="sealed credentials").add_subparsers(required=True)
    rotate = secrets.add_parser(
        "rotate", help="seal everything anew with the current master key, beside running servers"
    )
    rotate.set_defaults(run=_rotate)
    commands.add_parser("version", help="print the version").set_defaults(run=_version)
    return parser


#: As `server.delivery.relay.JOBS` names them: kept here, so that `--help` loads nothing.
_KINDS = ("lead", "deal", "client", "call")


def _replay_parser(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--deliveries", action="store_true", help="not quarantine, but what did not reach UIS or YCLIENTS"
    )
    command.add_argument("--kind", choices=_KINDS, help="with --deliveries: of this kind alone")
    command.add_argument("--state", choices=("failed", "held"), default="failed", help="with --deliveries")
    command.add_argument("--code", help="with --deliveries: of this reason alone, as `GET /api/v1/deliveries` names it")
    command.add_argument(
        "--since", type=_moment, metavar="TIME", help="with --deliveries: made then or later (ISO 8601)"
    )
    command.add_argument("--until", type=_moment, metavar="TIME", help="with --deliveries: made before then")


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _account_parser(commands: Any) -> None:
    account = commands.add_parser("account", help="make and look at accounts").add_subparsers(required=True)
    create = account.add_parser("create", help="make an account, its site and its branches")
    create.add_argument("--name", required=True)
    create.add_argument("--site", required=True, metavar="DOMAIN")
    create.add_argument("--branch", action="append", default=[], metavar="COMPANY_ID[:TZ]")
    create.add_argument("--form-host", action="append", default=[], metavar="HOST", help="own domain of the form")
    create.add_argument("--email", help="owner's e-mail, for the login")
    create.add_argument("--json", action="store_true")
    create.set_defaults(run=_account, action="create")
    show = account.add_parser("show", help="print an account (without its secrets)")
    show.add_argument("account", nargs="?", help="account id or name; none: list all")
    show.add_argument("--json", action="store_true")
    show.set_defaults(run=_account, action="show")
    for name, text in (
        ("token", "make a further API token, list them, or revoke one"), ("login", "print a one-time login link"),
    ):  # fmt: skip
        command = account.add_parser(name, help=text)
        command.add_argument("account")
        if name == "token":
            command.add_argument("--list", action="store_true", help="the valid ones, by their ids")
            command.add_argument("--revoke", metavar="ID", help="end the one with this id (see --list)")
        command.set_defaults(run=_account, action=name)
    hook = account.add_parser("hook", help="a new webhook address; the former one stays good for a while")
    hook.add_argument("vendor", choices=("yclients", "uis"))
    hook.add_argument("account")
    hook.add_argument(
        "--grace-hours", type=float, default=48.0, help="how long the former one stays good; 0: not at all"
    )
    hook.set_defaults(run=_account, action="hook")
    connect = account.add_parser("connect", help="keep a vendor's credentials; secrets from stdin or the environment")
    connect.add_argument("vendor", choices=("yclients", "uis"))
    connect.add_argument("account")
    connect.add_argument("--name", default="main")
    connect.set_defaults(run=_account, action="connect")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


def _run(work: Coroutine[Any, Any, Any]) -> Any:
    """Runs on uvloop where it is installed."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(work)
    return uvloop.run(work)


def _settings() -> Settings:
    from server.platform.log import configure_log

    settings = load_settings()
    configure_log(level=settings.log_level, form=settings.log_format)
    return settings


# --- commands


def _serve(arguments: argparse.Namespace) -> int:
    from server import serving

    settings = _settings()
    if arguments.processes > 1:
        return int(_run(serving.serve_many(settings, processes=arguments.processes, role=arguments.role)))
    return int(_run(serving.serve_one(settings, role=arguments.role)))


def _demo(_: argparse.Namespace) -> int:
    from server import demo

    return int(_run(demo.run(load_settings())))


def _with_database(work: Callable[[Settings, str], Coroutine[Any, Any, int]]) -> int:
    from server.accounts.sealing import WrongMasterKey
    from server.app import database
    from server.platform.embedded import EmbeddedPostgresError
    from server.platform.postgres import DATABASE_AWAY
    from server.platform.vault import VaultError

    settings = _settings()

    async def inside() -> int:
        async with database(settings, owner="command") as dsn:
            return await work(settings, dsn)

    try:
        return int(_run(inside()))
    except (EmbeddedPostgresError, *DATABASE_AWAY) as error:
        raise Refusal(f"the database cannot be used: {error}") from None
    except (VaultError, WrongMasterKey) as error:
        raise Refusal(str(error)) from None


def _migrate(_: argparse.Namespace) -> int:
    async def done(*_: object) -> int:
        print("the database is up to date")
        return 0

    return _with_database(done)


def _check(arguments: argparse.Namespace) -> int:
    if arguments.env_example:
        print(env_example(), end="")
        return 0
    from server import checks

    return int(_run(checks.run(_settings())))


def _extension(arguments: argparse.Namespace) -> int:
    """Needs no database: only this server's address and the cabinets it works in."""
    from pathlib import Path

    from server.app import places
    from server.workplace import extension

    settings, built = _settings(), places()[2] / "extension"
    told: dict[str, Any] = {"server": settings.base_url, "cabinets": settings.yclients_frame_hosts}
    out = Path(arguments.out)
    try:
        if arguments.unpacked:
            for name, body in extension.files(built, **told).items():
                (out / name).parent.mkdir(parents=True, exist_ok=True)
                (out / name).write_bytes(body)
        else:
            out.write_bytes(extension.pack(built, **told))
    except FileNotFoundError:
        raise Refusal("the extension is not built: run `make js`") from None
    print(f"{out}: for {settings.base_url}")
    return 0


def _account(arguments: argparse.Namespace) -> int:
    from server import administration

    secret = _read_secret(arguments.vendor) if arguments.action == "connect" else {}
    return _with_database(lambda settings, dsn: administration.account(settings, dsn, arguments, secret))


_SECRET_NAMES = {
    "yclients": ("user_token", "partner_token", "login", "password"),
    "uis": ("access_token", "login", "password"),
}


def _read_secret(vendor: str) -> dict[str, str]:
    """Credentials as JSON on standard input, or as YCLICK-free variables such as YCLIENTS_USER_TOKEN."""
    names = _SECRET_NAMES[vendor]
    found = {
        name: os.environ[f"{vendor.upper()}_{name.upper()}"]
        for name in names
        if f"{vendor.upper()}_{name.upper()}" in os.environ
    }
    if not found and not sys.stdin.isatty():
        try:
            document = json.load(sys.stdin)
        except ValueError:
            raise Refusal("standard input is not JSON") from None
        if isinstance(document, dict):
            found = {name: str(document[name]) for name in names if document.get(name)}
    if not found:
        wanted = ", ".join(f"{vendor.upper()}_{name.upper()}" for name in names)
        raise Refusal(f"no credentials: give JSON on standard input, or set some of {wanted}")
    return found


def _operate(arguments: argparse.Namespace) -> int:
    from server import administration

    return _with_database(lambda settings, dsn: administration.operate(settings, dsn, arguments))


def _spool(arguments: argparse.Namespace) -> int:
    from server import administration

    return administration.look_at_spool(_settings(), arguments)


def _rotate(_: argparse.Namespace) -> int:
    from server import administration

    return _with_database(administration.rotate_secrets)


def _version(_: argparse.Namespace) -> int:
    try:
        print(version("yclick"))
    except PackageNotFoundError:
        print("0.1.0 (checkout)")
    return 0


if __name__ == "__main__":
    main()
