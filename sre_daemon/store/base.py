"""The store's contract. Every method is one transaction: all of it happened, or none.

Every method may raise StoreUnavailable. Writes about an incident carry the fence under which it
was claimed and raise StoreConflict when it is no longer the newest: a worker that lost its lease
can write nothing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from sre_daemon.domain.alert import Alert, Severity
from sre_daemon.domain.approval import Approval
from sre_daemon.domain.effect import Effect
from sre_daemon.domain.event import TimelineEvent
from sre_daemon.domain.hold import Hold
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Notification, StoredAlert, Unreadable
from sre_daemon.domain.remediation import Direction, EffectRecord, EffectState
from sre_daemon.domain.run import Run, ToolCall

# The switch that holds when the Watchdog alert was last seen.
WATCHDOG = "watchdog"


@dataclass(frozen=True, slots=True)
class Horizon:
    """How far back a decision looks: to incidents opened, and to what repairs have touched."""

    opened: timedelta = timedelta()
    touched: timedelta = timedelta()


@dataclass(frozen=True, slots=True)
class Known:
    """What the store knows about the alerts of some notifications, read in the same transaction.

    `episodes`: the newest remembered episode of each identity, open or ended not long ago; `begun`:
    when the remembered ones of an identity began. `incidents`: the open incidents by correlation
    key, and those that the episodes belong to, by id in `by_id`. `open_alerts`: how many episodes
    are open, of each incident that one of the resolved alerts belongs to. `pressing`: how many
    incidents nobody has taken up yet, or were opened within the horizon. `touched`: the services
    that repairs have touched within the horizon, and their incidents.
    """

    episodes: Mapping[str, StoredAlert] = field(default_factory=dict)
    begun: Mapping[str, Sequence[datetime]] = field(default_factory=dict)
    incidents: Mapping[str, Incident] = field(default_factory=dict)
    by_id: Mapping[str, Incident] = field(default_factory=dict)
    open_alerts: Mapping[str, int] = field(default_factory=dict)
    pressing: int = 0
    touched: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Suspect:
    """A firing that may be a late copy of one that is over, and what said it."""

    notification: Notification
    alert: Alert


@dataclass(frozen=True, slots=True)
class Writes:
    """What a set of notifications changes: decided purely, written in the same transaction.

    `episodes` with an id are changed, others are added. `suspects` are not written: they have to be
    looked at. `heartbeat` is when the Watchdog alert was last seen.
    """

    opened: Sequence[Incident] = ()
    updated: Sequence[Incident] = ()
    episodes: Sequence[StoredAlert] = ()
    events: Sequence[TimelineEvent] = ()
    actions: Mapping[str, int] = field(default_factory=dict)
    suspects: Sequence[Suspect] = ()
    heartbeat: datetime | None = None


class Correlation(Protocol):
    """Decides what notifications change: pure, and asked again when a transaction is."""

    @property
    def horizon(self) -> Horizon:
        """What it must know about."""
        ...

    def keys(self, notifications: Sequence[Notification]) -> Collection[str]:
        """The correlation keys of incidents that it must know about."""
        ...

    def decide(self, notifications: Sequence[Notification], known: Known) -> Writes:
        """What changes."""
        ...


@dataclass(frozen=True, slots=True)
class Totals:
    """Counts for metrics and the status page. `accepted` and `settled` never go back: they count
    what was deleted since, too, and their difference is what is open. `oldest` says since when the
    incident that is longest in a state is there; states without one are missing."""

    incidents: Mapping[State, int]
    queue: Mapping[str, int]
    accepted: int
    settled: int
    oldest: Mapping[State, datetime]


@dataclass(frozen=True, slots=True)
class Moment:
    """What the store knows in the transaction in which an intent is written.

    `paused`: who paused the daemon and why. `hold`: who is at work on the incident. `approval`:
    what was asked about the attempt. `acted` and `opened`: what limits are counted from.
    """

    paused: str | None
    hold: Hold | None
    approval: Approval | None
    acted: Sequence["Acted"]
    opened: Sequence[datetime]


# Raises what refuses an intent; nothing is written then.
Admit = Callable[[Moment], None]
# How far back remediations are counted for limits; longer than any window a policy can name.
HISTORY = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Acted:
    """A remediation that was begun: what limits are counted from. `labels` are the incident's."""

    incident_id: str
    policy: str
    targets: Sequence[str]
    at: datetime
    active: bool
    labels: Mapping[str, str] = field(default_factory=dict)


