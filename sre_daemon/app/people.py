"""The channels to people, and what decides who is told."""

from contextlib import AsyncExitStack
from dataclasses import dataclass

from sre_daemon import documents
from sre_daemon.app.foundation import Base, reveal
from sre_daemon.app.slack import desk_for, open_slack
from sre_daemon.errors import ConfigError
from sre_daemon.notify.base import Channel
from sre_daemon.notify.digest import Morning
from sre_daemon.notify.email import EmailChannel, Mailbox
from sre_daemon.notify.notifier import Notifier
from sre_daemon.notify.pagerduty import PagerDutyChannel
from sre_daemon.notify.reminders import Reminders
from sre_daemon.notify.webhook import WebhookChannel
from sre_daemon.report.digest import Digests
from sre_daemon.settings.channels import (
    ChannelSettings,
    EmailChannelSettings,
    PagerDutyChannelSettings,
    SlackChannelSettings,
    WebhookChannelSettings,
)
from sre_daemon.slack.channel import SlackChannel
from sre_daemon.slack.client import Slack
from sre_daemon.store.history import History
from sre_daemon.store.outbox import Outbox


@dataclass(frozen=True, slots=True)
class People:
    """Whatever reaches them."""

    notifier: Notifier
    reminders: Reminders
    morning: Morning
    slack: Slack | None


async def start_people(stack: AsyncExitStack, base: Base) -> People:
    """Open the channels and start sending what waits."""
    known = base.settings.notify
    slack = open_slack(stack, base)
    channels = [_channel(base, slack, settings) for settings in known.channels]
    for channel in channels:
        stack.push_async_callback(channel.close)
    outbox = Outbox(base.database)
    notifier = Notifier(channels, known, outbox, base.store, base.replica, base.clock, base.metrics)
    await notifier.start(base.tasks)
    reminders = Reminders(base.store, outbox, notifier.router, known.reminders, base.clock)
    told = known.digest
    write = Digests(History(base.database), base.clock)
    morning = Morning(write, outbox, told.channels, told.period, told.zone, base.clock)
    return People(notifier, reminders, morning, slack)


def _channel(base: Base, slack: Slack | None, settings: ChannelSettings) -> Channel:
    match settings:
        case WebhookChannelSettings():
            secret = documents.read(settings.secret_file).strip() if settings.secret_file else ""
            return WebhookChannel(settings.name, str(settings.url), secret)
        case EmailChannelSettings():
            return _email(base, settings)
        case PagerDutyChannelSettings():
            return _pagerduty(base, settings)
        case SlackChannelSettings():
            if slack is None:
                raise ConfigError(
                    f"the channel {settings.name} has no token", "set SLACK_BOT_TOKEN"
                )
            return SlackChannel(settings.name, settings.room, slack, desk_for(base))


def _email(base: Base, settings: EmailChannelSettings) -> EmailChannel:
    password = reveal(base.secrets.smtp_password)
    if settings.username and not password:
        raise ConfigError(
            f"the channel {settings.name} has a user name and no password",
            "set SRE_DAEMON_SMTP_PASSWORD",
        )
    mailbox = Mailbox(
        host=settings.host,
        port=settings.port,
        security=settings.security,
        sender=settings.sender,
        to=settings.to,
        username=settings.username,
        password=password,
    )
    return EmailChannel(settings.name, mailbox, base.clock)


def _pagerduty(base: Base, settings: PagerDutyChannelSettings) -> PagerDutyChannel:
    key = reveal(base.secrets.pagerduty_routing_key)
    if settings.routing_key_file is not None:
        key = documents.read(settings.routing_key_file).strip()
    if not key:
        raise ConfigError(
            f"the channel {settings.name} has no routing key",
            "set PAGERDUTY_ROUTING_KEY, or routing_key_file",
        )
    return PagerDutyChannel(
        settings.name,
        url=str(settings.url),
        routing_key=key,
        api_url=str(settings.api_url),
        api_key=reveal(base.secrets.pagerduty_api_key),
        from_email=base.secrets.pagerduty_from_email or "",
    )
