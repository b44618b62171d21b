"""The events of all incidents in one stream, for whoever watches live."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import func, select

from sre_daemon.domain.event import TimelineEvent
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.database import Database


class Feed:
    """Reads only; every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def newest(self) -> int:
        """The greatest `seq` so far, 0 when there is none."""
        (row,) = await self._all(select(func.max(t.events.c.seq).label("seq")))
        return int(row.seq or 0)

    async def after(self, seq: int, limit: int, incident_id: str = "") -> list[TimelineEvent]:
        """Events with a greater `seq`, in order; of one incident, or of all."""
        e = t.events.c
        wanted = select(t.events).where(e.seq > seq).order_by(e.seq).limit(limit)
        if incident_id:
            wanted = wanted.where(e.incident_id == incident_id)
        return [rows.event(row) for row in await self._all(wanted)]

    async def these(self, numbers: Collection[int]) -> list[TimelineEvent]:
        """Those of the events with these numbers that exist."""
        e = t.events.c
        wanted = select(t.events).where(e.seq.in_(list(numbers))).order_by(e.seq)
        return [rows.event(row) for row in await self._all(wanted)]

    async def latest(self, incidents: Collection[str]) -> dict[str, TimelineEvent]:
        """The newest event of each of these incidents."""
        e = t.events.c
        newest = (
            select(func.max(e.seq).label("seq"))
            .where(e.incident_id.in_(list(incidents)))
            .group_by(e.incident_id)
            .scalar_subquery()
        )
        found = await self._all(select(t.events).where(e.seq.in_(newest)))
        return {row.incident_id: rows.event(row) for row in found}

    async def _all(self, query: Any) -> Any:
        return await self._database.read(lambda c: c.execute(query).all())
