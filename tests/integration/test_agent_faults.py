"""Every way in which the model, its API or the tools fail, on the real command line: a bounded time and one word."""

import asyncio
import time

import pytest

from sre_daemon.errors import AgentError, AgentTimeout, FaultKind
from tests.support import good_agent
from tests.support.claude_runs import run_claude
from tests.support.investigations import make_request, stand_in
from tests.support.messages_api import Status, Trouble, text, use

TOO_LONG = "prompt is too long: 210000 tokens > 200000 maximum"
FAULTS = {
    "401": (Status(401, "authentication_error"), FaultKind.AUTH),
    "403": (Status(403, "permission_error"), FaultKind.FORBIDDEN),
    "404": (Status(404, "not_found_error"), FaultKind.UNKNOWN_MODEL),
    "413": (Status(413, "request_too_large"), FaultKind.TOO_LARGE),
    "429": (Status(429, "rate_limit_error", headers={"retry-after": "1"}), FaultKind.RATE_LIMIT),
    "429 for an hour": (
        Status(429, "rate_limit_error", headers={"retry-after": "3600"}),
        FaultKind.RATE_LIMIT,
    ),
    "500": (Status(500), FaultKind.SERVER),
    "529": (Status(529, "overloaded_error"), FaultKind.OVERLOADED),
    "overload in the stream": (Trouble.OVERLOADED, FaultKind.OVERLOADED),
    "cut in the stream": (Trouble.CUT, FaultKind.NO_ANSWER),
    "not the protocol": (Trouble.GARBAGE, FaultKind.NO_ANSWER),
    "refusal": (Trouble.REFUSAL, FaultKind.REFUSAL),
    "context": (Status(400, "invalid_request_error", TOO_LONG), FaultKind.CONTEXT),
    "only words": ([text("All is well.")], FaultKind.INVALID),
}
SECONDS = 40


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Every fault once, two at a time."""
    places = asyncio.Semaphore(2)

    async def one(name, answer):
        async with places:
            begun = time.monotonic()
            folder = tmp_path_factory.mktemp("fault")
            run = await run_claude(folder, lambda _: answer, make_request(seconds=60), retries=1)
            return name, (run, time.monotonic() - begun)

    async def everything():
        return dict(await asyncio.gather(*(one(name, fault[0]) for name, fault in FAULTS.items())))

    return asyncio.run(everything())


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", FAULTS)
def test_every_failure_has_its_word_and_a_bounded_time(runs, name):
    run, seconds = runs[name]
    assert isinstance(run.failure, AgentError)
    assert run.failure.kind is FAULTS[name][1], run.failure
    assert run.failure.reason
    assert seconds < SECONDS
    assert run.report is None


async def test_hanging_api_is_cut_by_silence_and_by_the_deadline(tmp_path):
    run = await run_claude(tmp_path, lambda _: Trouble.STALL, silence_seconds=2)
    assert run.failure.kind is FaultKind.SILENT
    run = await run_claude(tmp_path, lambda _: Trouble.HANG, make_request(seconds=3))
    assert isinstance(run.failure, AgentTimeout)
    assert run.failure.kind is FaultKind.TIMEOUT


async def test_tool_server_that_crashes_or_hangs_is_an_error_of_the_call(tmp_path):
    """The run goes on without it, and what it then says is checked like any other claim."""
    run = await run_claude(tmp_path, good_agent.good, server=stand_in(tmp_path, mode="crash"))
    assert run.failure is None
    assert not run.report.diagnosis.conclusive
    assert all(step.is_error for step in run.recorder.calls)


async def test_calls_that_make_no_sense_are_errors_to_the_model(tmp_path):
    def confused(body):
        if len(body["messages"]) < 3:
            return [use("mcp__sre__no_such_tool"), use("Read", file_path="/etc/passwd")]
        return good_agent.good(body)

    run = await run_claude(tmp_path, confused)
    assert run.failure is None
    refused = [step for step in run.recorder.calls if step.is_error]
    assert [step.tool for step in refused] == ["no_such_tool", "Read"]
    assert all("root:" not in step.output for step in refused)
