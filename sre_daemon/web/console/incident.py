"""One incident: what it is, what was found and done, and its timeline."""

from collections.abc import Mapping, Sequence
from typing import Any

from aiohttp import web

from sre_daemon.domain.approval import Approval, ApprovalState
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.remediation import EffectRecord
from sre_daemon.report.charts import charts
from sre_daemon.report.postmortem import ending
from sre_daemon.web import api
from sre_daemon.web.console.page import render
from sre_daemon.web.console.view import BUSY, doing, last, mapping, tone
from sre_daemon.web.front import FRONT, Front
from sre_daemon.web.problems import NotFound

SHOWN = 2000
RELATED = 8
# In these the daemon is at work, and the page of somebody without a script comes again by itself.
OVER = frozenset({State.RESOLVED, State.CLOSED})
MOVING = frozenset(State) - {State.CLOSED, State.ESCALATED}


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [
        web.get("/incidents/{id}", incident),
        web.get("/incidents/{id}/postmortem", postmortem),
        web.get("/incidents/{id}/calls/{run}/{call}", call),
    ]


async def incident(request: web.Request) -> web.Response:
    """Everything about one."""
    item = await api.find(request)
    front = request.app[FRONT]
    events = await _timeline(front, item.id)
    effects = await front.store.effects(item.id)
    diagnosis = mapping(item.data.get("diagnosis"))
    context = {
        "incident": item,
        "doing": doing(item, last(events, *(frozenset(Kind) - {Kind.NOTIFICATION, Kind.ALERT}))),
        "busy": item.state in BUSY,
        "over": item.state in OVER,
        "proven": item.data.get("resolution") == "proven",
        "outcome": ending(item.data),
        "tones": {state.value: tone(state) for state in State},
        "moving": item.state in MOVING,
        "events": events,
        "effects": effects,
        "proposed": _proposed(diagnosis, item, effects),
        "alerts": await front.store.alerts(item.id),
        "runs": await front.store.runs(item.id),
        "diagnosis": diagnosis,
        "places": _places(events),
        "verdict": last(events, Kind.VERDICT),
        "ending": last(events, Kind.STATE),
        "changed": any(record.settled_at for record in effects),
        "charts": charts(await front.samples.of(item.id), item, events, effects),
        "proof": _proof(item),
        "approval": _asked(await front.answers.of(item)),
        "audit": await front.audit.about(item.id),
        "postmortem": item.data.get("postmortem"),
        "related": await _related(front, item),
    }
    return await render(request, "incident.html", context)


async def postmortem(request: web.Request) -> web.Response:
    """The Markdown as it is: rendering it would give foreign text a say in the page."""
    item = await api.find(request)
    context = {"incident": item, "text": await api.read_postmortem(item)}
    return await render(request, "postmortem.html", context)


async def call(request: web.Request) -> web.Response:
    """The whole output of one tool call, as text."""
    item = await api.find(request)
    store = request.app[FRONT].store
    run, name = request.match_info["run"], request.match_info["call"]
    runs = [known.id for known in await store.runs(item.id)]
    found = [c for c in await store.calls(run) if c.call == name] if run in runs else []
    if not found:
        raise NotFound(f"there is no tool call {name[:40]!r}", "the timeline has them all")
    context = {"incident": item, "call": found[0]}
    return await render(request, "call.html", context)


async def _timeline(front: Front, incident_id: str) -> list[TimelineEvent]:
    """In order; of a very long one the beginning, and it says so."""
    events: list[TimelineEvent] = []
    while len(events) < SHOWN:
        page = await front.store.timeline(incident_id, events[-1].seq if events else 0)
        events += page
        if len(page) < 1000:
            break
    return events


def _asked(approval: Approval | None) -> Approval | None:
    """What still waits for an answer."""
    waits = approval is not None and approval.state is ApprovalState.PENDING
    return approval if waits else None


def _places(events: Sequence[TimelineEvent]) -> dict[str, int]:
    """Where in the timeline each tool call is that the last diagnosis may refer to."""
    places: dict[str, int] = {}
    fresh: dict[str, int] = {}
    for event in events:
        name = event.data.get("call")
        if event.kind is Kind.STEP and isinstance(name, str):
            fresh[name] = event.seq
        elif event.kind is Kind.DIAGNOSIS:
            places, fresh = fresh, {}
    return places or fresh


def _proposed(
    diagnosis: Mapping[str, Any] | None, item: Incident, effects: Sequence[EffectRecord]
) -> Sequence[Mapping[str, Any]]:
    """What the diagnosis proposes, as long as it was not begun: then the changes show it."""
    if diagnosis is None or any(record.attempt == item.attempt for record in effects):
        return ()
    return [found for found in diagnosis.get("proposed", ()) if isinstance(found, Mapping)]


def _proof(item: Incident) -> list[tuple[str, object, object]]:
    """The queries of the proof with their values before and after the repair."""
    before, after = (mapping(item.data.get(name)) or {} for name in ("before", "after"))
    return [
        (query, before.get(query), after.get(query)) for query in dict.fromkeys([*before, *after])
    ]


async def _related(front: Front, item: Incident) -> list[Incident]:
    """Others of the same alert or service, newest first."""
    names = [name for name in ("alertname", "service") if item.labels.get(name)]
    found: dict[str, Incident] = {}
    for name in names:
        same = await front.store.incidents(label={name: item.labels[name]}, limit=RELATED + 1)
        found |= {other.id: other for other in same if other.id != item.id}
    newest = sorted(found.values(), key=lambda other: other.created_at, reverse=True)
    return newest[:RELATED]
