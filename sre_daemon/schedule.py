"""Periodic jobs, each run by one replica of the fleet at a time."""

from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from sre_daemon.clock import Clock
from sre_daemon.errors import StoreUnavailable
from sre_daemon.store.base import Store
from sre_daemon.tasks import Tasks

log = structlog.get_logger(__name__)

Job = Callable[[], Awaitable[None]]


class Schedule:
    """APScheduler keeps the time; the store says whose turn it is."""

    def __init__(self, store: Store, replica: str, clock: Clock) -> None:
        self._store = store
        self._replica = replica
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._running: set[str] = set()
        self._tasks = Tasks()
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def every(self, name: str, interval: timedelta, job: Job) -> None:
        """Run a job at once and then at this interval, wherever its turn falls."""
        self._jobs[name] = job
        self._scheduler.add_job(
            self._due,
            "interval",
            args=(name, interval),
            id=name,
            seconds=interval.total_seconds(),
            next_run_time=datetime.now(UTC),  # noqa: TID251 - APScheduler's own clock
            coalesce=True,
            misfire_grace_time=None,
        )

    def soon(self, name: str) -> None:
        """Run a job here now, whoever's turn it is: something has just shown that it is needed."""
        self._begin(name, self._run(name))

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    async def stop(self) -> None:
        """End; a job under way is cancelled."""
        self._scheduler.shutdown(wait=False)
        await self._tasks.stop()

    async def _due(self, name: str, interval: timedelta) -> None:
        # Not awaited: the scheduler would take a cancelled job for a failed one.
        self._begin(name, self._in_turn(name, interval))

    def _begin(self, name: str, work: Coroutine[None, None, None]) -> None:
        """Start it, unless it still runs."""
        if name in self._running:
            work.close()
            return
        self._running.add(name)
        self._tasks.spawn(f"job-{name}", self._noted(name, work))

    async def _noted(self, name: str, work: Coroutine[None, None, None]) -> None:
        try:
            await work
        finally:
            self._running.discard(name)

    async def _in_turn(self, name: str, interval: timedelta) -> None:
        # A little less than the interval, because timers are never exact.
        every = interval * 0.9
        try:
            if not await self._store.take_turn(name, self._replica, self._clock.now(), every):
                return
        except StoreUnavailable as failure:
            log.warning("job not run", job=name, error=failure.reason)
            return
        await self._run(name)

    async def _run(self, name: str) -> None:
        try:
            await self._jobs[name]()
        except Exception:
            # The next run may succeed; a dead job would be silent.
            log.exception("job failed", job=name)
