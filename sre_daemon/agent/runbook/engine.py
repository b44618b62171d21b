"""The engine without a model: carries out the machine steps of the runbooks that match the alerts."""

import asyncio
import json
from collections.abc import Iterable, Sequence

from sre_daemon.agent.base import FollowUp, OnStep, Reply, Report, Request, TextStep, ToolStep
from sre_daemon.agent.runbook.file import Runbook
from sre_daemon.agent.runbook.file import Step as RunbookStep
from sre_daemon.agent.runbook.findings import Outcome, evaluate
from sre_daemon.agent.tools import call_name
from sre_daemon.clock import Clock, SystemClock
from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.errors import (
    AgentTimeout,
    AgentUnavailable,
    FaultKind,
    ToolError,
    ToolServerUnavailable,
)
from sre_daemon.toolclient import OpenTools, ToolResult, ToolSession, single

ENGINE = "runbook"


class RunbookInvestigator:
    """Runs every matching runbook's steps in parallel; the first finding that holds is the cause."""

    engine = ENGINE
    model = ""

    def __init__(
        self, runbooks: Sequence[Runbook], tools: OpenTools, clock: Clock | None = None
    ) -> None:
        self._runbooks = runbooks
        self._tools = tools
        self._clock = clock or SystemClock()

    async def investigate(self, request: Request, on_step: OnStep) -> Report:
        """See Investigator. Without a matching runbook or finding the diagnosis is inconclusive.

        Raises:
            AgentUnavailable: the tool server does not work.
            AgentTimeout: the deadline has passed.
        """
        chosen = [
            runbook
            for runbook in self._runbooks
            if any(runbook.matches(alert.labels) for alert in request.alerts)
        ]
        if not chosen:
            return Report(_inconclusive(["no runbook matches the alerts of this incident"]), ENGINE)
        names = ", ".join(runbook.name for runbook in chosen)
        await on_step(TextStep(f"Matching runbooks: {names}"))
        outcomes = await self._run(_steps(chosen), request.bounds.deadline.total_seconds(), on_step)
        return Report(_conclude(chosen, outcomes), ENGINE)

    async def follow_up(self, question: FollowUp, on_step: OnStep) -> Reply:
        """See Investigator: nothing is read again, because nobody here understands a question."""
        known = "\n\n".join(f"{title}:\n{text}" for title, text in question.facts.items())
        return Reply(f"No model can answer now. On record is:\n\n{known}", ENGINE)

    async def _run(
        self, steps: dict[str, RunbookStep], seconds: float, on_step: OnStep
    ) -> dict[str, Outcome]:
        outcomes: dict[str, Outcome] = {}

        async def one(session: ToolSession, key: str, step: RunbookStep) -> None:
            outcomes[key] = await self._call(session, step, on_step)

        try:
            async with (
                self._tools() as session,
                asyncio.timeout(seconds),
                asyncio.TaskGroup() as group,
            ):
                for key, step in steps.items():
                    group.create_task(one(session, key, step))
        except BaseExceptionGroup as failures:
            raise _mapped(single(failures)) from failures
        except (TimeoutError, ToolServerUnavailable) as failure:
            raise _mapped(failure) from failure
        return outcomes

    async def _call(self, session: ToolSession, step: RunbookStep, on_step: OnStep) -> Outcome:
        begun = self._clock.monotonic()
        try:
            result = await session.call(step.tool, step.arguments)
        except ToolServerUnavailable:
            raise
        except ToolError as failure:
            result = ToolResult(None, str(failure), is_error=True)
        seconds = self._clock.monotonic() - begun
        call = call_name(result.output) or f"step-{step.id}"
        await on_step(
            ToolStep(call, step.tool, step.arguments, result.output, result.is_error, seconds)
        )
        data = None if result.is_error else result.structured
        return Outcome(call, result.output, data)


def _steps(runbooks: Iterable[Runbook]) -> dict[str, RunbookStep]:
    """The calls that are needed: what several runbooks ask is asked once."""
    return {_key(step): step for runbook in runbooks for step in runbook.front.investigate}


def _key(step: RunbookStep) -> str:
    return json.dumps([step.tool, step.arguments], sort_keys=True)


def _conclude(runbooks: Iterable[Runbook], outcomes: dict[str, Outcome]) -> Diagnosis:
    missing = []
    for runbook in runbooks:
        steps = {step.id: outcomes[_key(step)] for step in runbook.front.investigate}
        for finding in runbook.front.findings:
            diagnosis = evaluate(finding, steps)
            if diagnosis is not None:
                return diagnosis
        failed = [f"{name}: {step.output}" for name, step in steps.items() if step.data is None]
        missing.append(f"no finding of the runbook {runbook.name} holds")
        missing += [f"step {text[:300]}" for text in failed]
    return _inconclusive(missing)


def _inconclusive(missing: Sequence[str]) -> Diagnosis:
    return Diagnosis(conclusive=False, root_cause="", confidence=0.0, missing=tuple(missing))


def _mapped(failure: BaseException) -> BaseException:
    if isinstance(failure, TimeoutError):
        return AgentTimeout("the runbook was not done by the deadline", "look at slow tools")
    if isinstance(failure, ToolServerUnavailable):
        return AgentUnavailable(failure.reason, failure.hint, FaultKind.TOOLS)
    return failure
