"""How people write what they ask the policy about: labels, a moment, effects. One reading for the
command line, the API and the console.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

from sre_daemon.domain.effect import Effect, EffectInvalid, from_json

SHORT = "service.redeploy:NAME, service.restart:NAME, config.set:PATH:KEY=VALUE, or JSON"


def labels_of(pairs: Iterable[str]) -> dict[str, str]:
    """`name=value` texts as labels; raises ValueError."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not name or not equals or name in found:
            raise ValueError("a label is given as name=value, each name once")
        found[name] = value
    return found


def moment_of(text: str) -> datetime:
    """An ISO 8601 time; without a zone it is UTC. Raises ValueError."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{text!r} is no time; write 2026-05-01T14:00:00Z") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def effect_of(text: str) -> Effect:
    """An effect as JSON or in the short form; raises ValueError."""
    try:
        return from_json(json.loads(text) if text.lstrip().startswith("{") else _short(text))
    except EffectInvalid as failure:
        raise ValueError(str(failure)) from None
    except RecursionError:
        raise ValueError("that is no effect") from None


def _short(text: str) -> dict[str, str]:
    kind, _, rest = text.partition(":")
    if kind.startswith("service."):
        return {"effect": kind, "service": rest}
    if kind == "config.set":
        path, _, setting = rest.partition(":")
        key, equals, value = setting.partition("=")
        if not path or not key or not equals:
            raise ValueError("config.set needs a path, a key and a value")
        # The policy bounds the new value only; what the old one is, the gate compares.
        return {"effect": kind, "path": path, "key": key, "before": "", "after": value}
    if kind == "postmortem.write":
        return {"effect": kind, "title": rest}
    raise ValueError(f"unknown effect {kind!r}; write {SHORT}")
