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
    Notification,
    StoredAlert,
    correlation_key,
    storm_key,
)
from sre_daemon.domain.verdict import Reason
from sre_daemon.intake.rules import Rules
from sre_daemon.store.base import Known, Writes

MakeId = Callable[[datetime], str]


@dataclass(frozen=True, slots=True)
class Correlator:
    """The decision as the store asks for it."""

    rules: Rules
    make_id: MakeId

    def keys(self, notifications: Sequence[Notification]) -> Collection[str]:
        """See Correlation."""
        keys = {key for item in notifications for key in _Keys(item, self.rules).each()}
        return keys | {storm_key(item.tenant) for item in notifications if item.alerts}

    def decide(self, notifications: Sequence[Notification], known: Known) -> Writes:
        """What these notifications, in this order, change."""
        work = _Work(known, self.rules, self.make_id)
        for notification in notifications:
            work.actions["rejected"] += len(notification.rejected)
            work.key_of = _Keys(notification, self.rules)
            for alert in notification.alerts:
                work.report(notification, alert)
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
    stormy: Counter[str] = field(default_factory=Counter)
    events: list[TimelineEvent] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)
    heartbeat: datetime | None = None
    at: datetime | None = None
    key_of: Callable[[Alert], str] = lambda alert: alert.identity

    def report(self, notification: Notification, alert: Alert) -> None:
        """One alert of one notification."""
        at = self.at = notification.received_at
        if alert.labels.get("alertname") == self.rules.watchdog:
            self._beat(alert, at)
            return
        episode = self.episodes.get(alert.identity) or self.known.episodes.get(alert.identity)
        if episode is not None and episode.open:
            if alert.firing:
                self._refresh(episode, alert, at)
            else:
                self._resolve(episode, alert, at)
        elif not alert.firing:
            self.actions["unknown_resolved"] += 1
        elif episode is not None and self._late_copy(notification, episode, alert):
            self.actions["suspect"] += 1
        else:
            self._open(notification, alert, at, episode)

    def _beat(self, alert: Alert, at: datetime) -> None:
        """The Watchdog is the sign of life of the whole path and never a problem."""
        self.actions["heartbeat"] += 1
        if alert.firing:
            self.heartbeat = max(at, self.heartbeat or at)

    def _late_copy(self, notification: Notification, episode: StoredAlert, alert: Alert) -> bool:
        ended = episode.alert.ends_at or episode.last_seen
        return (
            not notification.verified
            and notification.received_at - episode.last_seen <= self.rules.late
            and alert.starts_at <= ended
        )

    def _refresh(self, episode: StoredAlert, alert: Alert, at: datetime) -> None:
        earliest = min(episode.alert.starts_at, alert.starts_at)
        self.episodes[alert.identity] = replace(
            episode,
            alert=replace(alert, starts_at=earliest),
            last_seen=max(at, episode.last_seen),
            reports=episode.reports + 1,
        )
        self.actions["refreshed"] += 1

    def _resolve(self, episode: StoredAlert, alert: Alert, at: datetime) -> None:
        # A resolved notification may carry other annotations, or none: the firing ones are kept.
        ended = replace(episode.alert, status=AlertStatus.RESOLVED, ends_at=alert.ends_at or at)
        self.episodes[alert.identity] = replace(
            episode, alert=ended, last_seen=max(at, episode.last_seen), open=False
        )
        self.actions["resolved"] += 1
        self.open_change[episode.incident_id] -= 1
        self._note(episode.incident_id, at, f"alert {alert.name} resolved", alert)
        self._clear(episode.incident_id, at)

    def _clear(self, incident_id: str, at: datetime) -> None:
        """When no alert of the incident is open any more, it is over, unless an effect is under way.

        What flaps stays with the person who was told; the sweep ends it when it is quiet.
        """
        incident = self._incident(incident_id)
        still = self.known.open_alerts.get(incident_id, 0) + self.open_change[incident_id]
        if still > 0 or incident is None or incident.state in UNCLEARABLE:
            return
        if incident.state is State.ESCALATED and incident.recurrences >= self.rules.flaps:
            return
        self._move(incident, Event.CLEARED, Reason.CLEARED, at, "all of its alerts stopped")

    def _open(
        self,
        notification: Notification,
        alert: Alert,
        at: datetime,
        before: StoredAlert | None,
    ) -> None:
        first_seen = at
        if before is not None:
            if alert.identity in self.episodes:
                # Opened and resolved within this batch: both episodes are written.
                self.closed_before.append(before)
            # An episode is known by its alert and its beginning.
            first_seen = max(at, before.first_seen + timedelta(microseconds=1))
        key = self.key_of(alert)
        incident = self._find(key)
        storming = incident is None and self._storming()
        if storming:
            key = storm_key(notification.tenant)
            incident = self._find(key)
        if incident is None:
            incident = self._begin(key, alert, at, storm=storming)
            self.actions["opened"] += 1
        else:
            self._join(incident, alert, at)
        self.open_change[incident.id] += 1
        self.episodes[alert.identity] = StoredAlert(
            alert, incident.id, first_seen, first_seen, 1, open=True
        )
        self._note(incident.id, at, f"alert {alert.name} fires", alert)

    def _storming(self) -> bool:
        return self.known.waiting + len(self.opened) >= self.rules.storm

    def _find(self, key: str) -> Incident | None:
        if key in self.opened:
            return self.incidents[self.opened[key]]
        known = self.known.incidents.get(key)
        return self._incident(known.id) if known is not None else None

    def _begin(self, key: str, alert: Alert, at: datetime, *, storm: bool) -> Incident:
        held = alert.severity is not Severity.CRITICAL
        incident = Incident(
            id=self.make_id(at),
            key=key,
            title="Storm: many alerts at once" if storm else _title(alert),
            state=State.TRIGGERED,
            severity=alert.severity,
            labels={} if storm else dict(alert.labels),
            created_at=at,
            updated_at=at,
            wake_at=at + self.rules.debounce if held else None,
            data={"storm": True} if storm else {},
        )
        self.incidents[incident.id] = incident
        self.opened[key] = incident.id
        return incident

    def _join(self, incident: Incident, alert: Alert, at: datetime) -> None:
        self.actions["joined"] += 1
        if incident.state is State.RESOLVED:
            self.actions["recurred"] += 1
            self._move(incident, Event.RECURRED, Reason.RECURRED, at, f"{alert.name} fires again")
            incident = self.incidents[incident.id]
            incident = incident.noting(recurred=incident.recurrences + 1)
            self.incidents[incident.id] = incident
        worse = min(incident.severity, alert.severity, key=lambda severity: severity.rank)
        common = {k: v for k, v in incident.labels.items() if alert.labels.get(k) == v}
        if worse is incident.severity and common == dict(incident.labels):
            return
        # A critical alert is not held back by what was there before.
        urgent = incident.state is State.TRIGGERED and worse is Severity.CRITICAL
        self.incidents[incident.id] = replace(
            incident,
            severity=worse,
            labels=common,
            updated_at=at,
            wake_at=None if urgent else incident.wake_at,
        )

    def _move(
        self, incident: Incident, event: Event, reason: Reason, at: datetime, why: str
    ) -> None:
        moved = incident.moved(event, at)
        self.incidents[incident.id] = moved
        self.events.append(
            TimelineEvent(
                incident.id,
                at,
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

    def _incident(self, incident_id: str) -> Incident | None:
        return self.incidents.get(incident_id) or self.known.by_id.get(incident_id)

    def _note(self, incident_id: str, at: datetime, summary: str, alert: Alert) -> None:
        incident = self._incident(incident_id)
        if incident is not None and incident.storm:
            # The alerts themselves are kept; a line for each would bury everything else.
            self.stormy[incident_id] += 1
            return
        data = {
            "status": alert.status,
            "labels": dict(alert.labels),
            "starts_at": alert.starts_at.isoformat(),
        }
        self.events.append(TimelineEvent(incident_id, at, Kind.ALERT, summary, data))

    def writes(self) -> Writes:
        """Everything decided."""
        new = set(self.opened.values())
        for incident_id, count in self.stormy.items():
            if self.at is not None:
                summary = f"{count} reports of alerts in the storm"
                self.events.append(TimelineEvent(incident_id, self.at, Kind.ALERT, summary))
        return Writes(
            opened=[self.incidents[key] for key in new],
            updated=[i for i in self.incidents.values() if i.id not in new],
            episodes=[*self.closed_before, *self.episodes.values()],
            events=self.events,
            actions=self.actions,
            heartbeat=self.heartbeat,
        )


def _title(alert: Alert) -> str:
    service = alert.labels.get("service") or alert.labels.get("job") or ""
    return f"{alert.name} on {service}" if service else alert.name
