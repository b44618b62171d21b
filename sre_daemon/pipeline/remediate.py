"""The repair: plans the decided effects and applies them in order."""

from sre_daemon.clock import Clock
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import (
    REMEDIATION,
    Event,
    RemediationEvent,
    RemediationState,
    advance,
)
from sre_daemon.domain.remediation import Direction
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import ToolError
from sre_daemon.pipeline import wire
from sre_daemon.pipeline.stage import Escalate, Next, Outcome
from sre_daemon.pipeline.undo import Applies, Undo
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.base import Store


class Remediate:
    """State remediating."""

    def __init__(
        self, store: Store, approvals: Approvals, executor: Applies, undo: Undo, clock: Clock
    ) -> None:
        self._store = store
        self._approvals = approvals
        self._executor = executor
        self._undo = undo
        self._clock = clock

    async def __call__(self, incident: Incident) -> Outcome:
        """All applied: on to the proof. Otherwise what was applied is taken back, and a person told."""
        diagnosis = wire.diagnosis_from_json(incident.data.get("diagnosis"))
        if diagnosis is None:
            return Escalate(Reason.INTERNAL_ERROR, "the decided effects are not recorded")
        await self._store.plan(
            incident, incident.fence, Direction.FORWARD, diagnosis.proposed, self._clock.now()
        )
        if await self._undo.begun(incident):
            # A run before this one was killed while it took the change back.
            return await self._failed(incident, Reason.EFFECT_FAILED, "interrupted")
        try:
            applied = await self._executor.apply(incident, Direction.FORWARD)
        except ToolError as failure:
            return await self._failed(incident, Reason.EFFECT_FAILED, str(failure))
        if not applied.complete:
            return await self._failed(incident, applied.reason, applied.message)
        state = advance(REMEDIATION, RemediationState.APPROVED, RemediationEvent.STARTED)
        notes = {
            "remediation": state,
            "applied_at": self._clock.now().isoformat(),
        }
        return Next(Event.APPLIED, Reason.APPLIED, applied.message, notes)

    async def _failed(self, incident: Incident, reason: Reason, message: str) -> Outcome:
        # A yes that was not used is none any more: the attempt that it was for is over.
        approval = await self._approvals.of(incident)
        if approval is not None:
            await self._approvals.void(approval, message, self._clock.now())
        undone = await self._undo(incident)
        return Escalate(
            reason, f"{message}; {undone.sentence}", notes={"remediation": undone.state}
        )
