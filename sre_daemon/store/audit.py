"""The audit log in the store: appended to in the transaction of what it tells about, never changed.

Appending takes turns, and is the last thing that a transaction does: nobody who waits for it
holds what a writer of the log still needs.
"""

import json
from collections.abc import AsyncIterator, Sequence
from typing import Any

from sqlalchemy import Connection, Row, desc, insert, select

from sre_daemon.domain import redaction
from sre_daemon.domain.audit import BEGINNING, AuditEntry, AuditLine, canonical, link
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.database import Database
from sre_daemon.store.turns import Turn, take

PAGE = 1000


def append(connection: Connection, entries: Sequence[AuditEntry]) -> None:
    """Add lines to the end, without secrets."""
    if not entries:
        return
    take(connection, Turn.AUDIT)
    last = connection.execute(select(t.audit).order_by(desc(t.audit.c.seq)).limit(1)).first()
    seq, previous = (last.seq, last.hash) if last is not None else (0, BEGINNING)
    values = []
    for entry in entries:
        seq += 1
        line = link(seq, _storable(entry), previous)
        previous = line.hash
        values.append(_values(line))
    connection.execute(insert(t.audit), values)


def _storable(entry: AuditEntry) -> AuditEntry:
    """Exactly what will be read back, so that its hash stays true."""
    return AuditEntry(
        at=rows.moment(rows.number(entry.at)),
        kind=entry.kind,
        who=rows.clean(entry.who),
        summary=rows.clean(redaction.hide(entry.summary)),
        subject=rows.clean(entry.subject),
        data=redaction.data(entry.data),
    )


def _values(line: AuditLine) -> rows.Values:
    entry = line.entry
    return {
        "seq": line.seq,
        "at": rows.number(entry.at),
        "kind": str(entry.kind),
        "who": entry.who,
        "subject": entry.subject,
        "summary": entry.summary,
        "data": canonical(entry.data),
        "previous": line.previous,
        "hash": line.hash,
    }


def _line(row: Row[Any]) -> AuditLine:
    """As it is, also when somebody changed it into what we would not write: its hash tells."""
    try:
        at, data = rows.moment(row.at), json.loads(row.data)
    except (ValueError, OverflowError):
        at, data = rows.EPOCH, {"unreadable": row.data}
    entry = AuditEntry(at, row.kind, row.who, row.summary, row.subject, data)
    return AuditLine(row.seq, entry, row.previous, row.hash)


class AuditLog:
    """Over one database. Every method may raise StoreUnavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def record(self, *entries: AuditEntry) -> None:
        """Add what is written down nowhere else."""
        await self._database.write(lambda c: append(c, entries))

    async def page(self, after: int = 0, limit: int = PAGE) -> list[AuditLine]:
        """Lines with a greater number, in order."""
        wanted = select(t.audit).where(t.audit.c.seq > after).order_by(t.audit.c.seq).limit(limit)
        found = await self._database.read(lambda c: c.execute(wanted).all())
        return [_line(row) for row in found]

    async def about(self, subject: str, limit: int = PAGE) -> list[AuditLine]:
        """Lines about one incident, in order."""
        a = t.audit.c
        wanted = select(t.audit).where(a.subject == subject).order_by(a.seq).limit(limit)
        found = await self._database.read(lambda c: c.execute(wanted).all())
        return [_line(row) for row in found]

    async def line(self, seq: int) -> AuditLine | None:
        """One line."""
        wanted = select(t.audit).where(t.audit.c.seq == seq)
        found = await self._database.read(lambda c: c.execute(wanted).first())
        return None if found is None else _line(found)

    async def lines(self, after: int = 0) -> AsyncIterator[AuditLine]:
        """All of them in order, a page at a time."""
        while page := await self.page(after):
            for line in page:
                yield line
            after = page[-1].seq
