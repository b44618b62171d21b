"""The HTTP server: routes, middlewares, limits."""

from aiohttp import web

from sre_daemon.web import api, console, health, problems, webhook
from sre_daemon.web.front import FRONT, Front


def build(front: Front) -> web.Application:
    """The application."""
    app = web.Application(middlewares=[problems.answer_errors], client_max_size=1 << 20)
    app[FRONT] = front
    app[webhook.IN_FLIGHT] = webhook.InFlight()
    app.router.add_post("/webhook/alertmanager", webhook.receive)
    app.add_routes(health.routes())
    app.add_routes(api.routes())
    console.add(app)
    app.on_response_prepare.append(problems.add_headers)
    return app


async def listen(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, str]:
    """Serve; the runner that stops it, and the address that it really has."""
    runner = web.AppRunner(
        app, access_log=None, handle_signals=False, shutdown_timeout=5, keepalive_timeout=75
    )
    await runner.setup()
    # A storm opens hundreds of connections at once.
    site = web.TCPSite(runner, host, port, backlog=1024)
    await site.start()
    address = runner.addresses[0]
    return runner, f"http://{address[0]}:{address[1]}"
