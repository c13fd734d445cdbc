"""What the operator sets: one frozen object, from the environment alone, prefix ``YCLICK_``.

An unknown ``YCLICK_`` variable is an error: a misspelt setting must not be silently ignored.
`.env.example` is generated from this class (`yclick check --env-example`) and tested against it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, PydanticBaseSettingsSource, SettingsConfigDict

PREFIX = "YCLICK_"
_ORIGIN = re.compile(r"(?:https?|chrome-extension)://(?:\*\.)?[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?(?::[0-9]{1,5})?", re.I)


class UnknownSetting(ValueError):
    """A ``YCLICK_`` variable that no setting answers to."""


class Settings(BaseSettings):
    """Effective settings of one process. Times end in ``_s`` (seconds)."""

    model_config = SettingsConfigDict(env_prefix=PREFIX, frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address the server listens on")
    port: int = Field(8080, ge=0, le=65535, description="Port the server listens on")
    public_url: str = Field("", description="Address under which sites and vendors reach us; empty: http://HOST:PORT")
    data_dir: Path = Field(Path(".data"), description="Embedded database, spool and generated keys live here")
    database_url: SecretStr = Field(
        SecretStr(""), description="PostgreSQL 15 or newer; empty: the server starts and owns a private one"
    )
    redis_url: SecretStr = Field(
        SecretStr(""), description="Redis, needed by several processes; empty: an in-process bus"
    )
    master_key: SecretStr = Field(
        SecretStr(""),
        description="32 bytes, base64: seals credentials; empty: generated in the data directory",
    )
    master_key_old: SecretStr = Field(
        SecretStr(""), description="Former master keys that still open what they sealed, comma-separated"
    )
    yclients_api_url: str = Field("https://api.yclients.com", description="REST host of YCLIENTS")
    yclients_partner_token: SecretStr = Field(
        SecretStr(""), description="Partner token of the YCLIENTS developer cabinet"
    )
    yclients_marketplace_url: str = Field(
        "", description="Host of the marketplace's partner routes; empty: the REST host"
    )
    yclients_application_id: int = Field(
        0, ge=0, description="Our application in the YCLIENTS marketplace; 0: there is none"
    )
    yclients_application_token: SecretStr = Field(
        SecretStr(""),
        description="Token of the application's system user: reads branches that joined by the marketplace",
    )
    uis_data_api_url: str = Field("https://dataapi.uiscom.ru/v2.0", description="UIS Data API")
    uis_call_api_url: str = Field("https://callapi.uiscom.ru/v4.0", description="UIS Call API")
    uis_chat_api_url: str = Field("https://chatapi.uiscom.ru/v1.0", description="UIS Chat API")
    uis_media_url: str = Field(
        "https://app.uiscom.ru", description="Where recordings of UIS lie (CoMagic: app.comagic.ru)"
    )
    recording_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("app.uiscom.ru", "app.comagic.ru", "media.uiscom.ru", "media.comagic.ru"),
        description="Hosts whose recordings are played through us, comma-separated",
    )
    yclients_frame_hosts: Annotated[tuple[str, ...], NoDecode] = Field(
        ("https://yclients.com", "https://*.yclients.com"),
        description="Pages that may frame the workplace, as in frame-ancestors, comma-separated",
    )
    workplace_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Origins besides our own that may open the workplace's socket, comma-separated"
    )
    match_grace_s: float = Field(90, ge=0, description="How long a booking waits for the browser's report")
    reconcile_period_s: float = Field(600, gt=0, description="How often bookings are compared with the vendor's list")
    retry_schedule_s: Annotated[tuple[Annotated[float, Field(ge=0, allow_inf_nan=False)], ...], NoDecode] = Field(
        (5, 30, 120, 600, 1800, 7200, 18000, 36000, 86400, 86400),
        description="Pauses between attempts of a job, seconds, comma-separated",
    )
    smtp_host: str = Field("", description="Mail server for notices to owners; empty: no mail")
    smtp_port: int = Field(587, ge=1, le=65535, description="Port of the mail server")
    smtp_tls: Literal["starttls", "tls", "none"] = Field(
        "starttls", description="How mail is protected: starttls, tls from the beginning, none"
    )
    smtp_user: str = Field("", description="Login at the mail server; empty: none")
    smtp_password: SecretStr = Field(SecretStr(""), description="Password at the mail server")
    smtp_from: str = Field("", description="Sender of notices; empty: yclick@ and the host of YCLICK_PUBLIC_URL")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="Least level written")
    log_format: Literal["json", "console"] = Field("json", description="json for machines, console for people")
    trusted_proxies: Annotated[tuple[str, ...], NoDecode] = Field(
        (), description="Addresses or networks whose X-Forwarded-For is believed, comma-separated"
    )
    allow_private_egress: bool = Field(False, description="Let outgoing calls reach private addresses (tests, stand)")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the base class passes it
        init_settings: PydanticBaseSettingsSource,
        *_: PydanticBaseSettingsSource,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """`load_settings` alone reads the environment: a value left out or empty there means the default."""
        return (init_settings,)

    @field_validator("retry_schedule_s", mode="before")
    @classmethod
    def _seconds(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(float(part) for part in value.strip("[]() ").split(",") if part.strip())
        return value

    @field_validator("trusted_proxies", "recording_hosts", "yclients_frame_hosts", "workplace_origins", mode="before")
    @classmethod
    def _listed(cls, value: Any) -> Any:
        if isinstance(value, str):
            return tuple(part.strip() for part in value.split(",") if part.strip())
        return value

    @field_validator("yclients_frame_hosts", "workplace_origins", mode="after")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        """Whatever stands here goes into a header: a scheme, a host, perhaps a port."""
        for origin in value:
            if not _ORIGIN.fullmatch(origin):
                raise ValueError(f"not an origin: {origin[:80]!r}; write it like https://yclients.com")
        return value

    @field_validator("public_url", "yclients_api_url", "yclients_marketplace_url", mode="after")
    @classmethod
    def _no_trailing_slash(cls, value: str) -> str:
        return value.rstrip("/")

    @property
    def base_url(self) -> str:
        """Address of this server for links we hand out; never taken from a request's Host header."""
        return self.public_url or f"http://{'localhost' if self.host in ('0.0.0.0', '::') else self.host}:{self.port}"  # noqa: S104

    @property
    def mail_sender(self) -> str:
        return self.smtp_from or f"yclick@{urlsplit(self.base_url).hostname or 'localhost'}"


