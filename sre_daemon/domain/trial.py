"""The record of a policy: each time it acted or watched, and whether that was right."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sre_daemon.domain.autonomy import Autonomy


class TrialOutcome(StrEnum):
    """What became of it. Unknown says nothing about the policy."""

    VERIFIED = "verified"  # the repair was proven
    FAILED = "failed"  # the repair was not proven, or made something worse
    FALSE_SUCCESS = "false_success"  # it was proven, and the alert came back
    RIGHT = "right"  # a shadow would have been right
    WRONG = "wrong"  # a shadow would not have been right
    UNKNOWN = "unknown"
    GRANTED = "granted"  # a person gave it back the level of the file


GOOD = frozenset({TrialOutcome.VERIFIED, TrialOutcome.RIGHT})
BAD = frozenset({TrialOutcome.FAILED, TrialOutcome.FALSE_SUCCESS})


@dataclass(frozen=True, slots=True)
class Trial:
    """One of them. `digest` is that of the policy's rule then: another rule has another record."""

    policy: str
    incident_id: str
    attempt: int
    level: Autonomy
    outcome: TrialOutcome
    at: datetime
    digest: str
