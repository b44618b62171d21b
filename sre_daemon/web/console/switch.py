"""The kill switch as a form."""

from aiohttp import web

from sre_daemon.domain.person import Role
from sre_daemon.text import line
from sre_daemon.web.console.page import checked_form
from sre_daemon.web.front import FRONT
from sre_daemon.web.problems import BadRequest


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [web.post("/pause", pause), web.post("/resume", resume)]


async def pause(request: web.Request) -> web.Response:
    """Change nothing from now on."""
    person, sent = await checked_form(request, Role.APPROVER)
    await request.app[FRONT].control.pause(reason_of(sent), person.name)
    raise web.HTTPSeeOther("/")


async def resume(request: web.Request) -> web.Response:
    """Undo a pause."""
    person, sent = await checked_form(request, Role.ADMIN)
    await request.app[FRONT].control.resume(reason_of(sent), person.name)
    raise web.HTTPSeeOther("/")


def reason_of(sent: dict[str, str]) -> str:
    """The field `reason`; raises BadRequest when it is empty."""
    reason = line(sent.get("reason", ""), 500)
    if not reason:
        raise BadRequest("the reason is empty", "say why, for whoever reads it tomorrow")
    return reason
