"""Who may come in, and what for: tokens compared in constant time, sessions for browsers, loopback
without a token. Every handler that does something names the least role that it needs.
"""

import base64
import binascii
import hashlib
import hmac
import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeVar
from urllib.parse import urlsplit

from aiohttp import web

from sre_daemon.domain.person import Person, Role
from sre_daemon.domain.sender import DEFAULT, Sender
from sre_daemon.errors import Unauthorized
from sre_daemon.web.front import FRONT
from sre_daemon.web.problems import Forbidden

T = TypeVar("T")

COOKIE = "sre_daemon_session"
FORM_COOKIE = "sre_daemon_form"
FORM_FIELD = "form_token"
SESSION = timedelta(hours=12)
LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
SAFE = frozenset({"GET", "HEAD"})
# A proxy on this machine would make the whole world look local.
ANYBODY = Sender(DEFAULT)
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


def check_webhook(request: web.Request, senders: Mapping[str, Sender]) -> Sender:
    """Before the body is read: who notifies.

    Raises:
        Unauthorized: no token, or a wrong one.
    """
    if not senders:
        # Without a token the socket is bound to loopback; a web page must not reach it either.
        if "Origin" in request.headers or not _from_loopback(request):
            raise Unauthorized("anonymous notifications come from this machine", "set a token")
        return ANYBODY
    sender = holder(senders, presented(request))
    if sender is None:
        raise Unauthorized(
            "the webhook token is missing or wrong",
            "set `authorization: {credentials_file: …}` in Alertmanager's webhook_configs",
        )
    return sender


def check_person(request: web.Request, least: Role = Role.VIEWER) -> Person:
    """For the API and the console; returns who it is, for the record.

    Raises:
        Unauthorized: no valid token or session.
        Forbidden: the role is not enough, or there are no tokens and the request is from elsewhere.
    """
    return _enough(_identify(request), least)


def _enough(person: Person, least: Role) -> Person:
    if not person.may(least):
        raise Forbidden(
            f"{person.name} is {person.role}, and this needs {least}",
            "ask somebody who has that role; `people` in the settings says who",
        )
    return person


def check_form(request: web.Request, fields: Mapping[str, object], least: Role) -> Person:
    """For a form of the console: whoever the browser says it is, and the token of this form.

    Raises:
        Unauthorized, Forbidden: as check_person; also a form that no page of ours has made.
    """
    person = _ambient(request)
    if person is None:
        raise Unauthorized("you are not logged in", "log in again")
    sent = fields.get(FORM_FIELD)
    expected = form_token(request, person, request.cookies.get(FORM_COOKIE, ""))
    if not (isinstance(sent, str) and same(sent, expected)) or not _own_origin(request):
        raise Forbidden("this form is out of date", "load the page again, and send it once more")
    return _enough(person, least)


def form_token(request: web.Request, person: Person, cookie: str) -> str:
    """What a form must carry: it belongs to this browser's cookie and this person, and to no other site."""
    if not cookie:
        return ""
    text = f"{cookie}\0{person.name}".encode()
    return hmac.new(request.app[FRONT].form_key, text, "sha256").hexdigest()


def _own_origin(request: web.Request) -> bool:
    """Browsers say where a form was made; a proxy may have changed what we are called."""
    if request.headers.get("Sec-Fetch-Site", "same-origin") not in {"same-origin", "none"}:
        return False
    origin = request.headers.get("Origin")
    if origin is None or request.app[FRONT].proxy is not None:
        return True
    return urlsplit(origin).netloc == request.host


def _identify(request: web.Request) -> Person:
    front = request.app[FRONT]
    person = holder(front.people, presented(request))
    if person is None and (request.method in SAFE or not _remote_people(request)):
        # Outside of forms a session only looks: another site could not use it for more.
        person = _ambient(request)
    if person is None and not _remote_people(request):
        raise Forbidden(
            "without SRE_DAEMON_API_TOKEN only this machine may ask", "set it, or use 127.0.0.1"
        )
    if person is None:
        raise Unauthorized(
            "the API token is missing or wrong", "send it as `Authorization: Bearer …`, or log in"
        )
    return person


def _ambient(request: web.Request) -> Person | None:
    """Who the browser says it is, without doing anything for it: session, proxy, or this machine."""
    front = request.app[FRONT]
    person = _of_session(request, front.people)
    if person is None and front.proxy is not None:
        person = front.proxy.person(request)
    if person is None and not _remote_people(request) and _from_loopback(request):
        person = Person("loopback", Role.ADMIN)
    return person


def _remote_people(request: web.Request) -> bool:
    """Whether there is any way to know people; without one this machine is the only one."""
    front = request.app[FRONT]
    return bool(front.people) or front.proxy is not None


def holder(known: Mapping[str, T], token: str) -> T | None:
    """Whose token this is; every token is compared, so that the time tells nothing."""
    found = None
    for other, whose in known.items():
        if same(token, other):
            found = whose
    return found


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


def new_session(token: str, person: Person, now: datetime) -> str:
    """A cookie's value: when it ends, a signature, whose it is; it does not contain the token."""
    ends = str(int((now + SESSION).timestamp()))
    name = base64.urlsafe_b64encode(person.name.encode()).decode().rstrip("=")
    return f"{ends}.{_sign(token, ends)}.{name}"


def _sign(token: str, text: str) -> str:
    key = hashlib.sha256(b"sre-daemon session\0" + token.encode()).digest()
    return hmac.new(key, text.encode(), "sha256").hexdigest()


def _of_session(request: web.Request, people: Mapping[str, Person]) -> Person | None:
    """Whose session this is; it ends with the token that it was made with."""
    ends, _, rest = request.cookies.get(COOKIE, "").partition(".")
    signature, _, name = rest.partition(".")
    if not (ends.isascii() and ends.isdigit() and len(ends) < 12):
        return None
    if request.app[FRONT].clock.now() >= datetime.fromtimestamp(int(ends), UTC):
        return None
    try:
        wanted = base64.urlsafe_b64decode(name + "=" * (-len(name) % 4)).decode()
    except ValueError:
        return None
    return next(
        (
            person
            for token, person in people.items()
            if person.name == wanted and same(signature, _sign(token, ends))
        ),
        None,
    )
