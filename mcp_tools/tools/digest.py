"""Log lines by level, and what repeats in them: pure functions over hostile text."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import datetime
from enum import StrEnum

from mcp_tools import redaction
from mcp_tools.redaction import MARK, hide
from mcp_tools.spec import clean, clip

HEAD = 400
MAX_LINE = 300
MAX_TEMPLATE = 160


class Severity(StrEnum):
    """The level of a line; `other` has no level that we know."""

    ERROR = "error"
    WARN = "warn"
    INFO = "info"
    OTHER = "other"


LEVELS = (
    (
        re.compile(
            r"\b(?:ERROR|ERR|CRITICAL|CRIT|FATAL|PANIC|ALERT|EMERG)\b|\b(?:error|fatal|panic|critical)\b(?=[:\]\" ])"
            r"|\b[A-Z]\w{0,60}(?:Error|Exception)\b|^Traceback \("
        ),
        Severity.ERROR,
    ),
    (re.compile(r"\b(?:WARNING|WARN)\b|\b(?:warning|warn)\b(?=[:\]\" ])"), Severity.WARN),
    (re.compile(r"\b(?:INFO|NOTICE|LOG)\b|\b(?:info|notice)\b(?=[:\]\" ])"), Severity.INFO),
)
EXPLICIT = re.compile(
    r"(?:\blevel|\bseverity|\"levelname\")[\"']?\s?[=:]\s?[\"']?([A-Za-z]{1,10})", re.ASCII
)
NAMES = {
    **dict.fromkeys(("error", "err", "critical", "crit", "fatal", "panic"), Severity.ERROR),
    **dict.fromkeys(("warning", "warn"), Severity.WARN),
    **dict.fromkeys(("info", "notice", "log"), Severity.INFO),
    **dict.fromkeys(("debug", "trace"), Severity.OTHER),
}
STAMP = re.compile(
    r"(?<!\d)(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d)(?:[.,](\d{1,9}))?(Z| ?[+-]\d\d:?\d\d| UTC\b)?",
    re.ASCII,
)
VARIABLE = re.compile(
    r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{12,64}\b"
    r"|\d+(?:[-:.,T/]\d+)*(?:Z\b|[+]\d\d:?\d\d)?",
    re.ASCII,
)


MASKS = re.compile(r"\*{3}[0-9a-f]{4}")


def severity(line: str) -> Severity:
    """The level of one line: an explicit field first, then the first level word of its head."""
    head = line[:HEAD]
    explicit = EXPLICIT.search(head)
    if explicit and explicit[1].lower() in NAMES:
        return NAMES[explicit[1].lower()]
    # The level word stands before the message, so the earliest one counts: an INFO line about an
    # error stays an INFO line.
    found = [(match.start(), level) for form, level in LEVELS if (match := form.search(head))]
    return min(found)[1] if found else Severity.OTHER


def safe(lines: Sequence[str]) -> list[str]:
    """The lines without secrets that only show in several lines together, such as private keys."""
    return redaction.hide("\n".join(lines)).split("\n") if lines else []


def leveled(lines: Iterable[str]) -> list[tuple[Severity, str]]:
    """Each line with its level; an indented line belongs to the one before."""
    result: list[tuple[Severity, str]] = []
    for line in lines:
        level = severity(line)
        if line[:1] in {" ", "\t"} and result and level is Severity.OTHER:
            level = result[-1][0]
        result.append((level, line))
    return result


def tidy(line: str) -> str:
    """One line made safe to show: cleaned, secrets masked, cut."""
    return clip(hide(clean(line[: MAX_LINE * 4])).rstrip(), MAX_LINE)


def template(line: str) -> str:
    """The line with everything that varies (numbers, times, ids) written as `<*>`."""
    return clip(VARIABLE.sub("<*>", MASKS.sub(MARK, tidy(line))), MAX_TEMPLATE)


def templates(lines: Iterable[str], limit: int, budget: int = 4000) -> list[tuple[str, int]]:
    """The most frequent templates with their counts, in about `budget` characters."""
    found: list[tuple[str, int]] = []
    for text, count in Counter(map(template, filter(str.strip, lines))).most_common(limit):
        budget -= len(text) + 40
        if budget < 0 and found:
            break
        found.append((text, count))
    return found


def last(lines: Sequence[str], count: int, budget: int) -> list[str]:
    """The last lines, tidied, oldest first: at most `count`, and in about `budget` characters."""
    kept: list[str] = []
    for line in reversed(lines[-count:]):
        shown = tidy(line)
        budget -= len(json.dumps(shown)) + 2
        if budget < 0 and kept:
            break
        kept.append(shown)
    return kept[::-1]


def moment(line: str) -> float | None:
    """The time that a line begins with, in Unix seconds; without a zone it is UTC."""
    match = STAMP.search(line[:HEAD])
    if match is None:
        return None
    day, clock, fraction, zone = match.groups()
    try:
        at = datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]}{_zone(zone)}")
    except ValueError:
        return None
    return at.timestamp()


def _zone(text: str | None) -> str:
    zone = (text or "Z").strip()
    return "Z" if zone == "UTC" else zone


def within(
    rows: Iterable[tuple[Severity, str]], start: float, end: float
) -> tuple[list[tuple[Severity, str]], bool]:
    """The rows between two times; one without a time belongs to the one before.

    Returns:
        The rows, and whether any line had a time at all. Without one, nothing can be left out.
    """
    kept, stamped, inside = [], False, True
    for row in rows:
        at = moment(row[1])
        if at is not None:
            stamped, inside = True, start <= at <= end
        if inside:
            kept.append(row)
    return kept, stamped
