"""What happened in a period, over all incidents: for the digest, and for the record of policies."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlalchemy import or_, select

from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.remediation import EffectRecord
from sre_daemon.domain.run import Run
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.database import Database

MOST = 20_000


class History:
    """Reads only; every method may raise StoreUnavailable. At most `MOST` of anything, the newest."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def incidents(self, since: datetime, until: datetime) -> list[Incident]:
        """Those that were opened, moved or still open in the period, oldest first."""
        i = t.incidents.c
        then, end = rows.number(since), rows.number(until)
        moved = or_(i.updated_at >= then, i.state != State.CLOSED.value)
        wanted = select(t.incidents).where(i.created_at < end, moved)
        found = await self._newest(wanted, i.created_at)
        return [rows.incident(row) for row in found]

    async def events(
        self, since: datetime, until: datetime, kinds: Collection[Kind]
    ) -> list[TimelineEvent]:
        """Facts of these kinds, oldest first."""
        e = t.events.c
        wanted = select(t.events).where(
            e.at >= rows.number(since),
            e.at < rows.number(until),
            e.kind.in_([kind.value for kind in kinds]),
        )
        return [rows.event(row) for row in await self._newest(wanted, e.seq)]

    async def effects(self, since: datetime, until: datetime) -> list[EffectRecord]:
        """Effects that were begun in the period, oldest first."""
        e = t.effects.c
        wanted = select(t.effects).where(
            e.intended_at >= rows.number(since), e.intended_at < rows.number(until)
        )
        return [rows.effect(row) for row in await self._newest(wanted, e.id)]

    async def runs(self, since: datetime, until: datetime) -> list[Run]:
        """Investigations that were begun in the period, oldest first."""
        r = t.runs.c
        wanted = select(t.runs).where(
            r.started_at >= rows.number(since), r.started_at < rows.number(until)
        )
        return [rows.run(row) for row in await self._newest(wanted, r.started_at)]

    async def episodes(self, since: datetime, until: datetime) -> list[StoredAlert]:
        """Alerts that began to fire in the period, oldest first."""
        e = t.episodes.c
        wanted = select(t.episodes).where(
            e.first_seen >= rows.number(since), e.first_seen < rows.number(until)
        )
        return [rows.episode(row) for row in await self._newest(wanted, e.id)]

    async def _newest(self, wanted: Any, order: Any) -> Any:
        query = wanted.order_by(order.desc()).limit(MOST)
        found = await self._database.read(lambda c: c.execute(query).all())
        return found[::-1]
