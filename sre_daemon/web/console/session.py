"""Coming in and going out."""

import aiohttp_jinja2
from aiohttp import web

from sre_daemon.domain.audit import AuditEntry, AuditKind
from sre_daemon.web.auth import COOKIE, SESSION, holder, new_session
from sre_daemon.web.console.page import fields, set_cookie
from sre_daemon.web.console.refusals import FailedLogins
from sre_daemon.web.front import Front


class Entrance:
    """The way in, and the count of those who did not come in."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._failed = FailedLogins(front.audit, front.clock)

    def routes(self) -> list[web.RouteDef]:
        """All of them."""
        return [
            web.get("/login", self.form),
            web.post("/login", self.login),
            web.post("/logout", logout),
        ]

    async def form(self, request: web.Request) -> web.Response:
        """Asks for a token, where there is one."""
        if not self._front.people:
            raise web.HTTPSeeOther("/")
        return aiohttp_jinja2.render_template("login.html", request, {"failed": False})

    async def login(self, request: web.Request) -> web.Response:
        """Exchanges a token for a session cookie."""
        front = self._front
        token = (await fields(request)).get("token", "")
        person = holder(front.people, token)
        if person is None:
            await self._failed.add(request.remote or "")
            shown = {"failed": True}
            return aiohttp_jinja2.render_template("login.html", request, shown, status=401)
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
