"""Which incidents people are at work on: set by a command, a button, or an acknowledgement elsewhere.

It takes the turn in which intents are written: when `take` has returned, none is written any more.
"""

from datetime import datetime

from sqlalchemy import Connection, delete, insert, select

from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.hold import Hold
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.accept import add_events
from sre_daemon.store.database import Database
from sre_daemon.store.turns import Turn, take


def held(connection: Connection, incident_id: str) -> Hold | None:
    """Who is at work on an incident, or None."""
    wanted = select(t.hands).where(t.hands.c.incident_id == incident_id)
    row = connection.execute(wanted).first()
    if row is None:
        return None
    return Hold(row.incident_id, row.who, row.reason, rows.moment(row.since))


class Hands:
    """Over one database. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, incident_id: str) -> Hold | None:
        """Who is at work on it, or None."""
        return await self._database.read(lambda c: held(c, incident_id))

    async def off(self, incident_id: str, who: str, reason: str, at: datetime) -> bool:
        """From now on the daemon keeps its hands off; False when it did already."""

        def work(connection: Connection) -> bool:
            take(connection, Turn.EFFECTS)
            if held(connection, incident_id) is not None:
                return False
            values = {
                "incident_id": incident_id,
                "who": rows.clean(who),
                "reason": rows.clean(reason),
                "since": rows.number(at),
            }
            connection.execute(insert(t.hands).values(**values))
            self._tell(connection, incident_id, who, f"hands off: {who}: {reason}", at)
            return True

        return await self._database.write(work)

    async def on(self, incident_id: str, who: str, reason: str, at: datetime) -> bool:
        """The daemon may go on; False when nobody was at work."""

        def work(connection: Connection) -> bool:
            take(connection, Turn.EFFECTS)
            gone = connection.execute(delete(t.hands).where(t.hands.c.incident_id == incident_id))
            if gone.rowcount == 0:
                return False
            self._tell(connection, incident_id, who, f"hands on again: {who}: {reason}", at)
            return True

        return await self._database.write(work)

    def _tell(
        self, connection: Connection, incident_id: str, who: str, text: str, at: datetime
    ) -> None:
        event = TimelineEvent(incident_id, at, Kind.HANDS, text, {"who": who})
        add_events(connection, [event])
        self._database.announce(connection)
