"""Correlation: from notifications and what is known to what changes. Pure.

The rules are a table (docs/architecture.md has it in words): the alert is its full label set; at
most one episode of it is open; `startsAt` is no episode id; absence means nothing; the status of
the notification means nothing.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sre_daemon.domain.alert import Alert, AlertStatus, Severity
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import UNCLEARABLE, Event, State
from sre_daemon.domain.notification import (
    Certainty,
    Notification,
    StoredAlert,
    correlation_key,
    storm_key,
)
from sre_daemon.domain.verdict import REASONS, Reason
from sre_daemon.intake.notes import Notes
from sre_daemon.intake.rules import Rules
from sre_daemon.store.base import Horizon, Known, Suspect, Writes

MakeId = Callable[[datetime], str]
# The labels in which an alert names what it is about.
TARGETS = ("service", "job", "container")


@dataclass(frozen=True, slots=True)
class Correlator:
    """The decision as the store asks for it."""

    rules: Rules
    make_id: MakeId

    @property
    def horizon(self) -> Horizon:
        """See Correlation."""
        return Horizon(opened=self.rules.storm_window, touched=self.rules.aftermath)

    def keys(self, notifications: Sequence[Notification]) -> Collection[str]:
        """See Correlation."""
        keys = {key for item in notifications for key in _Keys(item, self.rules).each()}
        return keys | {storm_key(item.tenant) for item in notifications if item.alerts}

    def decide(self, notifications: Sequence[Notification], known: Known) -> Writes:
        """What these notifications, in this order, change."""
        work = _Work(known, self.rules, self.make_id)
        for notification in notifications:
            work.actions["rejected"] += len(notification.rejected)
            work.begin(notification, _Keys(notification, self.rules))
            for alert in notification.alerts:
                work.report(alert)
        return work.writes()


class _Keys:
    """The correlation keys of one notification's alerts; a group has one for all of them."""

    def __init__(self, notification: Notification, rules: Rules) -> None:
        self._notification = notification
        self._labels = rules.labels
        self._group: str | None = None
        if notification.group_key and not rules.labels and notification.alerts:
            self._group = correlation_key(notification, notification.alerts[0])

    def __call__(self, alert: Alert) -> str:
        """Of one alert."""
        return self._group or correlation_key(self._notification, alert, self._labels)

    def each(self) -> Collection[str]:
        """Of all of them."""
        if self._group is not None:
            return (self._group,)
        return {self(alert) for alert in self._notification.alerts}


