"""Tools of attached servers: those classified as reading, and, when writing is possible, as writing.

A write is the effect `mcp.call`, with its arguments in one fixed form, and asks the gate like
every other. What is not classified does not exist here.
"""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp_tools.clients.attached import Attached
from mcp_tools.effects import McpCall
from mcp_tools.effects.form import canonical
from mcp_tools.errors import ToolError
from mcp_tools.spec import Output, Phase, clean, clip, visible_json
from mcp_tools.tools.context import Context, shielded

MAX_DESCRIPTION = 1500
MAX_TEXT = 16_000
MAX_DATA = 16_000
MAX_ARGUMENTS = 4_000
ANY_OBJECT = {"type": "object"}


@dataclass(frozen=True, slots=True)
class Foreign:
    """A classified tool of an attached server; `writes` as the operator says, not as it says itself."""

    server: Attached
    tool: str
    writes: bool

    @property
    def name(self) -> str:
        """What our clients call it."""
        return f"{self.server.name}__{self.tool}"


@dataclass(frozen=True, slots=True)
class Face:
    """How a foreign tool is shown: its own words and schema, or why there are none."""

    foreign: Foreign
    description: str
    schema: Mapping[str, Any]


class AttachedOutput(Output):
    """Result of a tool of an attached server."""

    server: str
    tool: str
    text: str
    data: Any = None
    truncated: bool = False

    def render(self) -> str:
        """Its text."""
        note = "\n(The rest was left out: ask for less.)" if self.truncated else ""
        return f"{self.server}, {self.tool}:\n{self.text}{note}"


def registered(context: Context, phase: Phase) -> dict[str, Foreign]:
    """The tools of a phase by their names here."""
    found = [
        Foreign(server, tool, writes=kind == "write")
        for server in context.attached
        for tool, kind in server.settings.tools.items()
        if kind == "read" or (kind == "write" and phase is not Phase.INVESTIGATE)
    ]
    return {foreign.name: foreign for foreign in found}


async def faces(foreign: Mapping[str, Foreign]) -> list[Face]:
    """All of them, also those whose server does not answer: the list depends on settings alone."""
    servers = list({item.server.name: item.server for item in foreign.values()}.values())
    answers = await asyncio.gather(*(server.tools() for server in servers), return_exceptions=True)
    offered: dict[str, Any] = {}
    for server, answer in zip(servers, answers, strict=True):
        if isinstance(answer, BaseException) and not isinstance(answer, ToolError):
            raise answer
        offered[server.name] = answer
    return [_face(item, offered[item.server.name]) for item in foreign.values()]


def _face(foreign: Foreign, offered: Any) -> Face:
    server = foreign.server.name
    if isinstance(offered, ToolError):
        return Face(foreign, str(offered), ANY_OBJECT)
    tool = offered.get(foreign.tool)
    if tool is None:
        return Face(
            foreign, f"The attached server {server} has no tool {foreign.tool}.", ANY_OBJECT
        )
    words = clip(clean(tool.description or "no description"), MAX_DESCRIPTION)
    verb = "writes; only when the policy allows it now" if foreign.writes else "reads"
    schema = visible_json(tool.input_schema)
    return Face(foreign, f"[tool of the attached server {server}; {verb}] {words}", schema)


async def call(context: Context, foreign: Foreign, arguments: dict[str, Any]) -> AttachedOutput:
    """Pass a call on; a writing one only after the gate has allowed exactly it.

    Raises:
        Refused: the gate says no.
        ToolError: the server does, or does not answer.
    """
    if not foreign.writes:
        return await _passed_on(foreign, arguments)
    text = canonical(arguments)
    if len(text) > MAX_ARGUMENTS:
        raise ToolError(
            f"The arguments are longer than {MAX_ARGUMENTS} characters.", "Shorten them."
        )
    # A tool that is gone must not cost an effect that was planned.
    if foreign.tool not in await foreign.server.tools():
        raise ToolError(f"The attached server {foreign.server.name} has no tool {foreign.tool}.")
    effect = McpCall(foreign.server.name, foreign.tool, text)
    async with context.writing, shielded():
        await context.guard.ask(foreign.name, [effect])
        return await _passed_on(foreign, json.loads(text))


async def _passed_on(foreign: Foreign, arguments: dict[str, Any]) -> AttachedOutput:
    answer = await foreign.server.call(foreign.tool, arguments)
    text = "\n".join(map(_text, answer.content))
    if answer.is_error:
        raise ToolError(
            f"{foreign.server.name} says: {clip(clean(text), 2000)}",
            "Correct the arguments, or go on with another tool.",
        )
    data = answer.structured_content
    large = data is not None and len(json.dumps(data)) > MAX_DATA
    return AttachedOutput(
        server=foreign.server.name,
        tool=foreign.tool,
        text=clip(text, MAX_TEXT),
        data=None if large else data,
        truncated=large or len(text) > MAX_TEXT,
    )


def _text(block: Any) -> str:
    """A piece of the answer; what is no text is only named."""
    if block.type == "text":
        return str(block.text)
    if block.type == "resource" and hasattr(block.resource, "text"):
        return str(block.resource.text)
    return f"({block.type} left out)"
