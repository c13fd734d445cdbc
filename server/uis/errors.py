"""The vendor's mnemonics → the house's typed errors, each with a reason that a page can put in the owner's language.

`data.value` of an error repeats what was sent (a phone, a token): it is never read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from server.platform.egress import Forbidden, RateLimited, Rejected, Unauthorized, Unavailable, VendorError
from server.platform.log import redact

_TEXT_MOST = 300


class AccessRefused(Unauthorized):
    """Key, session, login or password are not accepted; `reason` is the vendor's mnemonic."""

    def __init__(self, reason: str) -> None:
        super().__init__(sentence(reason))
        self.reason = reason
        self.facts: dict[str, str] = {}


class RightRefused(Forbidden):
    """Known, yet not allowed: address not listed, component off, no permission, account frozen, tariff too small."""

    def __init__(self, reason: str, facts: Mapping[str, str] | None = None) -> None:
        self.reason, self.facts = reason, dict(facts or {})
        super().__init__(sentence(reason, facts=self.facts))


class PointsSpent(RateLimited):
    """The account's points of this minute or day are spent; asks for a pause until they come back."""

    def __init__(self, retry_after_s: float, window: str) -> None:
        super().__init__(retry_after_s)
        self.window = window


class RequestRefused(Rejected):
    """The request was understood and refused: which field, and which item of a list when the vendor tells."""

    def __init__(self, code: str, human: str, *, where: str = "", index: int | None = None) -> None:
        super().__init__(code, f"{human} ({where})" if where else human)
        self.where, self.index = where, index


def error_of(error: Mapping[str, Any], *, secrets: tuple[str, ...] = ()) -> VendorError:
    """The typed error for `error` of an answer. `secrets` are cut out of the vendor's words, whatever they are."""
    data = error.get("data")
    data = data if isinstance(data, Mapping) else {}
    params = data.get("params")
    params = params if isinstance(params, Mapping) else {}
    mnemonic = data.get("mnemonic")
    mnemonic = mnemonic if isinstance(mnemonic, str) and re.fullmatch(r"[a-z0-9_]{1,60}", mnemonic) else ""
    message = _text(error.get("message"), secrets)
    code = _code(error.get("code"))
    kind = mnemonic or _BY_CODE.get(code, "")
    if kind in _ACCESS:
        return AccessRefused(kind)
    if kind == "limit_exceeded":
        return _points(data, params)
    if kind in _RIGHTS and not (kind == "forbidden" and code == -32602):
        return RightRefused(kind, _facts(kind, params, message, secrets))
    if kind == "internal_error":
        return Unavailable("the vendor had an error of its own")
    where, index = _where(data.get("field"))
    human = sentence(kind) if kind in _SENTENCES else message or "the vendor refused without a word"
    return RequestRefused(kind or "unknown", human, where=where, index=index)


def limits_of(metadata: Any) -> dict[str, int]:
    """Numbers of `metadata.limits`; empty when there are none (some answers carry an empty object)."""
    limits = metadata.get("limits") if isinstance(metadata, Mapping) else None
    if not isinstance(limits, Mapping):
        return {}
    return {name: number for name, value in limits.items() if (number := _whole(value)) is not None}


_ACCESS = frozenset({"access_token_expired", "access_token_blocked", "access_token_invalid", "auth_error"})
_RIGHTS = frozenset({
    "ip_not_whitelisted", "forbidden", "method_component_disabled", "parameter_component_disabled",
    "account_inactive", "tariff_restrictions",
})  # fmt: skip
_BY_CODE = {
    -32700: "parse_error", -32600: "invalid_request", -32601: "method_not_found", -32603: "internal_error",
    -32001: "access_token_invalid", -32003: "forbidden", -32008: "method_component_disabled",
    -32009: "account_inactive", -32029: "limit_exceeded",
}  # fmt: skip


def _points(data: Mapping[str, Any], params: Mapping[str, Any]) -> PointsSpent:
    limits = limits_of(data.get("metadata"))
    window = params.get("limit_type")
    if window not in ("minute", "day"):
        window = "day" if limits.get("day_remaining") == 0 else "minute"
    reset_s = limits.get(f"{window}_reset", 60 if window == "minute" else 3600)
    return PointsSpent(float(min(86_400, max(1, reset_s))), window)


def _facts(kind: str, params: Mapping[str, Any], message: str, secrets: tuple[str, ...]) -> dict[str, str]:
    if kind == "ip_not_whitelisted":
        found = re.search(r"\b\d{1,3}(?:\.\d{1,3}){3}\b|\b[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,7}\b", message, re.I)
        ip = _text(params.get("ip"), secrets) or (found[0] if found else "")
        return {"ip": ip} if ip else {}
    if kind in ("method_component_disabled", "parameter_component_disabled"):
        named = params.get("components")
        names = named if isinstance(named, list) else [named if named is not None else message.partition(": ")[2]]
        text = ", ".join(filter(None, (_text(name, secrets) for name in names)))
        return {"components": text} if text else {}
    return {}


