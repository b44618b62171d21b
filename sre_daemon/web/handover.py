"""What a person does about one incident: takes it over, gives it back, carries it away as a file."""

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson
from aiohttp import web

from sre_daemon.domain.incident import Incident
from sre_daemon.domain.notification import Notification
from sre_daemon.domain.person import Role
from sre_daemon.domain.sender import Sender
from sre_daemon.errors import PayloadInvalid
from sre_daemon.web import api, wire
from sre_daemon.web.auth import check_person
from sre_daemon.web.front import FRONT, Front
from sre_daemon.web.problems import NotFound

# More than this is a storm, and told by its first ones.
MOST_NOTIFICATIONS = 2000
PAGE = 1000


def routes() -> list[web.RouteDef]:
    """All of them."""
    one = "/api/v1/incidents/{id}"
    return [
        web.post(f"{one}/escalate", escalate),
        web.post(f"{one}/hand-back", hand_back),
        web.post(f"{one}/ask", ask),
        web.get(f"{one}/export", export),
    ]


async def escalate(request: web.Request) -> web.Response:
    """From now on it is a person's; it needs an approver and a reason."""
    who = check_person(request, Role.APPROVER)
    item = await api.find(request)
    front = request.app[FRONT]
    moved = await front.handover.escalate(item.id, await api.reason_of(request), who.name)
    return web.json_response(wire.incident(moved))


async def hand_back(request: web.Request) -> web.Response:
    """The daemon goes on; it needs an approver and a reason."""
    who = check_person(request, Role.APPROVER)
    item = await api.find(request)
    front = request.app[FRONT]
    moved = await front.handover.hand_back(item.id, await api.reason_of(request), who.name)
    return web.json_response(wire.incident(moved))


async def ask(request: web.Request) -> web.Response:
    """A question about it, answered when the answer is there; it needs an approver, as it costs money."""
    who = check_person(request, Role.APPROVER)
    item = await api.find(request)
    front = request.app[FRONT]
    question = await api.text_of(request, "question", api.MAX_QUESTION)
    answer = await front.conversation.ask(item, question, who.name)
    return web.json_response({"answer": answer.text, "run": answer.run_id})


async def export(request: web.Request) -> web.Response:
    """Everything about it, in a form that `replay` reads."""
    item = await api.find(request)
    front = request.app[FRONT]
    told, complete = await _notifications(front, item)
    try:
        postmortem: str | None = await api.read_postmortem(item)
    except NotFound:
        postmortem = None
    whole = {
        "incident": {**wire.incident(item), **wire.details(item)},
        "alerts": [wire.alert(a) for a in await front.store.alerts(item.id)],
        "effects": [wire.effect(e) for e in await front.store.effects(item.id)],
        "runs": [
            {**wire.run(run), "calls": [wire.call(c) for c in await front.store.calls(run.id)]}
            for run in await front.store.runs(item.id)
        ],
        "timeline": await _timeline(front, item),
        "postmortem": postmortem,
        "notifications": told,
        "notifications_complete": complete,
    }
    name = f'attachment; filename="incident-{item.id}.json"'
    return web.json_response(whole, headers={"Content-Disposition": name})


async def _timeline(front: Front, item: Incident) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while page := await front.store.timeline(item.id, events[-1]["seq"] if events else 0, PAGE):
        events += [wire.event(event) for event in page]
    return events


async def _notifications(front: Front, item: Incident) -> tuple[list[dict[str, Any]], bool]:
    """The bodies that named one of its alerts, as they came, and whether that is all of them."""
    known = await front.store.alerts(item.id)
    alerts = {seen.alert.identity for seen in known}
    # They came before it was opened, and come for as long as it is heard of.
    since = min([item.created_at, *(seen.first_seen for seen in known)])
    until = max([item.updated_at, *(seen.last_seen for seen in known)])
    stored = await front.store.notifications(since, until, MOST_NOTIFICATIONS + 1)

    def chosen() -> list[dict[str, Any]]:
        return [
            {"received_at": raw.received_at.isoformat(), "body": orjson.loads(raw.body)}
            for raw in stored[:MOST_NOTIFICATIONS]
            if alerts & _identities(front, raw)
        ]

    return await asyncio.to_thread(chosen), len(stored) <= MOST_NOTIFICATIONS


def _identities(front: Front, raw: Notification) -> set[str]:
    try:
        sender = Sender(raw.tenant, raw.token_id)
        parsed: Sequence[Any] = front.parse(raw.body, raw.received_at, sender, raw.peer).alerts
    except PayloadInvalid:  # stored by a version that understood more
        return set()
    return {alert.identity for alert in parsed}
