"""What the timelines of incidents are told of alerts: one line for all that one notification said."""

from dataclasses import dataclass, field
from datetime import datetime

from sre_daemon.domain.alert import Alert
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident

# The alerts themselves are kept; a line for each would bury everything else.
NAMED = 10


@dataclass
class _Line:
    """Alerts of one incident that did the same at the same time."""

    at: datetime
    storm: bool
    alerts: list[Alert] = field(default_factory=list)
    more: int = 0


class Notes:
    """Facts in order; those about alerts are put together."""

    def __init__(self) -> None:
        self._facts: list[TimelineEvent | tuple[str, _Line]] = []
        self._lines: dict[tuple[str, datetime | None, bool], _Line] = {}

    def add(self, event: TimelineEvent) -> None:
        """A fact of another kind. What alerts did before it is not put together with what comes."""
        self._facts.append(event)
        for key in [key for key in self._lines if key[0] == event.incident_id]:
            del self._lines[key]

    def alert(self, incident: Incident, alert: Alert, at: datetime) -> None:
        """An alert of the incident fires or is resolved."""
        storm = incident.storm
        key = (incident.id, None if storm else at, alert.firing or storm)
        line = self._lines.get(key)
        if line is None:
            line = self._lines[key] = _Line(at, storm)
            self._facts.append((incident.id, line))
        if len(line.alerts) < NAMED:
            line.alerts.append(alert)
        else:
            line.more += 1

    def events(self) -> list[TimelineEvent]:
        """All of them, in order."""
        return [
            fact if isinstance(fact, TimelineEvent) else _event(fact[0], fact[1])
            for fact in self._facts
        ]


def _event(incident_id: str, line: _Line) -> TimelineEvent:
    count = len(line.alerts) + line.more
    if line.storm:
        summary = f"{count} reports of alerts in the storm"
        return TimelineEvent(incident_id, line.at, Kind.ALERT, summary)
    first = line.alerts[0]
    what = "fires" if first.firing else "resolved"
    summary = f"alert {first.name} {what}"
    if count > 1:
        summary += f", and {count - 1} more"
    data: dict[str, object] = {
        "status": first.status,
        "labels": dict(first.labels),
        "starts_at": first.starts_at.isoformat(),
    }
    if count > 1:
        data |= {"count": count, "others": [dict(alert.labels) for alert in line.alerts[1:]]}
    return TimelineEvent(incident_id, line.at, Kind.ALERT, summary, data)
