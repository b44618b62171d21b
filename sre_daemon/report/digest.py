"""The digest of a period: what fired, what was repaired and proven, what was refused, what waits, and
what it cost. Derived from the store; nothing in it is anybody's opinion.
"""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from statistics import median
from typing import Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.remediation import EffectRecord
from sre_daemon.domain.run import Run
from sre_daemon.report.attempts import Attempt, Ending, attempts
from sre_daemon.report.postmortem import line

WAITING = frozenset({State.AWAITING_APPROVAL, State.ESCALATED})
NOISY = 3


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


class Digests:
    """Over the history of one store."""

    def __init__(self, history: History, clock: Clock) -> None:
        self._history = history
        self._clock = clock

    async def __call__(self, period: timedelta) -> str:
        """The Markdown for the time until now; raises StoreUnavailable."""
        until = self._clock.now()
        since = until - period
        incidents = {i.id: i for i in await self._history.incidents(since, until)}
        events = await self._history.events(since, until, [Kind.STATE, Kind.VERDICT])
        parts = [
            f"# sre-daemon, {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC",
            _fired(await self._history.episodes(since, until), incidents.values()),
            _repaired(attempts(await self._history.effects(since, until), incidents)),
            _refused(events, incidents),
            _waiting(incidents.values(), until),
            _doubtful(incidents.values(), events),
            _cost(await self._history.runs(since, until), events, incidents),
        ]
        return "\n\n".join(parts) + "\n"


def _section(title: str, lines: Iterable[str], nothing: str) -> str:
    found = [f"- {item}" for item in lines] or [nothing]
    return "\n".join([f"## {title}", "", *found])


def _fired(episodes: Sequence[StoredAlert], incidents: Iterable[Incident]) -> str:
    names = Counter(item.alert.name for item in episodes)
    alone = Counter(
        i.labels.get("alertname", "") for i in incidents if i.data.get("resolution") != "proven"
    )
    lines = [
        f"{line(name)}: {count}×" + (", worth tuning" if alone[name] >= NOISY else "")
        for name, count in names.most_common(20)
    ]
    return _section("What fired", lines, "Nothing.")


def _repaired(tried: Sequence[Attempt]) -> str:
    lines = []
    for policy in dict.fromkeys(item.policy for item in tried):
        mine = [item for item in tried if item.policy == policy]
        endings = Counter(item.ending for item in mine)
        words = [f"{endings[e]} {e.value.replace('_', ' ')}" for e in Ending if endings[e]]
        share = endings[Ending.PROVEN] / len(mine)
        lines.append(f"{line(policy)}: {', '.join(words)}; {share:.0%} proven")
    return _section("What was repaired", lines, "Nothing was changed.")


def _refused(events: Sequence[TimelineEvent], incidents: dict[str, Incident]) -> str:
    lines = [
        f"{line(incidents[e.incident_id].title)}: {line(e.summary)}"
        for e in events
        if e.kind is Kind.VERDICT and e.data.get("verdict") == "deny" and e.incident_id in incidents
    ]
    return _section("What was refused, and why", lines[-20:], "Nothing.")


def _waiting(incidents: Iterable[Incident], now: datetime) -> str:
    lines = [
        f"{line(i.title)}: {i.state.value.replace('_', ' ')}"
        f" for {(now - i.updated_at) / timedelta(minutes=1):.0f} min ({i.id})"
        for i in incidents
        if i.state in WAITING
    ]
    return _section("What waits for a person", lines, "Nothing.")


def _doubtful(incidents: Iterable[Incident], events: Sequence[TimelineEvent]) -> str:
    again = {
        e.incident_id for e in events if e.kind is Kind.STATE and e.data.get("event") == "recurred"
    }
    lines = [
        f"{line(i.title)}: came back after it was proven ({i.id})"
        for i in incidents
        if i.id in again and i.attempt > 0
    ]
    return _section("False successes", lines, "None.")


def _cost(
    runs: Sequence[Run], events: Sequence[TimelineEvent], incidents: dict[str, Incident]
) -> str:
    lines = [
        f"{len(runs)} investigations for ${sum(run.usage.cost_usd for run in runs):.2f}",
        *_median("to the first look", State.INVESTIGATING, events, incidents),
        *_median("to the end", State.RESOLVED, events, incidents),
    ]
    return _section("Numbers", lines, "")


def _median(
    what: str, state: State, events: Sequence[TimelineEvent], incidents: dict[str, Incident]
) -> list[str]:
    """The median time from the opening to the first move into a state."""
    first: dict[str, datetime] = {}
    for event in events:
        if event.kind is Kind.STATE and event.data.get("to") == state:
            first.setdefault(event.incident_id, event.at)
    seconds = [
        (at - incidents[name].created_at).total_seconds()
        for name, at in first.items()
        if name in incidents
    ]
    return [f"median {what}: {median(seconds):.0f} s of {len(seconds)}"] if seconds else []
