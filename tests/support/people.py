"""People to be told: a notifier over a real store, and channels that a test plays."""

import asyncio
import inspect
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

from sre_daemon.domain.event import Kind
from sre_daemon.metrics import Metrics
from sre_daemon.notify.notifier import Notifier
from sre_daemon.settings import NotifySettings
from sre_daemon.store.base import Writes
from sre_daemon.store.outbox import Outbox
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from sre_daemon.tasks import Tasks
from tests.support.clock import ManualClock
from tests.support.correlation import fixed_writes


@dataclass
class PlayedChannel:
    """Fails as often as it is told, then takes messages; `blocked` never answers."""

    name: str = "pager"
    failures: list = field(default_factory=list)
    blocked: bool = False
    sent: list = field(default_factory=list)
    tries: int = 0
    wants: frozenset = frozenset()
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def keeps_up(self, news):
        return news.kind in self.wants

    async def send(self, message):
        self.tries += 1
        self.changed.set()
        if self.blocked:
            await asyncio.Event().wait()
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append(message)

    async def close(self):
        pass

    async def until(self, condition):
        async with asyncio.timeout(5):
            while not condition(self):
                self.changed.clear()
                await self.changed.wait()


class Bench:
    """A notifier at work."""

    def __init__(self, store, channels, settings):
        self.store, self.tasks = store, Tasks()
        self.clock, self.metrics = ManualClock(), Metrics()
        self.outbox = Outbox(store._database)
        known = NotifySettings.model_validate(
            {
                "channels": [
                    {"kind": "webhook", "name": c.name, "url": "http://127.0.0.1:1/"}
                    for c in channels
                ]
            }
            | settings
        )
        self.notifier = Notifier(
            channels, known, self.outbox, store, "r1", self.clock, self.metrics
        )

    async def opened(self, *incidents):
        """They come into the store as alerts would bring them, and the notifier is woken."""
        await self.store.accept([], fixed_writes(Writes(opened=incidents)))
        self.notifier.wake()

    async def told(self, incident_id, count=1):
        """The notes about telling in the timeline, once there are that many."""
        async with asyncio.timeout(5):
            while True:
                events = await self.store.timeline(incident_id)
                notes = [e for e in events if e.kind is Kind.NOTIFICATION]
                if len(notes) >= count:
                    return [e.summary for e in notes]
                await asyncio.sleep(0.01)

    async def nothing_due(self, channel="pager"):
        """Whether no message may be sent now."""
        taken = await self.outbox.take(channel, "test", self.clock.now(), timedelta(seconds=1))
        return taken is None

    def gauge(self, name, **labels):
        """The value of a metric."""
        return self.metrics.registry.get_sample_value(f"sre_daemon_{name}", labels)

    def later(self, seconds):
        """Let time pass."""
        self.clock.advance(seconds)
        self.notifier.wake()


async def until(condition):
    """Wait until it is so; `condition` may be asynchronous."""
    async with asyncio.timeout(5):
        while True:
            found = condition()
            if inspect.isawaitable(found):
                found = await found
            if found:
                return
            await asyncio.sleep(0.005)


@asynccontextmanager
async def telling(folder, *channels, **settings):
    """A notifier over a store in this folder."""
    store = SqlStore(SqliteDatabase(folder / "people.sqlite3"))
    await store.open()
    bench = Bench(store, channels, settings)
    try:
        await bench.notifier.start(bench.tasks)
        yield bench
        assert not bench.tasks.failed.is_set()
    finally:
        await bench.tasks.stop()
        await store.close()
