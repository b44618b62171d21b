from dataclasses import replace

import claude_agent_sdk as sdk
import pytest

from sre_daemon.agent.bounds import Bounds, Governor
from sre_daemon.agent.claude import ClaudeProfile, ending
from sre_daemon.agent.claude.profile import ALLOWED
from sre_daemon.agent.claude.session import Gate, mapped
from sre_daemon.agent.claude.transcript import check_session
from sre_daemon.errors import (
    AgentError,
    AgentLimitReached,
    AgentOutputInvalid,
    AgentTimeout,
    AgentUnavailable,
)

GOOD = ending.Ending("success", False, "completed", "end_turn", None, "", True)
API = replace(GOOD, is_error=True, terminal_reason="api_error", answered=False)


def test_completed_run_with_an_answer_is_a_success():
    assert ending.failure(GOOD) is None


@pytest.mark.parametrize(
    ("how", "error", "retryable"),
    [
        (replace(API, status=401), AgentUnavailable, False),
        (replace(API, status=402), AgentUnavailable, False),
        (replace(API, status=403), AgentUnavailable, False),
        (replace(API, status=404), AgentUnavailable, False),
        (replace(API, status=400), AgentUnavailable, False),
        (replace(API, status=413), AgentLimitReached, False),
        (replace(API, status=418), AgentUnavailable, True),
        (replace(API, status=429), AgentUnavailable, True),
        (replace(API, status=500), AgentUnavailable, True),
        (replace(API, status=503), AgentUnavailable, True),
        (replace(API, status=529), AgentUnavailable, True),
        (API, AgentUnavailable, True),
        (replace(API, stop_reason="refusal"), AgentOutputInvalid, False),
        (replace(API, status=400, terminal_reason="prompt_too_long"), AgentLimitReached, False),
        (replace(API, subtype="error_max_turns"), AgentLimitReached, False),
        (replace(API, subtype="error_max_budget_usd"), AgentLimitReached, False),
        (replace(API, subtype="error_max_structured_output_retries"), AgentOutputInvalid, False),
        (
            replace(API, subtype="error_during_execution", terminal_reason=None),
            AgentUnavailable,
            True,
        ),
        (replace(GOOD, answered=False), AgentOutputInvalid, False),
        (replace(GOOD, terminal_reason="aborted_tools"), AgentOutputInvalid, False),
        (replace(GOOD, is_error=True), AgentUnavailable, True),
    ],
)
def test_every_other_ending_is_an_error(how, error, retryable):
    failure = ending.failure(how)
    assert type(failure) is error
    assert failure.retryable is retryable


def test_refused_key_says_what_to_check():
    failure = ending.failure(replace(API, status=401, text="Invalid API key"))
    assert "refuses the key" in failure.reason
    assert "Invalid API key" in failure.reason
    assert "ANTHROPIC_API_KEY" in failure.hint


def every_subclass(cls):
    return {cls}.union(*(every_subclass(child) for child in cls.__subclasses__()))


@pytest.mark.parametrize("cls", sorted(every_subclass(sdk.ClaudeSDKError), key=str))
def test_every_error_of_the_sdk_becomes_ours(cls):
    failure = cls("line", ValueError()) if cls is sdk.CLIJSONDecodeError else cls("broken")
    assert isinstance(mapped(failure, []), AgentUnavailable)


def test_bare_exceptions_of_the_sdk_become_ours_and_others_stay():
    assert isinstance(mapped(Exception("Control request timeout"), []), AgentUnavailable)
    own, foreign = AgentTimeout("x"), KeyError("x")
    assert mapped(own, []) is own
    assert mapped(foreign, []) is foreign
    assert not isinstance(foreign, AgentError)


def test_last_words_of_the_command_line_are_in_the_error():
    failure = mapped(sdk.ProcessError("exit 1"), ["Error: bad flag"])
    assert "bad flag" in str(failure)


def gate(governed=True):
    """The gate of a run."""
    made = Gate()
    made.governor = Governor(Bounds(), lambda: 0.0) if governed else None
    return made


async def test_gate_without_a_run_denies_reading_too():
    answer = await gate(governed=False)({"tool_name": ALLOWED[0]}, None, {"signal": None})
    assert answer["hookSpecificOutput"]["permissionDecision"] == "deny"


@pytest.mark.parametrize(
    "name", ["Bash", "Read", "mcp__sre__edit_config_file", "mcp__x__get_logs", None]
)
async def test_gate_denies_whatever_does_not_read(name):
    answer = await gate()({"tool_name": name}, None, {"signal": None})
    assert answer["hookSpecificOutput"]["permissionDecision"] == "deny"
    assert answer["hookSpecificOutput"]["hookEventName"] == "PreToolUse"


@pytest.mark.parametrize("name", [*ALLOWED, "StructuredOutput"])
async def test_gate_has_no_opinion_on_reading_tools(name):
    assert await gate()({"tool_name": name}, None, {"signal": None}) == {}


@pytest.mark.parametrize(
    "data",
    [
        {"mcp_servers": [], "tools": list(ALLOWED)},
        {"mcp_servers": [{"name": "sre", "status": "failed"}], "tools": []},
        {"mcp_servers": [{"name": "sre", "status": "pending"}], "tools": list(ALLOWED)},
        {
            "mcp_servers": [{"name": "sre", "status": "connected"}],
            "tools": list(ALLOWED)[1:],
        },
        {
            "mcp_servers": [{"name": "sre", "status": "connected"}],
            "tools": [*ALLOWED, "Bash"],
        },
    ],
)
def test_session_with_other_tools_or_servers_is_refused(data):
    with pytest.raises(AgentUnavailable):
        check_session(data)


def test_key_is_not_shown_with_the_profile(tmp_path):
    assert "sk-secret" not in repr(ClaudeProfile("m", tmp_path, "sk-secret"))