def _where(field: Any) -> tuple[str, int | None]:
    """`offline_messages.phone`, and the number of the item if the path has one (`deals.3.name`, `deals[3].name`)."""
    if not isinstance(field, str) or not re.fullmatch(r"[\w.\[\]-]{1,120}", field, re.ASCII):
        return "", None
    found = re.search(r"[.\[](\d{1,5})(?=[.\]]|$)", field)
    return field, int(found[1]) if found else None


def _text(value: Any, secrets: tuple[str, ...]) -> str:
    if not isinstance(value, (str, int)) or isinstance(value, bool):
        return ""
    text = str(value)
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, "[secret]")
    text = "".join(sign if sign.isprintable() else " " for sign in text)
    return redact(text)[:_TEXT_MOST].strip()


def _code(value: Any) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _whole(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1 << 53:
        return None
    return int(value)


# --- sentences that say what to do


def sentence(reason: str, *, facts: Mapping[str, str] | None = None, lang: str = "en") -> str:
    """One sentence for the owner, in English or Russian; an unknown reason gives the reason itself."""
    texts = _SENTENCES.get(reason)
    if texts is None:
        return reason
    words = {"ip": "", "components": "", **(facts or {})}
    ip = f" {words['ip']}" if words["ip"] else ""
    components = f" «{words['components']}»" if words["components"] else ""
    return texts[1 if lang == "ru" else 0].format(ip=ip, components=components)


_SENTENCES: dict[str, tuple[str, str]] = {
    "access_token_expired": (
        "The UIS key has ended: make a new one in UIS under «Аккаунт → Управление пользователями» and enter it here.",
        "Срок ключа UIS истёк: создайте новый в UIS, «Аккаунт → Управление пользователями», и введите его здесь.",
    ),
    "access_token_blocked": (
        "The UIS key is blocked: unblock it or make a new one in UIS under «Аккаунт → Управление пользователями».",
        "Ключ UIS заблокирован: разблокируйте его или создайте новый в UIS, «Аккаунт → Управление пользователями».",
    ),
    "access_token_invalid": (
        "UIS does not know this key: check it, and that the account belongs to this site (UIS or CoMagic).",
        "UIS не знает этот ключ: проверьте его и то, что кабинет относится к этому адресу (UIS или CoMagic).",
    ),
    "auth_error": (
        "UIS does not accept the login or the password: enter them again.",
        "UIS не принимает логин или пароль: введите их заново.",
    ),
    "ip_not_whitelisted": (
        "UIS does not let our address{ip} in: add it in UIS under «Администратор → Аккаунт → Правила и настройки "
        "безопасности → API».",
        "UIS не пускает наш адрес{ip}: добавьте его в UIS, «Администратор → Аккаунт → Правила и настройки "
        "безопасности → API».",
    ),
    "forbidden": (
        "The UIS user of this key lacks the right: give it to the user in UIS, or use another user's key.",
        "У пользователя UIS нет нужного права: дайте его в UIS или возьмите ключ другого пользователя.",
    ),
    "method_component_disabled": (
        "A component is off in UIS{components}: switch it on in UIS under «Аккаунт → Тарифы и опции».",
        "В UIS выключен компонент{components}: включите его в UIS, «Аккаунт → Тарифы и опции».",
    ),
    "parameter_component_disabled": (
        "A component is off in UIS{components}: switch it on in UIS under «Аккаунт → Тарифы и опции».",
        "В UIS выключен компонент{components}: включите его в UIS, «Аккаунт → Тарифы и опции».",
    ),
    "account_inactive": (
        "The UIS account is switched off: write to the support of UIS.",
        "Кабинет UIS заблокирован: обратитесь в поддержку UIS.",
    ),
    "tariff_restrictions": (
        "The UIS tariff does not allow this: change it in UIS under «Аккаунт → Тарифы и опции».",
        "Тариф UIS этого не позволяет: измените его в UIS, «Аккаунт → Тарифы и опции».",
    ),
    "campaign_is_inactive": (
        "The chosen campaign is not active in UIS: choose another one in the settings.",
        "Выбранная рекламная кампания в UIS не активна: выберите другую в настройках.",
    ),
    "duplicate_entity": ("UIS already has this.", "В UIS это уже есть."),
    "entity_not_found": (
        "UIS does not find what is named here: choose it again in the settings.",
        "UIS не находит указанное здесь: выберите заново в настройках.",
    ),
    "data_limit_exceeded": (
        "UIS holds as much of this as it can: delete something there.",
        "В UIS достигнут предел количества: удалите там лишнее.",
    ),
}
