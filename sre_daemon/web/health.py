"""/healthz, /readyz and /metrics: for supervisors, balancers and Prometheus."""

from aiohttp import web

from sre_daemon.web.front import FRONT


def routes() -> list[web.RouteDef]:
    """All of them; none needs a token, and none shows more than states and numbers."""
    return [
        web.get("/healthz", healthz),
        web.get("/readyz", readyz),
        web.get("/metrics", metrics),
    ]


async def healthz(_: web.Request) -> web.Response:
    """The event loop turns."""
    return web.json_response({"status": "ok"})


async def readyz(request: web.Request) -> web.Response:
    """Per dependency. Only the store decides: without the others the daemon still takes alerts.

    What exactly is wrong, with addresses, is in /api/v1/status.
    """
    states = await request.app[FRONT].control.ready()
    shown = {name: "ok" if state == "ok" else "unavailable" for name, state in states.items()}
    ready = shown.get("store") == "ok"
    return web.json_response({"ready": ready, "dependencies": shown}, status=200 if ready else 503)


async def metrics(request: web.Request) -> web.Response:
    """Prometheus text, or OpenMetrics when asked for."""
    body, kind = request.app[FRONT].metrics.render(request.headers.get("Accept", ""))
    return web.Response(body=body, headers={"Content-Type": kind})
