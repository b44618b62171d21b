"""Reconciliation: what Alertmanager has now, against what webhooks said. Level-triggered.

A notification can be missed in many ways that are nobody's fault (reload, silence, truncation, a
resolution while Alertmanager was down). Each pass opens what fires and is not open, ends what has
been absent for several passes, and counts every correction.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.alert import Alert, AlertStatus
from sre_daemon.domain.level import Level
from sre_daemon.domain.notification import Certainty, Notification, StoredAlert
from sre_daemon.errors import StoreUnavailable, TargetUnavailable
from sre_daemon.metrics import Metrics
from sre_daemon.settings.intake import ReconcileSettings

log = structlog.get_logger(__name__)

# A webhook for what fires now may be on its way; group_wait is 30 s in most configurations.
GRACE = timedelta(seconds=45)
# Alertmanager forgets everything when it restarts, and Prometheus tells it again within a minute.
ABSENT_PASSES = 3


class Source(Protocol):
    """Reads the level."""

    async def level(self) -> Level:
        """Every alert that an Alertmanager has; raises TargetUnavailable."""
        ...


class Episodes(Protocol):
    """The part of the store that is compared."""

    async def episodes(self, open_only: bool = True) -> list[StoredAlert]:
        """The open ones."""
        ...


class Corrects(Protocol):
    """Intake."""

    async def correct(self, notification: Notification) -> Mapping[str, int]:
        """Store what was found; alerts counted by action. Raises StoreUnavailable."""
        ...


class Reconciler:
    """Keeps in memory only how often an alert was absent, so that a restart begins to count anew."""

    def __init__(
        self,
        source: Source,
        store: Episodes,
        intake: Corrects,
        settings: ReconcileSettings,
        watchdog: str,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._source = source
        self._store = store
        self._intake = intake
        self._receivers = frozenset(settings.receivers)
        self._watchdog = watchdog
        self._apart = settings.interval / 2
        self._counted_at: datetime | None = None
        self._clock = clock
        self._metrics = metrics
        self._absent: Counter[str] = Counter()
        self._suppressed: set[str] = set()

    async def __call__(self) -> None:
        """One pass; what cannot be read or stored now is left for the next one."""
        try:
            level = await self._source.level()
            opened = {
                item.alert.identity: item.alert
                for item in await self._store.episodes()
                if item.alert.tenant == level.tenant
            }
            await self._missed_firing(level, opened)
            await self._missed_resolved(level, opened)
        except (TargetUnavailable, StoreUnavailable) as failure:
            self._metrics.reconciliations.labels("failed").inc()
            log.warning("not reconciled", error=failure.reason)
            return
        self._note_suppressed(level, opened)
        self._metrics.reconciliations.labels("complete" if level.complete else "partial").inc()

    async def _missed_firing(self, level: Level, opened: Mapping[str, Alert]) -> None:
        now = self._clock.now()
        missed = [
            item.alert
            for identity, item in level.alerts.items()
            if identity not in opened
            and not item.suppressed
            # What is routed elsewhere is somebody else's.
            and self._receivers & set(item.receivers)
            # Its notifications are what is measured; to look it up would hide that none came.
            and item.alert.labels.get("alertname") != self._watchdog
            and now - item.alert.starts_at >= GRACE
        ]
        if missed:
            actions = await self._correct(missed, level.tenant, now)
            self._count("missed_firing", actions.get("opened", 0) + actions.get("joined", 0))

    async def _missed_resolved(self, level: Level, opened: Mapping[str, Alert]) -> None:
        if not level.complete:
            return
        gone = opened.keys() - level.alerts.keys()
        now = self._clock.now()
        if self._counted_at is not None and now - self._counted_at < self._apart:
            # Passes out of turn must not make an absence of seconds look like one of minutes.
            self._absent = Counter({name: self._absent[name] for name in gone})
        else:
            self._absent = Counter({name: self._absent[name] + 1 for name in gone})
            self._counted_at = now
        ended = [
            replace(opened[name], status=AlertStatus.RESOLVED, ends_at=now)
            for name, passes in self._absent.items()
            if passes >= ABSENT_PASSES
        ]
        if ended:
            actions = await self._correct(ended, level.tenant, now)
            self._count("missed_resolved", actions.get("resolved", 0))

    async def _correct(
        self, alerts: Sequence[Alert], tenant: str, now: datetime
    ) -> Mapping[str, int]:
        found = [
            {"status": alert.status, "labels": dict(alert.labels), "startsAt": str(alert.starts_at)}
            for alert in alerts
        ]
        log.warning("webhooks missed something", alerts=found[:5], count=len(found))
        return await self._intake.correct(
            Notification(
                body=json.dumps({"reconciled": found}).encode(),
                received_at=now,
                tenant=tenant,
                peer="reconciliation",
                group_key="",
                receiver="",
                alerts=tuple(alerts),
                certainty=Certainty.VERIFIED,
            )
        )

    def _note_suppressed(self, level: Level, opened: Mapping[str, Alert]) -> None:
        """Suppressed incidents wait by themselves (triage asks); here it is only counted."""
        now = {name for name, item in level.alerts.items() if item.suppressed and name in opened}
        self._count("suppressed", len(now - self._suppressed))
        self._count("unsuppressed", len((self._suppressed - now) & level.alerts.keys()))
        self._suppressed = now

    def _count(self, kind: str, number: int) -> None:
        self._metrics.reconcile_corrections.labels(kind).inc(number)
