"""The policy over HTTP: what it says about an alert, and putting the file in force."""

from collections.abc import Callable
from typing import TypeVar

from aiohttp import web

from sre_daemon.domain.person import Role
from sre_daemon.policy import asking
from sre_daemon.web import api
from sre_daemon.web.auth import check_person
from sre_daemon.web.front import FRONT
from sre_daemon.web.problems import BadRequest

T = TypeVar("T")


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [
        web.get("/api/v1/policy/explain", explain),
        web.post("/api/v1/policies/{name}/restore", restore),
        web.post("/-/reload", reload),
    ]


async def explain(request: web.Request) -> web.Response:
    """Which policy decides about an alert with these labels, and why it says what it says."""
    check_person(request)
    query = request.query
    labels = _read(asking.labels_of, query.getall("label", []))
    effects = [_read(asking.effect_of, text) for text in query.getall("effect", [])]
    at = _read(asking.moment_of, query["at"]) if query.get("at") else None
    answer = await request.app[FRONT].control.explain(labels, effects, at)
    return web.json_response(dict(answer))


async def reload(request: web.Request) -> web.Response:
    """Put the policy file in force, whole or not at all."""
    who = check_person(request, Role.ADMIN)
    return web.json_response(dict(await request.app[FRONT].control.reload(who.name)))


async def restore(request: web.Request) -> web.Response:
    """Give a demoted policy the level of its file back; it needs an approver and a reason."""
    who = check_person(request, Role.APPROVER)
    name, reason = request.match_info["name"], await api.reason_of(request)
    return web.json_response(dict(await request.app[FRONT].levels.restore(name, reason, who.name)))


A = TypeVar("A")


def _read(reader: Callable[[A], T], given: A) -> T:
    try:
        return reader(given)
    except ValueError as failure:
        raise BadRequest(str(failure)) from None
