"""The HTTP server: routes, middlewares, limits."""

import logging
import os

from aiohttp import web

from sre_daemon.errors import ConfigError
from sre_daemon.web import (
    api,
    approvals,
    console,
    handover,
    hands,
    health,
    pagerduty,
    policy,
    problems,
    slack,
    webhook,
)
from sre_daemon.web.door import DoorSite
from sre_daemon.web.front import FRONT, Front

# Forms and pause reasons; the webhook has its own, larger limit.
MAX_FORM = 64 << 10
# Also what a client gets to send its headers, or to do nothing at all.
IDLE_SECONDS = 30
LINGER_SECONDS = 3


def build(front: Front) -> web.Application:
    """The application."""
    app = web.Application(middlewares=[problems.answer_errors], client_max_size=MAX_FORM)
    app[FRONT] = front
    app.router.add_post(problems.WEBHOOK, webhook.Webhook(front).receive)
    app.add_routes(health.routes())
    app.add_routes(api.routes())
    app.add_routes(policy.routes())
    app.add_routes(handover.routes())
    app.add_routes(approvals.routes())
    app.add_routes(hands.routes())
    app.add_routes(slack.routes())
    app.add_routes(pagerduty.routes())
    console.add(app)
    app.on_response_prepare.append(problems.add_headers)
    # Before open connections are waited for: these would never end by themselves.
    app.on_shutdown.append(lambda _: front.live.close())
    return app


async def listen(app: web.Application, host: str, port: int) -> tuple[web.AppRunner, str]:
    """Serve, as many connections at once as the settings say; the runner that stops it, and the address that it really has.

    Raises:
        ConfigError: the address cannot be listened on.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        logger=_protocol_log(),
        handle_signals=False,
        shutdown_timeout=5,
        keepalive_timeout=IDLE_SECONDS,
        lingering_time=LINGER_SECONDS,
        # Nothing sends us compressed bodies, so nothing needs to be inflated.
        auto_decompress=False,
    )
    await runner.setup()
    front = app[FRONT]
    door = DoorSite(
        runner,
        (host, port),
        limit=front.receiver.max_connections,
        refused=front.metrics.connections_refused,
        # A storm opens hundreds of connections at once.
        backlog=1024,
    )
    try:
        await door.start()
    except OSError as failure:
        await runner.cleanup()
        why = os.strerror(failure.errno) if failure.errno else str(failure)
        raise ConfigError(
            f"listen: cannot listen on {host}:{port}: {why}", "choose another address or port"
        ) from None
    address = runner.addresses[0]
    name = f"[{address[0]}]" if ":" in address[0] else address[0]
    return runner, f"http://{name}:{address[1]}"


def _protocol_log() -> logging.Logger:
    """aiohttp's log of broken requests, without their text: it may hold a token."""
    log = logging.getLogger("sre_daemon.web.protocol")
    log.addFilter(_drop_text)
    return log


def _drop_text(record: logging.LogRecord) -> bool:
    if record.exc_info and record.exc_info[0] is not None:
        record.msg = f"{record.msg}: {record.exc_info[0].__name__}"
    record.exc_info = None
    return True
