"""Bounds of a value: what text may be written, or what argument may be given."""

import re
from typing import Literal

from pydantic import Field, PrivateAttr, model_validator

from sre_daemon.policy.part import Part
from sre_daemon.policy.regex import MAX_LENGTH, Expression

INTEGER = re.compile(r"-?(0|[1-9][0-9]{0,17})", re.ASCII)
NUMBER = re.compile(r"-?(0|[1-9][0-9]{0,17})(\.[0-9]{1,9})?", re.ASCII)


class Value(Part):
    """What the new value may be, as text in the file."""

    type: Literal["integer", "number", "boolean", "string"]
    """How the text is read."""
    min: float | None = Field(default=None, allow_inf_nan=False)
    """Smallest value, included."""
    max: float | None = Field(default=None, allow_inf_nan=False)
    """Largest value, included."""
    enum: tuple[str, ...] | None = None
    """The only texts that are allowed."""
    pattern: str | None = Field(default=None, max_length=MAX_LENGTH)
    """The whole text must match this expression."""

    _expression: Expression | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def bounded(self) -> "Value":
        """No value may be unbounded."""
        numeric = self.type in {"integer", "number"}
        if numeric and self.enum is None and (self.min is None or self.max is None):
            raise ValueError(f"an {self.type} needs min and max, or enum")
        if not numeric and (self.min is not None or self.max is not None):
            raise ValueError(f"min and max make no sense for a {self.type}")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise ValueError("min is greater than max, so nothing is allowed")
        if self.type == "string" and self.enum is None and self.pattern is None:
            raise ValueError("a string needs enum or pattern")
        if self.pattern is not None:
            self._expression = Expression(self.pattern)
        return self

    def allows(self, text: str) -> bool:
        """Whether this text is within the bounds."""
        if self.enum is not None and text not in self.enum:
            return False
        if self._expression is not None and not self._expression.matches(text):
            return False
        if self.type == "boolean":
            return text in {"true", "false"}
        if self.type == "string":
            return text.isprintable()
        form = INTEGER if self.type == "integer" else NUMBER
        if form.fullmatch(text) is None:
            return False
        # An integer beyond 2**53 would be rounded, perhaps into the bounds.
        number = int(text) if self.type == "integer" else float(text)
        return (self.min is None or number >= self.min) and (self.max is None or number <= self.max)
