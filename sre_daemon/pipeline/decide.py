"""The decision: the policy, asked about exactly the effects that the diagnosis proposes."""

from datetime import timedelta
from typing import Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.effect import digest, to_json
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import (
    REMEDIATION,
    Event,
    RemediationEvent,
    RemediationState,
    advance,
)
from sre_daemon.domain.run import RunOutcome
from sre_daemon.domain.verdict import Decision, Reason, Verdict
from sre_daemon.errors import PolicyFileError, TargetUnavailable
from sre_daemon.metrics import Metrics
from sre_daemon.observe import Sample
from sre_daemon.pipeline import wire
from sre_daemon.pipeline.proof import proof_to_json
from sre_daemon.pipeline.stage import Escalate, Next, Outcome
from sre_daemon.policy.decide import Question, decide
from sre_daemon.policy.file import Policy
from sre_daemon.policy.model import Rule
from sre_daemon.store.base import Store

HISTORY = timedelta(days=2)


class PolicySource(Protocol):
    """The policy as it is on disk now."""

    def current(self) -> Policy | None:
        """None when there is no policy file; raises PolicyFileError when it cannot be used."""
        ...


class Samples(Protocol):
    """Evaluates PromQL."""

    async def sample(self, query: str) -> Sample:
        """Raises TargetUnavailable."""
        ...


class Decide:
    """State diagnosed."""

    def __init__(
        self,
        store: Store,
        policy: PolicySource,
        samples: Samples,
        flaps: int,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._policy = policy
        self._samples = samples
        self._flaps = flaps
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, incident: Incident) -> Outcome:
        """Allowed: on to the repair. Anything else: to a person."""
        diagnosis = wire.diagnosis_from_json(incident.data.get("diagnosis"))
        if diagnosis is None:
            return Escalate(Reason.INCONCLUSIVE, "there is no diagnosis to decide about")
        if incident.recurrences >= self._flaps:
            return Escalate(
                Reason.FLAPPING, f"it came back {incident.recurrences} times; it needs a person"
            )
        policy, verdict = await self._verdict(incident, diagnosis)
        self._metrics.verdicts.labels(verdict.policy, verdict.decision, verdict.reason).inc()
        event = TimelineEvent(
            incident.id,
            self._clock.now(),
            Kind.VERDICT,
            f"{verdict.decision}: {verdict.message}",
            {
                "verdict": verdict.decision,
                "reason": verdict.reason,
                "policy": verdict.policy,
                "trail": list(verdict.trail),
                "effects": [to_json(effect) for effect in diagnosis.proposed],
                "digest": digest(tuple(diagnosis.proposed)),
            },
        )
        if policy is None or verdict.decision is not Decision.ALLOW:
            return Escalate(verdict.reason, verdict.message, events=[event])
        rule = next(item for item in policy.policies if item.name == verdict.policy)
        state = advance(REMEDIATION, RemediationState.PROPOSED, RemediationEvent.APPROVED)
        return Next(
            Event.ALLOWED,
            Reason.ALLOWED,
            verdict.message,
            notes={
                "remediation": state,
                "proof": proof_to_json(rule),
                "before": await self._before(rule),
                "verification": None,
                "applied_at": None,
            },
            events=[event],
            attempt=incident.attempt + 1,
            policy=verdict.policy,
        )

    async def _verdict(
        self, incident: Incident, diagnosis: Diagnosis
    ) -> tuple[Policy | None, Verdict]:
        now = self._clock.now()
        try:
            policy = self._policy.current()
        except PolicyFileError as failure:
            return None, Verdict(Decision.DENY, Reason.NO_POLICY, str(failure))
        alerts = [item.alert for item in await self._store.alerts(incident.id) if item.open]
        return policy, decide(
            policy,
            Question(
                alerts=tuple(alert.labels for alert in alerts),
                effects=tuple(diagnosis.proposed),
                diagnosis=diagnosis,
                engine=await self._engine(incident),
                at=now,
                incident_id=incident.id,
                attempt=incident.attempt,
                acted=tuple(await self._store.acted(now - HISTORY)),
                opened=tuple(await self._store.opened(now - HISTORY)),
                paused=await self._store.switch("paused") is not None,
            ),
        )

    async def _engine(self, incident: Incident) -> str:
        """What made the diagnosis."""
        runs = await self._store.runs(incident.id)
        diagnosed = [run.engine for run in runs if run.outcome is RunOutcome.DIAGNOSED]
        return diagnosed[-1] if diagnosed else ""

    async def _before(self, rule: Rule) -> dict[str, float | None]:
        """The numbers of the proof before the first effect, for the comparison in the report."""
        values: dict[str, float | None] = {}
        for query in rule.verify.promql:
            try:
                values[query] = (await self._samples.sample(query)).value
            except TargetUnavailable:
                values[query] = None
        return values
