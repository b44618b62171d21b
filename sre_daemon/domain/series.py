"""Samples of a query over time, as kept with an incident, and where its condition changes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

NUMBER = re.compile(r"\s*(bool\s+)?(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)\s*", re.IGNORECASE)
COMPARISONS = ("==", "!=", ">=", "<=", ">", "<")
OPENING, CLOSING = "([{", ")]}"


@dataclass(frozen=True, slots=True)
class Point:
    """One sample."""

    at: datetime
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """A query and its samples, in order. `condition` is what the policy or the rule says of it."""

    condition: str
    points: Sequence[Point]


@dataclass(frozen=True, slots=True)
class Condition:
    """A condition taken apart: the query of its left side, the comparison, the number.

    Without a comparison with a number at its top, `query` is the whole and `limit` None.
    """

    query: str
    operator: str = ""
    limit: float | None = None


def take_apart(condition: str) -> Condition:
    """`sum(rate(x[1m])) < 1` as query, comparison and number: a filtered query has no line to draw."""
    found: list[tuple[int, str]] = []
    depth, quote, place = 0, "", 0
    while place < len(condition):
        char = condition[place]
        if quote:
            place += 1 if char == "\\" else 0
            quote = "" if char == quote else quote
        elif char in "\"'`":
            quote = char
        elif char in OPENING:
            depth += 1
        elif char in CLOSING:
            depth -= 1
        elif depth == 0 and (operator := _comparison(condition, place)):
            found.append((place, operator))
            place += len(operator) - 1
        place += 1
    if len(found) != 1 or _joined(condition):
        return Condition(condition)
    (at, operator) = found[0]
    number = NUMBER.fullmatch(condition[at + len(operator) :])
    if number is None:
        return Condition(condition)
    return Condition(condition[:at].strip(), operator, float(number[2]))


def _comparison(text: str, place: int) -> str:
    return next((item for item in COMPARISONS if text.startswith(item, place)), "")


def _joined(condition: str) -> bool:
    """Whether a set operator stands in it: then there is more than one line to draw."""
    return re.search(r"\b(and|or|unless)\b", condition, re.IGNORECASE) is not None
