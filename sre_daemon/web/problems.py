"""Errors as answers: one JSON shape or one page, and never a traceback."""

import secrets
from collections.abc import Awaitable, Callable

import aiohttp_jinja2
import structlog
from aiohttp import web

from sre_daemon.errors import (
    AgentError,
    ConfigError,
    DaemonError,
    NotifyError,
    StoreConflict,
    StoreUnavailable,
    Unauthorized,
    WrongState,
)

log = structlog.get_logger(__name__)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

WEBHOOK = "/webhook/alertmanager"
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; "
    "script-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # To our own pages only: with none at all browsers say `Origin: null` of our own forms, too.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class NotFound(DaemonError):
    """There is no such thing."""


class BadRequest(DaemonError):
    """The question cannot be understood."""


class Forbidden(DaemonError):
    """No token would help: this is not the way in."""


STATUS: tuple[tuple[type[DaemonError], int], ...] = (
    (Unauthorized, 401),
    (Forbidden, 403),
    (NotFound, 404),
    (BadRequest, 400),
    (WrongState, 409),
    (ConfigError, 409),
    (AgentError, 503),
    (StoreConflict, 503),
    (StoreUnavailable, 503),
    (NotifyError, 503),
)
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    408: "too_slow",
    409: "conflict",
    413: "too_large",
    500: "internal",
    503: "unavailable",
}


@web.middleware
async def answer_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Outermost: whatever was raised becomes an answer."""
    try:
        return await handler(request)
    except web.HTTPException as failure:
        if failure.status < 400:
            raise
        response = problem(request, failure.status, failure.reason, "")
        if "Allow" in failure.headers:
            response.headers["Allow"] = failure.headers["Allow"]
        return response
    except DaemonError as failure:
        status = next((code for kind, code in STATUS if isinstance(failure, kind)), 500)
        if status == 401 and wants_page(request):
            raise web.HTTPSeeOther("/login") from None
        return problem(request, status, failure.reason, failure.hint)
    except ConnectionError:
        # The client went away; there is nobody to answer.
        raise
    except Exception:  # the last wall before the client; logged with its traceback
        name = secrets.token_hex(4)
        log.exception("request failed", id=name, method=request.method, path=request.path[:200])
        return problem(request, 500, f"an error of the daemon, {name}", "its log has the details")


def wants_page(request: web.Request) -> bool:
    """Whether a browser asks for a page of the console."""
    return not request.path.startswith(("/api/", "/webhook/", "/slack/", "/metrics")) and (
        "text/html" in request.headers.get("Accept", "")
    )


def problem(request: web.Request, status: int, message: str, hint: str) -> web.Response:
    """A page for a browser; for everybody else the one JSON shape."""
    if wants_page(request):
        context = {"code": status, "message": message, "hint": hint}
        return aiohttp_jinja2.render_template("problem.html", request, context, status=status)
    return refusal(status, message, hint)


def refusal(status: int, message: str, hint: str) -> web.Response:
    """`{"error": {"code", "message", "hint"}}`."""
    error = {"code": CODES.get(status, "error"), "message": message, "hint": hint}
    response = web.json_response({"error": error}, status=status)
    if status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if status == 503:
        response.headers["Retry-After"] = "5"
    return response


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """On every answer, also on errors."""
    response.headers["Server"] = "sre-daemon"
    if request.path == WEBHOOK:  # no browser is told to be careful there
        return
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    if request.path.startswith("/static/") and response.status == 200:
        response.headers["Cache-Control"] = "max-age=300"
