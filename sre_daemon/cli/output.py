"""What the commands print: lines on standard output, errors with the next step on standard error."""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sre_daemon.errors import DaemonError

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False, soft_wrap=True)


def say(text: str) -> None:
    """One line, at once."""
    out.print(plain(text))
    sys.stdout.flush()


def say_json(data: Any) -> None:
    """For programs."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=True) + "\n")


def complain(failure: DaemonError) -> None:
    """What is wrong, and what to do next."""
    err.print(f"[bold red]error:[/] {plain(failure.reason)}")
    if failure.hint:
        err.print(f"  {plain(failure.hint)}")


def plain(text: object) -> str:
    """Foreign text without markup and without characters that a terminal obeys."""
    shown = "".join(c if c.isprintable() or c == "\n" else f"\\u{ord(c):04x}" for c in str(text))
    return escape(shown)


def incidents_table(incidents: list[Mapping[str, Any]]) -> Table:
    """The list of incidents."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("id", "state", "severity", "began", "title"):
        table.add_column(column, no_wrap=column != "title")
    for item in incidents:
        table.add_row(
            plain(item["id"]),
            plain(item["state"]),
            plain(item["severity"]),
            plain(item["created_at"][:19].replace("T", " ")),
            plain(item["title"]),
        )
    return table
