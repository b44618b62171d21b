"""The guardrails file as the daemon reads it: ranges per key that hold whatever the policy says.

The tool server has its own reading (mcp_tools/guard/guardrails.py), so that a value out of range
must get past two programs; a contract test keeps the two alike.
"""

import math
import re
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from sre_daemon import documents
from sre_daemon.domain.effect import ConfigSet, Effect
from sre_daemon.errors import ConfigError

INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?", re.ASCII)


class Range(BaseModel):
    """What a value may be: a number within bounds, or one of a list of words."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    type: Literal["integer", "number", "enum"]
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def bounded(self) -> "Range":
        """Nothing may be left open."""
        if self.type == "enum":
            if not self.values:
                raise ValueError("an enum needs `values`")
        elif self.min is None or self.max is None or not math.isfinite(self.min + self.max):
            raise ValueError("a number needs finite `min` and `max`")
        return self

    def holds(self, value: str) -> bool:
        """Whether the text is within the range."""
        if self.type == "enum":
            return value in self.values
        form = INTEGER if self.type == "integer" else NUMBER
        if form.fullmatch(value) is None:
            return False
        return Decimal(str(self.min)) <= Decimal(value) <= Decimal(str(self.max))


class Guardrails(BaseModel):
    """The file: path to key to range."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal[1] = 1
    files: dict[str, dict[str, Range]] = Field(default_factory=dict)

    def complaint(self, effects: Sequence[Effect]) -> str:
        """Why one of the effects is out of range, or not listed; empty when none is."""
        for effect in effects:
            if not isinstance(effect, ConfigSet):
                continue
            allowed = self.files.get(effect.path, {}).get(effect.key)
            if allowed is None:
                return f"the guardrails do not list {effect.key} of {effect.path}"
            if not allowed.holds(effect.after):
                return f"{effect.after!r} for {effect.key} is outside the guardrails"
        return ""


class GuardrailFile:
    """One file, or none; read again for every effect."""

    def __init__(self, path: Path | None) -> None:
        self._path = path

    def complaint(self, effects: Sequence[Effect]) -> str:
        """The same as above; a file that cannot be read is a complaint, too."""
        if self._path is None:
            return ""
        try:
            found = documents.load(self._path, Guardrails)
        except ConfigError as failure:
            return f"the guardrails cannot be used: {failure.reason}"
        return found.complaint(effects)
