"""docs/performance.md: every measurement has its block there, and writes no other."""

import os
import platform
import re
import sqlite3
from pathlib import Path

from bench.area import Finding, table

PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
HEAD = """\
# Performance

Made by `make bench`, or piece by piece by `python -m bench AREA.PART`.
What is compared runs side by side in one run, slice after slice in turn, so that a busy machine slows all of it down alike: believe the ratios, not the absolute numbers.
A number stands with its range over the repetitions in brackets.
"""


def write(name: str, title: str, found: Finding, file: Path = PAGE) -> None:
    """Put the block of one measurement in its place, or at the end."""
    text = file.read_text(encoding="utf-8") if file.exists() else HEAD
    begin, end = f"<!-- bench {name} -->", f"<!-- end {name} -->"
    block = f"{begin}\n## {title}\n\n{_machine()}\n\n{rendered(found)}\n{end}"
    place = re.compile(re.escape(begin) + ".*?" + re.escape(end), re.DOTALL)
    if place.search(text):
        text = place.sub(lambda _: block, text)
    else:
        text = f"{text.rstrip()}\n\n{block}\n"
    file.write_text(text, encoding="utf-8")


def rendered(found: Finding) -> str:
    """A finding with its goals."""
    if not found.goals:
        return found.text
    rows = [
        [goal.sentence, goal.measured, "yes" if goal.holds else "**no**"] for goal in found.goals
    ]
    return f"{found.text}\n\n{table(['goal', 'measured', 'holds'], rows)}"


def _machine() -> str:
    load = os.getloadavg()[0]
    return (
        f"{os.cpu_count()} processors, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, load {load:.1f} at the end."
    )
