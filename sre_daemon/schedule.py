"""Periodic jobs, each run by one replica of the fleet at a time."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import UTC, datetime, time, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from sre_daemon.clock import Clock
from sre_daemon.errors import StoreUnavailable
from sre_daemon.store.base import Store
from sre_daemon.tasks import Tasks

log = structlog.get_logger(__name__)

# So that many reasons at once are one run.
SOON = 1.0
# What comes once a day comes once in the fleet, whatever the clocks of the replicas say.
HOUR = timedelta(hours=1)

Job = Callable[[], Awaitable[None]]


class Schedule:
    """APScheduler keeps the time; the store says whose turn it is."""

    def __init__(self, store: Store, replica: str, clock: Clock) -> None:
        self._store = store
        self._replica = replica
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._running: dict[str, asyncio.Lock] = {}
        self._wanted: set[str] = set()
        self._tasks = Tasks()
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def every(self, name: str, interval: timedelta, job: Job) -> None:
        """Run a job at once and then at this interval, wherever its turn falls."""
        self._jobs[name] = job
        self._running[name] = asyncio.Lock()
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

    def daily(self, name: str, at: time, days: Sequence[str], zone: str, job: Job) -> None:
        """Run a job at this time of the zone's clock on these days, wherever its turn falls."""
        self._jobs[name] = job
        self._running[name] = asyncio.Lock()
        self._scheduler.add_job(
            self._due,
            "cron",
            args=(name, HOUR),
            id=name,
            day_of_week=",".join(day[:3] for day in days),
            hour=at.hour,
            minute=at.minute,
            timezone=zone,
            coalesce=True,
            # A loop that was busy is no reason to leave it out.
            misfire_grace_time=int(HOUR.total_seconds()),
        )

    def soon(self, name: str) -> None:
        """Run a job here in a moment, whoever's turn it is: something has shown that it is needed.

        What shows it again meanwhile needs no run of its own.
        """
        if name in self._jobs and name not in self._wanted:
            self._wanted.add(name)
            self._tasks.spawn(f"soon-{name}", self._soon(name))

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    async def stop(self) -> None:
        """End; a job under way is cancelled."""
        self._scheduler.shutdown(wait=False)
        await self._tasks.stop()

    async def _due(self, name: str, interval: timedelta) -> None:
        # Not awaited: the scheduler would take a cancelled job for a failed one.
        if not self._running[name].locked():
            self._tasks.spawn(f"job-{name}", self._in_turn(name, interval))

    async def _soon(self, name: str) -> None:
        await self._clock.sleep(SOON)
        # Before it begins: what is said from now on may be too late for it.
        self._wanted.discard(name)
        await self._run(name)

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
        async with self._running[name]:
            try:
                await self._jobs[name]()
            except Exception:
                # The next run may succeed; a dead job would be silent.
                log.exception("job failed", job=name)
