"""The runbooks that the daemon has: what it does without a model, and what the model reads."""

from aiohttp import web

from sre_daemon.web.auth import check_person
from sre_daemon.web.console.page import render
from sre_daemon.web.front import FRONT
from sre_daemon.web.problems import NotFound


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [web.get("/runbooks", runbooks), web.get("/runbooks/{name}", runbook)]


async def runbooks(request: web.Request) -> web.Response:
    """The list."""
    check_person(request)
    context = {"runbooks": request.app[FRONT].runbooks()}
    return await render(request, "runbooks.html", context, here="runbooks")


async def runbook(request: web.Request) -> web.Response:
    """One of them, as it was written."""
    check_person(request)
    name = request.match_info["name"]
    found = [page for page in request.app[FRONT].runbooks() if page.name == name]
    if not found:
        raise NotFound(f"there is no runbook {name[:40]!r}", "they are listed at /runbooks")
    return await render(request, "runbook.html", {"page": found[0]}, here="runbooks")
