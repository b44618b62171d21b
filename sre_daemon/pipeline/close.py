"""The end: the post-mortem is written from the facts in the store, and the incident is closed."""

from datetime import timedelta
from typing import Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event
from sre_daemon.domain.verdict import Reason
from sre_daemon.pipeline.stage import Next, Outcome, Wait


class Writes(Protocol):
    """Writes post-mortems."""

    async def write(self, incident: Incident) -> str:
        """The path; the same one when called again for the same incident."""
        ...


class Close:
    """State resolved."""

    def __init__(self, report: Writes, linger: timedelta, clock: Clock) -> None:
        self._report = report
        self._linger = linger
        self._clock = clock

    async def __call__(self, incident: Incident) -> Outcome:
        """Wait whether it comes back; write, close."""
        over = incident.updated_at + self._linger
        if self._clock.now() < over:
            return Wait(over)
        path = await self._report.write(incident)
        event = TimelineEvent(
            incident.id,
            self._clock.now(),
            Kind.POSTMORTEM,
            f"post-mortem: {path}",
            {"path": path},
        )
        return Next(
            Event.CLOSED, Reason.WRITTEN, "post-mortem written", {"postmortem": path}, [event]
        )
