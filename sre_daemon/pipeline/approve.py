"""Waiting for a person: the answer moves the incident by itself; here is only its end without one."""

from sre_daemon.clock import Clock
from sre_daemon.domain.approval import ApprovalState
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline.stage import Escalate, Next, Outcome, Wait
from sre_daemon.store.approvals import Approvals


class Approve:
    """State awaiting_approval."""

    def __init__(self, approvals: Approvals, clock: Clock, metrics: Metrics) -> None:
        self._approvals = approvals
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, incident: Incident) -> Outcome:
        """Wait; when nobody answered in time, a person must go on."""
        approval = await self._approvals.of(incident)
        if approval is None:
            return Escalate(Reason.INTERNAL_ERROR, "it is not recorded what was asked")
        now = self._clock.now()
        if approval.state is ApprovalState.PENDING:
            if now < approval.expires_at:
                return Wait(approval.expires_at)
            if await self._approvals.expire(approval, now):
                self._metrics.approvals.labels("expired").inc()
            approval = await self._approvals.of(incident) or approval
        if approval.state is ApprovalState.EXPIRED:
            asked = (approval.expires_at - approval.requested_at).total_seconds()
            message = f"{REASONS[Reason.EXPIRED]} It was asked for {asked:g} s."
            return Next(Event.EXPIRED, Reason.EXPIRED, message)
        # Somebody answered just now: the incident has moved, and what is returned is not saved.
        return Wait(now)
