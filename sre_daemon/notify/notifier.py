"""Telling people: plans messages from the news, and sends them. Everything that waits is in the store.

One loop plans, one loop per channel sends, so that no channel waits for another one and the
pipeline for none. What was begun and not noted before a crash is sent again under the same key.
"""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Sequence
from datetime import timedelta

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.delivery import Backlog, Delivery, News
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.lifecycle import State
from sre_daemon.errors import DaemonError, NotifyError, StoreError
from sre_daemon.metrics import Metrics, exemplar
from sre_daemon.notify.base import Channel, Follower
from sre_daemon.notify.message import DAEMON, Message, compose
from sre_daemon.notify.routing import Audience, Router, routes_for
from sre_daemon.settings import NotifySettings
from sre_daemon.store.base import Store
from sre_daemon.store.outbox import Outbox
from sre_daemon.tasks import Tasks
from sre_daemon.traces.spans import trace_id

log = structlog.get_logger(__name__)

POLL_SECONDS = 1.0
SEND_SECONDS = 30.0
WATCH_SECONDS = 15.0
DEAD_AFTER = timedelta(minutes=5)
LEASE = timedelta(seconds=90)
FIRST_PAUSE = 1.0
LONGEST_PAUSE = 300.0
LOGGED = {
    State.AWAITING_APPROVAL: "an approval is needed",
    State.ESCALATED: "a person is needed",
    State.RESOLVED: "incident resolved",
}
# Later than this nobody wants to hear it any more.
GIVE_UP = timedelta(hours=24)


