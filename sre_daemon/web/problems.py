"""Errors as answers: one JSON shape, and no page ever shows a traceback."""

import secrets
from collections.abc import Awaitable, Callable

import structlog
from aiohttp import web

from sre_daemon.errors import ConfigError, DaemonError, StoreUnavailable, Unauthorized

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self' data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class NotFound(DaemonError):
    """There is no such thing."""


class BadRequest(DaemonError):
    """The question cannot be understood."""


STATUS: tuple[tuple[type[DaemonError], int], ...] = (
    (Unauthorized, 401),
    (NotFound, 404),
    (BadRequest, 400),
    (ConfigError, 409),
    (StoreUnavailable, 503),
)


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost: whatever was raised becomes an answer."""
    try:
        return await handler(request)
    except web.HTTPException as failure:
        if failure.status < 400:
            raise
        return problem(request, failure.status, failure.reason, "")
    except DaemonError as failure:
        status = next((code for kind, code in STATUS if isinstance(failure, kind)), 500)
        if status == 401 and wants_page(request):
            raise web.HTTPSeeOther("/login") from None
        return problem(request, status, failure.reason, failure.hint)
    except Exception:
        name = secrets.token_hex(4)
        log.exception("request failed", id=name, path=request.path)
        return problem(request, 500, f"an error of the daemon, {name}", "its log has the details")


def wants_page(request: web.Request) -> bool:
    """Whether a browser asks for a page of the console."""
    return not request.path.startswith(("/api/", "/webhook/", "/metrics")) and (
        "text/html" in request.headers.get("Accept", "")
    )


def problem(request: web.Request, status: int, message: str, hint: str) -> web.Response:
    """The one shape."""
    if wants_page(request):
        return web.Response(status=status, text=f"{message}\n{hint}\n")
    error = {"code": str(status), "message": message, "hint": hint}
    response = web.json_response({"error": error}, status=status)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    return response


async def add_headers(_: web.Request, response: web.StreamResponse) -> None:
    """On every answer, also on errors."""
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "sre-daemon"
