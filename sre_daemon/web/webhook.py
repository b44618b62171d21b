"""POST /webhook/alertmanager: authenticate, read within bounds, parse, store, answer.

The codes are a contract with Alertmanager: it sends again only after 5xx, so 503 is the only
answer to load and to a store that does not work, and 4xx is for what can never succeed.
"""

import asyncio

import structlog
from aiohttp import web

from sre_daemon.errors import (
    IntakeError,
    PayloadInvalid,
    PayloadTooLarge,
    StoreUnavailable,
    Unauthorized,
)
from sre_daemon.web.auth import check_webhook
from sre_daemon.web.front import FRONT, Front

log = structlog.get_logger(__name__)

TENANT = "default"
# Bodies being read at once may take this much memory together; above it the answer is 503.
IN_FLIGHT_BYTES = 256 << 20
IN_FLIGHT: web.AppKey["InFlight"] = web.AppKey("in_flight")


class InFlight:
    """Bytes of bodies that are being read or stored now."""

    def __init__(self, limit: int = IN_FLIGHT_BYTES) -> None:
        self._limit = limit
        self._bytes = 0

    def take(self, size: int) -> None:
        """Raises StoreUnavailable above the limit."""
        if self._bytes + size > self._limit:
            raise StoreUnavailable("too many bytes are being received", "send it again")
        self._bytes += size

    def give(self, size: int) -> None:
        """The reverse of `take`."""
        self._bytes -= size


OUTCOMES = {401: "unauthorized", 413: "too_large", 400: "invalid"}


async def receive(request: web.Request) -> web.Response:
    """One notification."""
    front = request.app[FRONT]
    started = front.clock.monotonic()
    outcome = "unavailable"
    try:
        await _store(request, front)
        outcome = "stored"
        return web.json_response({"status": "stored"})
    except StoreUnavailable as failure:
        return _refusal(503, failure.reason, failure.hint)
    except IntakeError as failure:
        outcome = OUTCOMES[failure.status]
        if not isinstance(failure, Unauthorized):
            log.warning("notification refused", reason=failure.reason, peer=request.remote)
        return _refusal(failure.status, failure.reason, failure.hint)
    finally:
        front.metrics.notifications.labels(outcome).inc()
        front.metrics.notification_seconds.observe(front.clock.monotonic() - started)


def _refusal(status: int, reason: str, hint: str) -> web.Response:
    response = web.json_response(
        {"error": {"code": str(status), "message": reason, "hint": hint}}, status=status
    )
    if status != 503:
        # The rest of an unread body must not be taken for the next request.
        response.force_close()
    return response


async def _store(request: web.Request, front: Front) -> None:
    check_webhook(request)
    if request.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise PayloadInvalid("compressed bodies are not accepted", "Alertmanager sends plain JSON")
    limit = front.receiver.max_body_bytes
    if (request.content_length or 0) > limit:
        raise PayloadTooLarge(f"the body is larger than {limit} bytes", "set max_alerts")
    in_flight = request.app[IN_FLIGHT]
    taken = 0
    try:
        body = bytearray()
        async with asyncio.timeout(front.receiver.body_timeout.total_seconds()):
            async for chunk in request.content.iter_chunked(64 << 10):
                in_flight.take(len(chunk))
                taken += len(chunk)
                body += chunk
                if len(body) > limit:
                    raise PayloadTooLarge(
                        f"the body is larger than {limit} bytes", "set max_alerts"
                    )
        peer = request.remote or ""
        notification = front.parse(bytes(body), front.clock.now(), TENANT, peer)
        await front.intake.accept(notification)
    except TimeoutError:
        # Too slow is a fault of the way here, not of the content: it may be sent again.
        raise StoreUnavailable("the body did not arrive in time", "send it again") from None
    finally:
        in_flight.give(taken)
