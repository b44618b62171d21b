"""The console: server-rendered pages that work without a script; the script only makes them live."""

from pathlib import Path

import aiohttp_jinja2
import jinja2
from aiohttp import web

from sre_daemon.web.console import answers, incident, incidents, policy, runbooks, session, switch
from sre_daemon.web.console.view import FILTERS, finalize
from sre_daemon.web.front import FRONT

HERE = Path(__file__).parents[1]


def add(app: web.Application) -> None:
    """Routes, templates, style sheet and script."""
    aiohttp_jinja2.setup(
        app,
        loader=jinja2.FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=finalize,
        filters=FILTERS,
    )
    app.add_routes(
        [
            *incidents.routes(),
            *incident.routes(),
            *answers.routes(),
            *policy.routes(),
            *runbooks.routes(),
            *session.Entrance(app[FRONT]).routes(),
            *switch.routes(),
            web.static("/static", HERE / "static"),
        ]
    )
