"""POST /webhook/alertmanager: authenticate, read within bounds, parse, store, answer.

The codes are a contract with Alertmanager: it sends again only after 5xx, so 503 is the only
answer to load and to a store that does not work, and 4xx is for what can never succeed.
"""

import asyncio
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import structlog
from aiohttp import web

from sre_daemon.domain.notification import Notification
from sre_daemon.errors import (
    IntakeError,
    PayloadInvalid,
    PayloadTooLarge,
    StoreUnavailable,
)
from sre_daemon.text import line
from sre_daemon.web import problems
from sre_daemon.web.auth import check_webhook
from sre_daemon.web.front import FRONT, Front

log = structlog.get_logger(__name__)

TENANT = "default"
# Bodies being read and stored may take this much together; above it the answer is 503. Parsed,
# a body takes about ten times its size.
IN_FLIGHT_BYTES = 96 << 20
CHUNK = 64 << 10
# Alertmanager waits at least 10 s for an answer; a commit takes milliseconds.
STORE_SECONDS = 5.0
OUTCOMES = {401: "unauthorized", 413: "too_large", 400: "invalid"}


class InFlight:
    """Bytes of bodies that are being read or stored now."""

    def __init__(self, limit: int = IN_FLIGHT_BYTES) -> None:
        self._limit = limit
        self._bytes = 0

    @contextmanager
    def share(self, announced: int) -> Iterator["Share"]:
        """A share of the memory, given back at the end."""
        share = Share(self)
        try:
            share.grow_to(announced)
            yield share
        finally:
            self._bytes -= share.size

    def take(self, size: int) -> None:
        """Raises StoreUnavailable above the limit."""
        if self._bytes + size > self._limit:
            raise StoreUnavailable("too many bytes are being received", "send it again")
        self._bytes += size


class Share:
    """What one request uses."""

    def __init__(self, of: InFlight) -> None:
        self._of = of
        self.size = 0

    def grow_to(self, size: int) -> None:
        """Raises StoreUnavailable when there is not enough left."""
        if size > self.size:
            self._of.take(size - self.size)
            self.size = size


IN_FLIGHT: web.AppKey[InFlight] = web.AppKey("in_flight", InFlight)


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
        log.warning("notification not stored", reason=failure.reason, peer=request.remote)
        return _refusal(request, 503, failure)
    except IntakeError as failure:
        outcome = OUTCOMES[failure.status]
        log.warning("notification refused", reason=line(failure.reason), peer=request.remote)
        return _refusal(request, failure.status, failure)
    finally:
        front.metrics.notifications.labels(outcome).inc()
        front.metrics.notification_seconds.observe(front.clock.monotonic() - started)


def _refusal(
    request: web.Request, status: int, failure: IntakeError | StoreUnavailable
) -> web.Response:
    response = problems.refusal(status, failure.reason, failure.hint)
    if not request.content.is_eof():
        # The rest of an unread body must not be taken for the next request.
        response.force_close()
    return response


async def _store(request: web.Request, front: Front) -> None:
    check_webhook(request)
    if request.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise PayloadInvalid("compressed bodies are not accepted", "Alertmanager sends plain JSON")
    limit = front.receiver.max_body_bytes
    announced = request.content_length or 0
    if announced > limit:
        raise _too_large(limit)
    with request.app[IN_FLIGHT].share(announced) as share:
        body = await _read(request, front, share)
        try:
            notification = front.parse(body, front.clock.now(), TENANT, request.remote or "")
        except PayloadInvalid:
            # Not kept: enough to find it again at the sender.
            log.warning(
                "unreadable notification",
                size=len(body),
                sha256=hashlib.sha256(body).hexdigest(),
                begins=repr(body[:200]),
            )
            raise
        await _accept(front, notification)


async def _accept(front: Front, notification: Notification) -> None:
    try:
        async with asyncio.timeout(STORE_SECONDS):
            await front.intake.accept(notification)
    except TimeoutError:
        # It may still be stored; then the second copy changes nothing.
        raise StoreUnavailable("storing takes too long", "send it again") from None


async def _read(request: web.Request, front: Front, share: Share) -> bytes:
    limit = front.receiver.max_body_bytes
    body = bytearray()
    try:
        async with asyncio.timeout(front.receiver.body_timeout.total_seconds()):
            async for chunk in request.content.iter_chunked(CHUNK):
                body += chunk
                share.grow_to(len(body))
                if len(body) > limit:
                    raise _too_large(limit)
    except TimeoutError:
        # The way here is slow, the content may be good: it may be sent again.
        raise StoreUnavailable("the body did not arrive in time", "send it again") from None
    except web.RequestPayloadError as failure:
        raise PayloadInvalid(f"the body is not whole: {type(failure).__name__}") from None
    return bytes(body)


def _too_large(limit: int) -> PayloadTooLarge:
    return PayloadTooLarge(
        f"the body is larger than {limit} bytes",
        "set max_alerts in Alertmanager, or receiver.max_body_bytes here",
    )
