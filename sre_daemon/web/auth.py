"""Who may come in: tokens compared in constant time, sessions for browsers, loopback without a token."""

import base64
import binascii
import hashlib
import hmac
import ipaddress
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from aiohttp import web

from sre_daemon.errors import Unauthorized
from sre_daemon.web.front import FRONT
from sre_daemon.web.problems import Forbidden

COOKIE = "sre_daemon_session"
SESSION = timedelta(hours=12)
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE = frozenset({"GET", "HEAD"})
# A proxy on this machine would make the whole world look local.
FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Real-Ip", "Via")


def presented(request: web.Request) -> str:
    """The token of the Authorization header: bearer, or the password of basic authentication.

    Two such headers are none: somebody on the way would have read the other one.
    """
    values = request.headers.getall("Authorization", [])
    if len(values) != 1:
        return ""
    scheme, _, rest = values[0].partition(" ")
    if scheme.lower() == "bearer":
        return rest.strip()
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(rest.strip(), validate=True).decode("utf-8")
        except (binascii.Error, ValueError):
            return ""
        return decoded.partition(":")[2]
    return ""


def same(one: str, other: str) -> bool:
    """Constant-time comparison of text; nothing equals the empty text."""
    a, b = (text.encode("utf-8", "surrogatepass") for text in (one, other))
    return hmac.compare_digest(a, b) and bool(b)


def check_webhook(request: web.Request) -> None:
    """Before the body is read.

    Raises:
        Unauthorized: no token, or a wrong one.
    """
    expected = request.app[FRONT].webhook_token
    if not expected:
        # Without a token the socket is bound to loopback; a web page must not reach it either.
        if "Origin" in request.headers or not _from_loopback(request):
            raise Unauthorized("anonymous notifications come from this machine", "set a token")
        return
    if not same(presented(request), expected):
        raise Unauthorized(
            "the webhook token is missing or wrong",
            "set `authorization: {credentials_file: …}` in Alertmanager's webhook_configs",
        )


def check_person(request: web.Request) -> str:
    """For the API and the console; returns who it is, for the record.

    Raises:
        Unauthorized: no valid token or session.
        Forbidden: no token is configured, and the request is not from this machine.
    """
    expected = request.app[FRONT].api_token
    if expected:
        if same(presented(request), expected):
            return "api token"
        # A session only looks: a form on another site could not use it for more.
        if request.method in SAFE and _valid_session(request, expected):
            return "console"
        raise Unauthorized(
            "the API token is missing or wrong", "send it as `Authorization: Bearer …`, or log in"
        )
    if not _from_loopback(request):
        raise Forbidden(
            "without SRE_DAEMON_API_TOKEN only this machine may ask", "set it, or use 127.0.0.1"
        )
    return "loopback"


def _from_loopback(request: web.Request) -> bool:
    """The peer, the name it used for us (a rebound name is not ours), and its page's origin."""
    try:
        peer = ipaddress.ip_address(request.remote or "")
    except ValueError:
        return False
    name = request.host if request.host.endswith("]") else request.host.rsplit(":", 1)[0]
    origin = request.headers.get("Origin")
    same_origin = origin is None or urlsplit(origin).netloc == request.host
    direct = not any(header in request.headers for header in FORWARDED)
    return peer.is_loopback and name.lower() in LOOPBACK_NAMES and same_origin and direct


def new_session(token: str, now: datetime) -> str:
    """A cookie's value: when it ends, and a signature; it does not contain the token."""
    ends = str(int((now + SESSION).timestamp()))
    return f"{ends}.{_sign(token, ends)}"


def _sign(token: str, text: str) -> str:
    key = hashlib.sha256(b"sre-daemon session\0" + token.encode()).digest()
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _valid_session(request: web.Request, token: str) -> bool:
    ends, _, signature = request.cookies.get(COOKIE, "").partition(".")
    if not (ends.isascii() and ends.isdigit() and len(ends) < 12):
        return False
    if not same(signature, _sign(token, ends)):
        return False
    return request.app[FRONT].clock.now() < datetime.fromtimestamp(int(ends), UTC)
