"""Waiting for a person: the answer moves the incident by itself; here is only its end without one.

While people think, the targets are looked at now and then: what nobody would find as it was shown
to them is not worth an answer.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.approval import Approval, ApprovalState
from sre_daemon.domain.effect import Effect
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.errors import ToolError
from sre_daemon.executor.targets import Looks, Seen, difference
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline.stage import Escalate, Next, Outcome, Wait
from sre_daemon.store.approvals import Approvals

log = structlog.get_logger(__name__)

LOOK_EVERY = timedelta(seconds=30)


class Approve:
    """State awaiting_approval."""

    def __init__(
        self, approvals: Approvals, targets: Looks, clock: Clock, metrics: Metrics
    ) -> None:
        self._approvals = approvals
        self._targets = targets
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, incident: Incident) -> Outcome:
        """Wait; when nobody answered in time, or a target changed, a person must go on."""
        approval = await self._approvals.of(incident)
        if approval is None:
            return Escalate(Reason.INTERNAL_ERROR, "it is not recorded what was asked")
        now = self._clock.now()
        if approval.state is ApprovalState.PENDING:
            if now < approval.expires_at:
                return await self._waiting(approval)
            if await self._approvals.expire(approval, now):
                self._metrics.approvals.labels("expired").inc()
            approval = await self._approvals.of(incident) or approval
        if approval.state is ApprovalState.EXPIRED:
            asked = (approval.expires_at - approval.requested_at).total_seconds()
            message = f"{REASONS[Reason.EXPIRED]} It was asked for {asked:g} s."
            return Next(Event.EXPIRED, Reason.EXPIRED, message)
        if approval.state is ApprovalState.VOID:
            return Escalate(Reason.TARGET_CHANGED, "the question to people is void")
        # Somebody answered just now: the incident has moved, and what is returned is not saved.
        return Wait(now)

    async def _waiting(self, approval: Approval) -> Outcome:
        now = self._clock.now()
        if now - approval.requested_at >= LOOK_EVERY:
            changed = await self._changed(approval.effects, approval.targets)
            now = self._clock.now()
            if changed and await self._approvals.void(approval, changed, now):
                self._metrics.approvals.labels("void").inc()
                message = f"{REASONS[Reason.TARGET_CHANGED]} The question is void: {changed}"
                return Escalate(Reason.TARGET_CHANGED, message)
        return Wait(min(approval.expires_at, now + LOOK_EVERY))

    async def _changed(self, effects: Sequence[Effect], asked: Mapping[str, object]) -> str:
        """What is not as it was shown to people; what cannot be seen now is looked at again."""
        try:
            seen = await self._targets.look(effects)
        except ToolError as failure:
            log.warning("targets of a question not looked at", error=failure.reason)
            return ""
        before = {name: was for name, was in asked.items() if isinstance(was, Mapping)}
        return "; ".join(filter(None, (_differs(effect, before, seen) for effect in effects)))


def _differs(effect: Effect, before: Mapping[str, Seen], seen: Mapping[str, Seen]) -> str:
    if "unseen" in seen.get(effect.target, {}):
        return ""
    return difference(effect, before, seen, ())
