"""What a policy may allow: one effect on one target each, named literally, with bounds for what varies."""

import json
import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from sre_daemon.domain import form
from sre_daemon.domain.effect import (
    ConfigSet,
    Effect,
    McpCall,
    PostmortemWrite,
    ServiceRedeploy,
    ServiceRestart,
)
from sre_daemon.policy.outward import AllowIncident, AllowIncidentUpdate, AllowPage, AllowSilence
from sre_daemon.policy.part import Part
from sre_daemon.policy.value import Value

SERVICE = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"


class AllowConfigSet(Part):
    """One key of one file may be set."""

    effect: Literal["config.set"]
    path: str
    """Below config/, literally."""
    key: str = Field(min_length=1, max_length=256, pattern=r"^[^\s*?\[\]]+$")
    """Literally."""
    value: Value
    """Bounds of the new value."""

    @field_validator("path")
    @classmethod
    def below_config(cls, path: str) -> str:
        """Only plain paths below config/."""
        parts = path.split("/")
        plain = re.fullmatch(r"[A-Za-z0-9_.-]+(/[A-Za-z0-9_.-]+)+", path, re.ASCII)
        if plain is None or parts[0] != "config" or {".", ".."} & set(parts):
            raise ValueError("must be a plain path below config/, such as config/api.env")
        return path

    def covers(self, effect: Effect) -> bool:
        """Whether it is about the same file and key."""
        return isinstance(effect, ConfigSet) and (effect.path, effect.key) == (self.path, self.key)

    def allows(self, effect: Effect) -> bool:
        """Whether the value is within the bounds too."""
        return (
            self.covers(effect)
            and isinstance(effect, ConfigSet)
            and self.value.allows(effect.after)
        )


class AllowService(Part):
    """One service may be restarted or redeployed."""

    effect: Literal["service.restart", "service.redeploy"]
    service: str = Field(pattern=SERVICE)
    """Literally."""

    def covers(self, effect: Effect) -> bool:
        """Whether it is this effect on this service."""
        return (
            isinstance(effect, ServiceRestart | ServiceRedeploy)
            and effect.kind == self.effect
            and effect.service == self.service
        )

    def allows(self, effect: Effect) -> bool:
        """The same: there is no value to bound."""
        return self.covers(effect)


class AllowPostmortem(Part):
    """A post-mortem may be written by the tool server."""

    effect: Literal["postmortem.write"]

    def covers(self, effect: Effect) -> bool:
        """Whether it is this effect."""
        return isinstance(effect, PostmortemWrite)

    def allows(self, effect: Effect) -> bool:
        """The same."""
        return self.covers(effect)


class AllowCall(Part):
    """One writing tool of an attached MCP server may be called with arguments within bounds."""

    effect: Literal["mcp.call"]
    server: str = Field(pattern=r"^[a-z][a-z0-9-]{0,24}$")
    """The name that the settings give it, literally."""
    tool: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,64}$")
    """Its name on that server, literally."""
    arguments: dict[str, Value] = Field(default_factory=dict)
    """Bounds of each argument; a call must have exactly these, each a text, a number or a boolean."""

    def covers(self, effect: Effect) -> bool:
        """Whether it is this tool."""
        return isinstance(effect, McpCall) and (effect.server, effect.tool) == (
            self.server,
            self.tool,
        )

    def allows(self, effect: Effect) -> bool:
        """Whether every argument is named and within its bounds."""
        if not self.covers(effect) or not isinstance(effect, McpCall):
            return False
        given = form.read(effect.arguments)
        return (
            given is not None
            and given.keys() == self.arguments.keys()
            and all(_within(self.arguments[name], value) for name, value in given.items())
        )


def _within(bounds: Value, value: object) -> bool:
    kinds: dict[str, tuple[type, ...]] = {
        "integer": (int,),
        "number": (int, float),
        "boolean": (bool,),
        "string": (str,),
    }
    # To Python a boolean is an integer, to other servers it is none.
    fits = type(value) in kinds[bounds.type]
    return fits and bounds.allows(value if isinstance(value, str) else json.dumps(value))


OnSystems = AllowConfigSet | AllowService | AllowPostmortem | AllowCall
Outward = AllowIncident | AllowIncidentUpdate | AllowPage | AllowSilence
Allow = Annotated[OnSystems | Outward, Field(discriminator="effect")]
