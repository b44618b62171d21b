"""Keeps what the metrics of an incident did, before and after a change, while Prometheus still knows.

Only while an incident is moving and a little longer; each look replaces what was kept, so that a
missed one costs nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.series import Point, Series, take_apart
from sre_daemon.errors import StoreUnavailable, TargetUnavailable

log = structlog.get_logger(__name__)

RECORDED = (
    State.INVESTIGATING,
    State.DIAGNOSED,
    State.AWAITING_APPROVAL,
    State.REMEDIATING,
    State.VERIFYING,
    State.RESOLVED,
    State.ESCALATED,
)
BEFORE = timedelta(minutes=5)
# An incident that a person has is recorded this long; a longer one would be a chart of nothing.
AFTER = timedelta(minutes=30)
POINTS = 120
FINEST = timedelta(seconds=2)
QUERIES = 6
INCIDENTS = 50


class Rule(Protocol):
    """An alerting rule."""

    @property
    def name(self) -> str:
        """The alert's name."""
        ...

    @property
    def query(self) -> str:
        """Its expression."""
        ...


class Measures(Protocol):
    """Reads Prometheus; raises TargetUnavailable."""

    async def series(
        self, query: str, start: datetime, end: datetime, step: timedelta
    ) -> list[Point]:
        """The first series of a query over time."""
        ...

    async def rules(self) -> Sequence[Rule]:
        """Every alerting rule."""
        ...


class Reads(Protocol):
    """The part of the store that is needed; raises StoreUnavailable."""

    async def incidents(self, states: Sequence[State] = (), *, limit: int = 50) -> list[Incident]:
        """Newest first."""
        ...

    async def alerts(self, incident_id: str) -> list[StoredAlert]:
        """The incident's alerts."""
        ...


class Keeps(Protocol):
    """Where samples are kept; raises StoreUnavailable."""

    async def keep(self, incident_id: str, series: Sequence[Series]) -> None:
        """In place of what was kept before."""
        ...


class Recorder:
    """A periodic job."""

    def __init__(self, store: Reads, samples: Keeps, measures: Measures, clock: Clock) -> None:
        self._store = store
        self._samples = samples
        self._measures = measures
        self._clock = clock

    async def __call__(self) -> None:
        """One look."""
        now = self._clock.now()
        try:
            moving = await self._store.incidents(RECORDED, limit=INCIDENTS)
            due = [item for item in moving if now - item.updated_at < AFTER]
            if not due:
                return
            rules = {rule.name: rule.query for rule in await self._measures.rules()}
            for incident in due:
                alerts = await self._store.alerts(incident.id)
                names = dict.fromkeys(item.alert.name for item in alerts)
                expressions = [rules[name] for name in names if name in rules]
                await self._record(incident, expressions, now)
        except (StoreUnavailable, TargetUnavailable) as failure:
            log.warning("metrics of incidents not recorded", error=failure.reason)

    async def _record(self, incident: Incident, expressions: Sequence[str], now: datetime) -> None:
        start = incident.created_at - BEFORE
        step = max(FINEST, (now - start) / POINTS)
        kept = []
        for condition in conditions(incident, expressions):
            query = take_apart(condition).query
            kept.append(Series(condition, await self._measures.series(query, start, now, step)))
        await self._samples.keep(incident.id, [item for item in kept if item.points])


def conditions(incident: Incident, expressions: Sequence[str]) -> list[str]:
    """The proof's queries first, then the expressions of the alerts; each once."""
    proof = incident.data.get("proof")
    promql = proof.get("promql", ()) if isinstance(proof, dict) else ()
    return list(dict.fromkeys([*promql, *expressions]))[:QUERIES]