@dataclass
class _Work:
    """The state of one decision: what is known, overlaid with what was decided so far."""

    known: Known
    rules: Rules
    make_id: MakeId
    episodes: dict[str, StoredAlert] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    opened: dict[str, str] = field(default_factory=dict)
    closed_before: list[StoredAlert] = field(default_factory=list)
    open_change: Counter[str] = field(default_factory=Counter)
    actions: Counter[str] = field(default_factory=Counter)
    suspects: list[Suspect] = field(default_factory=list)
    notes: Notes = field(default_factory=Notes)
    heartbeat: datetime | None = None

    def begin(self, notification: Notification, keys: _Keys) -> None:
        """The notification that the next reports are from."""
        self.notification = notification
        self.at = notification.received_at
        self.key_of = keys

    def report(self, alert: Alert) -> None:
        """One alert of the notification."""
        if alert.labels.get("alertname") == self.rules.watchdog:
            self._beat(alert)
            return
        identity = alert.identity
        episode = self.episodes.get(identity) or self.known.episodes.get(identity)
        if not alert.firing:
            self._ended(episode, alert)
        elif episode is None:
            self._open(alert, None)
        elif episode.open:
            self._refresh(episode, alert)
        elif not self._maybe_late(episode, alert):
            self._open(alert, episode)
        elif self.notification.certainty is Certainty.SAID:
            self.actions["suspect"] += 1
            self.suspects.append(Suspect(self.notification, alert))
        else:
            self._reopen(episode, alert)

    def _beat(self, alert: Alert) -> None:
        """The Watchdog is the sign of life of the whole path and never a problem."""
        self.actions["heartbeat"] += 1
        if alert.firing:
            self.heartbeat = max(self.at, self.heartbeat or self.at)

    def _ended(self, episode: StoredAlert | None, alert: Alert) -> None:
        if episode is None:
            self._record(alert)
        elif episode.open:
            self._resolve(episode, alert)
        else:
            self.actions["unknown_resolved"] += 1

    def _maybe_late(self, episode: StoredAlert, alert: Alert) -> bool:
        """Whether a firing may be a late copy: the episode ended a moment ago, and the start is old."""
        ended = episode.alert.ends_at or episode.last_seen
        return alert.starts_at <= ended and self.at - episode.last_seen <= self.rules.late

    def _record(self, alert: Alert) -> None:
        """The end of what was never said to fire: no incident, but a late firing will be known."""
        over = replace(alert, ends_at=alert.ends_at or self.at)
        self.episodes[alert.identity] = StoredAlert(over, "", self.at, self.at, 1, open=False)
        self.actions["resolved_first"] += 1

    def _refresh(self, episode: StoredAlert, alert: Alert) -> None:
        if alert.starts_at > episode.alert.starts_at:
            alert = replace(alert, starts_at=episode.alert.starts_at)
        self.episodes[alert.identity] = StoredAlert(
            alert,
            episode.incident_id,
            episode.first_seen,
            max(self.at, episode.last_seen),
            episode.reports + 1,
            open=True,
            id=episode.id,
        )
        self.actions["refreshed"] += 1

    def _resolve(self, episode: StoredAlert, alert: Alert) -> None:
        # A resolved notification may carry other annotations, or none: the firing ones are kept.
        ends_at = alert.ends_at or self.at
        ended = replace(episode.alert, status=AlertStatus.RESOLVED, ends_at=ends_at)
        last_seen = max(self.at, episode.last_seen)
        self.episodes[alert.identity] = replace(
            episode, alert=ended, last_seen=last_seen, open=False
        )
        self.actions["resolved"] += 1
        self.open_change[episode.incident_id] -= 1
        self._note(episode.incident_id, alert)
        self._clear(episode.incident_id)

    def _clear(self, incident_id: str) -> None:
        """When no alert of the incident is open any more, it is over, unless an effect is under way.

        What flaps stays with the person who was told; the sweep ends it when it is quiet.
        """
        incident = self._incident(incident_id)
        still = self.known.open_alerts.get(incident_id, 0) + self.open_change[incident_id]
        if still > 0 or incident is None or incident.state in UNCLEARABLE:
            return
        if incident.state is State.ESCALATED and incident.flapping:
            return
        said = self.notification.certainty is Certainty.SAID
        reason = Reason.CLEARED if said else Reason.RECONCILED
        self._move(incident, Event.CLEARED, reason, REASONS[reason])

    def _open(self, alert: Alert, before: StoredAlert | None) -> None:
        first_seen = self.at
        if before is not None:
            if alert.identity in self.episodes:
                # Opened and resolved within this batch: both episodes are written.
                self.closed_before.append(before)
            # An episode is known by its alert and its beginning.
            first_seen = max(first_seen, before.first_seen + timedelta(microseconds=1))
        incident = self._owner(alert)
        self.open_change[incident.id] += 1
        self.episodes[alert.identity] = StoredAlert(
            alert, incident.id, first_seen, first_seen, 1, open=True
        )
        if before is not None:
            self._watch_flaps(incident.id, alert)
        self._note(incident.id, alert)

    def _reopen(self, episode: StoredAlert, alert: Alert) -> None:
        """The same episode goes on: it was ended by a time-out, not by the alert."""
        known = self._incident(episode.incident_id)
        quiet = known is None or known.state in {State.CLOSED, State.RESOLVED}
        if known is None or known.state is State.CLOSED:
            incident = self._owner(alert)
        else:
            incident = self._join(known, alert)
        if quiet and self.notification.certainty is Certainty.DOUBTFUL:
            incident = self._change(incident.noting(doubtful=True))
        self.open_change[incident.id] += 1
        starts_at = min(alert.starts_at, episode.alert.starts_at)
        self.episodes[alert.identity] = replace(
            episode,
            alert=replace(alert, starts_at=starts_at),
            incident_id=incident.id,
            last_seen=max(self.at, episode.last_seen),
            reports=episode.reports + 1,
            open=True,
        )
        self.actions["reopened"] += 1
        self._note(incident.id, alert)

    def _owner(self, alert: Alert) -> Incident:
        """The incident that this firing belongs to: a known one, or a new one."""
        key = self.key_of(alert)
        incident = self._find(key)
        touched = self._touched_by(alert) if incident is None else None
        if touched is not None and touched.state is not State.CLOSED:
            incident = touched
        if incident is not None:
            joined = self._join(incident, alert)
            return self._change(joined.noting(aftermath=touched.id)) if touched else joined
        storming = self._storming()
        if storming:
            key = storm_key(self.notification.tenant)
            storm = self._find(key)
            if storm is not None:
                return self._join(storm, alert)
        self.actions["opened"] += 1
        return self._begin(key, alert, storm=storming, aftermath=touched.id if touched else None)

    def _storming(self) -> bool:
        return self.known.pressing + len(self.opened) >= self.rules.storm

    def _touched_by(self, alert: Alert) -> Incident | None:
        """The incident whose repair changed what this alert is about, a moment ago."""
        for label in TARGETS if self.known.touched else ():
            incident_id = self.known.touched.get(alert.labels.get(label, ""))
            if incident_id is not None:
                return self._incident(incident_id)
        return None

    def _find(self, key: str) -> Incident | None:
        if key in self.opened:
            return self.incidents[self.opened[key]]
        known = self.known.incidents.get(key)
        return self._incident(known.id) if known is not None else None

    def _begin(self, key: str, alert: Alert, *, storm: bool, aftermath: str | None) -> Incident:
        held = alert.severity is not Severity.CRITICAL
        incident = Incident(
            id=self.make_id(self.at),
            key=key,
            title="Storm: many alerts at once" if storm else _title(alert),
            state=State.TRIGGERED,
            severity=alert.severity,
            labels={} if storm else dict(alert.labels),
            created_at=self.at,
            updated_at=self.at,
            wake_at=self.at + self.rules.debounce if held else None,
        ).noting(storm=True if storm else None, aftermath=aftermath)
        self.opened[key] = incident.id
        return self._change(incident)

    def _join(self, incident: Incident, alert: Alert) -> Incident:
        self.actions["joined"] += 1
        if incident.state is State.RESOLVED:
            self.actions["recurred"] += 1
            incident = self._move(
                incident, Event.RECURRED, Reason.RECURRED, f"{alert.name} fires again"
            )
            incident = self._change(incident.noting(recurred=incident.recurrences + 1))
            if incident.recurrences >= self.rules.flaps:
                incident = self._change(incident.noting(flapping=True))
        severity, labels = alert.severity, alert.labels
        worse = severity if severity.rank < incident.severity.rank else incident.severity
        if worse is incident.severity and incident.labels.items() <= labels.items():
            return incident
        common = {k: v for k, v in incident.labels.items() if labels.get(k) == v}
        # A critical alert is not held back by what was there before.
        urgent = incident.state is State.TRIGGERED and worse is Severity.CRITICAL
        return self._change(
            replace(
                incident,
                severity=worse,
                labels=common,
                updated_at=self.at,
                wake_at=None if urgent else incident.wake_at,
            )
        )

    def _watch_flaps(self, incident_id: str, alert: Alert) -> None:
        """Too many episodes of one alert in a short time: a person's, and nothing is repaired."""
        begun = {*self.known.begun.get(alert.identity, ()), self.at}
        begun |= {e.first_seen for e in self.closed_before if e.alert.identity == alert.identity}
        recent = [at for at in begun if self.at - at <= self.rules.flap_window]
        incident = self._incident(incident_id)
        if len(recent) >= self.rules.flaps and incident is not None and not incident.flapping:
            self._change(incident.noting(flapping=True))

    def _change(self, incident: Incident) -> Incident:
        self.incidents[incident.id] = incident
        return incident

    def _move(self, incident: Incident, event: Event, reason: Reason, why: str) -> Incident:
        moved = self._change(incident.moved(event, self.at))
        self.notes.add(
            TimelineEvent(
                incident.id,
                self.at,
                Kind.STATE,
                f"{incident.state} -> {moved.state}: {why}",
                {
                    "from": incident.state,
                    "to": moved.state,
                    "event": event,
                    "reason": reason,
                },
            )
        )
        return moved

    def _incident(self, incident_id: str) -> Incident | None:
        return self.incidents.get(incident_id) or self.known.by_id.get(incident_id)

    def _note(self, incident_id: str, alert: Alert) -> None:
        incident = self._incident(incident_id)
        if incident is not None:
            self.notes.alert(incident, alert, self.at)

    def writes(self) -> Writes:
        """Everything decided."""
        new = set(self.opened.values())
        return Writes(
            opened=[self.incidents[key] for key in new],
            updated=[i for i in self.incidents.values() if i.id not in new],
            episodes=[*self.closed_before, *self.episodes.values()],
            events=self.notes.events(),
            actions=self.actions,
            suspects=self.suspects,
            heartbeat=self.heartbeat,
        )


def _title(alert: Alert) -> str:
    service = alert.labels.get("service") or alert.labels.get("job") or ""
    return f"{alert.name} on {service}" if service else alert.name
