"""Reminders: approvals that still wait for a person."""

from datetime import datetime, timedelta

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.delivery import Delivery, News
from sre_daemon.domain.event import Kind
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.errors import StoreUnavailable
from sre_daemon.notify.routing import Router
from sre_daemon.settings import ReminderSettings
from sre_daemon.store.base import Store
from sre_daemon.store.outbox import Outbox

log = structlog.get_logger(__name__)

PAGE = 200


class Reminders:
    """Calls approvals to mind that nobody has answered; each time once, whatever happens between."""

    def __init__(
        self, store: Store, outbox: Outbox, router: Router, settings: ReminderSettings, clock: Clock
    ) -> None:
        self._store = store
        self._outbox = outbox
        self._router = router
        self._settings = settings
        self._clock = clock

    async def __call__(self) -> None:
        """One look."""
        try:
            waiting = await self._store.incidents([State.AWAITING_APPROVAL], limit=PAGE)
            due = [delivery for item in waiting for delivery in await self._due(item)]
            if due:
                await self._outbox.add(due)
        except StoreUnavailable as failure:
            log.warning("reminders not sent", error=failure.reason)

    async def _due(self, incident: Incident) -> list[Delivery]:
        now = self._clock.now()
        since = await self._since(incident)
        number = int((now - since) / self._settings.every)
        if not 1 <= number <= self._settings.most:
            return []
        minutes = round((now - since) / timedelta(minutes=1))
        news = News(
            incident.id,
            now,
            Kind.STATE,
            f"still waiting for an answer, for {minutes} min now",
            State.AWAITING_APPROVAL,
        )
        return self._router.reminder(news, incident, number, since)

    async def _since(self, incident: Incident) -> datetime:
        """When it began to wait: what joins it meanwhile does not start the wait afresh."""
        after, since = 0, incident.updated_at
        while events := await self._store.timeline(incident.id, after):
            for event in events:
                if event.kind is Kind.STATE and event.data.get("to") == State.AWAITING_APPROVAL:
                    since = event.at
            after = events[-1].seq
        return since
