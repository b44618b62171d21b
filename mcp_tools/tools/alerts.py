"""get_alerts: what Prometheus says is firing or pending, and what Alertmanager mutes."""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from mcp_tools.errors import ToolError
from mcp_tools.spec import Input, Output, Part, ToolSpec, clean, clip, fit
from mcp_tools.tools.context import Context

BUDGET = 24_000
MAX_TEXT = 400
State = Literal["firing", "pending", "suppressed"]


class AlertsInput(Input):
    """Arguments of get_alerts."""

    offset: int = Field(
        0, ge=0, le=1_000_000, description="Leave out this many of the first alerts; to page on"
    )


class AlertView(Part):
    """One alert. `expr` is the rule's expression, empty when no rule was found for it."""

    name: str
    state: State
    labels: dict[str, str]
    annotations: dict[str, str]
    active_since: str
    duration_seconds: float | None
    value: float | None
    expr: str
    silenced_by: list[str]
    inhibited_by: list[str]


class Silence(Part):
    """A silence that mutes one of the alerts."""

    id: str
    created_by: str
    comment: str
    ends_at: str


class Sources(Part):
    """Whether each source answered: "ok", or what went wrong."""

    prometheus: str
    alertmanager: str


class AlertsOutput(Output):
    """Result of get_alerts; firing before pending before suppressed, longest first."""

    sources: Sources
    total: int
    alerts: list[AlertView]
    silences: list[Silence]
    truncated: bool
    next_offset: int | None

    def render(self) -> str:
        """A block per alert."""
        lines = [
            f"Prometheus: {self.sources.prometheus}; Alertmanager: {self.sources.alertmanager}"
        ]
        if not self.alerts:
            lines.append("No alert is firing or pending.")
        for alert in self.alerts:
            age = "" if alert.duration_seconds is None else f" for {alert.duration_seconds:.0f} s"
            severity = alert.labels.get("severity", "no severity")
            lines.append(
                f"{alert.state.upper()} {alert.name} ({severity}){age}, value {alert.value}"
            )
            lines += [f"  {name}={value}" for name, value in alert.labels.items()]
            lines += [f"  {name}: {value}" for name, value in alert.annotations.items()]
            if alert.expr:
                lines.append(f"  rule: {alert.expr}")
            lines += [f"  silenced by {name}" for name in alert.silenced_by]
            lines += [f"  inhibited by {name}" for name in alert.inhibited_by]
        lines += [
            f"Silence {item.id} by {item.created_by} until {item.ends_at}: {item.comment}"
            for item in self.silences
        ]
        if self.next_offset is not None:
            lines.append(f"More alerts: offset={self.next_offset}")
        return "\n".join(lines)


ALERTS = ToolSpec(
    name="get_alerts",
    title="Current alerts",
    description=(
        "List the alerts that are firing or pending now, from Prometheus, with severity, duration, "
        "current value and the rule's expression, and whether Alertmanager silences (who, why, until when) "
        "or inhibits them. "
        "Use it to see what else is wrong at the same time, since when, and whether an alert has "
        "cleared after a repair. Example: call it without arguments; then put an alert's expr into "
        "query_metrics to see how it developed."
    ),
    input=AlertsInput,
    output=AlertsOutput,
)


async def get_alerts(context: Context, arguments: AlertsInput) -> AlertsOutput:
    """Ask all sources at once; a source that fails is named and does not hide the others.

    Raises:
        ToolError: no source answered.
    """
    prometheus = context.prometheus
    answers = await asyncio.gather(
        prometheus.alerts(),
        prometheus.rules(),
        context.alertmanager.alerts(),
        context.alertmanager.silences(),
        return_exceptions=True,
    )
    lists: list[list[dict[str, Any]]] = []
    for answer in answers:
        if isinstance(answer, BaseException) and not isinstance(answer, ToolError):
            raise answer
        lists.append(answer if isinstance(answer, list) else [])
    alerts, _, managed, _ = answers
    manager = "ok" if not isinstance(managed, ToolError) else managed.reason
    sources = Sources(
        prometheus="ok" if not isinstance(alerts, ToolError) else alerts.reason,
        alertmanager=manager if context.alertmanager.configured else "not configured",
    )
    if isinstance(alerts, ToolError) and (manager != "ok" or not context.alertmanager.configured):
        raise alerts
    return combine(lists, sources, context.now(), arguments.offset)


