"""What became of each attempt to repair: derived from effects and incidents, never from words."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.remediation import Direction, EffectRecord


class Ending(StrEnum):
    """How an attempt ended."""

    PROVEN = "proven"
    TAKEN_BACK = "taken_back"
    NOT_PROVEN = "not_proven"
    RUNNING = "running"


@dataclass(frozen=True, slots=True)
class Attempt:
    """The effects of one attempt under one policy, and how it ended."""

    incident: Incident
    policy: str
    number: int
    at: datetime
    ending: Ending


def attempts(effects: Iterable[EffectRecord], incidents: Mapping[str, Incident]) -> list[Attempt]:
    """Every attempt of which an effect was begun, in the order of its first one."""
    begun: dict[tuple[str, int], EffectRecord] = {}
    taken_back: set[tuple[str, int]] = set()
    for effect in effects:
        key = (effect.incident_id, effect.attempt)
        if effect.direction is Direction.ROLLBACK:
            taken_back.add(key)
        elif effect.intended_at is not None:
            begun.setdefault(key, effect)
    return [
        Attempt(
            incidents[incident_id],
            effect.policy,
            number,
            effect.intended_at,
            _ending(incidents[incident_id], number, (incident_id, number) in taken_back),
        )
        for (incident_id, number), effect in begun.items()
        if incident_id in incidents and effect.intended_at is not None
    ]


def _ending(incident: Incident, number: int, taken_back: bool) -> Ending:
    if taken_back:
        return Ending.TAKEN_BACK
    if incident.attempt != number:
        return Ending.NOT_PROVEN
    if incident.state in {State.REMEDIATING, State.VERIFYING}:
        return Ending.RUNNING
    return Ending.PROVEN if incident.data.get("resolution") == "proven" else Ending.NOT_PROVEN
