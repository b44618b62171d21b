"""One process of the command line: started with nothing but what a run may have, and ended for sure."""

from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sre_daemon.agent import prompt, schema
from sre_daemon.agent.claude import workspace
from sre_daemon.agent.claude.profile import ALLOWED, ANSWER, ClaudeProfile
from sre_daemon.agent.text import clean
from sre_daemon.agent.watchdog import Watchdog
from sre_daemon.errors import AgentError, AgentUnavailable
from sre_daemon.toolclient import ToolServer

if TYPE_CHECKING:
    from claude_agent_sdk import (
        ClaudeAgentOptions,
        ClaudeSDKClient,
        HookContext,
        HookInput,
        HookJSONOutput,
    )

MAX_MESSAGE_BYTES = 32 << 20
GATE_SECONDS = 10.0
STDERR_LINES = 5


@dataclass(frozen=True, slots=True)
class Session:
    """A connected client, what watches it, and where it lives."""

    client: "ClaudeSDKClient"
    watchdog: Watchdog
    space: workspace.Workspace


@asynccontextmanager
async def open_session(
    profile: ClaudeProfile, server: ToolServer, deadline: float
) -> AsyncIterator[Session]:
    """A session; when the block ends, everything of it is gone.

    Raises:
        AgentError: the command line does not work, or was ended by the watchdog.
    """
    import claude_agent_sdk as sdk

    cli = Path(sdk.__file__).parent / "_bundled" / "claude"
    space = workspace.create(profile.folder, cli, server, profile.variables())
    stderr: deque[str] = deque(maxlen=STDERR_LINES)
    client = sdk.ClaudeSDKClient(_options(profile, space, stderr.append))
    watchdog = Watchdog(space.kill, deadline, profile.silence_seconds, space.excess)
    try:
        await client.connect()
        yield Session(client, watchdog, space)
    except Exception as failure:
        found = watchdog.failure or mapped(failure, stderr)
        if found is failure:
            raise
        raise found from failure
    finally:
        watchdog.stop()
        # Dead first: a process that lives is given five seconds by the SDK to end by itself.
        space.kill()
        try:
            await client.disconnect()
        finally:
            space.remove()


def _options(
    profile: ClaudeProfile, space: workspace.Workspace, stderr: Callable[[str], None]
) -> "ClaudeAgentOptions":
    import claude_agent_sdk as sdk

    lock = sdk.HookMatcher(matcher="*", hooks=[gate], timeout=GATE_SECONDS, on_failure="block")
    return sdk.ClaudeAgentOptions(
        model=profile.model,
        system_prompt={"type": "file", "path": str(prompt.SYSTEM)},
        output_format={"type": "json_schema", "schema": schema.json_schema()},
        # No built-in tools, and of the server's tools only those that read.
        tools=[],
        allowed_tools=list(ALLOWED),
        permission_mode="dontAsk",
        hooks={"PreToolUse": [lock]},
        mcp_servers=space.mcp_config,
        strict_mcp_config=True,
        # No settings, no inbox, no @file or /command in a prompt made of foreign text.
        setting_sources=[],
        settings='{"crossSessionInbound":"refuse"}',
        verbatim_prompts=True,
        max_turns=profile.max_turns,
        max_budget_usd=profile.max_budget_usd,
        max_buffer_size=MAX_MESSAGE_BYTES,
        # So that silence means silence: a long answer is heard while it is being written.
        include_partial_messages=True,
        cli_path=space.cli,
        cwd=space.home,
        env=profile.environment(space),
        extra_args={
            "no-session-persistence": None,
            # It binds an inbox whatever the settings say: here, and not where others look.
            "messaging-socket-path": str(space.inbox),
        },
        stderr=stderr,
    )


async def gate(
    data: "HookInput", _tool_use_id: str | None, _context: "HookContext"
) -> "HookJSONOutput":
    """The second lock: whatever is not a reading tool is denied, also if the options fail."""
    name = data.get("tool_name")
    if name == ANSWER or name in ALLOWED:
        return {}
    return {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": "An investigation only reads.",
        }
    }


def mapped(failure: Exception, stderr: Iterable[str]) -> Exception:
    """The SDK's errors as ours; it also raises bare Exception. Everything else stays as it is."""
    import claude_agent_sdk as sdk

    if isinstance(failure, AgentError):
        return failure
    if isinstance(failure, sdk.CLINotFoundError):
        return AgentUnavailable("the SDK's command line is missing", "install the package anew")
    if isinstance(failure, sdk.ClaudeSDKError) or type(failure) is Exception:
        said = clean(" ".join(stderr) or str(failure), 500)
        return AgentUnavailable(f"the agent's command line failed: {said}", "install it anew")
    return failure
