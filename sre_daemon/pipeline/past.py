"""Decisions as the store has them: what the policy was asked then, and what came of it."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

from sre_daemon.domain.diagnosis import Diagnosis
from sre_daemon.domain.effect import EffectInvalid, from_json
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.remediation import EffectRecord
from sre_daemon.domain.run import Run, RunOutcome
from sre_daemon.domain.verdict import Decision
from sre_daemon.pipeline import wire
from sre_daemon.policy.backtest import Past
from sre_daemon.policy.question import Question
from sre_daemon.report.attempts import Attempt, attempts
from sre_daemon.store.history import MOST

T = TypeVar("T")

KINDS = (Kind.VERDICT, Kind.DIAGNOSIS, Kind.STATE)
ACTING = frozenset({State.REMEDIATING.value, State.VERIFYING.value})
ENDED = frozenset({State.RESOLVED, State.CLOSED})
# Alerts and runs of an incident can be a little older than the incident.
MARGIN = timedelta(days=1)


class History(Protocol):
    """What happened in a period; every method may raise StoreUnavailable."""

    async def incidents(self, since: datetime, until: datetime) -> list[Incident]:
        """Opened, moved or open."""
        ...

    async def events(
        self, since: datetime, until: datetime, kinds: Collection[Kind]
    ) -> list[TimelineEvent]:
        """Facts of these kinds."""
        ...

    async def effects(self, since: datetime, until: datetime) -> list[EffectRecord]:
        """Begun in it."""
        ...

    async def runs(self, since: datetime, until: datetime) -> list[Run]:
        """Begun in it."""
        ...

    async def episodes(self, since: datetime, until: datetime) -> list[StoredAlert]:
        """Begun in it."""
        ...


@dataclass(frozen=True, slots=True)
class Recorded:
    """The decisions of a period.

    `incidents`: how many were opened in it; `undecided`: about how many of them no policy was asked.
    `unreadable`: decisions that this version cannot read. `complete` is False where the period has
    more than is read at once, and only the newest of it was looked at.
    """

    pasts: Sequence[Past]
    opened: Sequence[datetime]
    incidents: int
    undecided: int
    unreadable: int
    complete: bool


async def recorded(history: History, since: datetime, until: datetime) -> Recorded:
    """Every decision about incidents that were opened in the period."""
    moved = await history.incidents(since, until)
    events = await history.events(since, until, KINDS)
    effects = await history.effects(since, until)
    episodes = await history.episodes(since - MARGIN, until)
    runs = await history.runs(since - MARGIN, until)
    incidents = {item.id: item for item in moved if item.created_at >= since}
    case = _Case(incidents, events, attempts(effects, incidents), episodes, runs)
    pasts: list[Past] = []
    unreadable = 0
    decided = [e for e in events if e.kind is Kind.VERDICT and e.incident_id in incidents]
    for event in decided:
        try:
            pasts.append(case.past(event))
        except (EffectInvalid, LookupError, TypeError, ValueError):
            unreadable += 1
    return Recorded(
        pasts=pasts,
        opened=sorted(item.created_at for item in incidents.values()),
        incidents=len(incidents),
        undecided=len(incidents.keys() - {event.incident_id for event in decided}),
        unreadable=unreadable,
        complete=all(len(found) < MOST for found in (moved, events, effects, episodes, runs)),
    )


class _Case:
    """What is known, by incident."""

    def __init__(
        self,
        incidents: Mapping[str, Incident],
        events: Iterable[TimelineEvent],
        tried: Iterable[Attempt],
        episodes: Iterable[StoredAlert],
        runs: Iterable[Run],
    ) -> None:
        self._incidents = incidents
        self._events = _grouped(events, lambda item: item.incident_id)
        self._tried = _grouped(tried, lambda item: item.incident.id)
        self._episodes = _grouped(episodes, lambda item: item.incident_id)
        self._runs = _grouped(runs, lambda item: item.incident_id)

    def past(self, event: TimelineEvent) -> Past:
        """One decision, from the event that recorded it."""
        incident = self._incidents[event.incident_id]
        attempt = self._attempt(event)
        data: Mapping[str, Any] = event.data
        return Past(
            title=incident.title,
            question=Question(
                alerts=self._alerts(event),
                effects=tuple(from_json(item) for item in data["effects"]),
                at=event.at,
                incident_id=incident.id,
                diagnosis=self._diagnosis(event),
                engine=self._engine(event),
            ),
            decision=Decision(data["verdict"]),
            policy=str(data["policy"]),
            reason=str(data["reason"]),
            began=attempt is not None,
            over=self._over(attempt) if attempt else None,
            ending=_ending(incident, attempt),
        )

    def _alerts(self, event: TimelineEvent) -> tuple[Mapping[str, str], ...]:
        """Those that fired then, as far as had been heard; else all that were known."""
        known = [e for e in self._episodes[event.incident_id] if e.first_seen <= event.at]
        firing = [item for item in known if item.open or item.last_seen >= event.at]
        return tuple(item.alert.labels for item in firing or known)

    def _diagnosis(self, event: TimelineEvent) -> Diagnosis | None:
        earlier = [
            item
            for item in self._events[event.incident_id]
            if item.kind is Kind.DIAGNOSIS and item.seq < event.seq
        ]
        return wire.diagnosis_from_json(earlier[-1].data) if earlier else None

    def _engine(self, event: TimelineEvent) -> str:
        made = [
            run.engine
            for run in self._runs[event.incident_id]
            if run.outcome is RunOutcome.DIAGNOSED and run.started_at <= event.at
        ]
        return made[-1] if made else ""

    def _attempt(self, event: TimelineEvent) -> Attempt | None:
        """The repair that followed before anything else was decided."""
        later = [
            item.at
            for item in self._events[event.incident_id]
            if item.kind is Kind.VERDICT and item.seq > event.seq
        ]
        for item in self._tried[event.incident_id]:
            if item.at >= event.at and (not later or item.at < later[0]):
                return item
        return None

    def _over(self, attempt: Attempt) -> datetime | None:
        """When it left repair and proof; None while it has not."""
        for event in self._events[attempt.incident.id]:
            moved = event.kind is Kind.STATE and event.at >= attempt.at
            if moved and event.data.get("to") not in ACTING:
                return event.at
        return None


def _ending(incident: Incident, attempt: Attempt | None) -> str:
    if attempt is not None:
        return attempt.ending.value
    return "ended_unchanged" if incident.state in ENDED else "open"


def _grouped(items: Iterable[T], key: Callable[[T], str]) -> Mapping[str, list[T]]:
    groups: dict[str, list[T]] = defaultdict(list)
    for item in items:
        groups[key(item)].append(item)
    return groups
