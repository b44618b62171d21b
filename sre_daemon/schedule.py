"""Periodic jobs, each run by one replica of the fleet at a time."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from sre_daemon.clock import Clock
from sre_daemon.errors import StoreUnavailable
from sre_daemon.store.base import Store

log = structlog.get_logger(__name__)

Job = Callable[[], Awaitable[None]]


class Schedule:
    """APScheduler keeps the time; the store says whose turn it is."""

    def __init__(self, store: Store, replica: str, clock: Clock) -> None:
        self._store = store
        self._replica = replica
        self._clock = clock
        self._jobs: dict[str, Job] = {}
        self._scheduler = AsyncIOScheduler(timezone=UTC)

    def every(self, name: str, interval: timedelta, job: Job) -> None:
        """Run a job at once and then at this interval, wherever its turn falls."""
        self._jobs[name] = job
        self._scheduler.add_job(
            self._in_turn,
            "interval",
            args=(name, interval),
            id=name,
            seconds=interval.total_seconds(),
            next_run_time=datetime.now(UTC),  # noqa: TID251 - APScheduler's own clock
            coalesce=True,
            max_instances=1,
            misfire_grace_time=None,
        )

    def soon(self, name: str) -> None:
        """Run a job here now, whoever's turn it is: something has just shown that it is needed."""
        self._scheduler.add_job(
            self._run,
            args=(name,),
            id=f"{name}, soon",
            replace_existing=True,
            coalesce=True,
            misfire_grace_time=None,
        )

    def start(self) -> None:
        """Begin."""
        self._scheduler.start()

    async def stop(self) -> None:
        """End; a job under way is cancelled."""
        self._scheduler.shutdown(wait=False)

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
