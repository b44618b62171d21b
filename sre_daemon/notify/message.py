"""What is said: made from the store at the moment of sending, the same for every channel."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from sre_daemon.domain.delivery import Delivery
from sre_daemon.domain.effect import from_json
from sre_daemon.domain.event import Kind
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.remediation import EffectRecord

DAEMON = "daemon"
DIGEST = "digest"
ALERTS = 20


@dataclass(frozen=True, slots=True)
class Proof:
    """One query of a proof, before and after the repair."""

    query: str
    before: float | None
    after: float | None


@dataclass(frozen=True, slots=True)
class Message:
    """One message. Without `incident_id` it is about the daemon itself, in the state `daemon`,
    or the digest, in the state `digest`.

    `text` is one sentence; the rest is what a channel with room for it may show. `quiet` means
    that it should wake nobody, `again` that the channel was told of the incident before. `key` is the same when the same message is sent again.
    """

    incident_id: str
    state: str
    severity: str
    title: str
    text: str
    key: str = ""
    about: str = Kind.STATE.value
    reason: str = ""
    at: str = ""
    quiet: bool = False
    again: bool = False
    reminder: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    alerts: Sequence[str] = ()
    cause: str = ""
    confidence: float | None = None
    missing: Sequence[str] = ()
    proposed: Sequence[str] = ()
    changes: Sequence[str] = ()
    proof: Sequence[Proof] = ()
    policy: str = ""
    began_at: str = ""
    seconds: float = 0.0
    postmortem: str = ""
    url: str = ""


class Reads(Protocol):
    """What a message is made from; every method may raise StoreUnavailable."""

    async def incident(self, incident_id: str) -> Incident | None:
        """One incident."""
        ...

    async def alerts(self, incident_id: str) -> list[StoredAlert]:
        """Its alerts."""
        ...

    async def effects(self, incident_id: str, attempt: int | None = None) -> list[EffectRecord]:
        """Its effects."""
        ...


async def compose(store: Reads, delivery: Delivery, console_url: str) -> Message | None:
    """The message of a delivery; None when its incident is gone."""
    payload: Mapping[str, Any] = delivery.payload
    if not delivery.incident_id:
        digest = bool(payload.get("digest"))
        return Message(
            "",
            DIGEST if digest else DAEMON,
            "info" if digest else "critical",
            payload["title"],
            payload["text"],
            delivery.key,
            at=payload["at"],
            quiet=digest,
            url=console_url,
        )
    incident = await store.incident(delivery.incident_id)
    if incident is None:
        return None
    alerts = await store.alerts(incident.id)
    effects = await store.effects(incident.id)
    found = _mapping(incident.data.get("diagnosis"))
    at = datetime.fromisoformat(payload["at"])
    conclusive = bool(found.get("conclusive"))
    return Message(
        incident_id=incident.id,
        state=payload["state"] or incident.state.value,
        severity=incident.severity.value,
        title=incident.title,
        text=payload["text"],
        key=delivery.key,
        about=payload["about"],
        reason=payload["reason"],
        at=payload["at"],
        quiet=payload["quiet"],
        again=payload["again"],
        reminder=payload.get("reminder", 0),
        labels=dict(incident.labels),
        alerts=[_alert(item) for item in alerts[:ALERTS]],
        cause=found.get("root_cause", "") if conclusive else "",
        confidence=found.get("confidence") if conclusive else None,
        missing=() if conclusive else tuple(found.get("missing", ())),
        proposed=_proposed(found),
        changes=[f"{e.effect.describe()}: {e.state}" for e in effects if e.intended_at],
        proof=proof(incident),
        policy=incident.policy,
        began_at=incident.created_at.isoformat(),
        seconds=max(0.0, (at - incident.created_at).total_seconds()),
        postmortem=str(incident.data.get("postmortem") or ""),
        url=f"{console_url.rstrip('/')}/incidents/{incident.id}" if console_url else "",
    )


def proof(incident: Incident) -> list[Proof]:
    """The queries of its proof, with what they gave before and after."""
    before, after = (_mapping(incident.data.get(name)) for name in ("before", "after"))
    return [
        Proof(query, before.get(query), after.get(query))
        for query in dict.fromkeys([*before, *after])
    ]


def _alert(item: StoredAlert) -> str:
    summary = item.alert.annotations.get("summary", "")
    return f"{item.alert.name}: {summary}" if summary else item.alert.name


def _proposed(diagnosis: Mapping[str, Any]) -> list[str]:
    return [from_json(item).describe() for item in diagnosis.get("proposed", ())]


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
