"""First look: an incident whose alerts are all silenced or inhibited waits; any other is taken up."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Alert
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.trial import TrialOutcome
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.errors import TargetUnavailable
from sre_daemon.pipeline.stage import Next, Outcome, Wait
from sre_daemon.pipeline.verify import Notes
from sre_daemon.store.base import Store

RECHECK = timedelta(seconds=15)


class Suppression(Protocol):
    """Asks whether alerts are silenced or inhibited."""

    async def all_suppressed(self, alerts: Sequence[Alert]) -> bool:
        """Every one of them; raises TargetUnavailable."""
        ...


class Triage:
    """States triggered and suppressed."""

    def __init__(self, store: Store, suppression: Suppression, record: Notes, clock: Clock) -> None:
        self._store = store
        self._suppression = suppression
        self._record = record
        self._clock = clock

    async def __call__(self, incident: Incident) -> Outcome:
        """Take up, or wait."""
        held = await self._held(incident)
        if incident.state is State.SUPPRESSED:
            if held:
                return Wait(self._clock.now() + RECHECK)
            return Next(Event.UNSUPPRESSED, Reason.RECURRED, "no longer silenced or inhibited")
        if held:
            return Next(Event.SUPPRESSED, Reason.SUPPRESSED, REASONS[Reason.SUPPRESSED])
        if incident.data.get("resolution") == "proven":
            # It was called repaired, and is back: that was no success.
            await self._record.note(incident, incident.policy, TrialOutcome.FALSE_SUCCESS)
        return Next(
            Event.CLAIMED, Reason.CLAIMED, "investigation begins", notes={"resolution": None}
        )

    async def _held(self, incident: Incident) -> bool:
        alerts = [item.alert for item in await self._store.alerts(incident.id) if item.open]
        try:
            return bool(alerts) and await self._suppression.all_suppressed(alerts)
        except TargetUnavailable:
            # Looking changes nothing, so it needs no permission; the gate asks again before a write.
            return False
