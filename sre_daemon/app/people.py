"""The channels to people."""

from contextlib import AsyncExitStack

from sre_daemon.notify.webhook import WebhookChannel
from sre_daemon.settings import Settings


def channels_for(stack: AsyncExitStack, settings: Settings) -> list[WebhookChannel]:
    channels = [WebhookChannel(str(channel.url)) for channel in settings.notify]
    for channel in channels:
        stack.push_async_callback(channel.close)
    return channels
