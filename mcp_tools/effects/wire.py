"""Effects as they travel: flat JSON objects of text whose field `effect` names the kind.

The daemon has its own reading of the same form (sre_daemon/domain/effect.py); neither side trusts
the other's, and a contract test keeps them alike.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, get_args

from mcp_tools.effects.outward import (
    ConfluenceCreate,
    PagerDutyCreate,
    PagerDutyUpdate,
    SilenceCreate,
)
from mcp_tools.errors import ToolError


@dataclass(frozen=True, slots=True)
class ConfigSet:
    """One key of one configuration file gets another value; values are the text in the file."""

    kind: ClassVar[str] = "config.set"
    path: str
    key: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class ServiceRestart:
    """A service is stopped and started as it is."""

    kind: ClassVar[str] = "service.restart"
    service: str


@dataclass(frozen=True, slots=True)
class ServiceRedeploy:
    """A service is recreated, so that it picks up its configuration."""

    kind: ClassVar[str] = "service.redeploy"
    service: str


@dataclass(frozen=True, slots=True)
class PostmortemWrite:
    """A post-mortem is written to the folder of post-mortems."""

    kind: ClassVar[str] = "postmortem.write"
    title: str


@dataclass(frozen=True, slots=True)
class McpCall:
    """A writing tool of an attached MCP server is called; `arguments` is JSON text in one fixed form."""

    kind: ClassVar[str] = "mcp.call"
    server: str
    tool: str
    arguments: str


OnSystems = ConfigSet | ServiceRestart | ServiceRedeploy | PostmortemWrite | McpCall
Outward = PagerDutyCreate | PagerDutyUpdate | ConfluenceCreate | SilenceCreate
Effect = OnSystems | Outward
KINDS: Mapping[str, type[Effect]] = {cls.kind: cls for cls in get_args(Effect)}


def to_json(effect: Effect) -> dict[str, str]:
    """The wire form."""
    return {"effect": effect.kind, **asdict(effect)}


def from_json(data: object) -> Effect:
    """Read the wire form strictly.

    Raises:
        ToolError: unknown kind, or fields that are missing, unknown or not text.
    """
    if not isinstance(data, Mapping):
        raise ToolError("An effect is an object with the field 'effect'.")
    values: dict[str, Any] = dict(data)
    kind = values.pop("effect", None)
    cls = KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise ToolError(f"Unknown effect {kind!r}.", f"Known: {', '.join(KINDS)}.")
    expected = {field.name for field in fields(cls)}
    if set(values) != expected or not all(isinstance(item, str) for item in values.values()):
        raise ToolError(f"{kind} needs exactly the fields {sorted(expected)}, all of them text.")
    return cls(**values)
