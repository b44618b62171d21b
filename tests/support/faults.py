"""What goes wrong between us and a service on the web, for servers that are played here."""

import asyncio
from dataclasses import dataclass, field

from aiohttp import web


@dataclass
class Faults:
    """Scripted for the next requests, one each: `next` are (method, fault) in order.

    A fault is a response to give instead, or one of: `cut` the connection before anything is done,
    `lost` after it was done, `slow` never to answer.
    """

    next: list = field(default_factory=list)
    seen: list = field(default_factory=list)

    @web.middleware
    async def middleware(self, request, handler):
        self.seen.append((request.method, request.raw_path))
        if not self.next or self.next[0][0] not in {request.method, "*"}:
            return await handler(request)
        _, fault = self.next.pop(0)
        if fault == "slow":
            await asyncio.sleep(60)
        if fault == "lost":
            await handler(request)
        if fault in ("cut", "lost"):
            request.transport.close()
            return web.Response()
        status, headers, body = fault
        return web.Response(
            status=status, headers=headers, text=body, content_type="application/json"
        )

    def requests(self, method):
        """How many of this method came."""
        return sum(1 for seen, _ in self.seen if seen == method)
