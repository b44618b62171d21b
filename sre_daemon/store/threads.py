"""The threads of a chat, and which of its events were seen: chats say everything more than once."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy import Connection, Row, select, update

from sre_daemon.domain.thread import ASKED, Thread
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.database import Database
from sre_daemon.store.outbox import INSERTS


class Threads:
    """Over one database. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def of(self, place: str, incident_id: str) -> Thread | None:
        """The thread of an incident in a place."""
        return await self._database.read(lambda c: _of(c, place, incident_id))

    async def at(self, room: str, ts: str) -> Thread | None:
        """Whatever is shown in this thread of the chat; a conversation in it before anything else."""
        c = t.threads.c
        here = select(t.threads).where(c.room == room, c.ts == ts)
        wanted = here.order_by(c.place.startswith(ASKED).desc(), c.began_at.desc())
        row = await self._database.read(lambda connection: connection.execute(wanted).first())
        return None if row is None else _thread(row)

    async def begin(self, thread: Thread) -> Thread:
        """Write that its first message is on its way; the one that is there already, if there is."""

        def work(connection: Connection) -> Thread:
            make = INSERTS[connection.dialect.name](t.threads).values(**_values(thread))
            keys = ["place", "incident_id"]
            connection.execute(make.on_conflict_do_nothing(index_elements=keys))
            return _of(connection, thread.place, thread.incident_id) or thread

        return await self._database.write(work)

    async def keep(self, thread: Thread) -> Thread:
        """Write where it is, and what it shows now."""
        c = t.threads.c
        mine = update(t.threads).where(c.place == thread.place, c.incident_id == thread.incident_id)
        values = _values(thread)
        await self._database.write(lambda connection: connection.execute(mine.values(**values)))
        return replace(thread)

    async def knows(self, key: str) -> bool:
        """Whether this event was seen; for whoever notes it only once it is dealt with."""
        wanted = select(t.seen.c.key).where(t.seen.c.key == rows.clean(key))
        return await self._database.read(lambda c: c.execute(wanted).first() is not None)

    async def first(self, key: str, at: datetime) -> bool:
        """Whether nobody in the fleet has seen this event before; it is seen from now on."""

        def work(connection: Connection) -> bool:
            values = {"key": rows.clean(key), "at": rows.number(at)}
            make = INSERTS[connection.dialect.name](t.seen).values(**values)
            done = connection.execute(make.on_conflict_do_nothing(index_elements=["key"]))
            return bool(done.rowcount == 1)

        return await self._database.write(work)


def _of(connection: Connection, place: str, incident_id: str) -> Thread | None:
    c = t.threads.c
    wanted = select(t.threads).where(c.place == place, c.incident_id == incident_id)
    row = connection.execute(wanted).first()
    return None if row is None else _thread(row)


def _values(thread: Thread) -> rows.Values:
    return {
        "place": thread.place,
        "incident_id": thread.incident_id,
        "room": thread.room,
        "ts": thread.ts,
        "owner": thread.owner,
        "began_at": rows.number(thread.began_at),
        "data": rows.dump(dict(thread.data)),
    }


def _thread(row: Row[tuple[object, ...]]) -> Thread:
    return Thread(
        place=row.place,
        incident_id=row.incident_id,
        room=row.room,
        began_at=rows.moment(row.began_at),
        owner=row.owner,
        ts=row.ts,
        data=rows.undump(row.data),
    )
