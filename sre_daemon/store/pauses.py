"""The kill switch in the store: it survives restarts, holds for every replica, and is audited.

It takes the turn in which intents are written: when `pause` has returned, none is written any more.
"""

from datetime import datetime

from sqlalchemy import Connection, select

from sre_daemon.domain.audit import AuditEntry, AuditKind
from sre_daemon.store import audit
from sre_daemon.store import tables as t
from sre_daemon.store.accept import set_switch
from sre_daemon.store.database import Database
from sre_daemon.store.turns import Turn, take

PAUSED = "paused"


def paused(connection: Connection) -> str | None:
    """Who paused it and why, or None."""
    s = t.switches.c
    found: str | None = connection.scalar(select(s.value).where(s.name == PAUSED))
    return found


class Pauses:
    """Over one database. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def why(self) -> str | None:
        """Who paused it and why, or None."""
        return await self._database.read(paused)

    async def pause(self, reason: str, who: str, at: datetime) -> None:
        """From now on nothing is changed."""
        await self._set(f"{who}: {reason}", "paused", reason, who, at)

    async def resume(self, reason: str, who: str, at: datetime) -> None:
        """Undo a pause."""
        await self._set(None, "resumed", reason, who, at)

    async def _set(self, value: str | None, what: str, reason: str, who: str, at: datetime) -> None:
        def work(connection: Connection) -> None:
            take(connection, Turn.EFFECTS)
            before = paused(connection)
            set_switch(connection, PAUSED, value, at)
            data = {"reason": reason, "before": before}
            entry = AuditEntry(at, AuditKind.PAUSE, who, f"{what}: {reason}", data=data)
            audit.append(connection, [entry])

        await self._database.write(work)
