"""The notifications that wait to be stored, in order, and the answers that somebody waits for."""

import asyncio
from collections import deque
from dataclasses import dataclass, field

from sre_daemon.domain.notification import Notification
from sre_daemon.errors import StoreUnavailable

# One transaction takes so much at most: what comes next should not wait for much more than that.
MOST_NOTIFICATIONS = 200
MOST_ALERTS = 4000


@dataclass(frozen=True, slots=True)
class Entry:
    """A notification and its answer: None when it is stored."""

    notification: Notification
    answer: asyncio.Future[None]

    def say(self, failure: StoreUnavailable | None) -> None:
        """Answer, unless the client went away or waited too long."""
        if self.answer.done():
            return
        if failure is None:
            self.answer.set_result(None)
        else:
            self.answer.set_exception(StoreUnavailable(failure.reason, failure.hint))


@dataclass
class Backlog:
    """At most `limit` of them; after `patience` seconds an answer is no, whatever becomes of it."""

    limit: int
    patience: float
    _waiting: deque[Entry] = field(default_factory=deque)
    _asked: deque[tuple[float, Entry]] = field(default_factory=deque)
    _arrived: asyncio.Event = field(default_factory=asyncio.Event)
    _idle: asyncio.Event = field(default_factory=asyncio.Event)
    _timer: asyncio.TimerHandle | None = None

    def __post_init__(self) -> None:
        self._idle.set()

    def add(self, notification: Notification) -> asyncio.Future[None]:
        """The answer to wait for; raises StoreUnavailable when too many wait."""
        if len(self._waiting) >= self.limit:
            raise StoreUnavailable(f"{self.limit} notifications wait to be stored", "send it again")
        loop = asyncio.get_running_loop()
        entry = Entry(notification, loop.create_future())
        self._waiting.append(entry)
        self._asked.append((loop.time() + self.patience, entry))
        self._arrived.set()
        self._idle.clear()
        if self._timer is None:
            # One timer for all of them: most answers come a thousand times sooner.
            self._timer = loop.call_later(self.patience, self._expire)
        return entry.answer

    async def take(self) -> list[Entry]:
        """What is written next: everything that waits, or as much of it as one transaction takes."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        batch = [self._waiting.popleft()]
        alerts = len(batch[0].notification.alerts)
        while self._waiting and len(batch) < MOST_NOTIFICATIONS:
            alerts += len(self._waiting[0].notification.alerts)
            if alerts > MOST_ALERTS:
                break
            batch.append(self._waiting.popleft())
        return batch

    def written(self) -> None:
        """What was taken is written, or cannot be."""
        if not self._waiting:
            self._idle.set()

    async def drained(self) -> None:
        """Return when everything that was added is written, or cannot be."""
        await self._idle.wait()

    def close(self) -> None:
        """No more timers."""
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        while self._asked and (self._asked[0][0] <= now or self._asked[0][1].answer.done()):
            # It may still be stored; then the copy that comes next changes nothing.
            self._asked.popleft()[1].say(
                StoreUnavailable("storing takes too long", "send it again")
            )
        self._timer = loop.call_at(self._asked[0][0], self._expire) if self._asked else None
