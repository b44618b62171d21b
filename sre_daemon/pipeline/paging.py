"""What people do in PagerDuty about an incident of ours, as its webhooks tell it.

Whoever acknowledges is at work: from then on the daemon keeps its hands off. That somebody resolved
it there closes nothing here, because only the alert and the proof say that it is over. What the
daemon itself did comes back as webhooks, too, and is known by who did it: only users are people.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.text import line

log = structlog.get_logger(__name__)

# Events are remembered for longer than this, so that none is taken twice.
OLDEST = timedelta(days=1)
PERSON = "/person"
NOTED = {
    "incident.resolved": "resolved in PagerDuty by {who}; the alert and the proof decide here",
    "incident.reopened": "reopened in PagerDuty by {who}",
    "incident.unacknowledged": "no longer acknowledged in PagerDuty",
    "incident.reassigned": "assigned in PagerDuty to {whom}",
    "incident.delegated": "assigned in PagerDuty to {whom}",
    "incident.escalated": "escalated in PagerDuty to {whom}",
}
ACKNOWLEDGED = "incident.acknowledged"


class Finds(Protocol):
    """The incidents and their timelines."""

    async def incident(self, incident_id: str) -> Incident | None:
        """One of them."""
        ...

    async def note(self, events: list[TimelineEvent]) -> object:
        """Add facts."""
        ...


class Holds(Protocol):
    """Who is at work on what."""

    async def off(self, incident_id: str, who: str, reason: str, at: datetime) -> bool:
        """Hands off from now on; False when they are."""
        ...


class Sees(Protocol):
    """What was seen."""

    async def knows(self, key: str) -> bool:
        """Whether this was seen before."""
        ...

    async def first(self, key: str, at: datetime) -> bool:
        """Whether this was never seen before."""
        ...


@dataclass(frozen=True, slots=True)
class Paged:
    """One event of a webhook."""

    id: str
    kind: str
    key: str
    at: datetime
    by_user: bool
    who: str
    whom: str


class Paging:
    """Over the store. Raises StoreUnavailable when an event was not taken."""

    def __init__(self, store: Finds, hands: Holds, seen: Sees, clock: Clock) -> None:
        self._store = store
        self._hands = hands
        self._seen = seen
        self._clock = clock

    async def take(self, body: Mapping[str, Any]) -> bool:
        """Whether anything was done about it; what is not ours or is known already is no error."""
        said = read(body)
        now = self._clock.now()
        if said is None or now - said.at > OLDEST:
            return False
        incident = await self._store.incident(said.key.removesuffix(PERSON))
        key = f"pagerduty:{said.id}"
        if incident is None or await self._seen.knows(key):
            return False
        done = await self._do(said, incident, now)
        # Afterwards: an event that was seen and not dealt with would be lost.
        await self._seen.first(key, now)
        return done

    async def _do(self, said: Paged, incident: Incident, now: datetime) -> bool:
        if said.kind == ACKNOWLEDGED:
            if not said.by_user:
                return False
            who = f"{line(said.who, 100)} in PagerDuty"
            log.info("hands off", incident=incident.id, who=who)
            return await self._hands.off(incident.id, who, "acknowledged it", now)
        words = NOTED.get(said.kind)
        if words is None or ("{who}" in words and not said.by_user):
            return False
        text = words.format(who=line(said.who, 100), whom=line(said.whom, 200) or "nobody")
        data = {"pagerduty": said.kind, "who": said.who}
        await self._store.note([TimelineEvent(incident.id, now, Kind.NOTE, text, data)])
        return True


def read(body: Mapping[str, Any]) -> Paged | None:
    """The event in a webhook's body; None for what is about no incident, or cannot be read."""
    event = _mapping(body.get("event"))
    data, agent = _mapping(event.get("data")), _mapping(event.get("agent"))
    name, kind, key = event.get("id"), event.get("event_type"), data.get("incident_key")
    if not all(isinstance(item, str) and item for item in (name, kind, key)):
        return None
    assignees = data.get("assignees")
    whom = [
        str(_mapping(item).get("summary", ""))
        for item in (assignees if isinstance(assignees, list) else [])
    ]
    try:
        at = datetime.fromisoformat(str(event.get("occurred_at"))).astimezone(UTC)
    except ValueError:
        return None
    return Paged(
        id=str(name),
        kind=str(kind),
        key=str(key),
        at=at,
        by_user=agent.get("type") == "user_reference",
        who=str(agent.get("summary") or agent.get("id") or "somebody"),
        whom=", ".join(item for item in whom if item),
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
