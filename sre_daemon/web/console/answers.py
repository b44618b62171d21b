"""What a person does about an incident, as forms: answer it, take it over, give it back."""

from aiohttp import web

from sre_daemon.domain.approval import Answer
from sre_daemon.domain.person import Role
from sre_daemon.text import line
from sre_daemon.web import api
from sre_daemon.web.approvals import give
from sre_daemon.web.console.page import checked_form
from sre_daemon.web.console.switch import reason_of
from sre_daemon.web.front import FRONT


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [
        web.post("/incidents/{id}/approve", approve),
        web.post("/incidents/{id}/reject", reject),
        web.post("/incidents/{id}/escalate", escalate),
        web.post("/incidents/{id}/hand-back", hand_back),
    ]


async def approve(request: web.Request) -> web.Response:
    """Let exactly the effects happen that the page showed."""
    return await _answer(request, Answer.APPROVE)


async def reject(request: web.Request) -> web.Response:
    """Let them not happen; the incident is a person's then."""
    return await _answer(request, Answer.REJECT)


async def _answer(request: web.Request, answer: Answer) -> web.Response:
    person, sent = await checked_form(request, Role.APPROVER)
    item = await api.named(request)
    # A no says why; a yes is explained by what was shown.
    reason = reason_of(sent) if answer is Answer.REJECT else line(sent.get("reason", ""), 500)
    digest = sent.get("digest", "")
    await give(request.app[FRONT], item, answer, digest, person, reason)
    raise _back(item.id)


async def escalate(request: web.Request) -> web.Response:
    """Hands off: the daemon's own work on it stops."""
    person, sent = await checked_form(request, Role.APPROVER)
    name = request.match_info["id"]
    await request.app[FRONT].handover.escalate(name, reason_of(sent), person.name)
    raise _back(name)


async def hand_back(request: web.Request) -> web.Response:
    """Go on: the daemon investigates anew."""
    person, sent = await checked_form(request, Role.APPROVER)
    name = request.match_info["id"]
    await request.app[FRONT].handover.hand_back(name, reason_of(sent), person.name)
    raise _back(name)


def _back(incident_id: str) -> web.HTTPSeeOther:
    return web.HTTPSeeOther(f"/incidents/{incident_id}")
