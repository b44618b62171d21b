"""How many connections may be open at once: files and memory are for work, not for whoever is slow.

A connection above the limit is answered 503 to the first that it says, so that Alertmanager sends
again, and closed; one that says nothing is cut off after a second.
"""

import asyncio
import json
from typing import cast

from aiohttp import web
from prometheus_client import Counter

SILENT_SECONDS = 1.0
BODY = json.dumps(
    {
        "error": {
            "code": "unavailable",
            "message": "too many connections are open",
            "hint": "send it again; receiver.max_connections is the limit",
        }
    }
).encode()
ANSWER = (
    b"HTTP/1.1 503 Service Unavailable\r\nServer: sre-daemon\r\nRetry-After: 5\r\n"
    b"Content-Type: application/json; charset=utf-8\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(BODY), BODY)
)


class Refusal(asyncio.Protocol):
    """A connection that is one too many."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._cut: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See Protocol."""
        self._transport = cast(asyncio.Transport, transport)
        loop = asyncio.get_running_loop()
        self._cut = loop.call_later(SILENT_SECONDS, self._transport.abort)

    def data_received(self, _: bytes) -> None:
        """Answer and close; before anything was read, closing would cut the answer off, too."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(ANSWER)
            self._transport.close()

    def connection_lost(self, _: Exception | None) -> None:
        """See Protocol."""
        if self._cut is not None:
            self._cut.cancel()


class DoorSite(web.BaseSite):
    """Listens, and lets in as many as there is room for."""

    def __init__(
        self,
        runner: web.AppRunner,
        address: tuple[str, int],
        *,
        limit: int,
        refused: Counter,
        backlog: int,
    ) -> None:
        super().__init__(runner, backlog=backlog)
        self._host, self._port = address
        self._limit = limit
        self._refused = refused

    @property
    def name(self) -> str:
        """See BaseSite."""
        return f"http://{self._host}:{self._port}"

    async def start(self) -> None:
        """Raises OSError when the address cannot be listened on."""
        await super().start()
        self._server = await asyncio.get_running_loop().create_server(
            self._enter, self._host, self._port, backlog=self._backlog
        )

    def _enter(self) -> asyncio.Protocol:
        server = self._runner.server
        if server is None or len(server.connections) >= self._limit:
            self._refused.inc()
            return Refusal()
        return server()
