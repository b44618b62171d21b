"""The sweep: ends incidents that wait for a person although none of their alerts fires any more.

An alert can stop while an effect is under way, or while it flaps; then no event ends the incident.
"""

from datetime import timedelta
from typing import Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.errors import StoreConflict, StoreUnavailable

log = structlog.get_logger(__name__)

PAGE = 200


class Swept(Protocol):
    """The part of the store that is swept."""

    async def incidents(
        self, states: tuple[State, ...], *, before: str = "", limit: int = 50
    ) -> list[Incident]:
        """Newest first."""
        ...

    async def alerts(self, incident_id: str) -> list[StoredAlert]:
        """The incident's alerts."""
        ...

    async def transition(self, incident: Incident, events: list[TimelineEvent]) -> Incident:
        """Raises StoreConflict."""
        ...


class Sweep:
    """`quiet`: how long nothing may have fired."""

    def __init__(self, store: Swept, quiet: timedelta, clock: Clock) -> None:
        self._store = store
        self._quiet = quiet
        self._clock = clock

    async def __call__(self) -> None:
        """One pass; what fails is left for the next one."""
        last = ""
        try:
            while page := await self._store.incidents((State.ESCALATED,), before=last, limit=PAGE):
                for incident in page:
                    await self._look(incident)
                last = page[-1].id
        except StoreUnavailable as failure:
            log.warning("not swept", error=failure.reason)

    async def _look(self, incident: Incident) -> None:
        now = self._clock.now()
        alerts = await self._store.alerts(incident.id)
        last = max((item.last_seen for item in alerts), default=incident.updated_at)
        if any(item.open for item in alerts) or now - max(last, incident.updated_at) < self._quiet:
            return
        moved = incident.moved(Event.CLEARED, now)
        event = TimelineEvent(
            incident.id,
            now,
            Kind.STATE,
            f"{incident.state} -> {moved.state}: {REASONS[Reason.QUIET]}",
            {
                "from": incident.state,
                "to": moved.state,
                "event": Event.CLEARED,
                "reason": Reason.QUIET,
            },
        )
        try:
            await self._store.transition(moved, [event])
        except StoreConflict as failure:
            log.info("not cleared", incident=incident.id, why=failure.reason)
