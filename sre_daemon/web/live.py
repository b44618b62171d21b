"""What happens, as it happens: one reader of the store for every browser that watches.

Numbers are given when an event is written and seen when it is committed, so that with several
replicas a smaller one may come after a greater one. A number that is missing is therefore looked
for again for a while; most of them were rolled back and never come.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.event import TimelineEvent
from sre_daemon.errors import StoreError

log = structlog.get_logger(__name__)

POLL_SECONDS = 0.4
KEPT = 2000
BATCH = 500
MISSING_SECONDS = 10.0
MOST_MISSING = 500
MOST_WATCHERS = 200


class Reads(Protocol):
    """The stream in the store; every method may raise StoreUnavailable."""

    async def newest(self) -> int:
        """The greatest `seq`."""
        ...

    async def after(self, seq: int, limit: int, incident_id: str = "") -> list[TimelineEvent]:
        """Events with a greater `seq`, in order."""
        ...

    async def these(self, numbers: Collection[int]) -> list[TimelineEvent]:
        """Events with these numbers."""
        ...

    async def latest(self, incidents: Collection[str]) -> dict[str, TimelineEvent]:
        """The newest event of each of these incidents."""
        ...


class Live:
    """Reads while somebody watches; keeps the last events for all watchers together."""

    def __init__(self, feed: Reads, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock
        self._kept: deque[TimelineEvent] = deque(maxlen=KEPT)
        # How many events were ever put into `_kept`, and the greatest number seen.
        self.position = 0
        self.seq = 0
        self._missing: dict[int, float] = {}
        self._watchers = 0
        self._watched = asyncio.Event()
        self._changed = asyncio.Condition()
        self.closed = False

    @property
    def full(self) -> bool:
        """Whether one more would be too many."""
        return self._watchers >= MOST_WATCHERS

    @asynccontextmanager
    async def watching(self) -> AsyncIterator[None]:
        """While this lasts the store is read; raises StoreUnavailable."""
        if self._watchers == 0:
            # What happened while nobody watched is read by whoever asks for it.
            self.seq = max(self.seq, await self._feed.newest())
            self._missing.clear()
        self._watchers += 1
        self._watched.set()
        try:
            yield
        finally:
            self._watchers -= 1
            if self._watchers == 0:
                self._watched.clear()

    async def run(self) -> None:
        """Read the store while somebody watches, for ever."""
        while True:
            await self._watched.wait()
            try:
                await self.look()
            except StoreError as failure:
                log.warning("live events not read", error=failure.reason)
            await asyncio.sleep(POLL_SECONDS)

    async def close(self) -> None:
        """Send everybody away: the daemon stops."""
        self.closed = True
        async with self._changed:
            self._changed.notify_all()

    async def next(self, position: int, seconds: float) -> list[TimelineEvent] | None:
        """What came after a position, waiting for it; None when that is not kept any more."""
        try:
            async with asyncio.timeout(seconds), self._changed:
                await self._changed.wait_for(lambda: self.closed or self.position > position)
        except TimeoutError:
            return []
        behind = self.position - position
        if behind == 0:
            return []
        return None if behind > len(self._kept) else list(self._kept)[-behind:]

    async def look(self) -> None:
        """Read what is new, and what was missing."""
        now = self._clock.monotonic()
        self._missing = {n: until for n, until in self._missing.items() if until > now}
        found = await self._feed.these(self._missing) if self._missing else []
        for event in found:
            del self._missing[event.seq]
        while events := await self._feed.after(self.seq, BATCH):
            for event in events:
                gap = range(max(self.seq + 1, event.seq - MOST_MISSING), event.seq)
                self._missing |= dict.fromkeys(gap, now + MISSING_SECONDS)
                self.seq = event.seq
            found += events
        if found:
            async with self._changed:
                self._kept.extend(found)
                self.position += len(found)
                self._changed.notify_all()
