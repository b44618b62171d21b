"""What a stage is: an async callable from an incident to an Outcome. It decides nothing about storage.

An outcome describes a change instead of carrying a changed incident, so that the worker can apply
it to the newest version when an alert joined in the meantime.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sre_daemon.domain.approval import Approval
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import DaemonError


@dataclass(frozen=True, slots=True)
class Next:
    """The incident moves on. `notes` go into its data (None removes), `policy` and `attempt` are set when
    given; `approval` is what people are asked, stored with the move."""

    event: Event
    reason: Reason
    message: str
    notes: Mapping[str, object] = field(default_factory=dict)
    events: Sequence[TimelineEvent] = ()
    attempt: int | None = None
    policy: str | None = None
    approval: Approval | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing to do before `until`."""

    until: datetime
    notes: Mapping[str, object] = field(default_factory=dict)
    events: Sequence[TimelineEvent] = ()


@dataclass(frozen=True, slots=True)
class Retry:
    """Something outside failed in a way that may pass; the worker waits longer each time."""

    error: DaemonError


@dataclass(frozen=True, slots=True)
class Escalate:
    """A person must go on: the incident leaves the state by its failing event."""

    reason: Reason
    message: str
    notes: Mapping[str, object] = field(default_factory=dict)
    events: Sequence[TimelineEvent] = ()


def move(before: Incident, after: Incident, outcome: Next) -> TimelineEvent:
    """What the timeline says about a move."""
    return TimelineEvent(
        before.id,
        after.updated_at,
        Kind.STATE,
        f"{before.state} -> {after.state}: {outcome.message}",
        {
            "from": before.state,
            "to": after.state,
            "event": outcome.event,
            "reason": outcome.reason,
        },
    )


Outcome = Next | Wait | Retry | Escalate
Stage = Callable[[Incident], Awaitable[Outcome]]
