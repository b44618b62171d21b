"""Rows to values and back: the only place that knows how a value is written down."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import Row

from sre_daemon.domain import redaction
from sre_daemon.domain.alert import Alert, AlertStatus, Severity
from sre_daemon.domain.effect import Effect, from_json, to_json
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Notification, StoredAlert, Unreadable
from sre_daemon.domain.remediation import Direction, EffectRecord, EffectState
from sre_daemon.domain.run import Run, RunOutcome, ToolCall, Usage

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND = timedelta(microseconds=1)

Values = dict[str, Any]


def number(at: datetime) -> int:
    """Microseconds since 1970."""
    return (at - EPOCH) // MICROSECOND


def maybe_number(at: datetime | None) -> int | None:
    """The same, or None."""
    return None if at is None else number(at)


def moment(value: int) -> datetime:
    """The time that `number` wrote."""
    return EPOCH + value * MICROSECOND


def maybe_moment(value: int | None) -> datetime | None:
    """The same, or None."""
    return None if value is None else moment(value)


def dump(value: object) -> str:
    """JSON text that every database can keep, whatever the value holds."""
    try:
        return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()
    except TypeError:
        # A lone surrogate, an integer of more than 64 bits, a key that is no text: the blank says
        # that the fast parser would read it as something else.
        return " " + json.dumps(value, separators=(",", ":"), sort_keys=True)


def undump(text: str) -> Any:
    """What `dump` wrote."""
    if text.startswith(" "):
        return json.loads(text)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        return json.loads(text)


def clean(text: str) -> str:
    """Text that every database can keep: lone surrogates and NUL become U+FFFD."""
    if text.isascii() and "\0" not in text:
        return text
    return (
        text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")
    )


NOTIFICATION = (
    "received_at",
    "tenant",
    "token_id",
    "peer",
    "group_key",
    "receiver",
    "truncated",
    "rejected",
    "body",
)


def notification_row(item: Notification) -> tuple[Any, ...]:
    """For the table of raw notifications, in the order of NOTIFICATION."""
    return (
        number(item.received_at),
        item.tenant,
        item.token_id,
        item.peer,
        clean(item.group_key),
        clean(item.receiver),
        item.truncated,
        dump(list(item.rejected)) if item.rejected else "[]",
        item.body,
    )


def notification(row: Row[Any]) -> Notification:
    """Its bytes and where they came from; who wants its alerts parses them again."""
    return Notification(
        body=bytes(row.body),
        received_at=moment(row.received_at),
        tenant=row.tenant,
        token_id=row.token_id,
        peer=row.peer,
        group_key=row.group_key,
        receiver=row.receiver,
        alerts=(),
        rejected=tuple(undump(row.rejected)),
        truncated=row.truncated,
    )


def unreadable_values(item: Unreadable) -> Values:
    """For the table of what cannot be read, without how often."""
    return {
        "digest": hashlib.sha256(item.body).hexdigest(),
        "tenant": item.sender.tenant,
        "token_id": item.sender.token_id,
        "peer": item.peer,
        "reason": clean(item.reason),
        "body": item.body,
    }


def incident_values(incident: Incident) -> Values:
    """Everything but the lease."""
    return {
        "id": incident.id,
        "key": incident.key,
        "title": clean(incident.title),
        "state": incident.state.value,
        "severity": incident.severity.value,
        "rank": incident.severity.rank,
        "labels": dump(dict(incident.labels)),
        "created_at": number(incident.created_at),
        "updated_at": number(incident.updated_at),
        "version": incident.version,
        "fence": incident.fence,
        "attempt": incident.attempt,
        "wake_at": maybe_number(incident.wake_at),
        "policy": incident.policy,
        "data": dump(dict(incident.data)),
    }


def incident(row: Row[Any]) -> Incident:
    """An incident."""
    return Incident(
        id=row.id,
        key=row.key,
        title=row.title,
        state=State(row.state),
        severity=Severity(row.severity),
        labels=undump(row.labels),
        created_at=moment(row.created_at),
        updated_at=moment(row.updated_at),
        version=row.version,
        fence=row.fence,
        attempt=row.attempt,
        wake_at=maybe_moment(row.wake_at),
        policy=row.policy,
        data=undump(row.data),
    )


EPISODE = (
    "id",
    "identity",
    "incident_id",
    "tenant",
    "status",
    "labels",
    "annotations",
    "generator_url",
    "fingerprint",
    "starts_at",
    "ends_at",
    "first_seen",
    "last_seen",
    "reports",
    "open",
    "ended_lately",
)


def episode_row(item: StoredAlert) -> tuple[Any, ...]:
    """For the table of episodes, in the order of EPISODE."""
    alert = item.alert
    return (
        item.id,
        alert.identity,
        item.incident_id or None,
        alert.tenant,
        alert.status.value,
        alert.canonical,
        dump(dict(alert.annotations)),
        clean(alert.generator_url),
        clean(alert.fingerprint),
        number(alert.starts_at),
        maybe_number(alert.ends_at),
        number(item.first_seen),
        number(item.last_seen),
        item.reports,
        item.open,
        not item.open,
    )


def episode(row: Row[Any]) -> StoredAlert:
    """An episode."""
    alert = Alert(
        labels=undump(row.labels),
        status=AlertStatus(row.status),
        starts_at=moment(row.starts_at),
        ends_at=maybe_moment(row.ends_at),
        annotations=undump(row.annotations),
        generator_url=row.generator_url,
        fingerprint=row.fingerprint,
        tenant=row.tenant,
    )
    return StoredAlert(
        alert=alert,
        incident_id=row.incident_id or "",
        first_seen=moment(row.first_seen),
        last_seen=moment(row.last_seen),
        reports=row.reports,
        open=bool(row.open),
        id=row.id,
    )


EVENT = ("incident_id", "at", "kind", "summary", "data")


def event_row(event: TimelineEvent) -> tuple[Any, ...]:
    """For the timeline, in the order of EVENT and without secrets; its `seq` is given by the table."""
    return (
        event.incident_id,
        number(event.at),
        event.kind.value,
        clean(redaction.hide(event.summary)),
        dump(redaction.data(event.data)),
    )


def event(row: Row[Any]) -> TimelineEvent:
    """A fact of the timeline."""
    return TimelineEvent(
        row.incident_id, moment(row.at), Kind(row.kind), row.summary, undump(row.data), row.seq
    )


def effect_values(effect: Effect) -> Values:
    """The effect itself, and its target for the limits."""
    return {"effect": dump(to_json(effect)), "target": effect.target}


def effect(row: Row[Any]) -> EffectRecord:
    """An effect on its way."""
    return EffectRecord(
        id=row.id,
        incident_id=row.incident_id,
        attempt=row.attempt,
        direction=Direction(row.direction),
        position=row.position,
        effect=from_json(undump(row.effect)),
        policy=row.policy,
        state=EffectState(row.state),
        intended_at=maybe_moment(row.intended_at),
        settled_at=maybe_moment(row.settled_at),
        detail=undump(row.detail),
    )


def run_values(run: Run) -> Values:
    """For the table of runs."""
    return {
        "id": run.id,
        "incident_id": run.incident_id,
        "engine": run.engine,
        "model": run.model,
        "started_at": number(run.started_at),
        "ended_at": maybe_number(run.ended_at),
        "outcome": run.outcome.value,
        "error": clean(run.error),
        "session": run.session,
        **asdict(run.usage),
    }


def run(row: Row[Any]) -> Run:
    """A run."""
    usage = Usage(
        turns=row.turns,
        input_tokens=row.input_tokens,
        output_tokens=row.output_tokens,
        cache_read_tokens=row.cache_read_tokens,
        cache_write_tokens=row.cache_write_tokens,
        cost_usd=row.cost_usd,
    )
    return Run(
        id=row.id,
        incident_id=row.incident_id,
        engine=row.engine,
        model=row.model,
        started_at=moment(row.started_at),
        ended_at=maybe_moment(row.ended_at),
        outcome=RunOutcome(row.outcome),
        usage=usage,
        error=row.error,
        session=row.session,
    )


def call_values(call: ToolCall) -> Values:
    """For the table of tool calls."""
    arguments: Mapping[str, object] = call.arguments
    return {
        "run_id": call.run_id,
        "call": clean(call.call),
        "tool": clean(call.tool),
        "arguments": dump(dict(arguments)),
        "output": clean(call.output),
        "is_error": call.is_error,
        "seconds": call.seconds,
        "at": number(call.at),
    }


def call(row: Row[Any]) -> ToolCall:
    """A tool call."""
    return ToolCall(
        run_id=row.run_id,
        call=row.call,
        tool=row.tool,
        arguments=undump(row.arguments),
        output=row.output,
        is_error=bool(row.is_error),
        seconds=row.seconds,
        at=moment(row.at),
    )
