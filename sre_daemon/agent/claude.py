"""The investigator that runs Claude: the SDK's bundled command line, one process for one run.

The only importer of the SDK. What its options do was measured, not read in their names: the model
sees the reading tools and nothing else of this machine, and nothing outlives the run.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sre_daemon.agent import ending, prompt, schema, workspace
from sre_daemon.agent.base import OnStep, Report, Request, TextStep, ToolStep
from sre_daemon.agent.text import clean
from sre_daemon.agent.tools import READ_TOOLS, call_name
from sre_daemon.agent.watchdog import Watchdog, timeout
from sre_daemon.clock import Clock, SystemClock
from sre_daemon.domain.run import Usage
from sre_daemon.errors import AgentError, AgentUnavailable
from sre_daemon.toolclient import ToolServer

if TYPE_CHECKING:
    from claude_agent_sdk import (
        ClaudeAgentOptions,
        ClaudeSDKClient,
        HookContext,
        HookInput,
        HookJSONOutput,
        Message,
        ResultMessage,
        ToolResultBlock,
    )

ANSWER = "StructuredOutput"
PREFIX = f"mcp__{workspace.SERVER}__"
ALLOWED = tuple(PREFIX + name for name in READ_TOOLS)
SILENCE_SECONDS = 120.0
# More starts at once push each other past the command line's own start-up time-outs.
CONCURRENT_STARTS = 2
MAX_MESSAGE_BYTES = 32 << 20
GATE_SECONDS = 10.0
STDERR_LINES = 5

ENVIRONMENT: Mapping[str, str] = {
    # The defaults retry for minutes, a hanging API for an hour; our own queue does the waiting.
    "CLAUDE_CODE_MAX_RETRIES": "3",
    "API_TIMEOUT_MS": "120000",
    "CLAUDE_ENABLE_BYTE_WATCHDOG": "1",
    "CLAUDE_BYTE_STREAM_IDLE_TIMEOUT_MS": "60000",
    "MCP_TIMEOUT": "10000",
    "MCP_TOOL_TIMEOUT": "60000",
    # Without it: titles made by a second, billed model call, and connections to other hosts.
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_AUTO_MEMORY": "1",
    "CLAUDE_CODE_DISABLE_BUNDLED_SKILLS": "1",
    "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
    "ENABLE_TOOL_SEARCH": "false",
    "DISABLE_AUTOUPDATER": "1",
}
# The SDK sets these for its command line.
SDK_VARIABLES = (
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_AGENT_SDK_VERSION",
    "CLAUDE_CODE_SDK_READS_SESSION_STATE",
)
PRIVATE_VARIABLES = ("ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "HOME", "CLAUDE_CONFIG_DIR")


@dataclass(frozen=True, slots=True)
class ClaudeProfile:
    """What the operator chooses; `folder` takes the private folders of the runs."""

    model: str
    folder: Path
    api_key: str = field(repr=False)
    base_url: str = ""
    max_turns: int = 30
    max_budget_usd: float = 2.0
    silence_seconds: float = SILENCE_SECONDS


class ClaudeInvestigator:
    """One command line process per investigation; at most two are starting at the same time."""

    engine = "claude"

    def __init__(
        self, profile: ClaudeProfile, server: ToolServer, clock: Clock | None = None
    ) -> None:
        self._profile = profile
        self._server = server
        self._clock = clock or SystemClock()
        self._starts = asyncio.Semaphore(CONCURRENT_STARTS)

    @property
    def model(self) -> str:
        """The model's name."""
        return self._profile.model

    async def investigate(self, request: Request, on_step: OnStep) -> Report:
        """See Investigator.

        Raises:
            AgentUnavailable: the API, the command line or the tool server does not work.
            AgentTimeout: the deadline has passed.
            AgentLimitReached: no turns, money or context left.
            AgentOutputInvalid: there is an answer, but no diagnosis.
        """
        deadline = request.deadline.total_seconds()
        begun = self._clock.monotonic()
        try:
            async with asyncio.timeout(deadline):
                await self._starts.acquire()
        except TimeoutError:
            raise timeout(deadline) from None
        transcript = _Transcript(self._clock, on_step)
        starting = True
        try:
            left = deadline - (self._clock.monotonic() - begun)
            async with self._client(left) as (client, watchdog):
                await client.query(prompt.build(request))
                async for message in client.receive_response():
                    watchdog.touch()
                    await transcript.take(message)
                    if starting and transcript.begun:
                        starting = False
                        self._starts.release()
        finally:
            if starting:
                self._starts.release()
        return transcript.report()

    @asynccontextmanager
    async def _client(self, deadline: float) -> AsyncIterator[tuple["ClaudeSDKClient", Watchdog]]:
        import claude_agent_sdk as sdk

        names = (*ENVIRONMENT, *SDK_VARIABLES, *PRIVATE_VARIABLES)
        cli = Path(sdk.__file__).parent / "_bundled" / "claude"
        space = workspace.create(self._profile.folder, cli, self._server, names)
        stderr: deque[str] = deque(maxlen=STDERR_LINES)
        client = sdk.ClaudeSDKClient(self._options(space, stderr.append))
        watchdog = Watchdog(space.kill, deadline, self._profile.silence_seconds)
        try:
            await client.connect()
            yield client, watchdog
        except Exception as failure:
            mapped = watchdog.failure or _mapped(failure, stderr)
            if mapped is failure:
                raise
            raise mapped from failure
        finally:
            watchdog.stop()
            # Dead first: a process that lives is given five seconds by the SDK to end by itself.
            space.kill()
            try:
                await client.disconnect()
            finally:
                space.remove()

    def _options(
        self, space: workspace.Workspace, stderr: Callable[[str], None]
    ) -> "ClaudeAgentOptions":
        import claude_agent_sdk as sdk

        gate = sdk.HookMatcher(matcher="*", hooks=[_gate], timeout=GATE_SECONDS, on_failure="block")
        return sdk.ClaudeAgentOptions(
            model=self._profile.model,
            system_prompt={"type": "file", "path": str(prompt.SYSTEM)},
            output_format={"type": "json_schema", "schema": schema.json_schema()},
            # No built-in tools, and of the server's tools only those that read.
            tools=[],
            allowed_tools=list(ALLOWED),
            permission_mode="dontAsk",
            hooks={"PreToolUse": [gate]},
            mcp_servers=space.mcp_config,
            strict_mcp_config=True,
            # No settings, no inbox, no @file or /command in a prompt made of foreign text.
            setting_sources=[],
            settings='{"crossSessionInbound":"refuse"}',
            verbatim_prompts=True,
            max_turns=self._profile.max_turns,
            max_budget_usd=self._profile.max_budget_usd,
            max_buffer_size=MAX_MESSAGE_BYTES,
            # So that silence means silence: a long answer is heard while it is being written.
            include_partial_messages=True,
            cli_path=space.cli,
            cwd=space.home,
            env=self._environment(space.home),
            extra_args={"no-session-persistence": None},
            stderr=stderr,
        )

    def _environment(self, home: Path) -> dict[str, str]:
        return {
            **ENVIRONMENT,
            "ANTHROPIC_API_KEY": self._profile.api_key,
            **({"ANTHROPIC_BASE_URL": self._profile.base_url} if self._profile.base_url else {}),
            "HOME": str(home),
            "CLAUDE_CONFIG_DIR": str(home / ".claude"),
        }


