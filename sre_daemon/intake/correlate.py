"""Correlation: from notifications and what is known to what changes. Pure.

The rules are a table (docs/architecture.md has it in words): the alert is its full label set; at
most one episode of it is open; `startsAt` is no episode id; absence means nothing; the status of
the notification means nothing.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from sre_daemon.domain.alert import Alert, AlertStatus, Severity
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import UNCLEARABLE, Event, State
from sre_daemon.domain.notification import Notification, StoredAlert, correlation_key
from sre_daemon.domain.verdict import Reason
from sre_daemon.store.base import Known, Writes

# How long after a resolution a firing with an old start may be a late copy: what Alertmanagers of
# one cluster may hold back ((peers - 1) x peer-timeout + group_interval + a minute), guessed.
LATE = timedelta(minutes=6)
MakeId = Callable[[datetime], str]


def correlate(
    notifications: Sequence[Notification],
    known: Known,
    make_id: MakeId,
    confirmed: frozenset[str] = frozenset(),
    late: timedelta = LATE,
) -> Writes:
    """What these notifications, in this order, change.

    `confirmed`: identities of alerts that are known to be firing now, so that no firing of theirs
    is taken for a late copy.
    """
    work = _Work(known, make_id, confirmed, late)
    for notification in notifications:
        work.actions["rejected"] += len(notification.rejected)
        for alert in notification.alerts:
            work.report(notification, alert)
    return work.writes()


@dataclass
class _Work:
    """The state of one correlation: what is known, overlaid with what was decided so far."""

    known: Known
    make_id: MakeId
    confirmed: frozenset[str]
    late: timedelta
    episodes: dict[str, StoredAlert] = field(default_factory=dict)
    incidents: dict[str, Incident] = field(default_factory=dict)
    opened: set[str] = field(default_factory=set)
    closed_before: list[StoredAlert] = field(default_factory=list)
    open_change: Counter[str] = field(default_factory=Counter)
    events: list[TimelineEvent] = field(default_factory=list)
    actions: Counter[str] = field(default_factory=Counter)

    def report(self, notification: Notification, alert: Alert) -> None:
        """One alert of one notification."""
        at = notification.received_at
        episode = self.episodes.get(alert.identity) or self.known.episodes.get(alert.identity)
        if episode is not None and episode.open:
            if alert.firing:
                self._refresh(episode, alert, at)
            else:
                self._resolve(episode, alert, at)
        elif not alert.firing:
            self.actions["unknown_resolved"] += 1
        elif episode is not None and self._late_copy(episode, alert, at):
            self.actions["suspect"] += 1
        else:
            self._open(notification, alert, at, episode)

    def _late_copy(self, episode: StoredAlert, alert: Alert, at: datetime) -> bool:
        ended = episode.alert.ends_at or episode.last_seen
        return (
            alert.identity not in self.confirmed
            and at - episode.last_seen <= self.late
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
        """When no alert of the incident is open any more, it is over, unless an effect is under way."""
        incident = self._incident(incident_id)
        still = self.known.open_alerts.get(incident_id, 0) + self.open_change[incident_id]
        if still > 0 or incident is None or incident.state in UNCLEARABLE:
            return
        self._move(incident, Event.CLEARED, Reason.CLEARED, at, "all of its alerts stopped")

    def _open(
        self,
        notification: Notification,
        alert: Alert,
        at: datetime,
        before: StoredAlert | None,
    ) -> None:
        if before is not None and alert.identity in self.episodes:
            # Opened and resolved within this batch: both episodes are written.
            self.closed_before.append(before)
        incident = self._find(notification, alert)
        if incident is None:
            incident = self._begin(notification, alert, at)
            self.actions["opened"] += 1
        else:
            self._join(incident, alert, at)
        self.open_change[incident.id] += 1
        self.episodes[alert.identity] = StoredAlert(alert, incident.id, at, at, 1, open=True)
        self._note(incident.id, at, f"alert {alert.name} fires", alert)

    def _find(self, notification: Notification, alert: Alert) -> Incident | None:
        key = correlation_key(notification, alert)
        for incident in self.incidents.values():
            if incident.key == key and incident.state is not State.CLOSED:
                return incident
        return self.known.incidents.get(key)

    def _begin(self, notification: Notification, alert: Alert, at: datetime) -> Incident:
        service = alert.labels.get("service") or alert.labels.get("job") or ""
        incident = Incident(
            id=self.make_id(at),
            key=correlation_key(notification, alert),
            title=f"{alert.name} on {service}" if service else alert.name,
            state=State.TRIGGERED,
            severity=alert.severity,
            labels=dict(alert.labels),
            created_at=at,
            updated_at=at,
        )
        self.incidents[incident.id] = incident
        self.opened.add(incident.id)
        return incident

    def _join(self, incident: Incident, alert: Alert, at: datetime) -> None:
        self.actions["joined"] += 1
        if incident.state is State.RESOLVED:
            self.actions["recurred"] += 1
            self._move(incident, Event.RECURRED, Reason.RECURRED, at, f"{alert.name} fires again")
            incident = self.incidents[incident.id]
        worse = min(incident.severity, alert.severity, key=lambda severity: severity.rank)
        common = {k: v for k, v in incident.labels.items() if alert.labels.get(k) == v}
        if worse is not incident.severity or common != dict(incident.labels):
            self.incidents[incident.id] = replace(
                incident, severity=Severity(worse), labels=common, updated_at=at
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
        data = {
            "status": alert.status,
            "labels": dict(alert.labels),
            "starts_at": alert.starts_at.isoformat(),
        }
        self.events.append(TimelineEvent(incident_id, at, Kind.ALERT, summary, data))

    def writes(self) -> Writes:
        """Everything decided."""
        return Writes(
            opened=[self.incidents[key] for key in self.opened],
            updated=[i for i in self.incidents.values() if i.id not in self.opened],
            episodes=[*self.closed_before, *self.episodes.values()],
            events=self.events,
            actions=self.actions,
        )
