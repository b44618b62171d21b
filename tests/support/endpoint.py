"""A real HTTP server that answers as told and remembers what it was asked."""

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Endpoint:
    """What was posted, and how it answers."""

    url: str = ""
    status: int = 204
    headers: dict = field(default_factory=dict)
    bodies: list = field(default_factory=list)
    requests: list = field(default_factory=list)

    async def answer(self, request):
        self.bodies.append(await request.read())
        self.requests.append(request)
        return web.Response(status=self.status, headers=self.headers)

    @property
    def json(self):
        """The bodies, read."""
        return [json.loads(body) for body in self.bodies]


@asynccontextmanager
async def serving(app):
    """An application on a free port; its address."""
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def endpoint():
    """One that takes everything."""
    found = Endpoint()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", found.answer)
    async with serving(app) as url:
        found.url = url
        yield found
