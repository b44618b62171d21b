"""What every group of settings is made of: strict, frozen, with durations as Prometheus writes them."""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict

UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
DURATION = re.compile(r"(\d+)(ms|s|m|h|d|w)", re.ASCII)


def parse_duration(value: object) -> object:
    """A Prometheus duration ("90s", "1h30m") as a timedelta; anything else is left to pydantic."""
    if isinstance(value, str) and value and DURATION.sub("", value) == "":
        parts = DURATION.findall(value)
        return timedelta(seconds=sum(int(number) * UNITS[unit] for number, unit in parts))
    if isinstance(value, timedelta):
        return value
    raise ValueError("write a duration such as 30s, 5m or 1h30m")


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class Group(BaseModel):
    """A frozen group of settings that refuses unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)
