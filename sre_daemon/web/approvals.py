"""Answers to what the daemon asks: the role is checked at the click, the digest in the transaction."""

import asyncio
import json
from typing import Any

from aiohttp import web

from sre_daemon.domain.approval import REFUSALS, Answer, Approval, Refusal
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.person import Person, Role
from sre_daemon.errors import WrongState
from sre_daemon.text import line
from sre_daemon.web import api, wire
from sre_daemon.web.auth import check_person
from sre_daemon.web.front import FRONT, Front
from sre_daemon.web.problems import BadRequest, Forbidden

BODY_SECONDS = 10.0
DIGEST = 64


def routes() -> list[web.RouteDef]:
    """All of them."""
    one = "/api/v1/incidents/{id}"
    return [
        web.get("/api/v1/approvals", waiting),
        web.post(f"{one}/approve", approve),
        web.post(f"{one}/reject", reject),
    ]


async def waiting(request: web.Request) -> web.Response:
    """What people are asked now, the longest waiting first."""
    check_person(request)
    asked = await request.app[FRONT].answers.waiting()
    return web.json_response({"approvals": [wire.approval(item) for item in asked]})


async def approve(request: web.Request) -> web.Response:
    """Let exactly these effects happen; the reason is optional."""
    return await _answer(request, Answer.APPROVE)


async def reject(request: web.Request) -> web.Response:
    """Let them not happen; the incident is a person's then."""
    return await _answer(request, Answer.REJECT)


async def _answer(request: web.Request, answer: Answer) -> web.Response:
    person = check_person(request, Role.APPROVER)
    item = await api.find(request)
    digest, reason = await _body(request, answer)
    given = await give(request.app[FRONT], item, answer, digest, person, reason)
    return web.json_response(wire.approval(given))


async def give(
    front: Front, item: Incident, answer: Answer, digest: str, person: Person, reason: str
) -> Approval:
    """Write a person's answer; the approval as it is then.

    Raises:
        Forbidden: this person may not answer.
        WrongState: it cannot be answered any more, or is not what the person saw.
    """
    said = await front.answers.answer(item.id, answer, digest, person, reason)
    if said.refusal is None and said.approval is not None:
        return said.approval
    refusal = said.refusal or Refusal.NOT_ASKED
    sentence, hint = REFUSALS[refusal]
    if refusal in {Refusal.ROLE, Refusal.NOT_AN_APPROVER}:
        raise Forbidden(f"{person.name} cannot answer this: {sentence}", hint)
    if refusal is Refusal.DECIDED and said.approval is not None:
        sentence = f"{sentence}: {said.approval.state} {_by(said.approval)}".rstrip()
    raise WrongState(f"incident {item.id}: {sentence}", hint)


def _by(approval: Approval) -> str:
    return f"by {approval.who}" if approval.who else ""


async def _body(request: web.Request, answer: Answer) -> tuple[str, str]:
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body: Any = json.loads((await request.read()).decode("utf-8"))
        digest, reason = body["digest"], body.get("reason", "")
    except (ValueError, LookupError, TypeError, RecursionError, AttributeError):
        raise BadRequest(
            "send a JSON object with the field 'digest'", "it is in `approval` of the incident"
        ) from None
    except web.RequestPayloadError:
        raise BadRequest("the body is incomplete") from None
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    if not isinstance(digest, str) or len(digest) != DIGEST or not isinstance(reason, str):
        raise BadRequest("'digest' has 64 hex digits, and 'reason' is text")
    if answer is Answer.REJECT and not reason.strip():
        raise BadRequest("the reason is empty", "say why, for whoever goes on with the incident")
    return digest, line(reason, 500)
