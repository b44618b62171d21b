"""How tools and their results look on the wire: cleaned, without secrets, bounded, text beside structure."""

import json
from typing import Any

import mcp_types as types
from pydantic import ValidationError

from mcp_tools import redaction
from mcp_tools.registry import Tool
from mcp_tools.spec import Output, clean, clip, visible_json
from mcp_tools.tools.attached import AttachedOutput, Face

# The command line of the agent SDK replaces results above 50,000 characters by a file that the
# model cannot read.
MAX_CHARACTERS = 39_000


def describe(tool: Tool) -> types.Tool:
    """A tool as clients see it."""
    spec = tool.spec
    return types.Tool(
        name=spec.name,
        title=spec.title,
        description=spec.description,
        input_schema=untitled(spec.input.model_json_schema()),
        output_schema=untitled(spec.output.model_json_schema()),
        annotations=types.ToolAnnotations(
            title=spec.title,
            read_only_hint=spec.read_only,
            destructive_hint=spec.destructive,
            idempotent_hint=spec.idempotent,
            open_world_hint=False,
        ),
    )


def describe_foreign(face: Face) -> types.Tool:
    """A tool of an attached server as our clients see it."""
    reads = not face.foreign.writes
    return types.Tool(
        name=face.foreign.name,
        description=presentable(face.description),
        input_schema={"type": "object"} | untitled(dict(face.schema)),
        output_schema=untitled(AttachedOutput.model_json_schema()),
        annotations=types.ToolAnnotations(
            read_only_hint=reads,
            destructive_hint=not reads,
            idempotent_hint=False,
            open_world_hint=True,
        ),
    )


def untitled(schema: Any) -> Any:
    """A JSON schema without the generated titles, which only repeat the names."""
    if isinstance(schema, dict):
        return {
            name: untitled(value)
            for name, value in schema.items()
            if name != "title" or not isinstance(value, str)
        }
    return [untitled(item) for item in schema] if isinstance(schema, list) else schema


def succeeded(call: str, output: Output) -> types.CallToolResult:
    """A result with structure and text."""
    output.call = call
    structure = redaction.data(visible_json(output.model_dump(mode="json", exclude_unset=True)))
    if len(json.dumps(structure)) > MAX_CHARACTERS:
        return failed(
            call, "The result is too large. Ask for less: filter, aggregate, fewer lines."
        )
    return types.CallToolResult(
        content=[types.TextContent(text=presentable(f"[{call}] {output.render()}"))],
        structured_content=structure,
    )


def failed(call: str, text: str) -> types.CallToolResult:
    """An error result."""
    content = types.TextContent(text=presentable(f"[{call}] {text}"))
    return types.CallToolResult(content=[content], is_error=True)


def presentable(text: str) -> str:
    """Text as it may leave this process."""
    return clip(redaction.hide(clean(text)), MAX_CHARACTERS)


def mistakes(failure: ValidationError) -> str:
    """What is wrong with the arguments, in a line."""
    items = failure.errors(include_url=False, include_context=False, include_input=False)
    return "; ".join(
        f"{'.'.join(map(str, item['loc'])) or 'arguments'}: {item['msg']}" for item in items[:5]
    )


def usage(tool: Tool) -> str:
    """How the tool is called."""
    names = [
        f"{name}{'' if field.is_required() else '?'}"
        for name, field in tool.spec.input.model_fields.items()
    ]
    return f"Call {tool.spec.name}({', '.join(names)})."
