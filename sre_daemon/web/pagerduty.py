"""PagerDuty's webhooks (V3): believed when one of their signatures is made with one of our secrets."""

import hashlib
import hmac
import json
from collections.abc import Sequence

from aiohttp import web

from sre_daemon.errors import Unauthorized
from sre_daemon.web.auth import same
from sre_daemon.web.front import FRONT, TakesPages
from sre_daemon.web.problems import BadRequest, NotFound

MOST_SIGNATURES = 10


class Paged:
    """Opens for whatever is signed; several secrets while one is replaced by another."""

    def __init__(self, secrets: Sequence[str], takes: TakesPages) -> None:
        self.takes = takes
        self._secrets = [secret.encode() for secret in secrets]

    def check(self, header: str, body: bytes) -> None:
        """Over the bytes as they came; raises Unauthorized."""
        wanted = [
            f"v1={hmac.new(secret, body, hashlib.sha256).hexdigest()}" for secret in self._secrets
        ]
        sent = [item.strip() for item in header.split(",")[:MOST_SIGNATURES]]
        if not any(same(one, other) for one in sent for other in wanted):
            raise Unauthorized(
                "the request is not signed by PagerDuty", "check PAGERDUTY_WEBHOOK_SECRET"
            )


def routes() -> list[web.RouteDef]:
    """All of them."""
    return [web.post("/webhook/pagerduty", receive)]


async def receive(request: web.Request) -> web.Response:
    """One event; what is not about us is taken, too, or it would be sent again."""
    door = request.app[FRONT].paging
    if door is None:
        raise NotFound("PagerDuty does not come here", "set PAGERDUTY_WEBHOOK_SECRET")
    try:
        body = await request.read()
    except web.RequestPayloadError:
        raise BadRequest("the body is incomplete") from None
    door.check(request.headers.get("X-PagerDuty-Signature", ""), body)
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise BadRequest("this is no JSON") from None
    if not isinstance(said, dict):
        raise BadRequest("this is no JSON object")
    return web.json_response({"taken": await door.takes.take(said)})
