"""Effects: the closed, typed vocabulary of writing. Whatever is not one of these cannot be done.

The wire form is a flat JSON object whose `effect` names the kind:

    {"effect": "config.set", "path": "config/api.env", "key": "POOL", "before": "1", "after": "20"}
    {"effect": "service.redeploy", "service": "api-server"}

`mcp_tools/effects/wire.py` has the tool server's own reading of the same form; neither side trusts the
other's, and a contract test keeps them alike.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, ClassVar, get_args

from sre_daemon.domain.outward import (
    ConfluenceCreate,
    PagerDutyCreate,
    PagerDutyUpdate,
    SilenceCreate,
)
from sre_daemon.errors import DaemonError


class EffectInvalid(DaemonError):
    """The wire form names no known effect, or has missing, extra or wrongly typed fields."""


@dataclass(frozen=True, slots=True)
class ConfigSet:
    """One key of one configuration file gets another value; values are the text in the file."""

    kind: ClassVar[str] = "config.set"
    path: str
    key: str
    before: str
    after: str

    @property
    def target(self) -> str:
        """What is changed; two incidents never change the same target at once."""
        return f"{self.path}#{self.key}"

    def describe(self) -> str:
        """For people."""
        return f"set {self.key} in {self.path} from {self.before!r} to {self.after!r}"

    def inverse(self) -> "ConfigSet":
        """The exact undoing."""
        return replace(self, before=self.after, after=self.before)


@dataclass(frozen=True, slots=True)
class ServiceRestart:
    """A service is stopped and started as it is."""

    kind: ClassVar[str] = "service.restart"
    service: str

    @property
    def target(self) -> str:
        """The service."""
        return f"service:{self.service}"

    def describe(self) -> str:
        """For people."""
        return f"restart {self.service}"

    def inverse(self) -> None:
        """A restart cannot be undone."""


@dataclass(frozen=True, slots=True)
class ServiceRedeploy:
    """A service is recreated, so that it picks up its configuration."""

    kind: ClassVar[str] = "service.redeploy"
    service: str

    @property
    def target(self) -> str:
        """The service."""
        return f"service:{self.service}"

    def describe(self) -> str:
        """For people."""
        return f"redeploy {self.service}"

    def inverse(self) -> "ServiceRedeploy":
        """Undoing a configuration change needs the same redeploy again."""
        return self


@dataclass(frozen=True, slots=True)
class PostmortemWrite:
    """A post-mortem is written to the folder of post-mortems."""

    kind: ClassVar[str] = "postmortem.write"
    title: str

    @property
    def target(self) -> str:
        """The post-mortem."""
        return f"postmortem:{self.title}"

    def describe(self) -> str:
        """For people."""
        return f"write the post-mortem {self.title!r}"

    def inverse(self) -> None:
        """Nothing to undo."""


@dataclass(frozen=True, slots=True)
class McpCall:
    """A writing tool of an attached MCP server is called; `arguments` is JSON text in one fixed form."""

    kind: ClassVar[str] = "mcp.call"
    server: str
    tool: str
    arguments: str

    @property
    def target(self) -> str:
        """The tool: what it touches is known to its server only."""
        return f"mcp:{self.server}/{self.tool}"

    def describe(self) -> str:
        """For people."""
        return f"call {self.tool} of the server {self.server} with {self.arguments}"

    def inverse(self) -> None:
        """Nobody knows how to undo what another server did."""


OnSystems = ConfigSet | ServiceRestart | ServiceRedeploy | PostmortemWrite | McpCall
Outward = PagerDutyCreate | PagerDutyUpdate | ConfluenceCreate | SilenceCreate
Effect = OnSystems | Outward
KINDS: Mapping[str, type[Effect]] = {cls.kind: cls for cls in get_args(Effect)}
# These are done only when a person agreed to exactly them, whatever level a policy has.
CONFIRMED = frozenset({ConfluenceCreate.kind})


def to_json(effect: Effect) -> dict[str, str]:
    """The wire form."""
    return {"effect": effect.kind, **asdict(effect)}


def from_json(data: object) -> Effect:
    """Read the wire form strictly.

    Raises:
        EffectInvalid: unknown kind, or fields that are missing, unknown or not text.
    """
    if not isinstance(data, Mapping):
        raise EffectInvalid("an effect is an object with the field 'effect'")
    fields: dict[str, Any] = dict(data)
    kind = fields.pop("effect", None)
    cls = KINDS.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise EffectInvalid(f"unknown effect {kind!r}", f"known: {', '.join(KINDS)}")
    expected = set(cls.__slots__)
    if set(fields) != expected:
        raise EffectInvalid(
            f"{kind} needs exactly the fields {sorted(expected)}, got {sorted(map(str, fields))}"
        )
    wrong = [name for name, value in fields.items() if not isinstance(value, str)]
    if wrong:
        raise EffectInvalid(f"{kind}: {', '.join(wrong)} must be text")
    return cls(**fields)


def digest(effects: "list[Effect] | tuple[Effect, ...]") -> str:
    """A name for exactly these effects in exactly this order (64 hex digits)."""
    canonical = json.dumps([to_json(effect) for effect in effects], sort_keys=True)
    return hashlib.sha256(canonical.encode()).hexdigest()
