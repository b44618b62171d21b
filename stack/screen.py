"""What the demo prints: a live timeline on a terminal, the same lines without colour elsewhere."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

COLOURS = {
    "alert": "red",
    "state": "bold",
    "step": "cyan",
    "diagnosis": "magenta",
    "verdict": "yellow",
    "effect": "green",
    "rollback": "red",
    "verification": "blue",
    "postmortem": "bold",
    "notification": "red",
    "note": "dim",
}
DOCUMENT_LINES = 40


class Screen:
    """Standard output."""

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True)

    def title(self, text: str) -> None:
        """The first line."""
        self._console.print(f"[bold]{escape(text)}[/]")

    def section(self, text: str) -> None:
        """What comes next."""
        self._console.print()
        self._console.print(f"[bold]{escape(text)}[/]")

    def line(self, text: str) -> None:
        """Anything else."""
        self._console.print(escape(text))

    def progress(self, text: str) -> None:
        """A step of the preparation."""
        self._console.print(f"[dim]… {escape(text)}[/]")

    def problem(self, text: str) -> None:
        """Something is wrong."""
        self._console.print(f"[bold red]problem:[/] {escape(text)}")

    def engine(self, engine: str, model: str) -> None:
        """Who investigates, and why."""
        if engine == "claude":
            self.line(f"engine    Claude ({model}), because ANTHROPIC_API_KEY is set")
        else:
            self.line("engine    the runbook engine, because ANTHROPIC_API_KEY is not set")

    def rule(self, since: float, name: str, value: str) -> None:
        """A rule fires."""
        self._timed(since, "prometheus", f"rule {name} fires (value {value})", "red")

    def event(self, since: float, event: dict[str, Any]) -> None:
        """One event of the daemon's timeline, with what matters of its data."""
        kind, data = event["kind"], event["data"]
        text = event["summary"]
        if kind == "step" and data.get("tool"):
            text += f"  [{data['call']}, {data['seconds'] * 1000:.0f} ms]"
        self._timed(since, kind, text, COLOURS.get(kind, ""))
        if kind == "diagnosis":
            for item in data.get("evidence", ()):
                found = "found" if item["supported"] else "NOT found"
                self._under(
                    f"evidence: {item['claim']}; {item['quote']!r} {found} in {item['call']}"
                )
        if kind == "verdict":
            # Of a yes the rule and the effects are enough; whoever is told no wants to see it all.
            short = data["verdict"] == "allow"
            for line in data.get("trail", ()):
                if not short or " matches " in line or " lists: " in line:
                    self._under(line)

    def _timed(self, since: float, kind: str, text: str, colour: str) -> None:
        style = f"[{colour}]" if colour else ""
        end = "[/]" if colour else ""
        self._console.print(f"{since:7.1f} s  {style}{kind:<13}{end} {escape(text)}")

    def _under(self, text: str) -> None:
        self._console.print(f"[dim]{'':25}{escape(text)}[/]")

    def document(self, text: str) -> None:
        """The beginning of a longer text."""
        lines = text.splitlines()
        for line in lines[:DOCUMENT_LINES]:
            self._console.print(f"  [dim]|[/] {escape(line)}")
        if len(lines) > DOCUMENT_LINES:
            self._console.print(f"  [dim]| … {len(lines) - DOCUMENT_LINES} more lines[/]")

    def durations(self, rows: list[tuple[str, float, float]]) -> None:
        """The table of times."""
        table = Table(box=None, header_style="bold", pad_edge=False)
        table.add_column("until")
        table.add_column("took", justify="right")
        table.add_column("since the fault", justify="right")
        for what, took, since in rows:
            table.add_row(what, f"{took:.1f} s", f"{since:.1f} s")
        self._console.print(table)

    def repaired(self) -> None:
        """The last line of a good end."""
        self._console.print()
        self._console.print(
            "[bold green]repaired and proven[/]; looked at from outside, the shop is well: "
            "configuration, running pool, error rate and alerts are as before"
        )

    def handed_over(self, why: str, still: list[str]) -> None:
        """The last lines when no repair is allowed for this fault."""
        self._console.print()
        self._console.print(
            f"[bold yellow]not repaired, handed to a person[/]: {escape(why)} "
            "The configuration is byte for byte as the fault left it."
        )
        for problem in still:
            self.line(f"  {problem}")

    def failed(self, problems: list[str]) -> None:
        """The last lines of a bad end."""
        self._console.print()
        for problem in problems:
            self.problem(problem)
