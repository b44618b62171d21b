"""The investigation: gathers what code can know, runs the investigator, records every step."""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Protocol

from sre_daemon.agent.base import Investigator, Report, Request
from sre_daemon.agent.bounds import Bounds
from sre_daemon.clock import Clock
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.run import Run
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.errors import AgentError, TargetUnavailable
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline import evidence, wire
from sre_daemon.pipeline.recorder import Recorder
from sre_daemon.pipeline.stage import Escalate, Next, Outcome
from sre_daemon.store.base import Store

EARLIER = 5
STORM_NAMES = 8


class Surroundings(Protocol):
    """What can be read in a second without an agent."""

    async def facts(self, alerts: list[StoredAlert]) -> Mapping[str, str]:
        """Title to text; raises TargetUnavailable."""
        ...


class Investigate:
    """State investigating."""

    def __init__(
        self,
        store: Store,
        investigator: Investigator,
        surroundings: Surroundings,
        bounds: Bounds,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._investigator = investigator
        self._surroundings = surroundings
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
        run = Run(
            id=f"{incident.id}-r{secrets.token_hex(3)}",
            incident_id=incident.id,
            engine=self._investigator.engine,
            model=self._investigator.model,
            started_at=self._clock.now(),
        )
        request = Request(
            run_id=run.id,
            incident_id=incident.id,
            alerts=tuple(item.alert for item in alerts if item.open),
            bounds=self._bounds,
            facts=await self._facts(incident, alerts),
        )
        try:
            report = await self._recorder.record(
                run, lambda on_step: self._investigator.investigate(request, on_step)
            )
        except AgentError as failure:
            return Escalate(
                Reason.AGENT_FAILED, f"the investigation could not be carried out: {failure}"
            )
        return await self._concluded(run, report)

    async def _facts(self, incident: Incident, alerts: list[StoredAlert]) -> dict[str, str]:
        facts: dict[str, str] = {}
        try:
            facts.update(await self._surroundings.facts(alerts))
        except TargetUnavailable as failure:
            facts["Prometheus"] = f"could not be read: {failure.reason}"
        others = [i for i in await self._store.incidents(limit=50) if i.id != incident.id]
        earlier = [i for i in others if i.title == incident.title][:EARLIER]
        if earlier:
            facts["Earlier incidents of the same kind"] = "\n".join(
                f"{i.created_at:%Y-%m-%d %H:%M}: ended {i.state}" for i in earlier
            )
        nearby = [i for i in others if i.state not in {"closed", "resolved"}][:EARLIER]
        if nearby:
            facts["Other open incidents"] = "\n".join(f"{i.title}: {i.state}" for i in nearby)
        return facts

    async def _concluded(self, run: Run, report: Report) -> Outcome:
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
        notes = {"diagnosis": stored, "run": run.id}
        if not diagnosis.conclusive:
            message = "; ".join(diagnosis.missing) or REASONS[Reason.INCONCLUSIVE]
            return Escalate(Reason.INCONCLUSIVE, message, notes, [event])
        return Next(Event.DIAGNOSED, Reason.DIAGNOSED, diagnosis.root_cause, notes, [event])


def _standing(incident: Incident) -> Outcome | None:
    """The answer to what came back: no second investigation buys more than the first one."""
    diagnosis = wire.diagnosis_from_json(incident.data.get("diagnosis"))
    if incident.recurrences == 0 or diagnosis is None:
        return None
    if not diagnosis.conclusive:
        return Escalate(Reason.INCONCLUSIVE, "it came back, and its cause was not found before")
    return Next(Event.DIAGNOSED, Reason.STANDING, f"as before: {diagnosis.root_cause}")


def _storm(alerts: Sequence[StoredAlert]) -> str:
    """What a person must know of a storm first: how many, and of what."""
    names = Counter(item.alert.name for item in alerts if item.open)
    most = ", ".join(f"{count} {name}" for name, count in names.most_common(STORM_NAMES))
    return f"{names.total()} alerts of {len(names)} names at once: {most}"


def _sentence(diagnosis: Diagnosis) -> str:
    if not diagnosis.conclusive:
        return f"inconclusive: {diagnosis.root_cause or REASONS[Reason.INCONCLUSIVE]}"
    return f"{diagnosis.root_cause} (confidence {diagnosis.confidence:.2f})"
