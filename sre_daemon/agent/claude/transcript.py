"""Turns the SDK's messages into steps and, in the end, into the report."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sre_daemon.agent import schema
from sre_daemon.agent.base import OnStep, Reply, Report, SpentStep, TextStep, ToolStep
from sre_daemon.agent.bounds import Governor
from sre_daemon.agent.claude import ending
from sre_daemon.agent.claude.profile import ALLOWED, ANSWER, PREFIX, ClaudeProfile
from sre_daemon.agent.claude.workspace import SERVER
from sre_daemon.agent.text import clean
from sre_daemon.agent.tools import call_name
from sre_daemon.clock import Clock
from sre_daemon.domain.run import Usage
from sre_daemon.errors import AgentUnavailable, FaultKind

if TYPE_CHECKING:
    from claude_agent_sdk import Message, ResultMessage, ToolResultBlock

ENGINE = "claude"


class Transcript:
    """What one run says, does and ends with."""

    def __init__(
        self, clock: Clock, on_step: OnStep, governor: Governor, profile: ClaudeProfile
    ) -> None:
        self._clock = clock
        self._on_step = on_step
        self._governor = governor
        self._profile = profile
        self._price = profile.price()
        self._open: dict[str, tuple[str, Mapping[str, Any], float]] = {}
        self._names: set[str] = set()
        self._reading = Usage()
        self._answer: object = None
        self._result: ResultMessage | None = None
        self.begun = False

    async def take(self, message: "Message") -> None:
        """Take the next message.

        Raises:
            AgentUnavailable: the session is not as it must be.
            AgentLimitReached: the run has used up a bound.
        """
        import claude_agent_sdk as sdk

        match message:
            case sdk.SystemMessage(subtype="init", data=data):
                check_session(data, self._profile.allowed)
                self.begun = True
            case sdk.StreamEvent(event=event):
                await self._streamed(event)
            case sdk.AssistantMessage(content=blocks):
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

    async def _streamed(self, event: Mapping[str, Any]) -> None:
        """Count a call of the model at its end: what it read is told at its start only."""
        if event.get("type") == "message_start":
            self._reading = usage_of(event.get("message", {}).get("usage"))
        elif event.get("type") == "message_delta" and event.get("usage"):
            written = int(event["usage"].get("output_tokens") or 0)
            usage = replace(self._reading, turns=1, output_tokens=written)
            usage = replace(usage, cost_usd=self._price.of(usage))
            self._governor.model_called(usage)
            await self._on_step(SpentStep(self._governor.usage))
            over = self._governor.over()
            # The answer may be in the very message that was too much.
            if over is not None and self._answer is None:
                raise over

    async def _said(self, block: object) -> None:
        import claude_agent_sdk as sdk

        if isinstance(block, sdk.TextBlock) and block.text.strip():
            await self._on_step(TextStep(block.text))
        elif isinstance(block, sdk.ToolUseBlock) and block.name == ANSWER:
            self._answer = block.input
        elif isinstance(block, sdk.ToolUseBlock):
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
        answer = result.structured_output
        failure = ending.failure(ended(result, answered=answer is not None))
        if failure is not None:
            if result.subtype != "error_max_budget_usd" or self._answer is None:
                raise failure
            # The call that carried the answer was the one that crossed the budget.
            answer = self._answer
        return Report(
            schema.diagnosis(answer),
            engine=ENGINE,
            model=self._profile.model,
            usage=self.usage(),
            session=result.session_id,
        )

    def reply(self) -> Reply:
        """The answer in words, or the error that says why there is none."""
        result = self._result
        if result is None:
            raise ending.error(ending.OTHER, "it ended without a result")
        said = (result.result or "").strip()
        failure = ending.failure(ended(result, answered=bool(said)))
        if failure is not None:
            raise failure
        return Reply(
            clean(said),
            engine=ENGINE,
            model=self._profile.model,
            usage=self.usage(),
            session=result.session_id,
        )

    def usage(self) -> Usage:
        """What the run has used; the command line's own count where there is one."""
        counted = self._governor.usage
        if self._result is None or not usage_of(self._result.usage).output_tokens:
            return counted
        total = replace(usage_of(self._result.usage), turns=counted.turns)
        told = self._result.total_cost_usd
        if told is None or self._profile.max_budget_usd is None:
            told = self._price.of(total)
        return replace(total, cost_usd=told)


def ended(result: "ResultMessage", *, answered: bool) -> ending.Ending:
    """How a run ended, in our words."""
    return ending.Ending(
        subtype=result.subtype,
        is_error=result.is_error,
        terminal_reason=result.terminal_reason,
        stop_reason=result.stop_reason,
        status=result.api_error_status,
        text=result.result or "; ".join(result.errors or ()),
        answered=answered,
    )


def check_session(data: Mapping[str, Any], allowed: Collection[str] = ALLOWED) -> None:
    """A tool server that failed to start is no error for the command line; for us it is."""
    servers = [(item.get("name"), item.get("status")) for item in data.get("mcp_servers", ())]
    if servers != [(SERVER, "connected")]:
        raise AgentUnavailable(
            f"the agent has no tool server: {servers}",
            "run `sre-daemon tools --phase investigate` to see why",
            FaultKind.TOOLS,
        )
    tools = set(data.get("tools", ())) - {ANSWER}
    if tools != set(allowed):
        wrong = ", ".join(sorted(tools ^ set(allowed)))
        raise AgentUnavailable(
            f"the agent does not have exactly the reading tools: {wrong}",
            "daemon, tool server and SDK do not fit together: install them anew",
            FaultKind.TOOLS,
        )


def _text(content: object) -> str:
    if isinstance(content, str):
        return content
    blocks = content if isinstance(content, list) else []
    return "\n".join(block["text"] for block in blocks if block.get("type") == "text")


def usage_of(counted: Mapping[str, Any] | None) -> Usage:
    """The tokens that the API counted."""
    tokens = counted or {}
    return Usage(
        input_tokens=int(tokens.get("input_tokens") or 0),
        output_tokens=int(tokens.get("output_tokens") or 0),
        cache_read_tokens=int(tokens.get("cache_read_input_tokens") or 0),
        cache_write_tokens=int(tokens.get("cache_creation_input_tokens") or 0),
    )
