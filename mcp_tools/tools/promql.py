"""What a query may cost. Prometheus' own time-out and sample limit do not stop a large subquery.

Read from the text of the query, without a full parser: ranges and steps in brackets, and
selectors in braces. What cannot be read is refused.
"""

import re
from datetime import datetime, timedelta

from mcp_tools.errors import ToolError

MAX_QUERY_BYTES = 2048
MAX_RANGE_SECONDS = 6 * 3600
MAX_POINTS = 11_000
# The step that a subquery without one gets from Prometheus' configuration is not known here.
ASSUMED_STEP = 1.0

STRING = re.compile(r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|`[^`]*`")
COMMENT = re.compile(r"#[^\n]*")
TOKEN = re.compile(f"{STRING.pattern}|{COMMENT.pattern}")
BRACKET = re.compile(r"\[([^\[\]]*)\]")
SELECTOR = re.compile(r"([A-Za-z0-9_:.]*)\s*\{([^{}]*)\}")
EQUALITY = re.compile(
    r"(?:^|,)\s*(?:[A-Za-z_][A-Za-z0-9_]*|\"x\")\s*=\s*\"x\"|(?:^|,)\s*\"x\"\s*(?=,|$)"
)
DURATION = re.compile(r"(?:[0-9]+(?:ms|[smhdwy]))+", re.ASCII)
PART = re.compile(r"([0-9]+)(ms|[smhdwy])", re.ASCII)
NUMBER = re.compile(r"[0-9]{1,12}(?:\.[0-9]{1,9})?", re.ASCII)
UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31536000}
OPERATORS = {
    "and",
    "or",
    "unless",
    "bool",
    "atan2",
    "offset",
    "by",
    "without",
    "on",
    "ignoring",
} | {*("group_left", "group_right", "default", "if", "ifnot")}
NARROW = "Narrow the query."


def seconds(text: str) -> float:
    """A duration such as `90s`, `1h30m` or `15` in seconds.

    Raises:
        ToolError: it is not written like that.
    """
    text = text.strip()
    if NUMBER.fullmatch(text):
        return float(text)
    if not DURATION.fullmatch(text):
        raise ToolError(f"{text!r} is not a duration.", "Write it like 30s, 5m or 1h30m.")
    return float(sum(int(number) * UNITS[unit] for number, unit in PART.findall(text)))


def moment(text: str, now: datetime) -> float:
    """A time in Unix seconds: Unix seconds, RFC 3339, `now`, or `now-15m`.

    Raises:
        ToolError: it is not written like that.
    """
    text = text.strip()
    if NUMBER.fullmatch(text):
        return float(text)
    if text == "now":
        return now.timestamp()
    if text.startswith("now-"):
        return now.timestamp() - seconds(text.removeprefix("now-"))
    try:
        at = datetime.fromisoformat(text)
        return (at if at.tzinfo else at.replace(tzinfo=now.tzinfo)).timestamp()
    except (ValueError, OverflowError):
        raise ToolError(
            f"{text!r} is not a time.", "Write Unix seconds, RFC 3339, now, or now-15m."
        ) from None


def check(promql: str, steps: float = 1) -> None:
    """Refuse a query that could be too expensive; `steps` is how often it will be evaluated.

    Raises:
        ToolError: why, and what to write instead.
    """
    if not promql.strip():
        raise ToolError("The query is empty.", "Write a PromQL expression.")
    if len(promql.encode("utf-8", "replace")) > MAX_QUERY_BYTES:
        raise ToolError(f"The query is longer than {MAX_QUERY_BYTES} bytes.", NARROW)
    bare = TOKEN.sub(_blank, promql)
    points = max(steps, 1.0)
    for content in BRACKET.findall(bare):
        points *= _points(content)
        if points > MAX_POINTS:
            raise ToolError(
                f"The query would compute more than {MAX_POINTS} points per series.",
                "Use a shorter range or a larger step.",
            )
    for name, matchers in SELECTOR.findall(bare):
        named = name and name.lower() not in OPERATORS and not name[0].isdigit()
        if not named and not EQUALITY.search(matchers):
            raise ToolError(
                "A selector without a metric name and without an equality matcher reads everything.",
                'Name the metric, or add a matcher such as job="api-server".',
            )


def _blank(match: re.Match[str]) -> str:
    """A string as "x", or "" when it is empty; a comment as nothing."""
    token = match.group()
    if token.startswith("#"):
        return " "
    return '"x"' if len(token) > 2 else '""'


def _points(content: str) -> float:
    """How many times the inner expression of a subquery is evaluated; 1 for a plain range."""
    length, colon, step = content.partition(":")
    duration = seconds(length)
    if duration > MAX_RANGE_SECONDS:
        hours = timedelta(seconds=MAX_RANGE_SECONDS) // timedelta(hours=1)
        raise ToolError(f"The range [{content}] is longer than {hours} hours.", NARROW)
    if not colon:
        return 1.0
    every = seconds(step) if step.strip() else ASSUMED_STEP
    return max(duration / max(every, 0.001), 1.0)
