"""After each move of an incident: reads its facts, makes the spans that the move completed, sends them."""

from collections.abc import Sequence
from typing import Protocol

import structlog

from sre_daemon.domain.event import TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.run import Run
from sre_daemon.errors import StoreUnavailable
from sre_daemon.traces.spans import Span, spans

log = structlog.get_logger(__name__)


class Facts(Protocol):
    """What the store knows of an incident; every method may raise StoreUnavailable."""

    async def timeline(
        self, incident_id: str, after: int = 0, limit: int = 1000
    ) -> list[TimelineEvent]:
        """In order."""
        ...

    async def runs(self, incident_id: str) -> list[Run]:
        """First started first."""
        ...


class Sends(Protocol):
    """Takes spans to a collector."""

    def send(self, spans: Sequence[Span]) -> None:
        """Returns at once."""
        ...


class Recorder:
    """Over a store and a collector."""

    def __init__(self, facts: Facts, collector: Sends) -> None:
        self._facts = facts
        self._collector = collector

    async def moved(self, before: Incident, after: Incident) -> None:
        """Never fails: a trace is no reason to hold an incident up."""
        try:
            events = await self._facts.timeline(before.id)
            runs = await self._facts.runs(before.id)
        except StoreUnavailable as failure:
            log.warning("spans not made", incident=before.id, error=failure.reason)
            return
        self._collector.send(spans(before, after, events, runs))
