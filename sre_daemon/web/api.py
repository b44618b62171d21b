"""The JSON API under /api/v1."""

import asyncio
import json
from datetime import timedelta
from pathlib import Path

from aiohttp import web

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.person import Role
from sre_daemon.text import line
from sre_daemon.web import openapi, wire
from sre_daemon.web.auth import check_person
from sre_daemon.web.front import FRONT
from sre_daemon.web.problems import BadRequest, NotFound
from sre_daemon.web.stream import events

MAX_PAGE = 500
MOST_HOURS = 24 * 366
BODY_SECONDS = 10.0
MAX_REASON = 500
MAX_QUESTION = 4000


def routes() -> list[web.RouteDef]:
    """All of them."""
    v1 = "/api/v1"
    return [
        web.get(f"{v1}/status", status),
        web.get(f"{v1}/incidents", incidents),
        web.get(f"{v1}/incidents/{{id}}", incident),
        web.get(f"{v1}/incidents/{{id}}/timeline", timeline),
        web.get(f"{v1}/incidents/{{id}}/transcript", transcript),
        web.get(f"{v1}/incidents/{{id}}/postmortem", postmortem),
        web.get(f"{v1}/events", events),
        web.get(f"{v1}/digest", digest),
        web.post(f"{v1}/pause", pause),
        web.post(f"{v1}/resume", resume),
        web.get(f"{v1}/openapi.json", describe),
    ]


async def describe(request: web.Request) -> web.Response:
    """This API, for machines."""
    check_person(request)
    return web.json_response(openapi.document())


async def status(request: web.Request) -> web.Response:
    """The daemon: mode, pause, engine, counts, dependencies."""
    check_person(request)
    return web.json_response(dict(await request.app[FRONT].control.status()))


async def incidents(request: web.Request) -> web.Response:
    """Newest first; `state`, `severity` and `label=k=v` may be given several times."""
    check_person(request)
    limit = _number(request.query.get("limit", "50"), "limit", 1, MAX_PAGE)
    found, cursor = await search(request, limit)
    return web.json_response({"incidents": [wire.incident(i) for i in found], "cursor": cursor})


async def search(request: web.Request, limit: int) -> tuple[list[Incident], str | None]:
    """One page of the list that the query asks for, and where the next one begins."""
    query = request.query
    found = await request.app[FRONT].store.incidents(
        _states([name for name in query.getall("state", []) if name]),
        severities=_severities([name for name in query.getall("severity", []) if name]),
        label=labels_of([pair for pair in query.getall("label", []) if pair]),
        query=query.get("q", ""),
        before=query.get("cursor", ""),
        limit=limit + 1,
    )
    return found[:limit], found[limit - 1].id if len(found) > limit else None


async def incident(request: web.Request) -> web.Response:
    """One incident with its alerts, effects, runs, diagnosis, and what people are asked."""
    front = request.app[FRONT]
    store = front.store
    item = await find(request)
    asked = await front.answers.of(item)
    return web.json_response(
        {
            **wire.incident(item),
            **wire.details(item),
            "approval": None if asked is None else wire.approval(asked),
            "alerts": [wire.alert(a) for a in await store.alerts(item.id)],
            "effects": [wire.effect(e) for e in await store.effects(item.id)],
            "runs": [wire.run(r) for r in await store.runs(item.id)],
        }
    )


async def timeline(request: web.Request) -> web.Response:
    """Events with `seq` greater than `after`."""
    item = await find(request)
    after = _number(request.query.get("after", "0"), "after", 0, 1 << 62)
    events = await request.app[FRONT].store.timeline(item.id, after)
    return web.json_response({"events": [wire.event(e) for e in events]})


async def transcript(request: web.Request) -> web.Response:
    """Every tool call of every run, with its output."""
    item = await find(request)
    store = request.app[FRONT].store
    return web.json_response(
        {
            "runs": [
                {**wire.run(run), "calls": [wire.call(c) for c in await store.calls(run.id)]}
                for run in await store.runs(item.id)
            ]
        }
    )


async def postmortem(request: web.Request) -> web.StreamResponse:
    """The Markdown file."""
    return web.Response(
        text=await read_postmortem(await find(request)), content_type="text/markdown"
    )


async def read_postmortem(item: Incident) -> str:
    """Its text; raises NotFound where there is none yet."""
    path = item.data.get("postmortem")
    if not isinstance(path, str):
        raise NotFound("there is no post-mortem yet", "it is written when the incident is over")
    try:
        return await asyncio.to_thread(Path(path).read_text, encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        raise NotFound("the post-mortem cannot be read", f"look for {path}") from failure


async def digest(request: web.Request) -> web.Response:
    """The digest of the last hours, as Markdown."""
    check_person(request)
    hours = _number(request.query.get("hours", "24"), "hours", 1, MOST_HOURS)
    text = await request.app[FRONT].digest(timedelta(hours=hours))
    return web.json_response({"markdown": text})


async def pause(request: web.Request) -> web.Response:
    """The kill switch."""
    who = check_person(request, Role.APPROVER)
    await request.app[FRONT].control.pause(await reason_of(request), who.name)
    return web.json_response({"paused": True})


async def resume(request: web.Request) -> web.Response:
    """Undo a pause; it needs an administrator and a reason."""
    who = check_person(request, Role.ADMIN)
    await request.app[FRONT].control.resume(await reason_of(request), who.name)
    return web.json_response({"paused": False})


async def reason_of(request: web.Request) -> str:
    """The field of that name, on one line; raises BadRequest where there is none."""
    return line(await text_of(request, "reason", MAX_REASON), MAX_REASON)


async def text_of(request: web.Request, field: str, most: int) -> str:
    """A text that a person gives, cut to `most` characters; raises BadRequest where there is none."""
    try:
        async with asyncio.timeout(BODY_SECONDS):
            body = await request.read()
        text = json.loads(body.decode("utf-8"))[field]
    except (ValueError, LookupError, TypeError, RecursionError, web.RequestPayloadError):
        raise BadRequest(f"send a JSON object with the field '{field}'") from None
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    if not isinstance(text, str) or not text.strip():
        raise BadRequest(f"the {field} is empty", "it is recorded, for whoever reads it tomorrow")
    return text[:most]


async def find(request: web.Request) -> Incident:
    """The incident of the address, for somebody who may see it."""
    check_person(request)
    return await named(request)


async def named(request: web.Request) -> Incident:
    """The incident of the address; whoever asks was looked at already."""
    name = request.match_info["id"]
    item = await request.app[FRONT].store.incident(name)
    if item is None:
        raise NotFound(f"there is no incident {name[:40]!r}", "list them at /api/v1/incidents")
    return item


def _states(names: list[str]) -> list[State]:
    try:
        return [State(name) for name in names]
    except ValueError:
        raise BadRequest(
            "unknown state", f"known: {', '.join(state.value for state in State)}"
        ) from None


def _severities(names: list[str]) -> list[Severity]:
    try:
        return [Severity(name) for name in names]
    except ValueError:
        known = ", ".join(severity.value for severity in Severity)
        raise BadRequest("unknown severity", f"known: {known}") from None


def labels_of(pairs: list[str]) -> dict[str, str]:
    """`k=v` texts as labels; raises BadRequest."""
    labels = dict(pair.split("=", 1) for pair in pairs if "=" in pair)
    if len(labels) != len(pairs):
        raise BadRequest("a label is given as name=value, once")
    return labels


def _number(text: str, name: str, least: int, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 20 and least <= int(text) <= most):
        raise BadRequest(f"{name} must be a number from {least} to {most}")
    return int(text)
