"""Value ranges per configuration key. They hold whatever the gate says, and before it is asked."""

import math
import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from mcp_tools.effects import ConfigSet
from mcp_tools.effects.document import Document
from mcp_tools.effects.edit import PROTECTED
from mcp_tools.errors import Refused
from mcp_tools.redaction import shown
from mcp_tools.settings import read_yaml

RULE = "guardrail"
INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
NUMBER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})(?:\.[0-9]{1,18})?", re.ASCII)


class Range(BaseModel):
    """What a value may be: a number within bounds, or one of a list of words."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    type: Literal["integer", "number", "enum"]
    min: float | None = None
    max: float | None = None
    values: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _has_bounds(self) -> Self:
        if self.type == "enum":
            if not self.values:
                raise ValueError("an enum needs `values`")
        elif self.min is None or self.max is None or not math.isfinite(self.min + self.max):
            raise ValueError("a number needs finite `min` and `max`")
        return self

    def complaint(self, value: str) -> str:
        """Why the value is not acceptable, or empty."""
        if self.type == "enum":
            return "" if value in self.values else f"is none of {', '.join(self.values)}"
        form = INTEGER if self.type == "integer" else NUMBER
        if not form.fullmatch(value):
            return f"is not written as a plain {self.type}"
        try:
            number = Decimal(value)
        except InvalidOperation:  # pragma: no cover - the form above leaves nothing to fail
            return f"is not a {self.type}"
        low, high = Decimal(str(self.min)), Decimal(str(self.max))
        return "" if low <= number <= high else f"is outside {low} to {high}"


class Guardrails(BaseModel):
    """The guardrails file: file to key to range. `configured` is False when there is no file."""

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    version: Literal[1] = 1
    files: dict[str, dict[str, Range]] = Field(default_factory=dict)

    @classmethod
    def load(cls, path: Path | None) -> "Guardrails | None":
        """Read the file; None when there is none.

        Raises:
            SettingsError: the file is wrong, or gone.
        """
        return read_yaml(path, cls) if path is not None else None

    def check_document(self, path: str, document: Document) -> None:
        """Refuse when the file as it is breaks a range, or leaves open what a value is.

        Raises:
            Refused: naming the key.
        """
        for key, allowed in self.files.get(path, {}).items():
            entry = document.find(key)
            if entry is None:
                continue
            if key in document.duplicates:
                raise Refused(
                    RULE, f"{key} occurs more than once in {path}.", "Remove one by hand."
                )
            complaint = allowed.complaint(entry.value)
            if complaint:
                raise Refused(
                    RULE,
                    f"{key} in {path} is {shown(key, entry.value)!r}, which {complaint}.",
                    "Correct the file first.",
                )


def check_changes(guardrails: Guardrails | None, changes: Sequence[ConfigSet]) -> None:
    """Refuse changes that break a range, or that the guardrails do not list.

    Raises:
        Refused: naming the key.
    """
    for change in changes:
        keys = guardrails.files.get(change.path, {}) if guardrails is not None else {}
        allowed = keys.get(change.key)
        if allowed is None:
            if guardrails is not None:
                raise Refused(RULE, f"The guardrails do not list {change.key} of {change.path}.")
            if PROTECTED.search(change.path):
                raise Refused(
                    RULE, f"{change.path} is only writable where guardrails list its keys."
                )
            continue
        complaint = allowed.complaint(change.after)
        if complaint:
            raise Refused(RULE, f"{change.after!r} for {change.key} {complaint}.")
