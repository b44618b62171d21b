"""The console: server-rendered pages without scripts. Every value shown passes `visible` and HTML escaping."""

import asyncio
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp_jinja2
import jinja2
from aiohttp import web
from markupsafe import Markup

from sre_daemon.domain.audit import AuditEntry, AuditKind
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.text import visible
from sre_daemon.web import api
from sre_daemon.web.auth import COOKIE, SESSION, check_person, holder, new_session
from sre_daemon.web.front import FRONT
from sre_daemon.web.problems import BadRequest

HERE = Path(__file__).parent
PAGE = 50
LOGIN_SECONDS = 10.0
# Pages of incidents in which the daemon itself still works come again by themselves.
MOVING = frozenset(State) - {State.CLOSED, State.ESCALATED}


Filter = Callable[..., str]


def add(app: web.Application) -> None:
    """Routes, templates, style sheet."""
    filters: dict[str, Filter] = {"ago": ago, "clock": clock, "dump": dump, "moment": moment}
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Applied to every expression, so that no template can forget it.
        finalize=_finalize,
        filters=filters,
    )
    app.add_routes(
        [
            web.get("/", incidents),
            web.get("/incidents/{id}", incident),
            web.get("/incidents/{id}/postmortem", postmortem),
            web.get("/login", login_form),
            web.post("/login", login),
            web.post("/logout", logout),
            web.static("/static", HERE / "static"),
        ]
    )


def _finalize(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, Markup):
        return value
    return visible(str(value))


async def incidents(request: web.Request) -> web.Response:
    """The list."""
    check_person(request)
    found, cursor = await api.search(request, PAGE)
    pairs = [(k, v) for k, v in request.query.items() if k != "cursor"]
    context = await _context(request)
    context |= {
        "incidents": found,
        "chosen": request.query.getall("state", []),
        "q": request.query.get("q", ""),
        "states": list(State),
        "next": str(request.rel_url.with_query([*pairs, ("cursor", cursor)])) if cursor else None,
        "filtered": bool(request.query),
    }
    return aiohttp_jinja2.render_template("incidents.html", request, context)


async def incident(request: web.Request) -> web.Response:
    """Everything about one."""
    item = await api.find(request)
    store = request.app[FRONT].store
    events = await store.timeline(item.id)
    effects = await store.effects(item.id)
    alerts = await store.alerts(item.id)
    runs = await store.runs(item.id)
    context = await _context(request)
    context |= {
        "incident": item,
        "events": events,
        "effects": effects,
        "alerts": alerts,
        "runs": runs,
        "diagnosis": _mapping(item.data.get("diagnosis")),
        "verdict": _last(events, Kind.VERDICT),
        "ending": _last(events, Kind.STATE),
        "proof": _proof(item),
        "postmortem": item.data.get("postmortem"),
        "refresh": 5 if item.state in MOVING else 0,
    }
    return aiohttp_jinja2.render_template("incident.html", request, context)


async def postmortem(request: web.Request) -> web.Response:
    """The Markdown as it is: rendering it would give foreign text a say in the page."""
    item = await api.find(request)
    context = await _context(request)
    context |= {"incident": item, "text": await api.read_postmortem(item)}
    return aiohttp_jinja2.render_template("postmortem.html", request, context)


async def login_form(request: web.Request) -> web.Response:
    """Asks for the API token, where there is one."""
    if not request.app[FRONT].people:
        raise web.HTTPSeeOther("/")
    context = {"status": None, "failed": False}
    return aiohttp_jinja2.render_template("login.html", request, context)


async def login(request: web.Request) -> web.Response:
    """Exchanges the token for a session cookie."""
    front = request.app[FRONT]
    if request.content_type != "application/x-www-form-urlencoded":
        raise BadRequest("send the form")
    try:
        async with asyncio.timeout(LOGIN_SECONDS):
            token = (await request.post()).get("token", "")
    except (ValueError, LookupError, web.RequestPayloadError):
        raise BadRequest("the form cannot be read") from None
    except TimeoutError:
        raise web.HTTPRequestTimeout from None
    token = token.strip() if isinstance(token, str) else ""
    person = holder(front.people, token)
    if person is None:
        context = {"status": None, "failed": True}
        return aiohttp_jinja2.render_template("login.html", request, context, status=401)
    now = front.clock.now()
    # Before the cookie: who cannot be recorded does not come in.
    await front.audit.record(AuditEntry(now, AuditKind.LOGIN, person.name, "logged in"))
    response = web.Response(status=303, headers={"Location": "/"})
    response.set_cookie(
        COOKIE,
        new_session(token, person, now),
        max_age=int(SESSION.total_seconds()),
        httponly=True,
        samesite="Strict",
        # A forged header could only make the caller's own cookie stricter.
        secure=request.secure or request.headers.get("X-Forwarded-Proto") == "https",
    )
    return response


async def logout(_: web.Request) -> web.Response:
    """Drops the cookie."""
    response = web.Response(status=303, headers={"Location": "/login"})
    response.del_cookie(COOKIE)
    return response


async def _context(request: web.Request) -> dict[str, Any]:
    front = request.app[FRONT]
    return {
        "status": await front.control.status(),
        "now": front.clock.now(),
        "session": bool(front.people),
    }


def _mapping(value: object) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


def _last(events: list[TimelineEvent], kind: Kind) -> TimelineEvent | None:
    return next((event for event in reversed(events) if event.kind is kind), None)


def _proof(item: Incident) -> list[tuple[str, object, object]]:
    """The queries of the proof with their values before and after the repair."""
    before, after = (_mapping(item.data.get(name)) or {} for name in ("before", "after"))
    return [
        (query, before.get(query), after.get(query)) for query in dict.fromkeys([*before, *after])
    ]


def ago(then: datetime, now: datetime) -> str:
    """`12 s`, `5 min`, `3 h`, `2 d`: the largest unit only."""
    seconds = max(0, int((now - then) / timedelta(seconds=1)))
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def clock(at: datetime) -> str:
    """The time of day in UTC."""
    return f"{at:%H:%M:%S}"


def dump(value: object) -> str:
    """Arguments of a call, as indented JSON."""
    return json.dumps(value, ensure_ascii=False, indent=2, default=str)


def moment(at: datetime | None) -> str:
    """Day and time in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S} UTC" if at else ""
