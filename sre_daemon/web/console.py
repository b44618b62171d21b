"""The console: server-rendered pages without script. Foreign text is escaped and made visible."""

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import OPEN, State
from sre_daemon.web import api, auth
from sre_daemon.web.front import FRONT

HERE = Path(__file__).parent
PAGE = 100
REFRESH_SECONDS = 3


def add(app: web.Application) -> None:
    """Routes, templates and static files."""
    environment = aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["visible"] = visible
    environment.filters["pretty"] = pretty
    environment.globals["REFRESH_SECONDS"] = REFRESH_SECONDS
    app.router.add_get("/", listing)
    app.router.add_get("/incidents/{id}", incident)
    app.router.add_get("/incidents/{id}/postmortem", postmortem)
    app.router.add_get("/login", login_form)
    app.router.add_post("/login", login)
    app.router.add_static("/static", HERE / "static")


def visible(value: object) -> str:
    """Text with its control, bidi and zero-width characters shown as escapes."""
    return "".join(
        char if char.isprintable() or char == "\n" else f"\\u{ord(char):04x}" for char in str(value)
    )


def pretty(value: object) -> str:
    """JSON for people; JSON inside text is unfolded."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return visible(value)
    return visible(json.dumps(value, indent=2, ensure_ascii=False, default=str))


async def _page(request: web.Request, template: str, **context: object) -> web.Response:
    front = request.app[FRONT]
    context["daemon"] = await front.control.status()
    context["now"] = front.clock.now()
    return aiohttp_jinja2.render_template(template, request, context)


async def listing(request: web.Request) -> web.Response:
    """The incidents, newest first; filters are in the address."""
    auth.check_person(request)
    store = request.app[FRONT].store
    wanted = request.query.get("state", "")
    states = [State(wanted)] if wanted in set(State) else []
    if wanted == "open":
        states = sorted(OPEN)
    found = await store.incidents(
        states,
        query=request.query.get("q", "")[:200],
        before=request.query.get("cursor", ""),
        limit=PAGE,
    )
    return await _page(
        request,
        "incidents.html",
        incidents=found,
        wanted=wanted,
        query=request.query.get("q", ""),
        more=found[-1].id if len(found) == PAGE else "",
        states=[state.value for state in State],
    )


async def incident(request: web.Request) -> web.Response:
    """Everything about one incident on one page."""
    item = await api.find(request)
    store = request.app[FRONT].store
    events = await store.timeline(item.id, limit=5000)
    return await _page(
        request,
        "incident.html",
        incident=item,
        open=item.state not in {State.CLOSED, State.ESCALATED},
        alerts=await store.alerts(item.id),
        effects=await store.effects(item.id),
        runs=await store.runs(item.id),
        events=events,
        diagnosis=item.data.get("diagnosis"),
        verdict=next((e.data for e in reversed(events) if e.kind is Kind.VERDICT), None),
        before=_numbers(item.data.get("before")),
        after=_numbers(item.data.get("after")),
        postmortem=item.data.get("postmortem"),
    )


def _numbers(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


async def postmortem(request: web.Request) -> web.Response:
    """The post-mortem as it is in the file."""
    item = await api.find(request)
    text = await api.read_postmortem(request)
    return await _page(request, "postmortem.html", incident=item, text=text)


async def login_form(request: web.Request) -> web.Response:
    """Asks for the API token."""
    return aiohttp_jinja2.render_template("login.html", request, {"wrong": False})


async def login(request: web.Request) -> web.Response:
    """Exchanges the token for a session that can only look."""
    front = request.app[FRONT]
    form = await request.post()
    token = form.get("token")
    if not front.api_token or not isinstance(token, str) or not auth.same(token, front.api_token):
        return aiohttp_jinja2.render_template("login.html", request, {"wrong": True}, status=401)
    response = web.Response(status=303, headers={"Location": "/"})
    now: datetime = front.clock.now()
    response.set_cookie(
        auth.COOKIE,
        auth.new_session(front.api_token, now),
        max_age=int(auth.SESSION.total_seconds()),
        httponly=True,
        samesite="Strict",
        secure=request.secure,
    )
    return response
