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
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import TargetUnavailable
from sre_daemon.metrics import Metrics
from sre_daemon.observe import AlertState, Sample
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


@dataclass(frozen=True, slots=True)
class Look:
    """One look: what is still missing (empty: everything holds), and the numbers seen.

    `ended`: when the last of the alerts ended, where it is known; one that fired and ended
    between two looks was a gap, too.
    """

    missing: Sequence[str]
    values: Mapping[str, float | None]
    ended: datetime | None = None


class Verify:
    """State verifying."""

    def __init__(
        self, store: Store, probe: Probe, undo: Undo, clock: Clock, metrics: Metrics
    ) -> None:
        self._store = store
        self._probe = probe
        self._undo = undo
        self._clock = clock
        self._metrics = metrics

    async def __call__(self, incident: Incident) -> Outcome:
        """Proven: resolved. Not in time: taken back, and a person told."""
        proof = proof_from_json(incident.data.get("proof"))
        applied_at = incident.data.get("applied_at")
        if proof is None or not isinstance(applied_at, str):
            return Escalate(Reason.INTERNAL_ERROR, "it is not recorded what would prove the repair")
        if await self._undo.begun(incident):
            return await self._unproven(incident, proof, ["interrupted while taking back"])
        look = await self._look(incident, proof)
        now = self._clock.now()
        progress = _progress(incident)
        if not look.missing:
            since = self._held_since(progress, proof, now)
            if look.ended is not None:
                since = max(since, min(look.ended, now))
            if now - since >= proof.hold:
                return self._proven(incident, proof, look, now)
            return self._wait(incident, proof, look, now, since)
        if now - datetime.fromisoformat(applied_at) >= proof.within:
            return await self._unproven(incident, proof, look.missing)
        return self._wait(incident, proof, look, now, None)

    async def _look(self, incident: Incident, proof: Proof) -> Look:
        missing: list[str] = []
        values: dict[str, float | None] = {}
        ended = None
        if proof.alerts_resolved:
            alerts = [item.alert for item in await self._store.alerts(incident.id)]
            missing += await self._still_firing(alerts)
            ended = max((alert.ends_at for alert in alerts if alert.ends_at), default=None)
        for query in proof.promql:
            try:
                sample = await self._probe.sample(query)
            except TargetUnavailable as failure:
                missing.append(f"no data for {query}: {failure.reason}")
                continue
            values[query] = sample.value
            if not sample.holds:
                missing.append(f"does not hold: {query}")
        return Look(missing, values, ended)

    async def _still_firing(self, alerts: Sequence[Alert]) -> list[str]:
        try:
            states = await self._probe.alert_states(alerts)
        except TargetUnavailable as failure:
            return [f"no data about the alerts: {failure.reason}"]
        return [
            f"{alert.name} is {states[alert.identity]}"
            for alert in alerts
            if states[alert.identity] is not AlertState.INACTIVE
        ]

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

    async def _unproven(self, incident: Incident, proof: Proof, missing: Sequence[str]) -> Outcome:
        self._metrics.verifications.labels("not_proven").inc()
        what = "; ".join(missing)
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


def _progress(incident: Incident) -> Mapping[str, Any]:
    progress = incident.data.get("verification")
    return progress if isinstance(progress, Mapping) else {}


def _poll(proof: Proof) -> timedelta:
    return max(SHORTEST_POLL, min(LONGEST_POLL, proof.hold / 5))
