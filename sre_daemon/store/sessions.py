"""What runs wrote down of themselves, so that a question can continue them, on any replica."""

from collections.abc import Sequence

from sqlalchemy import insert, select

from sre_daemon.store import rows
from sre_daemon.store.database import Database
from sre_daemon.store.tables import sessions


class Sessions:
    """Over one database. Lines are texts whose meaning only their writer knows."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def append(self, session: str, lines: Sequence[str]) -> None:
        """Add lines in this order; raises StoreUnavailable."""
        if not lines:
            return
        values = [{"session": session, "entry": rows.clean(line)} for line in lines]
        await self._database.write(lambda c: c.execute(insert(sessions), values))

    async def load(self, session: str) -> list[str]:
        """All lines in their order; none when there is no such session. Raises StoreUnavailable."""
        s = sessions.c
        wanted = select(s.entry).where(s.session == session).order_by(s.seq)
        return [row.entry for row in await self._database.read(lambda c: c.execute(wanted).all())]
