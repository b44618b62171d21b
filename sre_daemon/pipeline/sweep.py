"""The sweep: ends incidents that wait for a person although none of their alerts fires any more.

An alert can stop while an effect is under way, or while it flaps; then no event ends the incident.
It also lets go of what correlation need not remember any longer.
"""

from datetime import datetime, timedelta
from typing import Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.errors import StoreConflict, StoreUnavailable
from sre_daemon.intake.rules import Rules

log = structlog.get_logger(__name__)

PAGE = 200


class Swept(Protocol):
    """The part of the store that is swept."""

    async def quiet(self, before: datetime, limit: int) -> list[Incident]:
        """Escalated ones of which nothing was heard since."""
        ...

    async def alerts(self, incident_id: str) -> list[StoredAlert]:
        """The incident's alerts."""
        ...

    async def transition(self, incident: Incident, events: list[TimelineEvent]) -> Incident:
        """Raises StoreConflict."""
        ...

    async def forget_endings(self, before: datetime) -> int:
        """Episodes that ended before this are not remembered."""
        ...


class Sweep:
    """`quiet`: how long nothing may have fired; longer for what flapped."""

    def __init__(self, store: Swept, quiet: timedelta, rules: Rules, clock: Clock) -> None:
        self._store = store
        self._quiet = quiet
        self._rules = rules
        self._clock = clock

    async def __call__(self) -> None:
        """One pass; what fails is left for the next one."""
        now = self._clock.now()
        try:
            while await self._page(now) == PAGE:
                pass
            await self._store.forget_endings(now - self._rules.memory)
        except StoreUnavailable as failure:
            log.warning("not swept", error=failure.reason)

    async def _page(self, now: datetime) -> int:
        """How many ended."""
        ended = 0
        for incident in await self._store.quiet(now - self._quiet, PAGE):
            if not incident.flapping or await self._long_quiet(incident, now):
                ended += await self._end(incident, now)
        return ended

    async def _long_quiet(self, incident: Incident, now: datetime) -> bool:
        heard = [item.last_seen for item in await self._store.alerts(incident.id)]
        return now - max([incident.updated_at, *heard]) >= self._rules.flap_window

    async def _end(self, incident: Incident, now: datetime) -> bool:
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
            return False
        return True
