"""Options that several commands share, and how their text is read."""

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from sre_daemon.domain.effect import Effect
from sre_daemon.errors import ConfigError
from sre_daemon.policy import asking

Config = Annotated[Path, typer.Option("--config", help="The settings file.")]
Url = Annotated[str, typer.Option("--url", help="The daemon; default SRE_DAEMON_URL.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]


def labels(pairs: list[str]) -> dict[str, str]:
    """`k=v` texts as labels; raises ConfigError."""
    try:
        return asking.labels_of(pairs)
    except ValueError as failure:
        raise ConfigError(str(failure)) from None


def moment(text: str) -> datetime:
    """An ISO 8601 time; without a zone it is UTC. Raises ConfigError."""
    try:
        return asking.moment_of(text)
    except ValueError as failure:
        raise ConfigError(f"--at: {failure}") from None


def period(text: str) -> timedelta:
    """So many hours or days; raises ConfigError."""
    found = re.fullmatch(r"(\d{1,4})([hd])", text, re.ASCII)
    if found is None or int(found[1]) == 0:
        raise ConfigError(f"--since {text}: no such time", "write 24h, 7d or 30d")
    return timedelta(hours=int(found[1]) * (24 if found[2] == "d" else 1))


def effect(text: str) -> Effect:
    """An effect as JSON or in the short form; raises ConfigError."""
    try:
        return asking.effect_of(text)
    except ValueError as failure:
        raise ConfigError(f"--effect {text}: {failure}", f"write {asking.SHORT}") from None
