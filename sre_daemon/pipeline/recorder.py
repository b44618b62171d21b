"""Records a run of an investigator as it happens: the run, its calls, its steps in the timeline, its cost."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TypeVar

import structlog

from sre_daemon.agent.base import OnStep, Reply, Report, SpentStep, Step, TextStep, ToolStep
from sre_daemon.agent.bounds import tokens
from sre_daemon.clock import Clock
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.run import Run, RunOutcome, ToolCall, Usage
from sre_daemon.errors import AgentError, AgentLimitReached, AgentTimeout
from sre_daemon.metrics import Metrics, exemplar
from sre_daemon.store.base import Store

A = TypeVar("A", Report, Reply)

# What is kept of one tool call in the timeline; the transcript has up to MAX_OUTPUT.
PREVIEW = 400
MAX_OUTPUT = 60_000
MAX_TEXT = 2000


class Recorder:
    """For one kind of runs; `phase` is their label in the metrics."""

    def __init__(self, store: Store, clock: Clock, metrics: Metrics, phase: str) -> None:
        self._store = store
        self._clock = clock
        self._metrics = metrics
        self._phase = phase

    async def record(self, run: Run, ask: Callable[[OnStep], Awaitable[A]]) -> A:
        """Begin the run, let `ask` carry it out, and record its end whatever it is.

        Raises:
            AgentError: that of `ask`.
        """
        await self._store.begin_run(run)
        ended = replace(run, outcome=RunOutcome.INTERRUPTED)
        steps = _Steps(self, run)
        in_progress = self._metrics.agent_runs_in_progress.labels(self._phase)
        in_progress.inc()
        try:
            with structlog.contextvars.bound_contextvars(run=run.id):
                answer = await ask(steps.take)
            # Who answered: not always who was asked first.
            ended = replace(
                run,
                outcome=_outcome(answer),
                engine=answer.engine,
                model=answer.model,
                session=answer.session,
            )
            steps.usage = answer.usage
            return answer
        except AgentError as failure:
            ended = replace(run, outcome=_failed(failure), error=str(failure))
            raise
        finally:
            in_progress.dec()
            ended = replace(ended, ended_at=self._clock.now(), usage=steps.usage)
            await self._store.end_run(ended)
            self._count(ended)

    def _count(self, run: Run) -> None:
        self._metrics.agent_runs.labels(self._phase, run.outcome).inc()
        if run.ended_at is not None:
            seconds = (run.ended_at - run.started_at).total_seconds()
            duration = self._metrics.agent_run_seconds.labels(self._phase)
            duration.observe(seconds, exemplar(run.incident_id))
        usage = run.usage
        self._metrics.agent_turns.observe(usage.turns)
        self._metrics.agent_cost.inc(usage.cost_usd)
        for kind, number in (
            ("input", usage.input_tokens),
            ("output", usage.output_tokens),
            ("cache_read", usage.cache_read_tokens),
            ("cache_write", usage.cache_write_tokens),
        ):
            self._metrics.agent_tokens.labels(kind).inc(number)

    async def called(self, run: Run, step: ToolStep, usage: Usage) -> None:
        """A tool call has ended."""
        now = self._clock.now()
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
            **_so_far(run, usage),
        }
        arguments = ", ".join(f"{key}={value}" for key, value in step.arguments.items())
        summary = f"{step.tool}({arguments[:200]})"
        await self._store.note([TimelineEvent(run.incident_id, now, Kind.STEP, summary, data)])

    async def said(self, run: Run, text: str, usage: Usage) -> None:
        """The investigator said something."""
        event = TimelineEvent(
            run.incident_id, self._clock.now(), Kind.STEP, text[:MAX_TEXT], _so_far(run, usage)
        )
        await self._store.note([event])


def _so_far(run: Run, usage: Usage) -> dict[str, object]:
    return {"run": run.id, "tokens": tokens(usage), "cost_usd": round(usage.cost_usd, 6)}


class _Steps:
    """The steps of one run, with what it has used so far."""

    def __init__(self, recorder: Recorder, run: Run) -> None:
        self._recorder = recorder
        self._run = run
        self.usage = Usage()

    async def take(self, step: Step) -> None:
        match step:
            case ToolStep():
                await self._recorder.called(self._run, step, self.usage)
            case TextStep():
                await self._recorder.said(self._run, step.text, self.usage)
            case SpentStep():
                self.usage = step.usage


def _outcome(answer: Report | Reply) -> RunOutcome:
    if isinstance(answer, Reply):
        return RunOutcome.ANSWERED
    return RunOutcome.DIAGNOSED if answer.diagnosis.conclusive else RunOutcome.INCONCLUSIVE


def _failed(failure: AgentError) -> RunOutcome:
    if isinstance(failure, AgentTimeout):
        return RunOutcome.TIMEOUT
    return RunOutcome.LIMIT if isinstance(failure, AgentLimitReached) else RunOutcome.ERROR
