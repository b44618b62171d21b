"""Telling people: what is said when, and to which channels. A dead channel never holds the pipeline up."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog
from tenacity import AsyncRetrying, RetryError, retry_if_exception_type, stop_after_attempt
from tenacity.wait import wait_exponential_jitter

from sre_daemon.clock import Clock
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.errors import NotifyError, StoreUnavailable
from sre_daemon.metrics import Metrics, exemplar
from sre_daemon.store.base import Store
from sre_daemon.tasks import Tasks

log = structlog.get_logger(__name__)

# The moves that a person must hear of; the others can be looked up.
TOLD = frozenset({State.ESCALATED, State.RESOLVED})


@dataclass(frozen=True, slots=True)
class Message:
    """What is said; without `incident_id` it is about the daemon itself."""

    incident_id: str
    state: str
    severity: str
    title: str
    text: str


class Channel(Protocol):
    """One way to people."""

    @property
    def name(self) -> str:
        """For the timeline."""
        ...

    async def send(self, message: Message) -> None:
        """Raises NotifyError."""
        ...


class Notifier:
    """Sends to every channel in the background; the log is always one of them."""

    def __init__(
        self,
        channels: Sequence[Channel],
        store: Store,
        tasks: Tasks,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._channels = channels
        self._store = store
        self._tasks = tasks
        self._clock = clock
        self._metrics = metrics

    async def moved(self, incident: Incident, text: str) -> None:
        """The incident is in a new state; returns at once."""
        if incident.state not in TOLD:
            return
        message = Message(incident.id, incident.state, incident.severity, incident.title, text)
        log.warning(
            "a person is needed" if incident.state is State.ESCALATED else "incident resolved",
            incident=incident.id,
            title=incident.title,
            severity=incident.severity,
            text=text,
        )
        waited = (self._clock.now() - incident.created_at).total_seconds()
        self._metrics.first_message.observe(waited, exemplar(incident.id))
        self._send(message)

    async def tell(self, title: str, text: str) -> None:
        """Something about the daemon itself; returns at once."""
        log.warning(title, text=text)
        self._send(Message("", "daemon", "critical", title, text))

    def _send(self, message: Message) -> None:
        for channel in self._channels:
            self._tasks.spawn(f"notify-{channel.name}", self._deliver(channel, message))

    async def _deliver(self, channel: Channel, message: Message) -> None:
        outcome, detail = "sent", ""
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(NotifyError),
                stop=stop_after_attempt(5),
                wait=wait_exponential_jitter(multiplier=0.5, max=30),
                sleep=self._clock.sleep,
            ):
                with attempt:
                    await channel.send(message)
        except RetryError as failure:
            outcome, detail = "failed", str(failure.last_attempt.exception())
            log.error("message not delivered", channel=channel.name, error=detail)
        self._metrics.messages.labels(outcome).inc()
        if message.incident_id:
            await self._record(channel, message, outcome, detail)

    async def _record(self, channel: Channel, message: Message, outcome: str, detail: str) -> None:
        event = TimelineEvent(
            message.incident_id,
            self._clock.now(),
            Kind.NOTIFICATION,
            f"{message.state} {outcome} to {channel.name}{': ' + detail if detail else ''}",
            {"channel": channel.name, "outcome": outcome},
        )
        try:
            await self._store.note([event])
        except StoreUnavailable as failure:
            log.error("message not in the timeline", channel=channel.name, error=failure.reason)
