"""People's answers: each one counts or is refused with the reason, and is acknowledged either way."""

from sre_daemon.clock import Clock
from sre_daemon.domain.approval import Answer, Approval, ApprovalState
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.person import Person
from sre_daemon.domain.verdict import Reason
from sre_daemon.metrics import Metrics, exemplar
from sre_daemon.pipeline.handover import Announces
from sre_daemon.pipeline.stage import Next
from sre_daemon.store.approvals import Approvals, Reply


class Answers:
    """Over the store; the worker tells everybody else. Every method may raise StoreUnavailable."""

    def __init__(
        self, approvals: Approvals, worker: Announces, clock: Clock, metrics: Metrics
    ) -> None:
        self._approvals = approvals
        self._worker = worker
        self._clock = clock
        self._metrics = metrics

    async def of(self, incident: Incident) -> Approval | None:
        """What was asked about the incident's current attempt."""
        return await self._approvals.of(incident)

    async def waiting(self) -> list[Approval]:
        """What people are asked now, the longest waiting first."""
        return await self._approvals.waiting()

    async def answer(
        self, incident_id: str, answer: Answer, digest: str, person: Person, reason: str
    ) -> Reply:
        """Write the answer; the incident goes on at once."""
        now = self._clock.now()
        said = await self._approvals.answer(incident_id, answer, digest, person, reason, now)
        approval, before, after = said.approval, said.before, said.after
        if said.refusal is not None or approval is None or before is None or after is None:
            return said
        self._count(approval)
        if before.state is State.AWAITING_APPROVAL:
            await self._worker.moved(before, after, _move(approval))
        self._worker.wake()
        return said

    def _count(self, approval: Approval) -> None:
        self._metrics.approvals.labels(approval.state).inc()
        if approval.decided_at is not None:
            waited = (approval.decided_at - approval.requested_at).total_seconds()
            self._metrics.approval_wait.observe(waited, exemplar(approval.incident_id))


def _move(approval: Approval) -> Next:
    if approval.state is ApprovalState.GRANTED:
        return Next(Event.APPROVED, Reason.APPROVED, f"granted by {approval.who}")
    return Next(Event.REJECTED, Reason.REJECTED, f"rejected by {approval.who}: {approval.reason}")
