"""The heartbeat of the alerting path: when the Watchdog alert stops coming, silence is no good news."""

from datetime import datetime, timedelta
from typing import Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.errors import StoreUnavailable
from sre_daemon.store.base import WATCHDOG

log = structlog.get_logger(__name__)


class Switches(Protocol):
    """Where the heartbeat is kept."""

    async def switch(self, name: str) -> str | None:
        """Raises StoreUnavailable."""
        ...

    async def set_switch(self, name: str, value: str | None, at: datetime) -> None:
        """Raises StoreUnavailable."""
        ...


class Tells(Protocol):
    """Reaches people."""

    async def tell(self, title: str, text: str) -> None:
        """Returns at once."""
        ...


TOLD = "watchdog_told"


class Heartbeat:
    """Tells people once when it goes stale, and once when it is back. One never seen is not missed."""

    def __init__(self, store: Switches, people: Tells, stale: timedelta, clock: Clock) -> None:
        self._store = store
        self._people = people
        self._stale = stale
        self._clock = clock

    async def __call__(self) -> None:
        """One look."""
        try:
            seen = await self._store.switch(WATCHDOG)
            told = await self._store.switch(TOLD) is not None
            if seen is None:
                return
            now = self._clock.now()
            stale = now - datetime.fromisoformat(seen) > self._stale
            if stale and not told:
                await self._people.tell(
                    "no alert may be reaching sre-daemon",
                    f"the Watchdog alert was last notified at {seen}; look at Prometheus, "
                    "Alertmanager and the token between Alertmanager and the daemon",
                )
                await self._store.set_switch(TOLD, seen, now)
            elif told and not stale:
                await self._people.tell("alerts reach sre-daemon again", f"Watchdog seen at {seen}")
                await self._store.set_switch(TOLD, None, now)
        except StoreUnavailable as failure:
            log.warning("heartbeat not checked", error=failure.reason)