def combine(
    lists: Sequence[Sequence[Mapping[str, Any]]], sources: Sources, now: datetime, offset: int = 0
) -> AlertsOutput:
    """Prometheus' alerts, their rules' expressions and Alertmanager's state as one list.

    Alertmanager's labels may have external labels besides, so an alert is found there when its
    labels are a part of the ones there.
    """
    alerts, rules, managed, silences = lists
    expressions = _expressions(rules)
    states = [(_text(item.get("labels")), item) for item in managed]
    views, matched = [], set()
    for alert in alerts:
        labels = _text(alert.get("labels"))
        twins = [
            index for index, (theirs, _) in enumerate(states) if labels.items() <= theirs.items()
        ]
        matched |= set(twins)
        expr = expressions.get(frozenset(labels.items()), "")
        views.append(_view(alert, labels, [states[index][1] for index in twins], expr, now))
    for index, (labels, item) in enumerate(states):
        if index not in matched:
            views.append(_view({**item, "activeAt": item.get("startsAt")}, labels, [item], "", now))
    order = ["firing", "pending", "suppressed"]
    views.sort(key=lambda view: (order.index(view.state), -(view.duration_seconds or 0), view.name))
    rest = views[offset:]
    kept, more = fit((view.model_dump() for view in rest), BUDGET)
    shown = rest[: len(kept)]
    return AlertsOutput(
        sources=sources,
        total=len(views),
        alerts=shown,
        silences=_silences(silences, {name for view in shown for name in view.silenced_by}),
        truncated=more,
        next_offset=offset + len(kept) if more and kept else None,
    )


def _silences(silences: Sequence[Mapping[str, Any]], wanted: set[str]) -> list[Silence]:
    """Those that mute something that is shown; each once, whichever members have it."""
    found = {str(item.get("id")): item for item in silences if str(item.get("id")) in wanted}

    def text(item: Mapping[str, Any], name: str) -> str:
        return clip(clean(str(item.get(name, ""))), MAX_TEXT)

    return [
        Silence(
            id=clip(clean(name), MAX_TEXT),
            created_by=text(item, "createdBy"),
            comment=text(item, "comment"),
            ends_at=text(item, "endsAt"),
        )
        for name, item in sorted(found.items())
    ]


def _expressions(rules: Sequence[Mapping[str, Any]]) -> dict[frozenset[tuple[str, str]], str]:
    return {
        frozenset(_text(alert.get("labels")).items()): clip(str(rule.get("query", "")), MAX_TEXT)
        for rule in rules
        for alert in rule.get("alerts") or ()
    }


def _view(
    alert: Mapping[str, Any],
    labels: dict[str, str],
    twins: Sequence[Mapping[str, Any]],
    expr: str,
    now: datetime,
) -> AlertView:
    statuses = [twin.get("status") or {} for twin in twins]
    silenced = sorted({str(name) for status in statuses for name in status.get("silencedBy") or ()})
    inhibited = sorted(
        {str(name) for status in statuses for name in status.get("inhibitedBy") or ()}
    )
    suppressed = bool(silenced or inhibited)
    state: State = (
        "suppressed" if suppressed else "pending" if alert.get("state") == "pending" else "firing"
    )
    since = _time(alert.get("activeAt"))
    return AlertView(
        name=labels.get("alertname", "(no name)"),
        state=state,
        labels=labels,
        annotations=_text(alert.get("annotations")),
        active_since=since.isoformat() if since else "",
        duration_seconds=round((now - since).total_seconds(), 1) if since else None,
        value=_value(alert.get("value")),
        expr=expr,
        silenced_by=silenced,
        inhibited_by=inhibited,
    )


def _text(labels: object) -> dict[str, str]:
    pairs = labels.items() if isinstance(labels, Mapping) else ()
    return {clean(str(name)): clip(clean(str(value)), MAX_TEXT) for name, value in pairs}


def _time(text: object) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return at if at.tzinfo else None


def _value(text: object) -> float | None:
    try:
        number = float(str(text))
    except ValueError:
        return None
    return number if number - number == 0 else None
