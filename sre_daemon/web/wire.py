"""The JSON forms of the API. docs/api.md has them in words."""

from collections.abc import Mapping
from typing import Any

from sre_daemon.domain.approval import Approval
from sre_daemon.domain.effect import to_json
from sre_daemon.domain.event import TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.remediation import EffectRecord
from sre_daemon.domain.run import Run, ToolCall


def incident(item: Incident) -> dict[str, Any]:
    """An incident in a list."""
    return {
        "id": item.id,
        "key": item.key,
        "title": item.title,
        "state": item.state,
        "severity": item.severity,
        "labels": dict(item.labels),
        "created_at": item.created_at.isoformat(),
        "updated_at": item.updated_at.isoformat(),
        "attempt": item.attempt,
        "policy": item.policy,
    }


def details(item: Incident) -> Mapping[str, Any]:
    """What an incident's own page has besides."""
    return {
        "diagnosis": item.data.get("diagnosis"),
        "postmortem": item.data.get("postmortem"),
        "resolution": item.data.get("resolution"),
        "before": item.data.get("before"),
        "after": item.data.get("after"),
    }


def alert(item: StoredAlert) -> dict[str, Any]:
    """An alert of an incident."""
    return {
        "name": item.alert.name,
        "status": item.alert.status,
        "labels": dict(item.alert.labels),
        "annotations": dict(item.alert.annotations),
        "starts_at": item.alert.starts_at.isoformat(),
        "first_seen": item.first_seen.isoformat(),
        "last_seen": item.last_seen.isoformat(),
        "reports": item.reports,
        "open": item.open,
    }


def event(item: TimelineEvent) -> dict[str, Any]:
    """A fact of the timeline."""
    return {
        "seq": item.seq,
        "at": item.at.isoformat(),
        "kind": item.kind,
        "summary": item.summary,
        "data": dict(item.data),
    }


def effect(item: EffectRecord) -> dict[str, Any]:
    """An effect on its way."""
    return {
        "attempt": item.attempt,
        "direction": item.direction,
        "position": item.position,
        "effect": to_json(item.effect),
        "state": item.state,
        "policy": item.policy,
        "intended_at": item.intended_at.isoformat() if item.intended_at else None,
        "settled_at": item.settled_at.isoformat() if item.settled_at else None,
        "detail": dict(item.detail),
    }


def approval(item: Approval) -> dict[str, Any]:
    """What people are asked, and the answer. `digest` is what an answer must name."""
    return {
        "id": item.id,
        "incident": item.incident_id,
        "attempt": item.attempt,
        "policy": item.policy,
        "state": item.state,
        "digest": item.digest,
        "effects": [{**to_json(effect), "says": effect.describe()} for effect in item.effects],
        "approvers": list(item.approvers),
        "requested_at": item.requested_at.isoformat(),
        "expires_at": item.expires_at.isoformat(),
        "decided_at": item.decided_at.isoformat() if item.decided_at else None,
        "who": item.who,
        "role": item.role,
        "reason": item.reason,
    }


def run(item: Run) -> dict[str, Any]:
    """A run."""
    return {
        "id": item.id,
        "engine": item.engine,
        "model": item.model,
        "started_at": item.started_at.isoformat(),
        "ended_at": item.ended_at.isoformat() if item.ended_at else None,
        "outcome": item.outcome,
        "turns": item.usage.turns,
        "tokens": {
            "input": item.usage.input_tokens,
            "output": item.usage.output_tokens,
            "cache_read": item.usage.cache_read_tokens,
            "cache_write": item.usage.cache_write_tokens,
        },
        "cost_usd": item.usage.cost_usd,
        "error": item.error,
    }


def call(item: ToolCall) -> dict[str, Any]:
    """A tool call."""
    return {
        "call": item.call,
        "tool": item.tool,
        "arguments": dict(item.arguments),
        "output": item.output,
        "is_error": item.is_error,
        "seconds": item.seconds,
        "at": item.at.isoformat(),
    }
