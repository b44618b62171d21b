"""The real command line at its bounds: it is told to conclude, delivers what it has, or is cut."""

import json

from sre_daemon.errors import AgentLimitReached, FaultKind
from tests.support import good_agent
from tests.support.claude_runs import run_claude
from tests.support.messages_api import results, text, use

INCONCLUSIVE = {
    "conclusive": False,
    "root_cause": "",
    "confidence": 0.0,
    "evidence": [],
    "missing": ["more time"],
    "proposed": [],
}


def obedient(body):
    """Reads something new each time, until it is told to deliver."""
    said = json.dumps(body["messages"][-1])
    if "Conclude" in said or "Deliver now" in said:
        return [use("StructuredOutput", **INCONCLUSIVE)]
    asked = len(results(body))
    return [use("mcp__sre__get_logs", service="api-server", lines=asked + 1)]


def looping(body):
    """Asks the same again and again, until everything is refused."""
    said = json.dumps(body["messages"][-1])
    if "going round" in said:
        return [use("StructuredOutput", **INCONCLUSIVE)]
    return [use("mcp__sre__get_alerts")]


async def test_run_near_its_bound_hears_of_it_and_delivers(tmp_path):
    run = await run_claude(tmp_path, obedient, tool_calls=6)
    assert run.failure is None
    assert run.report.diagnosis.missing == ("more time",)
    assert len(run.requests) == 6
    assert "Most tool calls of this run are used up" in json.dumps(run.requests[-1])
    assert len(run.recorder.calls) == 5


async def test_loop_is_refused_and_the_run_still_delivers(tmp_path):
    run = await run_claude(tmp_path, looping)
    assert run.failure is None
    assert [step.is_error for step in run.recorder.calls] == [False, False, *[True] * 4]
    assert "have the answer" in run.recorder.calls[2].output
    assert len(run.requests) == 7


async def test_run_that_never_concludes_is_cut_by_its_tokens(tmp_path):
    stubborn = [text("I go on."), use("mcp__sre__get_alerts")]
    run = await run_claude(tmp_path, lambda body: stubborn, tokens=12_000)
    assert isinstance(run.failure, AgentLimitReached)
    assert run.failure.kind is FaultKind.LIMIT
    assert "tokens" in run.failure.reason
    assert 12_000 < run.recorder.spent[-1].usage.input_tokens < 20_000


async def test_dollars_are_counted_as_they_are_spent(tmp_path):
    run = await run_claude(tmp_path, good_agent.good)
    costs = [step.usage.cost_usd for step in run.recorder.spent]
    assert len(costs) == 3
    assert costs == sorted(costs)
    assert abs(costs[-1] - run.report.usage.cost_usd) < 1e-9


async def test_answer_in_the_call_that_crosses_the_budget_is_kept(tmp_path):
    run = await run_claude(tmp_path, good_agent.good, dollars=0.045)
    assert run.failure is None
    assert run.report.diagnosis.conclusive
    assert run.report.usage.cost_usd > 0.045


async def test_budget_without_an_answer_is_a_limit(tmp_path):
    run = await run_claude(tmp_path, lambda body: [use("mcp__sre__get_alerts")], dollars=0.02)
    assert isinstance(run.failure, AgentLimitReached)
    assert "money" in run.failure.reason


async def test_model_of_the_settings_is_asked_and_bounded_by_our_price(tmp_path):
    """The command line would take it for another model, and count other dollars."""
    run = await run_claude(tmp_path, good_agent.good, model="house-model-1")
    assert run.failure is None
    assert {body["model"] for body in run.requests} == {"house-model-1"}
    sent = json.dumps(run.requests)
    assert "USD budget" not in sent
    usage = run.report.usage
    assert usage.cost_usd == (usage.input_tokens * 15 + usage.output_tokens * 75) / 1e6