def load_settings(environ: Mapping[str, str] | None = None, **overrides: Any) -> Settings:
    """Settings from the environment; raises `UnknownSetting` or pydantic's ValidationError."""
    source = os.environ if environ is None else environ
    known = {PREFIX + name.upper() for name in Settings.model_fields}
    unknown = sorted(name for name in source if name.upper().startswith(PREFIX) and name.upper() not in known)
    if unknown:
        raise UnknownSetting(f"unknown setting: {', '.join(unknown)}; see .env.example for those that exist")
    values: dict[str, Any] = {
        name[len(PREFIX) :].lower(): value
        for name, value in source.items()
        if name.upper().startswith(PREFIX) and value != ""
    }
    return Settings(**{**values, **overrides})


def masked(settings: Settings) -> dict[str, str]:
    """Every setting as text, secrets shown as set or empty only."""
    shown = {}
    for name in Settings.model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            shown[name] = "(set)" if value.get_secret_value() else "(empty)"
        elif isinstance(value, tuple):
            shown[name] = ",".join(f"{item:g}" if isinstance(item, float) else str(item) for item in value)
        else:
            shown[name] = str(value)
    return shown


def env_example() -> str:
    """Text of `.env.example`: each setting with its meaning and default."""
    lines = ["# Settings of yclick. Generated by `yclick check --env-example`; an unknown YCLICK_ name is an error."]
    for name, field in Settings.model_fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            text = default.get_secret_value()
        elif isinstance(default, tuple):
            text = ",".join(f"{item:g}" if isinstance(item, (int, float)) else str(item) for item in default)
        else:
            text = str(default).lower() if isinstance(default, bool) else str(default)
        lines += ["", f"# {field.description}", f"{PREFIX}{name.upper()}={text}"]
    return "\n".join(lines) + "\n"
