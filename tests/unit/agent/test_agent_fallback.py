from datetime import timedelta

import pytest

from sre_daemon.agent.base import Report, Request, TextStep, ToolStep
from sre_daemon.agent.fallback import FallbackInvestigator
from sre_daemon.domain.diagnosis import Diagnosis, Evidence
from sre_daemon.errors import AgentLimitReached, AgentUnavailable, StoreUnavailable

REQUEST = Request("r", "i", (), timedelta(seconds=1))
REPORT = Report(Diagnosis(True, "x", 0.9, (Evidence("a", "c1", "q"),)), "runbook")


class Scripted:
    """An investigator that makes one call and then ends as told."""

    def __init__(self, engine, end):
        self.engine, self.model, self.end = engine, f"{engine}-model", end

    async def investigate(self, request, on_step):
        await on_step(ToolStep("c1", "get_alerts", {}, "[c1] q", False, 0.1))
        if isinstance(self.end, Exception):
            raise self.end
        return self.end


async def run(first, second):
    steps = []

    async def on_step(step):
        steps.append(step)

    both = FallbackInvestigator(Scripted("claude", first), Scripted("runbook", second))
    assert (both.engine, both.model) == ("claude", "claude-model")
    return await both.investigate(REQUEST, on_step), steps


async def test_first_that_works_is_the_only_one_asked():
    report, steps = await run(REPORT, RuntimeError())
    assert report is REPORT
    assert len(steps) == 1


async def test_second_takes_over_and_says_why():
    report, steps = await run(AgentUnavailable("the API refuses the key", "check it"), REPORT)
    said = [step.text for step in steps if isinstance(step, TextStep)]
    assert "the API refuses the key" in said[0]
    assert report.diagnosis.root_cause == "x"


async def test_calls_of_both_keep_different_names():
    report, steps = await run(AgentUnavailable("x"), REPORT)
    calls = [step.call for step in steps if isinstance(step, ToolStep)]
    assert len(set(calls)) == 2
    assert report.diagnosis.evidence[0].call == calls[1]


async def test_both_failing_raises_the_error_of_the_first():
    with pytest.raises(AgentLimitReached, match="turns"):
        await run(AgentLimitReached("turns"), AgentUnavailable("tool server"))


async def test_other_errors_are_not_swallowed():
    with pytest.raises(StoreUnavailable):
        await run(StoreUnavailable("locked"), REPORT)
