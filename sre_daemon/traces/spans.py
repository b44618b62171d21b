"""From the facts of an incident to spans: pure, and the same spans whoever makes them.

A trace is one incident, from the alert to its end. Its identifiers are derived from the incident's
own, so that a replica that takes over, or a restart, goes on with the same trace, and a span that
is sent twice is the same span. Agent runs and tool calls follow OpenTelemetry's conventions for
generative AI.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.run import Run, RunOutcome

Value = str | int | float | bool
GOOD = frozenset({RunOutcome.DIAGNOSED, RunOutcome.INCONCLUSIVE})
# What is told of other facts than calls: moments, not durations.
MOMENTS = frozenset({Kind.ALERT, Kind.VERDICT, Kind.VERIFICATION, Kind.NOTIFICATION, Kind.NOTE})
MAX_TEXT = 500


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happened within a span."""

    name: str
    at: datetime
    attributes: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """A duration. `parent_id` is None for the whole incident; `error` is its type, or empty."""

    trace_id: int
    span_id: int
    parent_id: int | None
    name: str
    start: datetime
    end: datetime
    attributes: Mapping[str, Value] = field(default_factory=dict)
    moments: Sequence[Moment] = ()
    error: str = ""


def trace_id(incident_id: str) -> int:
    """128 bits."""
    return _bits(16, "trace", incident_id)


def span_id(incident_id: str, *what: object) -> int:
    """64 bits; without more words, of the whole incident."""
    return _bits(8, "span", incident_id, *what)


def _bits(size: int, *words: object) -> int:
    text = "\0".join(map(str, words)).encode()
    # Zero is no identifier; it is as likely as finding the key of a safe.
    return int.from_bytes(hashlib.sha256(text).digest()[:size], "big") or 1


def spans(
    before: Incident, after: Incident, events: Sequence[TimelineEvent], runs: Sequence[Run]
) -> list[Span]:
    """What a move from `before` to `after` completes: its stage, the runs and calls within it, and
    the whole incident when it is closed. `events` and `runs` are all that the store has of it."""
    since, until = before.updated_at, after.updated_at
    within = [event for event in events if since <= event.at <= until]
    stage = span_id(before.id, "stage", since.isoformat())
    made = [_stage(before, after, stage, within)]
    current = [run for run in runs if run.ended_at is not None and since <= run.started_at <= until]
    made += [_run(run, stage) for run in current]
    parent = span_id(before.id, "run", current[-1].id) if current else stage
    made += [_call(event, parent) for event in within if _is_call(event)]
    made += [_effect(event, stage) for event in within if _is_effect(event)]
    if after.state is State.CLOSED:
        made.append(_whole(after))
    return made


def _stage(before: Incident, after: Incident, own: int, within: Sequence[TimelineEvent]) -> Span:
    return Span(
        trace_id(before.id),
        own,
        span_id(before.id),
        f"stage {before.state}",
        before.updated_at,
        after.updated_at,
        {
            "sre_daemon.incident.id": before.id,
            "sre_daemon.state.from": str(before.state),
            "sre_daemon.state.to": str(after.state),
            "sre_daemon.attempt": after.attempt,
            "sre_daemon.policy": after.policy,
        },
        [
            Moment(str(event.kind), event.at, {"summary": event.summary[:MAX_TEXT]})
            for event in within
            if event.kind in MOMENTS
        ],
        error="escalated" if after.state is State.ESCALATED else "",
    )


def _run(run: Run, stage: int) -> Span:
    attributes: dict[str, Value] = {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.agent.name": "investigate",
        "gen_ai.conversation.id": run.id,
        "sre_daemon.engine": run.engine,
        "sre_daemon.run.outcome": str(run.outcome),
    }
    if run.model:
        attributes |= {
            "gen_ai.provider.name": "anthropic",
            "gen_ai.request.model": run.model,
            "gen_ai.usage.input_tokens": run.usage.input_tokens,
            "gen_ai.usage.output_tokens": run.usage.output_tokens,
            "sre_daemon.turns": run.usage.turns,
            "sre_daemon.cost_usd": run.usage.cost_usd,
        }
    return Span(
        trace_id(run.incident_id),
        span_id(run.incident_id, "run", run.id),
        stage,
        "invoke_agent investigate",
        run.started_at,
        run.ended_at or run.started_at,
        attributes,
        error="" if run.outcome in GOOD else str(run.outcome),
    )


def _is_call(event: TimelineEvent) -> bool:
    return event.kind is Kind.STEP and "tool" in event.data


def _call(event: TimelineEvent, parent: int) -> Span:
    tool = str(event.data["tool"])
    return Span(
        trace_id(event.incident_id),
        span_id(event.incident_id, "event", event.seq),
        parent,
        f"execute_tool {tool}",
        event.at - _seconds(event),
        event.at,
        {
            "gen_ai.operation.name": "execute_tool",
            "gen_ai.tool.name": tool,
            "gen_ai.tool.call.id": str(event.data.get("call", "")),
            "gen_ai.tool.type": "extension",
        },
        error="tool_error" if event.data.get("is_error") else "",
    )


def _is_effect(event: TimelineEvent) -> bool:
    return event.kind in {Kind.EFFECT, Kind.ROLLBACK} and "seconds" in event.data


def _effect(event: TimelineEvent, stage: int) -> Span:
    outcome = str(event.data.get("outcome", ""))
    return Span(
        trace_id(event.incident_id),
        span_id(event.incident_id, "event", event.seq),
        stage,
        f"{event.kind} {event.data.get('effect', '')}",
        event.at - _seconds(event),
        event.at,
        {"sre_daemon.outcome": outcome, "summary": event.summary[:MAX_TEXT]},
        error="" if outcome == "applied" else outcome,
    )


def _whole(incident: Incident) -> Span:
    return Span(
        trace_id(incident.id),
        span_id(incident.id),
        None,
        "incident",
        incident.created_at,
        incident.updated_at,
        {
            "sre_daemon.incident.id": incident.id,
            "sre_daemon.incident.title": incident.title[:MAX_TEXT],
            "sre_daemon.severity": str(incident.severity),
            "sre_daemon.resolution": str(incident.data.get("resolution") or "cleared"),
            "sre_daemon.policy": incident.policy,
        },
    )


def _seconds(event: TimelineEvent) -> timedelta:
    seconds = event.data.get("seconds")
    return timedelta(seconds=float(seconds)) if isinstance(seconds, int | float) else timedelta()
