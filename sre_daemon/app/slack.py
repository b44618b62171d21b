"""Slack, where there is a token for it."""

from contextlib import AsyncExitStack

from sre_daemon.app.foundation import Base, reveal
from sre_daemon.slack.channel import Desk
from sre_daemon.slack.client import Slack
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.hands import Hands
from sre_daemon.store.threads import Threads


def open_slack(stack: AsyncExitStack, base: Base) -> Slack | None:
    """The app in its workspace; None without a token. Slack itself is not asked yet."""
    token = reveal(base.secrets.slack_bot_token)
    if not token:
        return None
    slack = Slack(token, str(base.settings.slack.url), base.clock)
    stack.push_async_callback(slack.close)
    return slack


def desk_for(base: Base) -> Desk:
    """What a channel reads and writes of the daemon."""
    return Desk(
        store=base.store,
        approvals=Approvals(base.database),
        hands=Hands(base.database),
        threads=Threads(base.database),
        owner=base.replica,
        clock=base.clock,
        console_url=str(base.settings.notify.console_url or ""),
        buttons=answerable(base),
    )


def answerable(base: Base) -> bool:
    """Whether anything that is pressed in Slack comes here."""
    known = base.secrets
    return bool(known.slack_app_token or known.slack_signing_secret)
