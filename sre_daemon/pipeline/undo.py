"""Taking a repair back: plans the inverse of what was applied, once, and lets the executor apply it."""

from dataclasses import dataclass
from typing import Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import REMEDIATION, RemediationEvent, RemediationState, advance
from sre_daemon.domain.remediation import Direction
from sre_daemon.errors import ToolError
from sre_daemon.executor.executor import Applied
from sre_daemon.executor.rollback import inverse
from sre_daemon.metrics import Metrics
from sre_daemon.store.base import Store


class Applies(Protocol):
    """The executor, as the stages need it."""

    async def apply(self, incident: Incident, direction: Direction) -> Applied:
        """Raises ToolError."""
        ...


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of it: `state` is for the incident's data, `sentence` for people."""

    state: RemediationState
    sentence: str


class Undo:
    """Shared by the stages that can fail after an effect."""

    def __init__(self, store: Store, executor: Applies, clock: Clock, metrics: Metrics) -> None:
        self._store = store
        self._executor = executor
        self._clock = clock
        self._metrics = metrics

    async def begun(self, incident: Incident) -> bool:
        """Whether a rollback of this attempt was planned before (by a run that was killed)."""
        records = await self._store.effects(incident.id, incident.attempt)
        return any(record.direction is Direction.ROLLBACK for record in records)

    async def __call__(self, incident: Incident) -> Undone:
        """Take back everything that this attempt applied; safe to call again after a crash."""
        if not await self.begun(incident):
            effects = inverse(await self._store.effects(incident.id, incident.attempt))
            if not effects:
                return Undone(RemediationState.FAILED, "there was nothing to take back")
            await self._store.plan(
                incident, incident.fence, Direction.ROLLBACK, effects, self._clock.now()
            )
        try:
            applied = await self._executor.apply(incident, Direction.ROLLBACK)
            complete, message = applied.complete, applied.message
        except ToolError as failure:
            complete, message = False, failure.reason
        self._metrics.rollbacks.labels("done" if complete else "failed").inc()
        if complete:
            state = advance(REMEDIATION, RemediationState.FAILED, RemediationEvent.ROLLED_BACK)
            sentence = "the change was taken back"
        else:
            state = RemediationState.FAILED
            sentence = f"the change could NOT be taken back: {message}"
        await self._store.note(
            [
                TimelineEvent(
                    incident.id,
                    self._clock.now(),
                    Kind.ROLLBACK,
                    sentence,
                    {"complete": complete},
                )
            ]
        )
        return Undone(state, sentence)
