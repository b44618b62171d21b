"""Mail: one thread per incident, over TLS with a checked certificate, refusals told from troubles."""

import socket
import ssl
from dataclasses import replace

import pytest

from sre_daemon.errors import NotifyError, NotifyRefused
from sre_daemon.notify.email import EmailChannel, Mailbox
from sre_daemon.notify.message import Message
from tests.support.clock import ManualClock
from tests.support.mail import mail_server

MESSAGE = Message(
    "01incident0001", "escalated", "critical", "Pool on api", "no cause found", "news:7"
)


def channel(mails, security="none", **values):
    box = Mailbox(
        host="127.0.0.1",
        port=mails.port,
        security=security,
        sender="sre@example.org",
        to=("a@example.org", "b@example.org"),
        trust=mails.trust,
    )
    return EmailChannel("email", replace(box, **values), ManualClock())


async def test_mail_says_what_a_person_needs(tmp_path):
    async with mail_server(tmp_path) as mails:
        await channel(mails).send(MESSAGE)
        (mail,) = mails.received
        assert mail["Subject"] == "[critical] A person is needed: Pool on api"
        assert mail["To"] == "a@example.org, b@example.org"
        assert mail["Importance"] == "high"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert "no cause found" in mail.get_content()


async def test_mails_of_an_incident_are_one_thread(tmp_path):
    async with mail_server(tmp_path) as mails:
        sender = channel(mails)
        for key in ("news:7", "news:7", "news:8"):
            await sender.send(replace(MESSAGE, key=key))
        await sender.send(Message("", "daemon", "critical", "full", "disk", "daemon:1"))
        ids = [mail["Message-ID"] for mail in mails.received]
        assert ids[0] == ids[1] != ids[2]
        assert len({mail["References"] for mail in mails.received[:3]}) == 1
        assert mails.received[3]["References"] is None


async def test_quiet_mail_is_of_low_importance(tmp_path):
    async with mail_server(tmp_path) as mails:
        await channel(mails).send(replace(MESSAGE, quiet=True))
        assert mails.received[0]["Importance"] == "low"


async def test_hostile_text_adds_no_header(tmp_path):
    async with mail_server(tmp_path) as mails:
        title = "x\r\nBcc: victim@example.org\r\n\r\nbody \u202e\x1b\ud800"
        await channel(mails).send(replace(MESSAGE, title=title, text="\ud800 caf\u00e9 \n.\n"))
        (mail,) = mails.received
        assert mail["Bcc"] is None
        assert "Bcc: victim" in mail["Subject"]
        assert "caf\u00e9" in mail.get_content()


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_login_goes_over_a_checked_connection(tmp_path, security):
    async with mail_server(tmp_path, security=security) as mails:
        await channel(mails, security, username="sre", password="pa55").send(MESSAGE)
        assert (len(mails.received), mails.logins) == (1, [("sre", "pa55")])
        with pytest.raises(NotifyError) as failure:
            await channel(mails, security, username="sre", password="wrong").send(MESSAGE)
        assert failure.value.retryable
        assert "wrong" not in str(failure.value)


@pytest.mark.parametrize("security", ["starttls", "tls"])
async def test_certificate_of_nobody_is_not_trusted(tmp_path, security):
    async with mail_server(tmp_path, security=security) as mails:
        strict = channel(mails, security, trust=ssl.create_default_context())
        with pytest.raises(NotifyError):
            await strict.send(MESSAGE)
        assert mails.received == []


async def test_server_that_cannot_encrypt_gets_nothing(tmp_path):
    async with mail_server(tmp_path) as mails:
        with pytest.raises(NotifyError):
            await channel(mails, "starttls").send(MESSAGE)
        assert mails.received == []


@pytest.mark.parametrize(
    ("answer", "kind"), [("451 try later", NotifyError), ("554 spam", NotifyRefused)]
)
async def test_answer_of_the_server_says_whether_to_try_again(tmp_path, answer, kind):
    async with mail_server(tmp_path) as mails:
        mails.answers = [answer]
        with pytest.raises(NotifyError) as failure:
            await channel(mails).send(MESSAGE)
        assert type(failure.value) is kind


async def test_addresses_that_are_all_refused_are_a_refusal(tmp_path):
    async with mail_server(tmp_path) as mails:
        mails.refused = {"a@example.org": "550 no such user", "b@example.org": "550 nor this"}
        with pytest.raises(NotifyRefused):
            await channel(mails).send(MESSAGE)
        mails.refused = {"a@example.org": "550 no such user"}
        await channel(mails).send(MESSAGE)
        assert len(mails.received) == 1
        mails.refused["b@example.org"] = "450 busy"
        with pytest.raises(NotifyError) as failure:
            await channel(mails).send(MESSAGE)
        assert failure.value.retryable


async def test_nobody_there_is_a_failure(tmp_path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        async with mail_server(tmp_path) as mails:
            mails.port = taken.getsockname()[1]
            with pytest.raises(NotifyError):
                await channel(mails).send(MESSAGE)
