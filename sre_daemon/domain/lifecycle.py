"""The states of an incident and of a remediation, as tables, and the one function that applies them.

`docs/lifecycle.md` carries the same tables as diagrams; `diagram()` prints them and a test compares.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from sre_daemon.errors import InvalidTransition

S = TypeVar("S", bound=StrEnum)
E = TypeVar("E", bound=StrEnum)


class State(StrEnum):
    """Where an incident is. Participles: what is happening to it now."""

    TRIGGERED = "triggered"
    SUPPRESSED = "suppressed"
    INVESTIGATING = "investigating"
    DIAGNOSED = "diagnosed"
    AWAITING_APPROVAL = "awaiting_approval"
    REMEDIATING = "remediating"
    VERIFYING = "verifying"
    RESOLVED = "resolved"
    ESCALATED = "escalated"
    CLOSED = "closed"


class Event(StrEnum):
    """What moves an incident from state to state. Past tense: what has happened."""

    SUPPRESSED = "suppressed"
    UNSUPPRESSED = "unsuppressed"
    CLAIMED = "claimed"
    DIAGNOSED = "diagnosed"
    GAVE_UP = "gave_up"
    ALLOWED = "allowed"
    APPROVAL_NEEDED = "approval_needed"
    DENIED = "denied"
    APPROVED = "approved"
    REJECTED = "rejected"
    EXPIRED = "expired"
    APPLIED = "applied"
    FAILED = "failed"
    CONFIRMED = "confirmed"
    REGRESSED = "regressed"
    TAKEN_OVER = "taken_over"
    HANDED_BACK = "handed_back"
    CLEARED = "cleared"
    RECURRED = "recurred"
    CLOSED = "closed"


INCIDENT: Mapping[tuple[State, Event], State] = {
    (State.TRIGGERED, Event.SUPPRESSED): State.SUPPRESSED,
    (State.TRIGGERED, Event.CLAIMED): State.INVESTIGATING,
    (State.SUPPRESSED, Event.UNSUPPRESSED): State.TRIGGERED,
    (State.INVESTIGATING, Event.DIAGNOSED): State.DIAGNOSED,
    (State.INVESTIGATING, Event.GAVE_UP): State.ESCALATED,
    (State.DIAGNOSED, Event.ALLOWED): State.REMEDIATING,
    (State.DIAGNOSED, Event.APPROVAL_NEEDED): State.AWAITING_APPROVAL,
    (State.DIAGNOSED, Event.DENIED): State.ESCALATED,
    (State.AWAITING_APPROVAL, Event.APPROVED): State.REMEDIATING,
    (State.AWAITING_APPROVAL, Event.REJECTED): State.ESCALATED,
    (State.AWAITING_APPROVAL, Event.EXPIRED): State.ESCALATED,
    (State.REMEDIATING, Event.APPLIED): State.VERIFYING,
    (State.REMEDIATING, Event.FAILED): State.ESCALATED,
    (State.VERIFYING, Event.CONFIRMED): State.RESOLVED,
    (State.VERIFYING, Event.REGRESSED): State.INVESTIGATING,
    (State.VERIFYING, Event.FAILED): State.ESCALATED,
    (State.TRIGGERED, Event.TAKEN_OVER): State.ESCALATED,
    (State.SUPPRESSED, Event.TAKEN_OVER): State.ESCALATED,
    (State.INVESTIGATING, Event.TAKEN_OVER): State.ESCALATED,
    (State.DIAGNOSED, Event.TAKEN_OVER): State.ESCALATED,
    (State.AWAITING_APPROVAL, Event.TAKEN_OVER): State.ESCALATED,
    (State.REMEDIATING, Event.TAKEN_OVER): State.ESCALATED,
    (State.VERIFYING, Event.TAKEN_OVER): State.ESCALATED,
    (State.ESCALATED, Event.HANDED_BACK): State.INVESTIGATING,
    (State.TRIGGERED, Event.CLEARED): State.RESOLVED,
    (State.SUPPRESSED, Event.CLEARED): State.RESOLVED,
    (State.INVESTIGATING, Event.CLEARED): State.RESOLVED,
    (State.DIAGNOSED, Event.CLEARED): State.RESOLVED,
    (State.AWAITING_APPROVAL, Event.CLEARED): State.RESOLVED,
    (State.ESCALATED, Event.CLEARED): State.RESOLVED,
    (State.RESOLVED, Event.RECURRED): State.TRIGGERED,
    (State.RESOLVED, Event.CLOSED): State.CLOSED,
}

# States in which the daemon itself still has something to do.
WORKING = frozenset(
    {
        State.TRIGGERED,
        State.SUPPRESSED,
        State.INVESTIGATING,
        State.DIAGNOSED,
        State.AWAITING_APPROVAL,
        State.REMEDIATING,
        State.VERIFYING,
        State.RESOLVED,
    }
)
OPEN = frozenset(State) - {State.CLOSED}
# While an effect may be under way, an alert that stops by itself proves nothing.
UNCLEARABLE = frozenset({State.REMEDIATING, State.VERIFYING, State.RESOLVED, State.CLOSED})


class RemediationState(StrEnum):
    """Where one attempt to repair is."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


class RemediationEvent(StrEnum):
    """What moves an attempt."""

    APPROVED = "approved"
    DENIED = "denied"
    EXPIRED = "expired"
    STARTED = "started"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    ROLLED_BACK = "rolled_back"


REMEDIATION: Mapping[tuple[RemediationState, RemediationEvent], RemediationState] = {
    (RemediationState.PROPOSED, RemediationEvent.APPROVED): RemediationState.APPROVED,
    (RemediationState.PROPOSED, RemediationEvent.DENIED): RemediationState.DENIED,
    (RemediationState.PROPOSED, RemediationEvent.EXPIRED): RemediationState.EXPIRED,
    (RemediationState.APPROVED, RemediationEvent.STARTED): RemediationState.RUNNING,
    (RemediationState.RUNNING, RemediationEvent.SUCCEEDED): RemediationState.SUCCEEDED,
    (RemediationState.RUNNING, RemediationEvent.FAILED): RemediationState.FAILED,
    (RemediationState.FAILED, RemediationEvent.ROLLED_BACK): RemediationState.ROLLED_BACK,
}


def advance(table: Mapping[tuple[S, E], S], state: S, event: E) -> S:
    """The state that follows, or `InvalidTransition` where the table has no such row."""
    try:
        return table[state, event]
    except KeyError:
        raise InvalidTransition(f"'{event}' cannot happen in state '{state}'") from None


def diagram(table: Mapping[tuple[S, E], S], first: S) -> str:
    """The table as a Mermaid state diagram."""
    lines = ["stateDiagram-v2", f"    [*] --> {first}"]
    lines += [f"    {state} --> {after}: {event}" for (state, event), after in table.items()]
    ends = set(table.values()) - {state for state, _ in table}
    lines += [f"    {end} --> [*]" for end in sorted(ends)]
    return "\n".join(lines)