async def _gate(
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


class _Transcript:
    """Turns the SDK's messages into steps and, in the end, into the report."""

    def __init__(self, clock: Clock, on_step: OnStep) -> None:
        self._clock = clock
        self._on_step = on_step
        self._open: dict[str, tuple[str, Mapping[str, Any], float]] = {}
        self._names: set[str] = set()
        self._turns: set[str | None] = set()
        self._result: ResultMessage | None = None
        self.begun = False

    async def take(self, message: "Message") -> None:
        """Take the next message. Raises AgentUnavailable when the session is not as it must be."""
        import claude_agent_sdk as sdk

        match message:
            case sdk.SystemMessage(subtype="init", data=data):
                _check_session(data)
                self.begun = True
            case sdk.AssistantMessage(content=blocks, message_id=turn):
                self._turns.add(turn)
                for block in blocks:
                    await self._said(block)
            case sdk.UserMessage(content=list() as blocks):
                for block in blocks:
                    if isinstance(block, sdk.ToolResultBlock):
                        await self._answered(block)
            case sdk.ResultMessage():
                self._result = message
            case _:
                pass

    async def _said(self, block: object) -> None:
        import claude_agent_sdk as sdk

        if isinstance(block, sdk.TextBlock) and block.text.strip():
            await self._on_step(TextStep(block.text))
        elif isinstance(block, sdk.ToolUseBlock) and block.name != ANSWER:
            name = block.name.removeprefix(PREFIX)
            self._open[block.id] = (name, block.input, self._clock.monotonic())

    async def _answered(self, block: "ToolResultBlock") -> None:
        if block.tool_use_id not in self._open:
            return
        tool, arguments, begun = self._open.pop(block.tool_use_id)
        output = _text(block.content)
        await self._on_step(
            ToolStep(
                call=self._unique(call_name(output) or "denied"),
                tool=tool,
                arguments=arguments,
                output=output,
                is_error=bool(block.is_error),
                seconds=self._clock.monotonic() - begun,
            )
        )

    def _unique(self, name: str) -> str:
        """A tool server that crashed is started again and counts from c1: names would repeat."""
        number, unique = 1, name
        while unique in self._names:
            number += 1
            unique = f"{name}.{number}"
        self._names.add(unique)
        return unique

    def report(self) -> Report:
        """The report, or the error that says why there is none."""
        result = self._result
        if result is None:
            raise ending.error(ending.OTHER, "it ended without a result")
        said = result.result or "; ".join(result.errors or ())
        failure = ending.failure(
            ending.Ending(
                subtype=result.subtype,
                is_error=result.is_error,
                terminal_reason=result.terminal_reason,
                stop_reason=result.stop_reason,
                status=result.api_error_status,
                text=said,
                answered=result.structured_output is not None,
            )
        )
        if failure:
            raise failure
        return Report(schema.diagnosis(result.structured_output), _usage(result, len(self._turns)))


def _check_session(data: Mapping[str, Any]) -> None:
    """A tool server that failed to start is no error for the command line; for us it is."""
    servers = [(item.get("name"), item.get("status")) for item in data.get("mcp_servers", ())]
    if servers != [(workspace.SERVER, "connected")]:
        raise AgentUnavailable(
            f"the agent has no tool server: {servers}",
            "run `sre-daemon tools --phase investigate` to see why",
        )
    tools = set(data.get("tools", ())) - {ANSWER}
    if tools != set(ALLOWED):
        wrong = ", ".join(sorted(tools ^ set(ALLOWED)))
        raise AgentUnavailable(
            f"the agent does not have exactly the reading tools: {wrong}",
            "daemon, tool server and SDK do not fit together: install them anew",
        )


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(block["text"] for block in blocks if block.get("type") == "text")


def _usage(result: "ResultMessage", turns: int) -> Usage:
    # Not result.num_turns: that counts messages, tool results among them.
    tokens = result.usage or {}
    return Usage(
        turns=turns,
        input_tokens=int(tokens.get("input_tokens") or 0),
        output_tokens=int(tokens.get("output_tokens") or 0),
        cache_read_tokens=int(tokens.get("cache_read_input_tokens") or 0),
        cache_write_tokens=int(tokens.get("cache_creation_input_tokens") or 0),
        cost_usd=result.total_cost_usd or 0.0,
    )


def _mapped(failure: Exception, stderr: Iterable[str]) -> Exception:
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
