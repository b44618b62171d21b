"""One process of the command line: started with nothing but what a run may have, and ended for sure."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

import anyio

from sre_daemon.agent import prompt, schema
from sre_daemon.agent.bounds import Governor
from sre_daemon.agent.claude import workspace
from sre_daemon.agent.claude.memory import Memory
from sre_daemon.agent.claude.profile import ALLOWED, ANSWER, PREFIX, ClaudeProfile
from sre_daemon.agent.text import clean
from sre_daemon.agent.watchdog import Watchdog
from sre_daemon.errors import AgentError, AgentUnavailable, FaultKind
from sre_daemon.toolclient import ToolServer

if TYPE_CHECKING:
    from claude_agent_sdk import (
        ClaudeAgentOptions,
        ClaudeSDKClient,
        HookContext,
        HookInput,
        HookJSONOutput,
        SessionStore,
    )

MAX_MESSAGE_BYTES = 32 << 20
GATE_SECONDS = 10.0
# Its own limit for the tool server is 10 s.
START_SECONDS = 45.0
LOOK_SECONDS = 0.02
STDERR_LINES = 5


class Gate:
    """The second lock, and where a run hears of its bounds: asked before every tool call.

    Until a governor is there, nothing may be called.
    """

    def __init__(self, allowed: Collection[str] = ALLOWED) -> None:
        self._allowed = frozenset(allowed)
        self.governor: Governor | None = None

    async def __call__(
        self, data: "HookInput", _tool_use_id: str | None, _context: "HookContext"
    ) -> "HookJSONOutput":
        """Let reading tools through, also if the options fail; a refusal says why."""
        name = data.get("tool_name")
        if name == ANSWER:
            return {}
        if not isinstance(name, str) or name not in self._allowed or self.governor is None:
            return _deny("An investigation only reads.")
        arguments = data.get("tool_input")
        known = arguments if isinstance(arguments, dict) else {}
        ruling = self.governor.ask(name.removeprefix(PREFIX), known)
        if not ruling.allow:
            return _deny(ruling.words)
        if not ruling.words:
            return {}
        return {
            "hookSpecificOutput": {
                "hookEventName": "PreToolUse",
                "additionalContext": ruling.words,
            }
        }


def _deny(reason: str) -> "HookJSONOutput":
    return {
        "hookSpecificOutput": {
            "hookEventName": "PreToolUse",
            "permissionDecision": "deny",
            "permissionDecisionReason": reason,
        }
    }


@dataclass(frozen=True, slots=True)
class Purpose:
    """What a session is for. `resume` names an earlier one to continue; `memory` keeps this one."""

    diagnosis: bool = True
    resume: str = ""
    memory: Memory | None = None


@dataclass(frozen=True, slots=True)
class Session:
    """A connected client, its gate, where it lives, and its last words."""

    client: "ClaudeSDKClient"
    gate: Gate
    space: workspace.Workspace
    stderr: deque[str]

    async def alive(self) -> bool:
        """Whether its process still runs."""
        return not self.space.over()


@asynccontextmanager
async def open_session(
    profile: ClaudeProfile, server: ToolServer, purpose: Purpose
) -> AsyncIterator[Session]:
    """A session that waits for its first words; when the block ends, everything of it is gone.

    Raises:
        AgentUnavailable: the command line does not start.
    """
    import claude_agent_sdk as sdk

    cli = Path(sdk.__file__).parent / "_bundled" / "claude"
    space = workspace.create(profile.folder, cli, server, profile.variables())
    stderr: deque[str] = deque(maxlen=STDERR_LINES)
    gate = Gate(profile.allowed)
    client = sdk.ClaudeSDKClient(_options(profile, purpose, space, gate, stderr.append))
    try:
        try:
            async with asyncio.timeout(START_SECONDS):
                await client.connect()
                await _tools_connected(client)
        except TimeoutError:
            raise AgentUnavailable(
                f"the agent's command line did not start within {START_SECONDS:g} s",
                "is the machine overloaded?",
                FaultKind.COMMAND_LINE,
            ) from None
        except Exception as failure:
            raise mapped(failure, stderr) from failure
        yield Session(client, gate, space, stderr)
    finally:
        # Dead first: a process that lives is given five seconds by the SDK to end by itself.
        space.kill()
        with anyio.CancelScope(shield=True):
            try:
                await client.disconnect()
            finally:
                space.remove()


async def _tools_connected(client: "ClaudeSDKClient") -> None:
    """Wait until the tool server answered or failed: only then is a session ready, or known not to be.

    The command line would begin without it; whether it is there is looked at when a run begins.
    """
    while True:
        status = await client.get_mcp_status()
        if all(item["status"] != "pending" for item in status["mcpServers"]):
            return
        await asyncio.sleep(LOOK_SECONDS)


@asynccontextmanager
async def watched(
    session: Session, profile: ClaudeProfile, deadline: float
) -> AsyncIterator[Watchdog]:
    """A run in a session: cut at its deadline, in silence and in excess; foreign errors become ours.

    Raises:
        AgentError: the command line failed, or was ended by the watchdog.
    """
    space = session.space
    watchdog = Watchdog(space.kill, deadline, profile.silence_seconds, space.excess)
    try:
        yield watchdog
    except Exception as failure:
        found = watchdog.failure or mapped(failure, session.stderr)
        if found is failure:
            raise
        raise found from failure
    finally:
        watchdog.stop()


def _options(
    profile: ClaudeProfile,
    purpose: Purpose,
    space: workspace.Workspace,
    gate: Gate,
    stderr: Callable[[str], None],
) -> "ClaudeAgentOptions":
    import claude_agent_sdk as sdk

    lock = sdk.HookMatcher(matcher="*", hooks=[gate], timeout=GATE_SECONDS, on_failure="block")
    return sdk.ClaudeAgentOptions(
        model=profile.model,
        system_prompt={
            "type": "file",
            "path": str(prompt.SYSTEM if purpose.diagnosis else prompt.FOLLOW_UP_SYSTEM),
        },
        output_format=(
            {"type": "json_schema", "schema": schema.json_schema()} if purpose.diagnosis else None
        ),
        resume=purpose.resume or None,
        # It needs append and load only; the SDK's type asks for more.
        session_store=cast("SessionStore | None", purpose.memory),
        # No built-in tools, and of the server's tools only those that read.
        tools=[],
        allowed_tools=list(profile.allowed),
        permission_mode="dontAsk",
        hooks={"PreToolUse": [lock]},
        mcp_servers=space.mcp_config,
        strict_mcp_config=True,
        # No settings, no inbox, no @file or /command in a prompt made of foreign text.
        setting_sources=[],
        settings='{"crossSessionInbound":"refuse"}',
        verbatim_prompts=True,
        max_turns=profile.bounds.turns,
        max_budget_usd=profile.max_budget_usd,
        max_buffer_size=MAX_MESSAGE_BYTES,
        # So that silence means silence: a long answer is heard while it is being written.
        include_partial_messages=True,
        cli_path=space.cli,
        cwd=space.home,
        env=profile.environment(space),
        extra_args={
            **({} if purpose.memory else {"no-session-persistence": None}),
            # It binds an inbox whatever the settings say: here, and not where others look.
            "messaging-socket-path": str(space.inbox),
        },
        stderr=stderr,
    )


def mapped(failure: Exception, stderr: Iterable[str]) -> Exception:
    """The SDK's errors as ours; it also raises bare Exception. Everything else stays as it is."""
    import claude_agent_sdk as sdk

    if isinstance(failure, AgentError):
        return failure
    if isinstance(failure, sdk.CLINotFoundError):
        return AgentUnavailable(
            "the SDK's command line is missing", "install the package anew", FaultKind.COMMAND_LINE
        )
    if isinstance(failure, sdk.ClaudeSDKError) or type(failure) is Exception:
        said = clean(" ".join(stderr) or str(failure), 500)
        return AgentUnavailable(
            f"the agent's command line failed: {said}", "it is tried again", FaultKind.COMMAND_LINE
        )
    return failure
