"""Slack, where there is a token for it."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

from sre_daemon.app.agent import Agent, bounds_for, surroundings_for
from sre_daemon.app.foundation import Base, reveal
from sre_daemon.errors import ConfigError
from sre_daemon.notify.notifier import Notifier
from sre_daemon.pipeline.answers import Answers
from sre_daemon.pipeline.conversation import Conversation
from sre_daemon.pipeline.inquiry import Inquiry
from sre_daemon.pipeline.worker import Worker
from sre_daemon.slack.bot import Bot, Crew
from sre_daemon.slack.channel import Desk
from sre_daemon.slack.clicks import Clicks, Counter
from sre_daemon.slack.client import Slack
from sre_daemon.slack.socket import SocketMode
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.hands import Hands
from sre_daemon.store.threads import Threads
from sre_daemon.web.slack import Signed


def open_slack(stack: AsyncExitStack, base: Base) -> Slack | None:
    """The app in its workspace; None without a token. Slack itself is not asked yet.

    Raises:
        ConfigError: events of Slack are to come here, and nothing could be answered.
    """
    token = reveal(base.secrets.slack_bot_token)
    if not token:
        if answerable(base):
            raise ConfigError(
                "SLACK_APP_TOKEN or SLACK_SIGNING_SECRET is set, and SLACK_BOT_TOKEN is not",
                "set SLACK_BOT_TOKEN, too",
            )
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


@dataclass(frozen=True, slots=True)
class _Takes:
    """What comes from Slack, and who deals with it."""

    bot: Bot
    clicks: Clicks

    async def event(self, envelope: Mapping[str, Any]) -> None:
        await self.bot.event(envelope)

    async def interaction(self, payload: Mapping[str, Any]) -> Mapping[str, Any] | None:
        return await self.clicks.interaction(payload)


def start_bot(
    base: Base,
    slack: Slack | None,
    agent: Agent,
    conversation: Conversation,
    worker: Worker,
    notifier: Notifier,
) -> Signed | None:
    """Listen to what people say in Slack; the door for what comes over HTTP, if it may."""
    if slack is None or not answerable(base):
        return None
    known, clock = base.settings.slack, base.clock
    people = {item.user: item.person for item in known.people}
    hands, threads = Hands(base.database), Threads(base.database)
    inquiry = Inquiry(
        base.store,
        agent.director,
        surroundings_for(base, agent),
        bounds_for(base.settings.agent),
        clock,
        base.metrics,
    )
    crew = Crew(
        slack=slack,
        conversation=conversation,
        inquiry=inquiry,
        store=base.store,
        hands=hands,
        threads=threads,
        people=people,
        clock=clock,
        console_url=str(base.settings.notify.console_url or ""),
    )
    answers = Answers(Approvals(base.database), worker, clock, base.metrics)
    counter = Counter(slack, answers, hands, base.store, threads, people, clock)
    takes = _Takes(Bot(crew, base.tasks, known.concurrency), Clicks(counter, base.tasks))
    app_token = reveal(base.secrets.slack_app_token)
    if app_token:

        async def dead(why: str) -> None:
            await notifier.tell(
                "nothing that people say in Slack arrives", why, key=f"slack:{clock.now():%Y%m%d%H}"
            )

        base.tasks.spawn("slack-socket", SocketMode(slack, app_token, takes, clock, dead).run())
    secret = reveal(base.secrets.slack_signing_secret)
    return Signed(secret, takes, clock) if secret else None
