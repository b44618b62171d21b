"""The decision: the policy, asked about exactly the effects that the diagnosis proposes.

Allow goes on to the repair, ask waits for a person, shadow is written down for later, and all else
goes to a person with the reason.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.approval import Approval
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
from sre_daemon.domain.remediation import Direction, EffectRecord, EffectState
from sre_daemon.domain.run import RunOutcome
from sre_daemon.domain.verdict import Decision, Reason, Verdict
from sre_daemon.errors import PolicyFileError, TargetUnavailable, ToolError
from sre_daemon.executor.targets import Looks, Seen
from sre_daemon.metrics import Metrics
from sre_daemon.observe import Sample
from sre_daemon.pipeline import wire
from sre_daemon.pipeline.baseline import capture
from sre_daemon.pipeline.proof import proof_to_json
from sre_daemon.pipeline.record import Record
from sre_daemon.pipeline.stage import Escalate, Next, Outcome
from sre_daemon.policy.decide import Question, decide, deciding
from sre_daemon.policy.file import Policy
from sre_daemon.policy.model import Rule
from sre_daemon.store.base import Store

HISTORY = timedelta(days=2)
UNTOUCHED = frozenset({EffectState.PLANNED, EffectState.REFUSED})


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

    async def holds(self, query: str) -> bool | None:
        """None when that is unknown; raises TargetUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Eyes:
    """What the decision sees for itself: Prometheus, and what the effects would change."""

    samples: Samples
    targets: Looks


@dataclass(frozen=True, slots=True)
class Patience:
    """`flaps`: an incident that came back so often stays with a person. `expiry`: how long people
    are asked."""

    flaps: int
    expiry: timedelta


@dataclass(frozen=True, slots=True)
class Case:
    """What was decided about one incident, and by which policy."""

    incident: Incident
    diagnosis: Diagnosis
    rule: Rule | None
    verdict: Verdict
    at: datetime

    @property
    def event(self) -> TimelineEvent:
        """What the timeline says about it."""
        verdict, effects = self.verdict, self.diagnosis.proposed
        return TimelineEvent(
            self.incident.id,
            self.at,
            Kind.VERDICT,
            f"{verdict.decision}: {verdict.message}",
            {
                "verdict": verdict.decision,
                "reason": verdict.reason,
                "policy": verdict.policy,
                "trail": list(verdict.trail),
                "effects": [to_json(effect) for effect in effects],
                "digest": digest(tuple(effects)),
            },
        )


