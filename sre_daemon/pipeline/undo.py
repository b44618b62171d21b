"""Taking a repair back: plans the inverse of what was applied, once, lets the executor apply it, and proves
that everything is as before.
"""

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
from sre_daemon.pipeline.baseline import Restored
from sre_daemon.store.base import Store


class Applies(Protocol):
    """The executor, as the stages need it."""

    async def apply(self, incident: Incident, direction: Direction) -> Applied:
        """Raises ToolError."""
        ...


class Restores(Protocol):
    """Proves a rollback."""

    async def __call__(self, incident: Incident) -> Restored:
        """Look until everything is as before, or the time is over."""
        ...


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of it: `state` is for the incident's data, `sentence` for people."""

    state: RemediationState
    sentence: str


class Undo:
    """Shared by the stages that can fail after an effect."""

    def __init__(
        self, store: Store, executor: Applies, restored: Restores, clock: Clock, metrics: Metrics
    ) -> None:
        self._store = store
        self._executor = executor
        self._restored = restored
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
        seen = await self._restored(incident) if complete else None
        proven = seen is not None and seen.proven
        self._metrics.rollbacks.labels("done" if proven else "failed").inc()
        state = RemediationState.FAILED
        if seen is None:
            sentence = f"the change could NOT be taken back: {message}"
        elif not seen.proven:
            sentence = (
                "rollback failed: the change was taken back, but not everything is as before: "
                f"{'; '.join(seen.missing)}{seen.numbers}"
            )
        else:
            state = advance(REMEDIATION, state, RemediationEvent.ROLLED_BACK)
            sentence = "the change was taken back, and everything is as before"
        data: dict[str, object] = {"complete": complete, "proven": proven}
        if seen is not None:
            data |= {"before": dict(seen.before), "after": dict(seen.after)}
        event = TimelineEvent(incident.id, self._clock.now(), Kind.ROLLBACK, sentence, data)
        await self._store.note([event])
        return Undone(state, sentence)
