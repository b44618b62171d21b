"""The investigation: gathers what code can know, runs the investigator, records every step."""

import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Protocol

import structlog

from sre_daemon.agent.base import Investigator, Report, Request, Step, TextStep
from sre_daemon.clock import Clock
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.run import Run, RunOutcome, ToolCall
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.errors import (
    AgentError,
    AgentLimitReached,
    AgentOutputInvalid,
    AgentTimeout,
    TargetUnavailable,
)
from sre_daemon.metrics import Metrics, exemplar
from sre_daemon.pipeline import evidence, wire
from sre_daemon.pipeline.stage import Escalate, Next, Outcome
from sre_daemon.store.base import Store

log = structlog.get_logger(__name__)

# What is kept of one tool call in the timeline; the transcript has up to MAX_OUTPUT.
PREVIEW = 400
MAX_OUTPUT = 60_000
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
        deadline: timedelta,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._investigator = investigator
        self._surroundings = surroundings
        self._deadline = deadline
        self._clock = clock
        self._metrics = metrics

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
        await self._store.begin_run(run)
        request = Request(
            run_id=run.id,
            incident_id=incident.id,
            alerts=tuple(item.alert for item in alerts if item.open),
            deadline=self._deadline,
            facts=await self._facts(incident, alerts),
        )
        try:
            with structlog.contextvars.bound_contextvars(run=run.id):
                report = await self._run(run, request)
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

    async def _run(self, run: Run, request: Request) -> Report:
        """Run, and record the end whatever it is (also a cancellation)."""
        in_progress = self._metrics.agent_runs_in_progress.labels("investigate")
        outcome, error = RunOutcome.INTERRUPTED, ""
        report: Report | None = None
        in_progress.inc()
        try:
            report = await self._investigator.investigate(
                request, lambda step: self._step(run, step)
            )
            conclusive = report.diagnosis.conclusive
            outcome = RunOutcome.DIAGNOSED if conclusive else RunOutcome.INCONCLUSIVE
            return report
        except AgentError as failure:
            outcome, error = _failed(failure), str(failure)
            self._metrics.model_errors.labels(_kind(failure)).inc()
            raise
        finally:
            in_progress.dec()
            ended = replace(run, ended_at=self._clock.now(), outcome=outcome, error=error)
            if report is not None:
                # Who answered: not always who was asked first.
                ended = replace(ended, usage=report.usage, engine=report.engine, model=report.model)
            await self._store.end_run(ended)
            self._count(ended)

    def _count(self, run: Run) -> None:
        self._metrics.agent_runs.labels("investigate", run.outcome).inc()
        if run.ended_at is not None:
            seconds = (run.ended_at - run.started_at).total_seconds()
            duration = self._metrics.agent_run_seconds.labels("investigate")
            duration.observe(seconds, exemplar(run.incident_id))
        usage = run.usage
        self._metrics.agent_turns.observe(usage.turns)
        self._metrics.agent_cost.inc(usage.cost_usd)
        for kind, tokens in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cache_read", usage.cache_read_tokens),
            ("cache_write", usage.cache_write_tokens),
        ):
            self._metrics.agent_tokens.labels(kind).inc(tokens)

    async def _step(self, run: Run, step: Step) -> None:
        now = self._clock.now()
        if isinstance(step, TextStep):
            event = TimelineEvent(run.incident_id, now, Kind.STEP, step.text[:2000])
            await self._store.note([event])
            return
        await self._store.record_call(
            ToolCall(
                run_id=run.id,
                call=step.call,
                tool=step.tool,
                arguments=step.arguments,
                output=step.output[:MAX_OUTPUT],
                is_error=step.is_error,
                seconds=step.seconds,
                at=now,
            )
        )
        name = self._metrics.tool(step.tool)
        self._metrics.tool_calls.labels(name, "error" if step.is_error else "ok").inc()
        self._metrics.tool_seconds.labels(name).observe(step.seconds)
        data = {
            "call": step.call,
            "tool": step.tool,
            "arguments": dict(step.arguments),
            "seconds": round(step.seconds, 3),
            "is_error": step.is_error,
            "output": step.output[:PREVIEW],
            "size": len(step.output),
        }
        arguments = ", ".join(f"{key}={value}" for key, value in step.arguments.items())
        summary = f"{step.tool}({arguments[:200]})"
        await self._store.note([TimelineEvent(run.incident_id, now, Kind.STEP, summary, data)])

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


def _failed(failure: AgentError) -> RunOutcome:
    if isinstance(failure, AgentTimeout):
        return RunOutcome.TIMEOUT
    return RunOutcome.LIMIT if isinstance(failure, AgentLimitReached) else RunOutcome.ERROR


def _kind(failure: AgentError) -> str:
    if isinstance(failure, AgentTimeout):
        return "timeout"
    if isinstance(failure, AgentLimitReached):
        return "limit"
    return "invalid" if isinstance(failure, AgentOutputInvalid) else "unavailable"
