"""Slack over HTTP: what it signs is believed to come from it, for five minutes; anything else is refused."""

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web
from slack_sdk.signature import Clock as LibraryClock
from slack_sdk.signature import SignatureVerifier

from sre_daemon.clock import Clock
from sre_daemon.errors import Unauthorized
from sre_daemon.web.front import FRONT, SlackDoor, TakesSlack
from sre_daemon.web.problems import BadRequest, NotFound


class Signed:
    """Opens for whatever is signed with the app's secret."""

    def __init__(self, secret: str, takes: TakesSlack, clock: Clock) -> None:
        self.takes = takes
        self._verifier = SignatureVerifier(secret, _Seconds(clock))

    def check(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raises Unauthorized."""
        stamp = headers.get("X-Slack-Request-Timestamp", "")
        signature = headers.get("X-Slack-Signature", "")
        # The library takes neither text that is no number nor text that is not ASCII.
        fit = stamp.isascii() and stamp.isdigit() and len(stamp) < 16 and signature.isascii()
        try:
            valid = fit and self._verifier.is_valid(body, stamp, signature)
        except UnicodeDecodeError:
            valid = False
        if not valid:
            raise Unauthorized(
                "the request is not signed by Slack, or is older than five minutes",
                "check SLACK_SIGNING_SECRET and the clock",
            )


class _Seconds(LibraryClock):
    """The library's clock, made of ours."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def now(self) -> float:
        return self._clock.now().timestamp()


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [web.post("/slack/events", events), web.post("/slack/interactions", interactions)]


async def events(request: web.Request) -> web.Response:
    """An event, or the question whether we are there at all."""
    door, body = await _opened(request)
    envelope = _read(body)
    if envelope.get("type") == "url_verification":
        return web.json_response({"challenge": str(envelope.get("challenge", ""))})
    await door.takes.event(envelope)
    return web.json_response({})


async def interactions(request: web.Request) -> web.Response:
    """A click, or a form that was sent."""
    door, body = await _opened(request)
    try:
        (payload,) = parse_qs(body.decode("ascii"))["payload"]
    except (ValueError, KeyError):
        raise BadRequest("there is no payload in it") from None
    answer = await door.takes.interaction(_read(payload.encode()))
    return web.json_response(dict(answer)) if answer is not None else web.Response()


async def _opened(request: web.Request) -> tuple[SlackDoor, bytes]:
    door = request.app[FRONT].slack
    if door is None:
        raise NotFound("Slack does not come here", "set SLACK_SIGNING_SECRET, or use Socket Mode")
    try:
        body = await request.read()
    except web.RequestPayloadError:
        raise BadRequest("the body is incomplete") from None
    door.check(request.headers, body)
    return door, body


def _read(body: bytes) -> Mapping[str, Any]:
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("this is no JSON") from None
    if not isinstance(found, dict):
        raise BadRequest("this is no JSON object")
    return found
