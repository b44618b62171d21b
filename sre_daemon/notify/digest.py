"""The digest on its way: written once, queued like any message, and the same for the whole fleet."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from zoneinfo import ZoneInfo

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.delivery import Delivery
from sre_daemon.errors import StoreUnavailable
from sre_daemon.store.outbox import Outbox

log = structlog.get_logger(__name__)

Write = Callable[[timedelta], Awaitable[str]]


class Morning:
    """A periodic job."""

    def __init__(
        self,
        write: Write,
        outbox: Outbox,
        channels: Sequence[str],
        period: timedelta,
        zone: str,
        clock: Clock,
    ) -> None:
        self._write = write
        self._outbox = outbox
        self._channels = channels
        self._period = period
        self._zone = ZoneInfo(zone)
        self._clock = clock

    async def __call__(self) -> None:
        """Queue today's; whoever else does the same queues nothing more."""
        now = self._clock.now()
        day = f"{now.astimezone(self._zone):%Y-%m-%d}"
        try:
            text = await self._write(self._period)
            payload = {"title": day, "text": text, "at": now.isoformat(), "digest": True}
            queued = [
                Delivery(name, f"digest:{day}", "", payload, now, now) for name in self._channels
            ]
            await self._outbox.add(queued)
        except StoreUnavailable as failure:
            log.error("digest not written", error=failure.reason)
