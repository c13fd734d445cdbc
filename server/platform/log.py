"""Structured log. Promises: one line an event, no secret and no phone in it, whatever a caller passes.

Redaction works by key name and by shape, so that a value nobody thought of is still caught.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any

import structlog
from structlog.typing import EventDict, WrappedLogger

_SECRET_KEYS = re.compile(r"password|secret|token|authorization|cookie|api_?key|master_?key|phone|e_?mail", re.I)
_SHAPES = (
    (re.compile(r"(?i)\b((?:set-)?cookie|(?:proxy-)?authorization)(['\"]?\s*[:=]\s*)[^\n]+"), r"\1\2[secret]"),
    (
        re.compile(r"(?i)((?:password|secret|token|api_?key|master_?key)[\w-]*['\"]?\s*[:=]\s*['\"]?)[^\s'\"&,;]+"),
        r"\1[secret]",
    ),
    (re.compile(r"(?i)\b(bearer|user)\s+[\w.~+/=-]{8,}"), r"\1 [secret]"),
    (re.compile(r"(/hooks/[a-z]+/)[\w-]{8,}"), r"\1[secret]"),
    (re.compile(r"(/login/)[\w-]{8,}"), r"\1[secret]"),
    (re.compile(r"(://[^/\s:@]*:)[^@\s/]+@"), r"\1[secret]@"),
    (re.compile(r"\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+"), "[secret]"),
    (re.compile(r"[\w.+-]{1,64}@[\w-]{1,64}\.[\w.-]{2,64}"), "[e-mail]"),
    # Not inside a word, a moment, a fraction or an id: those go on with a digit behind "-", ":" or ".".
    (re.compile(r"(?<!\w)(?<!\w-)(?<!\d[.:])\+?\d(?:[\s()-]{0,2}\d){9,14}(?!\w|[.:-]\d)"), "[phone]"),
)
_LONGEST_TEXT = 2000
_BESIDE_THE_CUT = 500  # what is read beyond a cut, so that a secret is known whole before half of it falls away
_SHOWN_SECRET_KEYS = frozenset({"tokens", "token_kind"})


def redact(text: str) -> str:
    """The text without what looks like a secret, a phone or an e-mail; cut to 2,000 characters."""
    # The end of a traceback says more than its beginning.
    if len(text) > _LONGEST_TEXT and "Traceback" in text[:60]:
        return _without_secrets(text[-4 * _LONGEST_TEXT - _BESIDE_THE_CUT :])[-4 * _LONGEST_TEXT :]
    return _without_secrets(text[: _LONGEST_TEXT + _BESIDE_THE_CUT])[:_LONGEST_TEXT]


def _without_secrets(text: str) -> str:
    for pattern, replacement in _SHAPES:
        text = pattern.sub(replacement, text)
    return text


def _clean(key: str, value: Any, depth: int = 0) -> Any:
    if value is None or isinstance(value, bool):
        return value
    if _SECRET_KEYS.search(key) and key not in _SHOWN_SECRET_KEYS and value:
        return "[secret]"
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, bytes):
        return f"<{len(value)} bytes>"
    if depth < 4 and isinstance(value, Mapping):
        return {redact(str(k)): _clean(str(k), v, depth + 1) for k, v in value.items()}
    if depth < 4 and isinstance(value, (list, tuple)):
        return [_clean(key, item, depth + 1) for item in value[:50]]
    if isinstance(value, (int, float)):
        return value
    return redact(str(value))


def _redaction(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    return {redact(key): _clean(key, value) for key, value in event.items()}


def configure_log(*, level: str, form: str) -> None:
    """Sends our events and those of the libraries to standard error, redacted, as JSON or for people."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        structlog.processors.format_exc_info,
        _redaction,
    ]
    renderer: Any = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    logging.getLogger("asyncio").setLevel(logging.WARNING)
    logging.getLogger("aiohttp.access").setLevel(logging.WARNING)
    # The open internet could fill the disk through this logger: a traceback for each malformed request.
    logging.getLogger("aiohttp.server").addFilter(_OneLine())
    for noisy in ("httpx2", "httpcore2"):
        logging.getLogger(noisy).setLevel(logging.WARNING)


class _OneLine(logging.Filter):
    """Cuts the traceback from aiohttp's complaints about malformed requests and lets ten a minute through."""

    def __init__(self) -> None:
        super().__init__()
        self._minute, self._count = 0, 0

    def filter(self, record: logging.LogRecord) -> bool:
        if (
            record.exc_info
            and record.exc_info[0]
            and "BadHttp" in record.exc_info[0].__name__ + str(record.exc_info[1])
        ):
            record.exc_info = None
            record.exc_text = None
        minute = int(record.created // 60)
        if minute != self._minute:
            self._minute, self._count = minute, 0
        self._count += 1
        return self._count <= 10 or record.levelno >= logging.CRITICAL


def logger(name: str) -> structlog.stdlib.BoundLogger:
    bound: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return bound
