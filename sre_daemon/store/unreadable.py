"""The bodies that could not be read: kept once each, the newest of them."""

from sqlalchemy import Connection, delete, select

from sre_daemon.domain.notification import Unreadable
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.accept import INSERTS

# A sender that is set up wrongly sends something new each time.
KEPT = 100


def keep(connection: Connection, item: Unreadable) -> None:
    """Add it, or count that it came again; the oldest make room."""
    u = t.unreadable.c
    at = rows.number(item.received_at)
    make = INSERTS[connection.dialect.name](t.unreadable).values(
        **rows.unreadable_values(item), times=1, first_at=at, last_at=at
    )
    again = {"times": u.times + 1, "last_at": at, "peer": make.excluded.peer}
    connection.execute(make.on_conflict_do_update(index_elements=["digest"], set_=again))
    newest = select(u.id).order_by(u.last_at.desc(), u.id.desc()).limit(KEPT)
    connection.execute(delete(t.unreadable).where(u.id.not_in(newest)))
