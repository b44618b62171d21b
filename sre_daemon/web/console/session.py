"""Coming in and going out."""

import aiohttp_jinja2
from aiohttp import web

from sre_daemon.domain.audit import AuditEntry, AuditKind
from sre_daemon.web.auth import COOKIE, SESSION, holder, new_session
from sre_daemon.web.console.page import fields, set_cookie
from sre_daemon.web.front import FRONT


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [
        web.get("/login", login_form),
        web.post("/login", login),
        web.post("/logout", logout),
    ]


async def login_form(request: web.Request) -> web.Response:
    """Asks for a token, where there is one."""
    if not request.app[FRONT].people:
        raise web.HTTPSeeOther("/")
    return aiohttp_jinja2.render_template("login.html", request, {"failed": False})


async def login(request: web.Request) -> web.Response:
    """Exchanges a token for a session cookie."""
    front = request.app[FRONT]
    token = (await fields(request)).get("token", "")
    person = holder(front.people, token)
    if person is None:
        return aiohttp_jinja2.render_template("login.html", request, {"failed": True}, status=401)
    now = front.clock.now()
    # Before the cookie: who cannot be recorded does not come in.
    await front.audit.record(AuditEntry(now, AuditKind.LOGIN, person.name, "logged in"))
    response = web.Response(status=303, headers={"Location": "/"})
    session = new_session(token, person, now)
    set_cookie(request, response, COOKIE, session, int(SESSION.total_seconds()))
    return response


async def logout(_: web.Request) -> web.Response:
    """Drops the cookie."""
    response = web.Response(status=303, headers={"Location": "/login"})
    response.del_cookie(COOKIE)
    return response