class Decide:
    """State diagnosed."""

    def __init__(
        self,
        store: Store,
        policy: PolicySource,
        eyes: Eyes,
        record: Record,
        patience: Patience,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._policy = policy
        self._eyes = eyes
        self._record = record
        self._patience = patience
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, incident: Incident) -> Outcome:
        """Decide, and make ready for what comes next."""
        diagnosis = wire.diagnosis_from_json(incident.data.get("diagnosis"))
        if diagnosis is None:
            return Escalate(Reason.INCONCLUSIVE, "there is no diagnosis to decide about")
        beyond = self._beyond_repair(incident)
        if beyond is not None:
            return beyond
        case = await self._case(incident, diagnosis)
        verdict = case.verdict
        self._metrics.verdicts.labels(verdict.policy, verdict.decision, verdict.reason).inc()
        if case.rule is None or verdict.decision is Decision.DENY:
            return Escalate(verdict.reason, verdict.message, events=[case.event])
        try:
            seen = await self._eyes.targets.look(diagnosis.proposed)
        except ToolError as failure:
            if failure.retryable:
                raise
            return Escalate(
                Reason.NO_DATA,
                f"the targets cannot be looked at: {failure.reason}",
                events=[case.event],
            )
        match verdict.decision:
            case Decision.ALLOW:
                return await self._act(case, case.rule, seen)
            case Decision.ASK:
                return await self._ask(case, case.rule, seen)
            case Decision.SHADOW:
                return self._watch(case, seen)

    def _beyond_repair(self, incident: Incident) -> Escalate | None:
        """What no policy needs to be asked about."""
        if incident.flapping or incident.recurrences >= self._patience.flaps:
            return Escalate(
                Reason.FLAPPING, f"it came back {incident.recurrences} times; it needs a person"
            )
        if incident.aftermath:
            return Escalate(
                Reason.AFTERMATH, f"it follows the repair of {incident.aftermath}; no second one"
            )
        return None

    async def _case(self, incident: Incident, diagnosis: Diagnosis) -> Case:
        now = self._clock.now()
        try:
            policy = self._policy.current()
        except PolicyFileError as failure:
            verdict = Verdict(Decision.DENY, Reason.NO_POLICY, str(failure))
            return Case(incident, diagnosis, None, verdict, now)
        open_alerts = [item.alert for item in await self._store.alerts(incident.id) if item.open]
        alerts = tuple(alert.labels for alert in open_alerts)
        rule = deciding(policy, alerts)
        records = await self._store.effects(incident.id)
        question = Question(
            alerts=alerts,
            effects=tuple(diagnosis.proposed),
            diagnosis=diagnosis,
            engine=await self._engine(incident),
            at=now,
            incident_id=incident.id,
            attempt=len(attempts_made(records)),
            acted=tuple(await self._store.acted(now - HISTORY)),
            opened=tuple(await self._store.opened(now - HISTORY)),
            earned=await self._record.earned(policy),
            guards=await self._guards(rule),
            paused=await self._store.switch("paused") is not None,
        )
        return Case(incident, diagnosis, rule, decide(policy, question), now)

    async def _engine(self, incident: Incident) -> str:
        """What made the diagnosis."""
        runs = await self._store.runs(incident.id)
        diagnosed = [run.engine for run in runs if run.outcome is RunOutcome.DIAGNOSED]
        return diagnosed[-1] if diagnosed else ""

    async def _guards(self, rule: Rule | None) -> Mapping[str, bool | None]:
        """What the guards say now: nobody is asked about what the gate would refuse anyway."""
        said: dict[str, bool | None] = {}
        for query in rule.guard_queries if rule else ():
            try:
                said[query] = await self._eyes.samples.holds(query)
            except TargetUnavailable:
                said[query] = None
        return said

    async def _act(self, case: Case, rule: Rule, seen: Mapping[str, Seen]) -> Next:
        state = advance(REMEDIATION, RemediationState.PROPOSED, RemediationEvent.APPROVED)
        notes = {**await self._beginning(rule, seen), "remediation": state}
        return Next(
            Event.ALLOWED,
            Reason.ALLOWED,
            case.verdict.message,
            notes,
            [case.event],
            attempt=case.incident.attempt + 1,
            policy=rule.name,
        )

    async def _ask(self, case: Case, rule: Rule, seen: Mapping[str, Seen]) -> Next:
        attempt = case.incident.attempt + 1
        now = self._clock.now()
        approval = Approval(
            id=f"{case.incident.id}-a{attempt}",
            incident_id=case.incident.id,
            attempt=attempt,
            policy=rule.name,
            effects=tuple(case.diagnosis.proposed),
            targets=seen,
            requested_at=now,
            expires_at=now + self._patience.expiry,
            approvers=rule.approvers,
        )
        state = advance(REMEDIATION, RemediationState.PROPOSED, RemediationEvent.APPROVED)
        notes = {**await self._beginning(rule, seen), "remediation": state}
        self._metrics.approvals.labels("asked").inc()
        return Next(
            Event.APPROVAL_NEEDED,
            case.verdict.reason,
            case.verdict.message,
            notes,
            [case.event],
            attempt=attempt,
            policy=rule.name,
            approval=approval,
        )

    def _watch(self, case: Case, seen: Mapping[str, Seen]) -> Escalate:
        shadow = {
            "policy": case.verdict.policy,
            "effects": [to_json(effect) for effect in case.diagnosis.proposed],
            "targets": seen,
            "at": case.at.isoformat(),
        }
        return Escalate(case.verdict.reason, case.verdict.message, {"shadow": shadow}, [case.event])

    async def _beginning(self, rule: Rule, seen: Mapping[str, Seen]) -> dict[str, object]:
        """What the repair, its proof and its rollback must find again."""
        queries = dict.fromkeys([*rule.verify.promql, *rule.guard_queries])
        baseline = await capture(self._eyes.samples, list(queries), self._clock.now())
        values = baseline["values"]
        known = values if isinstance(values, Mapping) else {}
        return {
            "proof": proof_to_json(rule),
            "baseline": baseline,
            "before": {query: known.get(query) for query in rule.verify.promql},
            "targets": dict(seen),
            "verification": None,
            "applied_at": None,
        }


def attempts_made(records: Sequence[EffectRecord]) -> set[int]:
    """The attempts that began an effect: what was only asked for, or refused, changed nothing."""
    return {
        record.attempt
        for record in records
        if record.direction is Direction.FORWARD and record.state not in UNTOUCHED
    }
