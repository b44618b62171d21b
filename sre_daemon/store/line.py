"""The line of incidents that wait for a worker: the most severe first, then the oldest."""

from datetime import datetime

from sqlalchemy import Connection, Select, or_, select, text, update

from sre_daemon.domain.incident import Incident
from sre_daemon.store import rows
from sre_daemon.store import tables as t


def due(now: datetime) -> Select[tuple[str]]:
    """The first in line that nobody has and that need not wait.

    The index `incidents_in_line` is in this order, so that nothing is sorted however long it is.
    """
    i, at = t.incidents.c, rows.number(now)
    free = or_(i.lease_until.is_(None), i.lease_until <= at)
    ready = or_(i.wake_at.is_(None), i.wake_at <= at)
    first = select(i.id).where(text(t.IN_LINE), free, ready)
    return first.order_by(i.rank, i.created_at).limit(1)


def claim(connection: Connection, owner: str, now: datetime, until: datetime) -> Incident | None:
    """Take it, with a fence that no earlier owner has."""
    locked = due(now).with_for_update(key_share=True, skip_locked=True)
    found = connection.execute(locked).first()
    if found is None:
        return None
    i = t.incidents.c
    claimed = (
        update(t.incidents)
        .where(i.id == found.id)
        .values(fence=i.fence + 1, lease_owner=owner, lease_until=rows.number(until))
        .returning(*i)
    )
    return rows.incident(connection.execute(claimed).one())