class Store(Protocol):
    """See the module."""

    async def open(self) -> None:
        """Connect and bring the schema to this version. Raises MigrationFailed, StoreUnavailable."""
        ...

    async def close(self) -> None:
        """Let go of everything; never raises."""
        ...

    async def ping(self) -> None:
        """Read something."""
        ...

    # --- intake
    async def accept(
        self, notifications: Sequence[Notification], correlation: Correlation
    ) -> Writes:
        """Store the bytes, apply what `correlation` decides, and return it."""
        ...

    async def notifications(
        self, since: datetime, until: datetime, limit: int
    ) -> list[Notification]:
        """Those received from `since` to `until`, first come first, as they came: `alerts` is empty."""
        ...

    async def keep_unreadable(self, item: Unreadable) -> None:
        """Keep the bytes of what is no notification; the same bytes are kept once, and counted."""
        ...

    # --- incidents
    async def claim(self, owner: str, now: datetime, lease: timedelta) -> Incident | None:
        """Take the most urgent due incident that nobody holds: severity, then age.

        Due means: in a state of lifecycle.WORKING, `wake_at` not in the future, lease free or
        run out. The incident's fence grows by one.
        """
        ...

    async def renew(self, incident_id: str, fence: int, until: datetime) -> bool:
        """Keep a claim; False when it was lost."""
        ...

    async def release(self, incident_id: str, fence: int) -> None:
        """Give a claim back; does nothing when it was lost."""
        ...

    async def forget_claims(self, owner: str) -> None:
        """Give up the claims of `OWNER/…`. Only for whoever knows that no other process has this name."""
        ...

    async def save(
        self,
        incident: Incident,
        fence: int,
        events: Sequence[TimelineEvent] = (),
        approval: Approval | None = None,
    ) -> Incident:
        """Write the incident, its timeline events, and the question that it waits with.

        Compares `version` and the fence; returns the incident with its new version. Fence None
        is not possible: who has no claim uses `transition`.
        """
        ...

    async def transition(self, incident: Incident, events: Sequence[TimelineEvent]) -> Incident:
        """Write a change by somebody without a claim (a person, a poll): compares the version only."""
        ...

    async def note(self, events: Sequence[TimelineEvent]) -> None:
        """Add to the timeline without touching the incident."""
        ...

    async def incident(self, incident_id: str) -> Incident | None:
        """One incident."""
        ...

    async def incidents(
        self,
        states: Sequence[State] = (),
        *,
        severities: Sequence[Severity] = (),
        label: Mapping[str, str] | None = None,
        query: str = "",
        before: str = "",
        limit: int = 50,
    ) -> list[Incident]:
        """Newest first; `before` is the id of the last one already seen, `query` is in the title."""
        ...

    async def timeline(
        self, incident_id: str, after: int = 0, limit: int = 1000
    ) -> list[TimelineEvent]:
        """Events with a greater `seq`, in order."""
        ...

    async def alerts(self, incident_id: str) -> list[StoredAlert]:
        """The incident's alerts, first seen first."""
        ...

    async def episodes(self, open_only: bool = True) -> list[StoredAlert]:
        """All (open) alert episodes."""
        ...

    async def quiet(self, before: datetime, limit: int) -> list[Incident]:
        """Escalated incidents, oldest first, of which nothing fires, or was heard after `before`."""
        ...

    async def forget_endings(self, before: datetime) -> int:
        """Episodes that ended before this say nothing about the next report any more; how many."""
        ...

    async def totals(self) -> Totals:
        """Counts."""
        ...

    # --- effects
    async def plan(
        self,
        incident: Incident,
        fence: int,
        direction: Direction,
        effects: Sequence[Effect],
        at: datetime,
    ) -> list[EffectRecord]:
        """Record the effects of the incident's current attempt; planning twice changes nothing."""
        ...

    async def effects(self, incident_id: str, attempt: int | None = None) -> list[EffectRecord]:
        """In the order attempt, direction (forward first), position."""
        ...

    async def intend(
        self,
        effect_id: int,
        fence: int,
        states: Sequence[State],
        at: datetime,
        admit: Admit | None = None,
    ) -> EffectRecord:
        """Write the intent: the effect must be planned or not_applied, the incident in one of `states`.

        Raises StoreConflict otherwise, or when the fence is old, and what `admit` raises. This is
        the last word before an effect: it happens in one transaction with the comparison, and
        one at a time in the whole fleet, so that two replicas cannot both stay within a limit.
        """
        ...

    async def settle(
        self, effect_id: int, state: EffectState, detail: Mapping[str, object], at: datetime
    ) -> None:
        """Write the outcome. Not fenced: an outcome is a fact, whoever reports it."""
        ...

    async def acted(self, since: datetime) -> list[Acted]:
        """Remediations with an intended forward effect since then, and those still active."""
        ...

    async def opened(self, since: datetime, limit: int = 10_000) -> list[datetime]:
        """When incidents were opened since then: the newest of them, oldest first."""
        ...

    # --- runs
    async def begin_run(self, run: Run) -> None:
        """Record the start."""
        ...

    async def record_call(self, call: ToolCall) -> None:
        """Record a tool call of a run."""
        ...

    async def end_run(self, run: Run) -> None:
        """Record the end."""
        ...

    async def interrupt_runs(self, incident_id: str, at: datetime) -> int:
        """Settle runs of this incident that a crash left `running`; returns how many."""
        ...

    async def runs(self, incident_id: str) -> list[Run]:
        """First started first."""
        ...

    async def calls(self, run_id: str) -> list[ToolCall]:
        """In the order of recording."""
        ...

    # --- switches
    async def switch(self, name: str) -> str | None:
        """A stored setting that survives a restart, such as `paused`."""
        ...

    async def set_switch(self, name: str, value: str | None, at: datetime) -> None:
        """Set it, or remove it with None."""
        ...

    async def forget(
        self, notifications: datetime, incidents: datetime, limit: int, at: datetime
    ) -> int:
        """Delete notifications received and incidents closed before these times; how many rows of
        both. At most `limit` of each, so that others get their turn: 0 means that nothing is left.
        """
        ...

    # --- the fleet
    async def take_turn(self, job: str, owner: str, now: datetime, every: timedelta) -> bool:
        """Whether the caller is the one to run this job now: it last ran at least `every` ago.

        Whoever ran it last keeps it, until it missed two turns and a half.
        """
        ...

    async def listen(self, wake: Callable[[], None]) -> None:
        """Call `wake` when another process changed something; runs until it is cancelled."""
        ...
