"""A person takes an incident over, or gives it back: the daemon's own work on it stops, or goes on.

The worker that holds the incident notices and drops what it was doing; the gate, which looks at the
state before each effect, refuses the next one at once. What is applied already stays as it is.
"""

from collections.abc import Mapping
from typing import Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.remediation import EffectState
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import InvalidTransition, StoreConflict, WrongState
from sre_daemon.pipeline.stage import Next, move
from sre_daemon.store.base import Store

# Alerts that join, and a worker at work, change the incident meanwhile.
TRIES = 10
OVER = frozenset({State.RESOLVED, State.CLOSED})


class Announces(Protocol):
    """Hears of moves that a worker did not make itself."""

    async def moved(self, before: Incident, after: Incident, outcome: Next) -> None:
        """Count it and tell people."""
        ...

    def wake(self) -> None:
        """There may be something to claim."""
        ...


class Handover:
    """Over the store; the worker tells everybody else."""

    def __init__(self, store: Store, worker: Announces, clock: Clock) -> None:
        self._store = store
        self._worker = worker
        self._clock = clock

    async def escalate(self, incident_id: str, reason: str, who: str) -> Incident:
        """From now on it is a person's.

        Raises:
            WrongState: it is over, or a person's already.
        """
        message = f"taken over by {who}: {reason}{await self._begun(incident_id)}"
        # Whoever takes it over does not want it investigated again behind their back.
        outcome = Next(Event.TAKEN_OVER, Reason.TAKEN_OVER, message, {"agent_failed": None})
        return await self._move(incident_id, outcome, who)

    async def hand_back(self, incident_id: str, reason: str, who: str) -> Incident:
        """The daemon investigates anew, also what came back before; the limits still hold.

        Raises:
            WrongState: no person has it.
        """
        forgotten: Mapping[str, object] = dict.fromkeys(
            ("diagnosis", "run", "recurred", "flapping", "agent_failed", "resumed")
        )
        message = f"handed back by {who}: {reason}"
        outcome = Next(Event.HANDED_BACK, Reason.HANDED_BACK, message, forgotten)
        return await self._move(incident_id, outcome, who)

    async def _begun(self, incident_id: str) -> str:
        """What a person must know of a repair under way."""
        records = [
            f"{record.effect.describe()}: {record.state}"
            for record in await self._store.effects(incident_id)
            if record.state is not EffectState.PLANNED
        ]
        return f" (so far: {'; '.join(records)})" if records else ""

    async def _move(self, incident_id: str, outcome: Next, who: str) -> Incident:
        now = self._clock.now()
        hands = TimelineEvent(incident_id, now, Kind.HANDS, outcome.message, {"who": who})
        for _ in range(TRIES):
            before = await self._store.incident(incident_id)
            if before is None:
                raise WrongState(f"there is no incident {incident_id} any more")
            try:
                after = before.moved(outcome.event, now).noting(**outcome.notes)
            except InvalidTransition:
                raise _refusal(before, outcome.event) from None
            try:
                saved = await self._store.transition(after, [hands, move(before, after, outcome)])
            except StoreConflict:
                continue
            await self._worker.moved(before, saved, outcome)
            self._worker.wake()
            return saved
        raise StoreConflict(f"incident {incident_id} changes faster than it can be saved")


def _refusal(incident: Incident, event: Event) -> WrongState:
    if incident.state in OVER:
        return WrongState(f"incident {incident.id} is {incident.state}", "it is over")
    if event is Event.TAKEN_OVER:
        return WrongState(f"incident {incident.id} waits for a person already", "see its timeline")
    return WrongState(
        f"incident {incident.id} is {incident.state}: the daemon has it",
        "only what waits for a person can be handed back",
    )
