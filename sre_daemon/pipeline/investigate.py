"""The investigation: gathers what code can know, runs the investigator, records every step."""

import secrets
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from sre_daemon.agent.base import Investigator, OnStep, Report, Request
from sre_daemon.agent.bounds import Bounds
from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Alert, Severity
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.run import Run
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.errors import AgentError, PolicyFileError
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline import evidence, resume, wire
from sre_daemon.pipeline.recorder import Recorder
from sre_daemon.pipeline.stage import Escalate, Next, Outcome
from sre_daemon.pipeline.surroundings import Look
from sre_daemon.policy.decide import match
from sre_daemon.policy.file import Policy
from sre_daemon.store.base import Store

STORM_NAMES = 8


class Looks(Protocol):
    """Sees what can be seen in a second without an agent."""

    async def look(self, incident: Incident, alerts: Sequence[StoredAlert]) -> Look:
        """Never raises: what cannot be read is said to be missing."""
        ...


class PolicySource(Protocol):
    """The policy as it is on disk now."""

    def current(self) -> Policy | None:
        """None when there is no policy file; raises PolicyFileError when it cannot be used."""
        ...


class Investigate:
    """State investigating."""

    def __init__(
        self,
        store: Store,
        investigator: Investigator,
        surroundings: Looks,
        policy: PolicySource,
        bounds: Bounds,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._investigator = investigator
        self._surroundings = surroundings
        self._policy = policy
        self._bounds = bounds
        self._clock = clock
        self._recorder = Recorder(store, clock, metrics, "investigate")

    async def __call__(self, incident: Incident) -> Outcome:
        """One run; an inconclusive or failed one goes to a person with what was found."""
        await self._store.interrupt_runs(incident.id, self._clock.now())
        standing = _standing(incident)
        if standing is not None:
            return standing
        alerts = await self._store.alerts(incident.id)
        if incident.storm:
            return Escalate(Reason.STORM, _storm(alerts))
        if incident.flapping:
            return Escalate(Reason.FLAPPING, REASONS[Reason.FLAPPING])
        run = Run(
            id=f"{incident.id}-r{secrets.token_hex(3)}",
            incident_id=incident.id,
            engine=self._investigator.engine,
            model=self._investigator.model,
            started_at=self._clock.now(),
        )
        try:
            report = await self._recorder.record(
                run, lambda on_step: self._ask(incident, alerts, run, on_step)
            )
        except AgentError as failure:
            return resume.failed(incident, failure, self._clock.now())
        return await self._concluded(incident, run, report)

    async def _ask(
        self, incident: Incident, alerts: list[StoredAlert], run: Run, on_step: OnStep
    ) -> Report:
        interrupted = await resume.findings(self._store, incident.id)
        look = await self._surroundings.look(incident, alerts)
        for step in look.calls:
            await on_step(step)
        note = TimelineEvent(
            incident.id, self._clock.now(), Kind.NOTE, look.summary, {"facts": dict(look.facts)}
        )
        await self._store.note([note])
        firing = tuple(item.alert for item in alerts if item.open)
        request = Request(
            run_id=run.id,
            incident_id=incident.id,
            alerts=firing,
            bounds=self._bounds,
            facts={**look.facts, **interrupted},
            deterministic=self._deterministic(firing),
        )
        return await self._investigator.investigate(request, on_step)

    def _deterministic(self, alerts: Sequence[Alert]) -> bool:
        """Whether the policy for these alerts wants the engine without a model to be asked first."""
        try:
            policy = self._policy.current()
        except PolicyFileError:
            return False
        rules = [match(policy, alert.labels) for alert in alerts]
        return any(rule is not None and rule.deterministic for rule in rules)

    async def _concluded(self, incident: Incident, run: Run, report: Report) -> Outcome:
        calls = await self._store.calls(run.id)
        diagnosis = evidence.check(
            report.diagnosis,
            {call.call: call for call in calls if not call.is_error},
            recompute=report.engine != "runbook",
        )
        stored = wire.diagnosis_to_json(diagnosis)
        event = TimelineEvent(
            run.incident_id, self._clock.now(), Kind.DIAGNOSIS, _sentence(diagnosis), stored
        )
        notes = {"diagnosis": stored, "run": run.id, **resume.DONE}
        if not diagnosis.conclusive:
            message = "; ".join(diagnosis.missing) or REASONS[Reason.INCONCLUSIVE]
            return Escalate(Reason.INCONCLUSIVE, message, notes, [event])
        if resume.is_resumed(incident):
            # A person was told and may be at work: from here on they decide.
            return Escalate(Reason.DIAGNOSED, resume.told(diagnosis), notes, [event])
        return Next(Event.DIAGNOSED, Reason.DIAGNOSED, diagnosis.root_cause, notes, [event])


def _standing(incident: Incident) -> Outcome | None:
    """The answer to what came back: no second investigation buys more than the first one."""
    if incident.doubtful:
        return Escalate(Reason.DOUBTFUL, REASONS[Reason.DOUBTFUL])
    diagnosis = wire.diagnosis_from_json(incident.data.get("diagnosis"))
    if incident.recurrences == 0 or diagnosis is None:
        return None
    if not diagnosis.conclusive:
        return Escalate(Reason.INCONCLUSIVE, "it came back, and its cause was not found before")
    return Next(Event.DIAGNOSED, Reason.STANDING, f"as before: {diagnosis.root_cause}")


def _storm(alerts: Sequence[StoredAlert]) -> str:
    """What a person must know of a storm first: how many, of what, and which of it is critical."""
    open_now = [item.alert for item in alerts if item.open]
    names = Counter(alert.name for alert in open_now)
    critical = Counter(alert.name for alert in open_now if alert.severity is Severity.CRITICAL)
    said = f"{names.total()} alerts of {len(names)} names at once: {_most(names)}"
    return f"{said}; critical: {_most(critical)}" if critical else said


def _most(names: Counter[str]) -> str:
    return ", ".join(f"{count} {name}" for name, count in names.most_common(STORM_NAMES))


def _sentence(diagnosis: Diagnosis) -> str:
    if not diagnosis.conclusive:
        return f"inconclusive: {diagnosis.root_cause or REASONS[Reason.INCONCLUSIVE]}"
    return f"{diagnosis.root_cause} (confidence {diagnosis.confidence:.2f})"
