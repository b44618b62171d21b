"""What a policy may allow: one effect on one target each, named literally, with bounds for what varies."""

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator

from sre_daemon.domain.effect import (
    ConfigSet,
    Effect,
    PostmortemWrite,
    ServiceRedeploy,
    ServiceRestart,
)
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


Allow = Annotated[AllowConfigSet | AllowService | AllowPostmortem, Field(discriminator="effect")]
