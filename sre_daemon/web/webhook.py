"""POST /webhook/alertmanager: authenticate, read within bounds, parse, store, answer.

The codes are a contract with Alertmanager: it sends again only after 5xx, so 503 is the only
answer to load and to a store that does not work, and 4xx is for what can never succeed.
"""

import asyncio
from types import TracebackType

import structlog
from aiohttp import web

from sre_daemon.domain.notification import Unreadable
from sre_daemon.domain.sender import Sender
from sre_daemon.errors import (
    IntakeError,
    PayloadInvalid,
    PayloadTooLarge,
    StoreUnavailable,
)
from sre_daemon.text import line
from sre_daemon.web import problems
from sre_daemon.web.auth import check_webhook
from sre_daemon.web.front import Front

log = structlog.get_logger(__name__)

# Bodies being read and stored may take this much together; above it the answer is 503. Parsed,
# a body takes about ten times its size.
IN_FLIGHT_BYTES = 96 << 20
OUTCOMES = {401: "unauthorized", 413: "too_large", 400: "invalid"}
STORED = b'{"status": "stored"}'
JSON = {"Content-Type": "application/json; charset=utf-8"}


class InFlight:
    """Bytes of bodies that are being read or stored now."""

    def __init__(self, limit: int = IN_FLIGHT_BYTES) -> None:
        self._limit = limit
        self._bytes = 0

    def share(self, announced: int) -> "Share":
        """A share of the memory, given back at the end; raises StoreUnavailable above the limit."""
        share = Share(self)
        share.grow_to(announced)
        return share

    def take(self, size: int) -> None:
        """Raises StoreUnavailable above the limit."""
        if self._bytes + size > self._limit:
            raise StoreUnavailable("too many bytes are being received", "send it again")
        self._bytes += size

    def give_back(self, size: int) -> None:
        """What `take` took."""
        self._bytes -= size


class Share:
    """What one request uses."""

    __slots__ = ("_of", "_size")

    def __init__(self, of: InFlight) -> None:
        self._of = of
        self._size = 0

    def grow_to(self, size: int) -> None:
        """Raises StoreUnavailable when there is not enough left."""
        if size > self._size:
            self._of.take(size - self._size)
            self._size = size

    def __enter__(self) -> "Share":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._of.give_back(self._size)


class Webhook:
    """The endpoint. What a request needs is at hand, since thousands come in a second."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._monotonic = front.clock.monotonic
        self._memory = InFlight()
        self._limit = front.receiver.max_body_bytes
        self._body_seconds = front.receiver.body_timeout.total_seconds()
        names = ("stored", "unavailable", *OUTCOMES.values())
        self._outcomes = {name: front.metrics.notifications.labels(name) for name in names}
        self._seconds = front.metrics.notification_seconds

    async def receive(self, request: web.Request) -> web.Response:
        """One notification."""
        started = self._monotonic()
        outcome = "unavailable"
        try:
            sender = check_webhook(request, self._front.senders)
            await self._store(request, sender)
            outcome = "stored"
            return web.Response(body=STORED, headers=JSON)
        except StoreUnavailable as failure:
            log.warning("notification not stored", reason=failure.reason, peer=request.remote)
            self._front.intake.doubt()
            return _refusal(request, 503, failure)
        except IntakeError as failure:
            outcome = OUTCOMES[failure.status]
            log.warning("notification refused", reason=line(failure.reason), peer=request.remote)
            await self._in_vain(request, failure)
            return _refusal(request, failure.status, failure)
        finally:
            self._outcomes[outcome].inc()
            self._seconds.observe(self._monotonic() - started)

    async def _in_vain(self, request: web.Request, failure: IntakeError) -> None:
        """What an Alertmanager said is not stored; a stranger's requests are no reason to do anything."""
        if failure.status == 401:
            if not request.headers.get("User-Agent", "").startswith("Alertmanager/"):
                return
            await self._front.intake.refused(request.remote or "")
        self._front.intake.doubt()

    async def _store(self, request: web.Request, sender: Sender) -> None:
        coding = request.headers.get("Content-Encoding")
        if coding is not None and coding.strip().lower() != "identity":
            raise PayloadInvalid(
                "compressed bodies are not accepted", "Alertmanager sends plain JSON"
            )
        announced = request.content_length or 0
        if announced > self._limit:
            raise self._too_large()
        with self._memory.share(announced) as share:
            body = await self._read(request, share)
            now, peer = self._front.clock.now(), request.remote or ""
            try:
                said = self._front.parse(body, now, sender, peer)
            except PayloadInvalid as failure:
                unreadable = Unreadable(body, now, sender, peer, failure.reason)
                await self._front.intake.set_aside(unreadable)
                raise
            await self._front.intake.accept(said)

    async def _read(self, request: web.Request, share: Share) -> bytes:
        try:
            if request.content.is_eof():  # it came with its headers, as most do
                body = request.content.read_nowait()
                share.grow_to(len(body))
            else:
                async with asyncio.timeout(self._body_seconds):
                    body = await self._rest(request, share)
        except TimeoutError:
            # The way here is slow, the content may be good: it may be sent again.
            raise StoreUnavailable("the body did not arrive in time", "send it again") from None
        except web.RequestPayloadError as failure:
            raise PayloadInvalid(f"the body is not whole: {type(failure).__name__}") from None
        if len(body) > self._limit:
            raise self._too_large()
        return body

    async def _rest(self, request: web.Request, share: Share) -> bytes:
        body = bytearray()
        while more := await request.content.readany():
            body += more
            share.grow_to(len(body))
            if len(body) > self._limit:
                raise self._too_large()
        return bytes(body)

    def _too_large(self) -> PayloadTooLarge:
        return PayloadTooLarge(
            f"the body is larger than {self._limit} bytes",
            "set max_alerts in Alertmanager, or receiver.max_body_bytes here",
        )


def _refusal(
    request: web.Request, status: int, failure: IntakeError | StoreUnavailable
) -> web.Response:
    response = problems.refusal(status, failure.reason, failure.hint)
    if not request.content.is_eof():
        # The rest of an unread body must not be taken for the next request.
        response.force_close()
    return response
