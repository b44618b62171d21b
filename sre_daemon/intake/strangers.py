"""Alertmanagers without a valid token: their alerts are lost as long as nobody looks."""

from collections import deque
from datetime import timedelta
from typing import Protocol

from sre_daemon.clock import Clock
from sre_daemon.metrics import Metrics

# One can be a mistake of somebody who tries things; Alertmanager comes again for every group.
BURST = 3
WITHIN = timedelta(minutes=10)
SILENT = timedelta(hours=1)


class Tells(Protocol):
    """Reaches people."""

    async def tell(self, title: str, text: str) -> None:
        """Returns at once."""
        ...


class Strangers:
    """Counts refusals of whoever calls itself Alertmanager, and tells people about a burst."""

    def __init__(self, people: Tells, clock: Clock, metrics: Metrics) -> None:
        self._people = people
        self._clock = clock
        self._metrics = metrics
        self._seen: deque[float] = deque(maxlen=BURST)
        self._told: float | None = None

    async def refused(self, peer: str) -> None:
        """One request without a valid token."""
        self._metrics.alertmanager_unauthorized.inc()
        now = self._clock.monotonic()
        self._seen.append(now)
        burst = len(self._seen) == BURST and now - self._seen[0] <= WITHIN.total_seconds()
        if not burst or (self._told is not None and now - self._told < SILENT.total_seconds()):
            return
        self._told = now
        await self._people.tell(
            "an Alertmanager is refused",
            f"{BURST} notifications in a few minutes came without a valid token, the last one from "
            f"{peer}; what they said is not stored. Compare SRE_DAEMON_WEBHOOK_TOKEN with "
            "`authorization` in Alertmanager's webhook_configs",
        )
