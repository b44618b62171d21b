"""The samples that an incident's charts are drawn from."""

from collections.abc import Sequence

from sqlalchemy import Connection, delete, insert, select

from sre_daemon.domain.series import Point, Series
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.database import Database


class Samples:
    """Over one database. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, incident_id: str, series: Sequence[Series]) -> None:
        """Keep these for an incident, in place of what was kept before."""
        values = [
            {
                "incident_id": incident_id,
                "position": position,
                "condition": rows.clean(item.condition),
                "points": rows.dump([[rows.number(p.at), p.value] for p in item.points]),
            }
            for position, item in enumerate(series)
        ]

        def work(connection: Connection) -> None:
            s = t.samples
            connection.execute(delete(s).where(s.c.incident_id == incident_id))
            if values:
                connection.execute(insert(s), values)

        await self._database.write(work)

    async def of(self, incident_id: str) -> list[Series]:
        """What is kept, in order."""
        s = t.samples.c
        wanted = select(t.samples).where(s.incident_id == incident_id).order_by(s.position)
        found = await self._database.read(lambda c: c.execute(wanted).all())
        return [
            Series(
                row.condition,
                [Point(rows.moment(at), float(value)) for at, value in rows.undump(row.points)],
            )
            for row in found
        ]
