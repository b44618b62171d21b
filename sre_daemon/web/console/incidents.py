"""The list of incidents."""

from aiohttp import web

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.lifecycle import State
from sre_daemon.web import api
from sre_daemon.web.auth import check_person
from sre_daemon.web.console.page import render
from sre_daemon.web.console.view import BUSY, doing
from sre_daemon.web.front import FRONT

PAGE = 50


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [web.get("/", incidents)]


async def incidents(request: web.Request) -> web.Response:
    """Newest first, with what the daemon does about each of them now."""
    check_person(request)
    front = request.app[FRONT]
    found, cursor = await api.search(request, PAGE)
    busy = [item.id for item in found if item.state in BUSY]
    last = await front.feed.latest(busy) if busy else {}
    query = request.query
    pairs = [(name, value) for name, value in query.items() if name != "cursor" and value]
    context = {
        "incidents": found,
        "doing": {item.id: doing(item, last.get(item.id)) for item in found},
        "busy": BUSY,
        "chosen": query.getall("state", []),
        "severity": query.get("severity", ""),
        "label": query.get("label", ""),
        "q": query.get("q", ""),
        "states": list(State),
        "severities": list(Severity),
        "first": "cursor" not in query,
        "next": str(request.rel_url.with_query([*pairs, ("cursor", cursor)])) if cursor else None,
        "filtered": bool(pairs),
    }
    return await render(request, "incidents.html", context, here="incidents")
