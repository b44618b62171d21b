"""A channel that sends mail. An incident is one thread: every message answers the same one."""

import hashlib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Literal

import aiosmtplib

from sre_daemon.clock import Clock
from sre_daemon.domain.delivery import News
from sre_daemon.errors import NotifyError, NotifyRefused
from sre_daemon.notify.message import Message
from sre_daemon.notify.words import plain, subject

SECONDS = 20


@dataclass(frozen=True, slots=True)
class Mailbox:
    """Where mail is handed in, from whom and to whom. `trust` is for servers with own certificates."""

    host: str
    port: int
    security: Literal["starttls", "tls", "none"]
    sender: str
    to: tuple[str, ...]
    username: str = ""
    password: str = field(default="", repr=False)
    trust: ssl.SSLContext | None = None


class EmailChannel:
    """One mailbox."""

    def __init__(self, name: str, mailbox: Mailbox, clock: Clock) -> None:
        self.name = name
        self._mailbox = mailbox
        self._clock = clock

    def keeps_up(self, _: News) -> bool:
        """See Channel: only what routes send."""
        return False

    async def send(self, message: Message) -> None:
        """See Channel."""
        await self.post(self._mail(message))

    async def post(self, mail: EmailMessage) -> None:
        """Hand a mail to the server; raises NotifyError."""
        try:
            await aiosmtplib.send(
                mail,
                hostname=self._mailbox.host,
                port=self._mailbox.port,
                use_tls=self._mailbox.security == "tls",
                start_tls=self._mailbox.security == "starttls",
                tls_context=self._mailbox.trust,
                username=self._mailbox.username or None,
                password=self._mailbox.password or None,
                timeout=SECONDS,
            )
        except (aiosmtplib.SMTPRecipientsRefused, aiosmtplib.SMTPDataError) as failure:
            raise _refusal(failure) from failure
        except (aiosmtplib.SMTPException, OSError, ValueError) as failure:
            raise NotifyError(f"the mail server: {type(failure).__name__}: {failure}") from failure

    def letter(self, key: str, title: str, text: str) -> EmailMessage:
        """A mail to all addresses; the same key gives the same Message-ID."""
        mail = EmailMessage()
        mail["From"] = self._mailbox.sender
        mail["To"] = ", ".join(self._mailbox.to)
        mail["Subject"] = title
        mail["Date"] = format_datetime(self._clock.now())
        mail["Message-ID"] = self._id(key)
        # No auto-responder answers it.
        mail["Auto-Submitted"] = "auto-generated"
        # What UTF-8 cannot say cannot be mailed.
        mail.set_content(text.encode("utf-8", "replace").decode("utf-8"))
        return mail

    def _mail(self, message: Message) -> EmailMessage:
        mail = self.letter(f"{self.name}/{message.key}", subject(message), plain(message))
        if message.incident_id:
            thread = self._id(message.incident_id)
            mail["In-Reply-To"] = thread
            mail["References"] = thread
        if message.quiet:
            mail["Importance"] = "low"
        elif message.severity == "critical":
            mail["Importance"] = "high"
        return mail

    def _id(self, key: str) -> str:
        name = hashlib.sha256(key.encode()).hexdigest()[:32]
        return f"<{name}.sre-daemon@{self._mailbox.sender.rpartition('@')[2]}>"

    async def close(self) -> None:
        """See Channel: nothing is kept open."""


def _refusal(failure: aiosmtplib.SMTPException) -> NotifyError:
    codes = (
        [refused.code for refused in failure.recipients]
        if isinstance(failure, aiosmtplib.SMTPRecipientsRefused)
        else [getattr(failure, "code", 0)]
    )
    # 4xx is for now, 5xx for ever.
    if codes and all(500 <= code < 600 for code in codes):
        return NotifyRefused(f"the mail server refuses the mail: {codes[0]}", "check the addresses")
    return NotifyError(f"the mail server does not take the mail now: {codes}")
