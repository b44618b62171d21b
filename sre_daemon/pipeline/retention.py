"""Retention: deletes what is over and old, a little at a time."""

from datetime import datetime, timedelta
from typing import Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.errors import StoreUnavailable

log = structlog.get_logger(__name__)

# One transaction deletes so many; a notification that arrives meanwhile waits for one of them.
PAGE = 200


class Forgets(Protocol):
    """The part of the store that deletes."""

    async def forget(
        self, notifications: datetime, incidents: datetime, limit: int, at: datetime
    ) -> int:
        """How many rows are gone; 0 means that nothing is left to delete."""
        ...


class Retention:
    """Keeps notifications and closed incidents for so long."""

    def __init__(
        self, store: Forgets, notifications: timedelta, incidents: timedelta, clock: Clock
    ) -> None:
        self._store = store
        self._notifications = notifications
        self._incidents = incidents
        self._clock = clock

    async def __call__(self) -> None:
        """One pass, to the end."""
        now = self._clock.now()
        total = 0
        try:
            while gone := await self._store.forget(
                now - self._notifications, now - self._incidents, PAGE, now
            ):
                total += gone
        except StoreUnavailable as failure:
            log.warning("retention interrupted", error=failure.reason)
        if total:
            log.info("old data deleted", rows=total)
