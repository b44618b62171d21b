"""How things were before the first effect, and whether they are so again: what proves a rollback.

What held before must hold again, for a moment and not only by chance; what did not hold before was
the fault, and is only told in numbers. An alert that began after the decision must be over.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Alert
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.series import take_apart
from sre_daemon.errors import TargetUnavailable
from sre_daemon.observe import AlertState, Sample
from sre_daemon.pipeline.proof import proof_from_json

# People wait for what this says: a rollback that shows nothing by then is theirs.
LONGEST = timedelta(minutes=2)
SETTLED = timedelta(seconds=5)
POLL = timedelta(seconds=1)
SHORTEST_POLL = timedelta(milliseconds=250)
OVER = frozenset({AlertState.INACTIVE})


class Samples(Protocol):
    """Evaluates PromQL; raises TargetUnavailable."""

    async def sample(self, query: str) -> Sample:
        """See Observer."""
        ...


class Probe(Samples, Protocol):
    """Prometheus, as the proof of a rollback sees it; raises TargetUnavailable."""

    async def alert_states(self, alerts: Sequence[Alert]) -> Mapping[str, AlertState]:
        """By identity."""
        ...


class Alerts(Protocol):
    """The part of the store that is read; raises StoreUnavailable."""

    async def alerts(self, incident_id: str) -> list[StoredAlert]:
        """The incident's alerts."""
        ...


async def measured(samples: Samples, query: str) -> Sample:
    """A condition with its number, also where a comparison that says no has none.

    Raises:
        TargetUnavailable: Prometheus gave no usable answer.
    """
    sample = await samples.sample(query)
    left = take_apart(query).query
    if sample.value is not None or left == query:
        return sample
    return replace(sample, value=(await samples.sample(left)).value)


async def capture(samples: Samples, queries: Sequence[str], at: datetime) -> dict[str, object]:
    """The baseline, as it is kept with the incident (JSON values only)."""
    held: dict[str, bool | None] = {}
    values: dict[str, float | None] = {}
    for query in queries:
        try:
            sample = await measured(samples, query)
        except TargetUnavailable:
            held[query], values[query] = None, None
        else:
            held[query], values[query] = sample.holds, sample.value
    return {"at": at.isoformat(), "held": held, "values": values}


@dataclass(frozen=True, slots=True)
class Restored:
    """What was seen last: what is not as before (empty: proven), and the numbers."""

    missing: Sequence[str]
    before: Mapping[str, float | None]
    after: Mapping[str, float | None]

    @property
    def proven(self) -> bool:
        """Whether everything is as before."""
        return not self.missing

    @property
    def numbers(self) -> str:
        """Before and after, for people; empty when there are none."""
        pairs = [
            f"{query}: {said(self.before.get(query))} before, {said(value)} after"
            for query, value in self.after.items()
        ]
        return f" ({'; '.join(pairs)})" if pairs else ""


def said(value: float | None) -> str:
    """A number for people."""
    return "unknown" if value is None else f"{value}"


class Restoration:
    """Looks until everything is as before, within a bound."""

    def __init__(self, store: Alerts, probe: Probe, clock: Clock) -> None:
        self._store = store
        self._probe = probe
        self._clock = clock

    async def __call__(self, incident: Incident) -> Restored:
        """Return when it is proven, or the time is over; raises StoreUnavailable."""
        proof = proof_from_json(incident.data.get("proof"))
        baseline = incident.data.get("baseline")
        if proof is None or not isinstance(baseline, Mapping):
            return Restored(["it is not recorded how it was before"], {}, {})
        deadline = self._clock.now() + min(proof.within, LONGEST)
        hold = min(proof.hold, SETTLED)
        poll = max(SHORTEST_POLL, min(POLL, hold / 2))
        since: datetime | None = None
        while True:
            seen = await self._look(incident, baseline)
            now = self._clock.now()
            if seen.proven:
                since = since or now
                if now - since >= hold:
                    return seen
            else:
                since = None
                if now >= deadline:
                    return seen
            await self._clock.sleep(poll.total_seconds())

    async def _look(self, incident: Incident, baseline: Mapping[str, Any]) -> Restored:
        missing: list[str] = []
        after: dict[str, float | None] = {}
        for query, held in baseline["held"].items():
            try:
                sample = await measured(self._probe, query)
            except TargetUnavailable as failure:
                after[query] = None
                missing.append(f"no data for {query}: {failure.reason}")
                continue
            after[query] = sample.value
            # Not known before: then only what holds now is no worse.
            if not sample.holds and held is not False:
                missing.append(f"held before and does not hold: {query}")
        missing += await self._new_alerts(incident, datetime.fromisoformat(baseline["at"]))
        return Restored(missing, baseline["values"], after)

    async def _new_alerts(self, incident: Incident, before: datetime) -> list[str]:
        """Alerts of the incident that began after the decision, and are not over."""
        known = [item.alert for item in await self._store.alerts(incident.id)]
        began = [alert for alert in known if alert.starts_at > before]
        if not began:
            return []
        try:
            states = await self._probe.alert_states(began)
        except TargetUnavailable as failure:
            return [f"no data about the alerts: {failure.reason}"]
        return [
            f"{alert.name} began after the change and is {states[alert.identity]}"
            for alert in began
            if states[alert.identity] not in OVER
        ]
