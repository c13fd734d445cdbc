"""Mail over the operator's server, in a thread: the standard library waits for the network."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Literal

_TIMEOUT_S = 20.0


class MailRefused(RuntimeError):
    """The mail server was not reached, or did not take it; the text names no address."""


@dataclass(frozen=True, slots=True)
class MailServer:
    host: str
    port: int
    tls: Literal["starttls", "tls", "none"]
    user: str
    password: str = field(repr=False)
    sender: str


async def send_mail(server: MailServer, to: str, subject: str, text: str) -> None:
    """Raises `MailRefused`."""
    message = EmailMessage()
    message["From"], message["To"] = server.sender, to
    message["Subject"] = " ".join(subject.split())
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain=server.sender.rpartition("@")[2])
    message.set_content(text)
    await asyncio.to_thread(_send, server, message)


def _send(server: MailServer, message: EmailMessage) -> None:
    try:
        with _connected(server) as connection:
            if server.user:
                connection.login(server.user, server.password)
            connection.send_message(message)
    except (OSError, smtplib.SMTPException, UnicodeError) as error:
        code = error.smtp_code if isinstance(error, smtplib.SMTPResponseException) else ""
        raise MailRefused(f"mail was not taken: {type(error).__name__} {code}".strip()) from None


def _connected(server: MailServer) -> smtplib.SMTP:
    if server.tls == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(server.host, server.port, timeout=_TIMEOUT_S, context=context)
    connection = smtplib.SMTP(server.host, server.port, timeout=_TIMEOUT_S)
    if server.tls == "starttls":
        try:
            connection.starttls(context=ssl.create_default_context())
        except BaseException:
            connection.close()
            raise
    return connection
