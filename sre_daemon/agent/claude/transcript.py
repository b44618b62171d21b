"""Turns the SDK's messages into steps and, in the end, into the report."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sre_daemon.agent import schema
from sre_daemon.agent.base import OnStep, Report, TextStep, ToolStep
from sre_daemon.agent.claude import ending
from sre_daemon.agent.claude.profile import ALLOWED, ANSWER, PREFIX
from sre_daemon.agent.claude.workspace import SERVER
from sre_daemon.agent.tools import call_name
from sre_daemon.clock import Clock
from sre_daemon.domain.run import Usage
from sre_daemon.errors import AgentUnavailable

if TYPE_CHECKING:
    from claude_agent_sdk import Message, ResultMessage, ToolResultBlock

ENGINE = "claude"


class Transcript:
    """What one run says, does and ends with."""

    def __init__(self, clock: Clock, on_step: OnStep, model: str) -> None:
        self._model = model
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
                check_session(data)
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
        return Report(
            schema.diagnosis(result.structured_output),
            engine=ENGINE,
            model=self._model,
            usage=_usage(result, len(self._turns)),
        )


def check_session(data: Mapping[str, Any]) -> None:
    """A tool server that failed to start is no error for the command line; for us it is."""
    servers = [(item.get("name"), item.get("status")) for item in data.get("mcp_servers", ())]
    if servers != [(SERVER, "connected")]:
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
