"""The proof: the alert's own state and the policy's PromQL, held without a gap. Nobody's word counts.

One call looks once and waits; what it saw is kept with the incident, so that a crash restarts the
holding time and nothing else. No data is no proof.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Alert
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import (
    REMEDIATION,
    Event,
    RemediationEvent,
    RemediationState,
    advance,
)
from sre_daemon.domain.trial import TrialOutcome
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import TargetUnavailable
from sre_daemon.metrics import Metrics
from sre_daemon.observe import AlertState, Sample
from sre_daemon.pipeline.baseline import measured
from sre_daemon.pipeline.proof import Proof, proof_from_json
from sre_daemon.pipeline.stage import Escalate, Next, Outcome, Wait
from sre_daemon.pipeline.undo import Undo
from sre_daemon.store.base import Store

SHORTEST_POLL = timedelta(milliseconds=500)
LONGEST_POLL = timedelta(seconds=5)
# Two looks further apart than this many polls leave a gap that nobody watched.
GAP = 6


class Probe(Protocol):
    """What the proof looks at."""

    async def alert_states(self, alerts: Sequence[Alert]) -> Mapping[str, AlertState]:
        """By identity; raises TargetUnavailable."""
        ...

    async def sample(self, query: str) -> Sample:
        """Raises TargetUnavailable."""
        ...

    async def holds(self, query: str) -> bool | None:
        """Whether a guard holds, None when that is unknown; raises TargetUnavailable."""
        ...


class Notes(Protocol):
    """The record of policies."""

    async def note(self, incident: Incident, name: str, outcome: TrialOutcome) -> None:
        """Raises StoreUnavailable."""
        ...


@dataclass(frozen=True, slots=True)
class Look:
    """One look: what is still missing (empty: everything holds), and the numbers seen.

    `ended`: when the last of the alerts ended, where it is known; one that fired and ended
    between two looks was a gap, too. `broken` are guards that do not hold; `unknown`: nothing is
    known to be wrong, something is not known.
    """

    missing: Sequence[str]
    values: Mapping[str, float | None]
    ended: datetime | None = None
    broken: Sequence[str] = ()
    unknown: bool = False


class Verify:
    """State verifying."""

    def __init__(
        self,
        store: Store,
        probe: Probe,
        undo: Undo,
        record: Notes,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._store = store
        self._probe = probe
        self._undo = undo
        self._record = record
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, incident: Incident) -> Outcome:
        """Proven: resolved. Not in time: taken back, and a person told."""
        proof = proof_from_json(incident.data.get("proof"))
        applied_at = incident.data.get("applied_at")
        if proof is None or not isinstance(applied_at, str):
            return Escalate(Reason.INTERNAL_ERROR, "it is not recorded what would prove the repair")
        if await self._undo.begun(incident):
            interrupted = Look(["interrupted while taking back"], {})
            return await self._unproven(incident, proof, interrupted, "not_proven")
        look = await self._look(incident, proof)
        now = self._clock.now()
        progress = _progress(incident)
        if not look.missing:
            since = self._held_since(progress, proof, now)
            if look.ended is not None:
                since = max(since, min(look.ended, now))
            if now - since >= proof.hold:
                await self._record.note(incident, incident.policy, TrialOutcome.VERIFIED)
                return self._proven(incident, proof, look, now)
            return self._wait(incident, proof, look, now, since)
        broken = progress.get("broken_since")
        if look.broken and broken and now - datetime.fromisoformat(broken) >= proof.hold:
            return await self._unproven(incident, proof, look, "regressed")
        if now - datetime.fromisoformat(applied_at) >= proof.within:
            outcome = "inconclusive" if look.unknown else "not_proven"
            return await self._unproven(incident, proof, look, outcome)
        return self._wait(incident, proof, look, now, None)

    async def _look(self, incident: Incident, proof: Proof) -> Look:
        missing: list[str] = []
        values: dict[str, float | None] = {}
        ended, wrong = None, 0
        if proof.alerts_resolved:
            alerts = [item.alert for item in await self._store.alerts(incident.id)]
            firing, known = await self._still_firing(alerts)
            missing += firing
            wrong += known
            ended = max((alert.ends_at for alert in alerts if alert.ends_at), default=None)
        for query in proof.promql:
            try:
                sample = await measured(self._probe, query)
            except TargetUnavailable as failure:
                missing.append(f"no data for {query}: {failure.reason}")
                continue
            values[query] = sample.value
            if not sample.holds:
                missing.append(f"does not hold: {query}")
                # Without any number it may be a comparison that says no, or a metric that is gone.
                wrong += sample.value is not None
        broken = await self._broken(proof, missing)
        unknown = bool(missing) and not wrong and not broken
        return Look(missing, values, ended, broken, unknown)

    async def _broken(self, proof: Proof, missing: list[str]) -> list[str]:
        """The guards that do not hold; what is not known about the others is missing, too."""
        broken: list[str] = []
        for query in proof.guards:
            try:
                holds = await self._probe.holds(query)
            except TargetUnavailable as failure:
                missing.append(f"no data for the guard {query}: {failure.reason}")
                continue
            if holds is None:
                missing.append(f"no data for the guard {query}")
            elif not holds:
                broken.append(query)
                missing.append(f"the guard does not hold: {query}")
        return broken

    async def _still_firing(self, alerts: Sequence[Alert]) -> tuple[list[str], int]:
        """What is said of alerts that are not over, and how many of them are known to be there."""
        try:
            states = await self._probe.alert_states(alerts)
        except TargetUnavailable as failure:
            return [f"no data about the alerts: {failure.reason}"], 0
        found = [alert for alert in alerts if states[alert.identity] is not AlertState.INACTIVE]
        known = sum(states[alert.identity] is not AlertState.UNKNOWN for alert in found)
        return [f"{alert.name} is {states[alert.identity]}" for alert in found], known

    def _held_since(self, progress: Mapping[str, Any], proof: Proof, now: datetime) -> datetime:
        since, seen = progress.get("held_since"), progress.get("seen_at")
        if since is None or seen is None:
            return now
        if now - datetime.fromisoformat(seen) > GAP * _poll(proof):
            return now
        return datetime.fromisoformat(since)

    def _wait(
        self,
        incident: Incident,
        proof: Proof,
        look: Look,
        now: datetime,
        since: datetime | None,
    ) -> Wait:
        before = _progress(incident)
        sentence = (
            "; ".join(look.missing)
            or f"everything holds; {proof.hold.total_seconds():g} s of that prove it"
        )
        events = []
        if sentence != before.get("sentence"):
            events.append(
                TimelineEvent(
                    incident.id,
                    now,
                    Kind.VERIFICATION,
                    sentence,
                    {"missing": list(look.missing), "values": dict(look.values)},
                )
            )
        progress = {
            "held_since": since.isoformat() if since else None,
            "seen_at": now.isoformat(),
            "broken_since": (before.get("broken_since") or now.isoformat())
            if look.broken
            else None,
            "sentence": sentence,
        }
        return Wait(now + _poll(proof), {"verification": progress}, events)

    def _proven(self, incident: Incident, proof: Proof, look: Look, now: datetime) -> Next:
        self._metrics.verifications.labels("proven").inc()
        sentence = f"proven: everything held for {proof.hold.total_seconds():g} s"
        event = TimelineEvent(
            incident.id,
            now,
            Kind.VERIFICATION,
            sentence,
            {"proven": True, "before": incident.data.get("before"), "after": dict(look.values)},
        )
        notes = {
            "remediation": advance(
                REMEDIATION, RemediationState.RUNNING, RemediationEvent.SUCCEEDED
            ),
            "after": dict(look.values),
            "resolution": "proven",
        }
        return Next(Event.CONFIRMED, Reason.PROVEN, sentence, notes, [event])

    async def _unproven(
        self, incident: Incident, proof: Proof, look: Look, outcome: str
    ) -> Outcome:
        """Whatever is not proven failed: also what could not be looked at."""
        self._metrics.verifications.labels(outcome).inc()
        await self._record.note(incident, incident.policy, TrialOutcome.FAILED)
        what = "; ".join(look.missing) + _numbers(incident, look)
        if not proof.rollback:
            return Escalate(
                Reason.NOT_PROVEN,
                f"not proven in time: {what}; the change was left in place, as the policy says",
                notes={
                    "remediation": advance(
                        REMEDIATION, RemediationState.RUNNING, RemediationEvent.FAILED
                    )
                },
            )
        undone = await self._undo(incident)
        return Escalate(
            Reason.NOT_PROVEN,
            f"not proven in time: {what}; {undone.sentence}",
            notes={"remediation": undone.state},
        )


def _numbers(incident: Incident, look: Look) -> str:
    """The numbers before and after, for whoever goes on."""
    before = incident.data.get("before")
    known = before if isinstance(before, Mapping) else {}
    pairs = [
        f"{query}: {known.get(query, 'unknown')} before, {value} after"
        for query, value in look.values.items()
    ]
    return f" ({'; '.join(pairs)})" if pairs else ""


def _progress(incident: Incident) -> Mapping[str, Any]:
    progress = incident.data.get("verification")
    return progress if isinstance(progress, Mapping) else {}


def _poll(proof: Proof) -> timedelta:
    return max(SHORTEST_POLL, min(LONGEST_POLL, proof.hold / 5))
