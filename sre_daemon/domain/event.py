"""The timeline: append-only facts of an incident, in the order in which they were stored."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class Kind(StrEnum):
    """What a timeline entry is about; decides how it is shown."""

    ALERT = "alert"  # received, repeated, joined, resolved
    STATE = "state"  # the incident moved: data has from, to, event, reason
    STEP = "step"  # one tool call or thought of an investigation
    DIAGNOSIS = "diagnosis"
    VERDICT = "verdict"
    APPROVAL = "approval"  # asked for, answered, expired, void
    HANDS = "hands"  # a person took the incident over, or gave it back
    AUTONOMY = "autonomy"  # the policy earned or lost it; what a shadow would have done
    EFFECT = "effect"  # intent, outcome
    VERIFICATION = "verification"
    ROLLBACK = "rollback"
    POSTMORTEM = "postmortem"
    NOTIFICATION = "notification"  # a person was told
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class TimelineEvent:
    """One fact: a sentence for people, data for programs. `seq` is given by the store."""

    incident_id: str
    at: datetime
    kind: Kind
    summary: str
    data: Mapping[str, object] = field(default_factory=dict)
    seq: int = 0
