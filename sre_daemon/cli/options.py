"""Options that several commands share, and how their text is read."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from sre_daemon.domain.effect import Effect, EffectInvalid, from_json
from sre_daemon.errors import ConfigError

Config = Annotated[Path, typer.Option("--config", help="The settings file.")]
Url = Annotated[str, typer.Option("--url", help="The daemon; default SRE_DAEMON_URL.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is recorded.")]

SHORT = "service.redeploy:NAME, service.restart:NAME, config.set:PATH:KEY=VALUE, or JSON"


def labels(pairs: list[str]) -> dict[str, str]:
    """`k=v` texts as labels; raises ConfigError."""
    found = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(found) != len(pairs):
        raise ConfigError("a label is given as name=value, each name once")
    return found


def moment(text: str) -> datetime:
    """An ISO 8601 time; without a zone it is UTC. Raises ConfigError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ConfigError(f"--at {text}: not a time", "write 2026-05-01T14:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def effect(text: str) -> Effect:
    """An effect as JSON or in the short form; raises ConfigError."""
    try:
        return from_json(json.loads(text) if text.lstrip().startswith("{") else _short(text))
    except (ValueError, EffectInvalid) as failure:
        raise ConfigError(f"--effect {text}: {failure}", f"write {SHORT}") from None


def _short(text: str) -> dict[str, str]:
    kind, _, rest = text.partition(":")
    if kind.startswith("service."):
        return {"effect": kind, "service": rest}
    if kind == "config.set":
        path, _, setting = rest.rpartition(":")
        key, equals, value = setting.partition("=")
        if not path or not key or not equals:
            raise ValueError("config.set needs a path, a key and a value")
        # The policy bounds the new value only; what the old one is, the gate compares.
        return {"effect": kind, "path": path, "key": key, "before": "", "after": value}
    if kind == "postmortem.write":
        return {"effect": kind, "title": rest}
    raise ValueError(f"unknown effect {kind!r}")