class Notifier:
    """Over some channels and one outbox; the log is told of everything besides."""

    def __init__(
        self,
        channels: Sequence[Channel],
        settings: NotifySettings,
        outbox: Outbox,
        store: Store,
        owner: str,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        audiences = [Audience(c.name, isinstance(c, Follower), c.keeps_up) for c in channels]
        self.router = Router(routes_for(settings), audiences, frozenset(settings.quiet))
        self._channels = channels
        self._outbox = outbox
        self._store = store
        self._owner = owner
        self._clock = clock
        self._metrics = metrics
        told = settings.daemon
        self._told_of_daemon = [c for c in channels if told is None or c.name in told]
        self._console_url = str(settings.console_url or "")
        self._tasks: Tasks | None = None
        self._news = asyncio.Event()
        self._wakes = {channel.name: asyncio.Event() for channel in channels}
        for channel in channels:
            metrics.channel(channel.name)

    async def start(self, tasks: Tasks) -> None:
        """Take up what was left, and start the loops. Raises StoreUnavailable."""
        await self._outbox.release(self._owner)
        gone = await self._outbox.abandon([channel.name for channel in self._channels])
        if gone:
            log.warning("messages for channels that are not configured any more", count=gone)
        self._tasks = tasks
        tasks.spawn("notify-plan", self._plan_forever())
        for channel in self._channels:
            tasks.spawn(f"notify-{channel.name}", self._send_forever(channel))
        if self._channels:
            tasks.spawn("notify-watch", self._watch_forever())

    def wake(self) -> None:
        """There may be news, or something to send."""
        self._news.set()
        self._wake_channels()

    async def tell(self, title: str, text: str, *, key: str = "", without: str = "") -> None:
        """Something about the daemon itself, to every channel that is to hear it but `without`.

        The same `key` is told once, whoever tells it.
        """
        log.warning(title, text=text)
        now = self._clock.now()
        key = f"daemon:{key or uuid.uuid4().hex}"
        payload = {"title": title, "text": text, "at": now.isoformat()}
        channels = [c for c in self._told_of_daemon if c.name != without]
        try:
            await self._outbox.add([Delivery(c.name, key, "", payload, now, now) for c in channels])
        except StoreError as failure:
            # The store may be what is wrong: then they are told without it, as well as it goes.
            log.error("message not queued", error=failure.reason)
            message = Message("", DAEMON, "critical", title, text, key, at=now.isoformat())
            for channel in channels:
                self._spawn(f"notify-{channel.name}-now", self._send_now(channel, message))
        self._wake_channels()

    def _spawn(self, name: str, work: Awaitable[None]) -> None:
        if self._tasks is not None:
            self._tasks.spawn(name, _awaited(work))

    async def _send_now(self, channel: Channel, message: Message) -> None:
        for attempt in range(5):
            failure = await self._tried(channel, channel.send(message))
            if failure is None:
                return
            await self._clock.sleep(pause(attempt + 1, failure.retry_after))

    # --- planning

    async def _plan_forever(self) -> None:
        while True:
            self._news.clear()
            try:
                while news := await self._outbox.plan(self.router.plan):
                    self._wake_channels()
                    for item in news:
                        _log(item)
            except StoreError as failure:
                log.error("messages not planned", error=failure.reason)
            await _idle(self._news)

    def _wake_channels(self) -> None:
        for wake in self._wakes.values():
            wake.set()

    # --- sending

    async def _send_forever(self, channel: Channel) -> None:
        owner = f"{self._owner}/{channel.name}"
        wake = self._wakes[channel.name]
        while True:
            # Before the look, so that a wake between the look and the wait is not lost.
            wake.clear()
            try:
                delivery = await self._outbox.take(channel.name, owner, self._clock.now(), LEASE)
                if delivery is not None:
                    await self._deliver(channel, delivery, owner)
                    continue
            except StoreError as failure:
                log.error("messages not sent", channel=channel.name, error=failure.reason)
            await _idle(wake)

    # --- watching

    async def _watch_forever(self) -> None:
        while True:
            try:
                await self.watch()
            except StoreError as failure:
                log.error("channels not watched", error=failure.reason)
            await asyncio.sleep(WATCH_SECONDS)

    async def watch(self) -> None:
        """Bring the gauges up to date; of a channel that is dead the others are told, once."""
        backlog = await self._outbox.backlog()
        for channel in self._channels:
            waits = backlog.get(channel.name, Backlog(0))
            age = self._clock.now() - waits.oldest if waits.oldest else timedelta()
            self._metrics.messages_waiting.labels(channel.name).set(waits.waiting)
            self._metrics.message_oldest.labels(channel.name).set(age.total_seconds())
            if waits.oldest is not None and age > DEAD_AFTER:
                await self.tell(
                    f"the channel {channel.name} takes no messages",
                    f"{waits.waiting} wait, the oldest since {waits.oldest:%Y-%m-%d %H:%M} UTC; "
                    f"last error: {waits.error or 'none'}",
                    key=f"channel:{channel.name}:{waits.oldest.isoformat()}",
                    without=channel.name,
                )

    async def _deliver(self, channel: Channel, delivery: Delivery, owner: str) -> None:
        if delivery.follows:
            work = channel.follow(delivery.incident_id) if isinstance(channel, Follower) else None
            message = None
        else:
            message = await compose(self._store, delivery, self._console_url)
            work = channel.send(message) if message is not None else None
        failure = None if work is None else await self._tried(channel, work)
        if failure is None:
            await self._sent(channel, delivery, message, owner)
        else:
            await self._failed(channel, delivery, message, owner, failure)

    async def _tried(self, channel: Channel, work: Awaitable[None]) -> NotifyError | None:
        """Whether it went well; a defect in a channel is a failure of that channel only."""
        failure: NotifyError | None = None
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await work
        except NotifyError as known:
            failure = known
        except TimeoutError:
            failure = NotifyError(f"no answer within {SEND_SECONDS:g} s")
        except DaemonError as known:
            failure = NotifyError(known.reason)
        except Exception as unknown:
            log.exception("channel failed", channel=channel.name)
            failure = NotifyError(f"{type(unknown).__name__} in the channel; see the log")
        self._metrics.channel_up.labels(channel.name).set(failure is None)
        return failure

    async def _sent(
        self, channel: Channel, delivery: Delivery, message: Message | None, owner: str
    ) -> None:
        now = self._clock.now()
        first = await self._outbox.sent(delivery, owner, now)
        self._metrics.messages.labels(channel.name, "sent").inc()
        if message is None or not message.incident_id:
            return
        incident = await self._store.incident(message.incident_id)
        if first and incident is not None:
            waited = (now - incident.created_at).total_seconds()
            self._metrics.first_message.observe(max(0.0, waited), exemplar(incident.id))
        await self._note(channel, message, "sent")

    async def _failed(
        self,
        channel: Channel,
        delivery: Delivery,
        message: Message | None,
        owner: str,
        failure: NotifyError,
    ) -> None:
        now = self._clock.now()
        due = now + timedelta(seconds=pause(delivery.attempts, failure.retry_after))
        final = not failure.retryable or due - delivery.created_at > GIVE_UP
        log.error(
            "message not delivered",
            channel=channel.name,
            incident=delivery.incident_id,
            attempt=delivery.attempts,
            error=failure.reason,
            final=final,
        )
        self._metrics.messages.labels(channel.name, "failed" if final else "retried").inc()
        await self._outbox.failed(delivery, owner, failure.reason, None if final else due)
        if message is not None and message.incident_id and (final or delivery.attempts == 1):
            outcome = "failed" if final else "delayed"
            await self._note(channel, message, outcome, f": {failure.reason}")

    async def _note(
        self, channel: Channel, message: Message, outcome: str, detail: str = ""
    ) -> None:
        what = f"reminder {message.reminder}" if message.reminder else message.state
        if message.about != Kind.STATE:
            what = message.about
        event = TimelineEvent(
            message.incident_id,
            self._clock.now(),
            Kind.NOTIFICATION,
            f"{what} {outcome} to {channel.name}{detail}",
            {"channel": channel.name, "outcome": outcome},
        )
        await self._store.note([event])


def _log(news: News) -> None:
    """The log is told of everything that a person must know, whatever channels there are."""
    if news.state in LOGGED:
        trace = f"{trace_id(news.incident_id):032x}"
        log.warning(
            LOGGED[State(news.state)], incident=news.incident_id, trace_id=trace, text=news.text
        )


def pause(attempts: int, asked: float = 0.0) -> float:
    """Seconds until the next try: doubled each time, at least what was asked for, never in step."""
    grown: float = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(attempts - 1, 16))
    # Not for secrets: it keeps several replicas from trying at the same moment.
    return max(asked, grown * random.uniform(0.75, 1.25))  # noqa: S311


async def _idle(wake: asyncio.Event) -> None:
    try:
        async with asyncio.timeout(POLL_SECONDS):
            await wake.wait()
    except TimeoutError:
        pass


async def _awaited(work: Awaitable[None]) -> None:
    await work
