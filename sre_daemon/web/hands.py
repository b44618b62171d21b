"""Hands off: a person is at work on an incident, and the daemon changes nothing for it until told so."""

from aiohttp import web

from sre_daemon.domain.person import Role
from sre_daemon.errors import WrongState
from sre_daemon.web import api
from sre_daemon.web.auth import check_person
from sre_daemon.web.front import FRONT


def routes() -> list[web.RouteDef]:
    """All of them."""
    one = "/api/v1/incidents/{id}"
    return [web.post(f"{one}/hands-off", off), web.post(f"{one}/hands-on", on)]


async def off(request: web.Request) -> web.Response:
    """No effect from now on, a rollback neither; it needs an approver and a reason."""
    who = check_person(request, Role.APPROVER)
    item = await api.find(request)
    front = request.app[FRONT]
    reason = await api.reason_of(request)
    if not await front.hands.off(item.id, who.name, reason, front.clock.now()):
        raise WrongState("somebody is at work on it already", "its timeline says who")
    return web.json_response({"hands_off": True, "who": who.name})


async def on(request: web.Request) -> web.Response:
    """The daemon may go on; it needs an approver and a reason."""
    who = check_person(request, Role.APPROVER)
    item = await api.find(request)
    front = request.app[FRONT]
    reason = await api.reason_of(request)
    if not await front.hands.on(item.id, who.name, reason, front.clock.now()):
        raise WrongState("nobody is at work on it", "there is nothing to undo")
    return web.json_response({"hands_off": False, "who": who.name})
