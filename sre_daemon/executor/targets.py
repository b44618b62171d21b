"""What the targets of effects are like now: seen through a tool server, compared before an effect.

A configuration key is its value and the digest of its file. A service is the instance that runs,
where its runtime has a name for that: a restart leaves it as it is, a redeploy does not.
"""

import secrets
from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from sre_daemon.domain.effect import ConfigSet, Effect, ServiceRedeploy, ServiceRestart
from sre_daemon.domain.remediation import Direction
from sre_daemon.executor.base import Hands, OpenHands

Seen = Mapping[str, str]


class Looks(Protocol):
    """Sees what effects would change."""

    async def look(self, effects: Sequence[Effect]) -> Mapping[str, Seen]:
        """By target; raises ToolError."""
        ...


class Targets:
    """Looks from outside of a repair, with hands that no gate lets do anything."""

    def __init__(self, open_hands: OpenHands) -> None:
        self._open_hands = open_hands

    async def look(self, effects: Sequence[Effect]) -> Mapping[str, Seen]:
        """See Looks."""
        # A token that the gate does not know: whatever writes with it is refused.
        async with self._open_hands(secrets.token_urlsafe(32), Direction.FORWARD) as hands:
            return await look(hands, effects)


async def look(hands: Hands, effects: Sequence[Effect]) -> dict[str, Seen]:
    """What each target is like now. Raises ToolError when the tool server is gone."""
    return {effect.target: await _look(hands, effect) for effect in effects}


async def _look(hands: Hands, effect: Effect) -> Seen:
    if isinstance(effect, ConfigSet):
        result = await hands.call("read_config_file", {"path": effect.path})
        if result.is_error:
            return {"unseen": result.text[:300]}
        keys, digest = (result.data or {}).get("keys"), (result.data or {}).get("digest")
        value = keys.get(effect.key) if isinstance(keys, Mapping) else None
        return {"value": "" if value is None else str(value), "digest": str(digest or "")}
    if isinstance(effect, ServiceRedeploy | ServiceRestart):
        command = f"docker compose ps {effect.service}"
        result = await hands.call("run_shell_command", {"command": command})
        if result.is_error:
            return {"unseen": result.text[:300]}
        return {"instance": _instance(result.data, effect.service)}
    return {}


def _instance(data: Mapping[str, object] | None, service: str) -> str:
    listed = (data or {}).get("services")
    for entry in listed if isinstance(listed, Sequence) else ():
        if isinstance(entry, Mapping) and entry.get("service") == service:
            return str(entry.get("instance") or "")
    return ""


def difference(
    effect: Effect, before: Mapping[str, Seen], now: Mapping[str, Seen], begun: Collection[str]
) -> str:
    """How the target of an effect differs from what was seen at the decision; empty when it does not.

    `begun` are the targets that this repair itself has changed since: a file that it wrote into has
    another digest, and a service that it recreated another instance.
    """
    was, found = before.get(effect.target), now.get(effect.target)
    if was is None or found is None:
        return f"{effect.target} was not looked at"
    ours = effect.target in begun
    if isinstance(effect, ConfigSet):
        ours = ours or any(target.startswith(f"{effect.path}#") for target in begun)
    changed = [
        f"{name} was {was.get(name, '')!r} and is {found.get(name, '')!r}"
        for name in sorted({*was, *found})
        if was.get(name) != found.get(name) and not (ours and name in {"digest", "instance"})
    ]
    return f"{effect.target}: {'; '.join(changed)}" if changed else ""
