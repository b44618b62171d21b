"""What the commands print: lines on standard output, errors with the next step on standard error.

Foreign text passes `visible`, because a terminal obeys control characters. Colour only on a terminal.
"""

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from sre_daemon.errors import DaemonError
from sre_daemon.text import line, visible

STYLES = {
    "escalated": "red",
    "resolved": "green",
    "critical": "red",
    "warning": "yellow",
    "awaiting_approval": "yellow",
    "allow": "green",
    "deny": "red",
    "ok": "green",
    "error": "bold red",
    "differs": "red",
}


def say(text: str = "", first: str = "", width: int = 0) -> None:
    """One line, at once; `first` is a coloured word before it, padded to `width`."""
    shown = Text(line(first, 40).ljust(width) if first else "", style=STYLES.get(first, "bold"))
    _console().print(shown + Text(visible(text)))
    sys.stdout.flush()


def say_json(data: Any) -> None:
    """For programs."""
    sys.stdout.write(as_json(data))


def as_json(data: Any) -> str:
    """The text that `say_json` prints."""
    return json.dumps(data, indent=2, ensure_ascii=True) + "\n"


def complain(failure: DaemonError) -> None:
    """What is wrong, and what to do next."""
    console = _console(stderr=True)
    console.print(Text("error: ", style="bold red") + Text(visible(failure.reason)))
    if failure.hint:
        console.print(Text(f"  {visible(failure.hint)}"))


def say_incidents(incidents: list[Mapping[str, Any]]) -> None:
    """The list, as a table."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in ("id", "state", "severity", "began (UTC)", "title"):
        table.add_column(column, no_wrap=column != "title", overflow="fold")
    for item in incidents:
        state, severity = line(str(item["state"])), line(str(item["severity"]))
        table.add_row(
            Text(line(str(item["id"]))),
            Text(state, style=STYLES.get(state, "")),
            Text(severity, style=STYLES.get(severity, "")),
            Text(line(str(item["created_at"])[:19].replace("T", " "))),
            Text(line(str(item["title"]))),
        )
    console = _console()
    # Into a file or a pipe one incident stays one line, however long its title is.
    console.print(table, width=None if console.is_terminal else 240)


def _console(stderr: bool = False) -> Console:
    """Made for each use, so that it writes to what standard output is now."""
    return Console(stderr=stderr, highlight=False, soft_wrap=True, markup=False, emoji=False)
