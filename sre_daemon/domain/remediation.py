"""One effect on its way: planned, intended, and what became of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from sre_daemon.domain.effect import Effect


class Direction(StrEnum):
    """Repairing, or taking a repair back."""

    FORWARD = "forward"
    ROLLBACK = "rollback"


class EffectState(StrEnum):
    """`intended` without an outcome means *unknown*: measured after a crash, never repeated blindly."""

    PLANNED = "planned"
    INTENDED = "intended"
    APPLIED = "applied"
    NOT_APPLIED = "not_applied"
    FAILED = "failed"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class EffectRecord:
    """An effect of one attempt, in its place in the order."""

    id: int
    incident_id: str
    attempt: int
    direction: Direction
    position: int
    effect: Effect
    policy: str
    state: EffectState = EffectState.PLANNED
    intended_at: datetime | None = None
    settled_at: datetime | None = None
    detail: Mapping[str, object] = field(default_factory=dict)
