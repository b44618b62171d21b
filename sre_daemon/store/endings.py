"""What is over: alerts that ended, and incidents of which nothing fires any more."""

from datetime import datetime

from sqlalchemy import Connection, exists, or_, select, update

from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.store import rows
from sre_daemon.store import tables as t


def quiet(connection: Connection, before: datetime, limit: int) -> list[Incident]:
    """The oldest incidents with a person of which nothing fires, or was heard after `before`."""
    i, e, at = t.incidents.c, t.episodes.c, rows.number(before)
    heard = exists().where(e.incident_id == i.id, or_(e.open, e.last_seen > at))
    wanted = (
        select(t.incidents)
        .where(i.state == State.ESCALATED.value, i.updated_at <= at, ~heard)
        .order_by(i.created_at, i.id)
        .limit(limit)
    )
    return [rows.incident(row) for row in connection.execute(wanted)]


def forget_endings(connection: Connection, before: datetime) -> int:
    """Episodes that ended before this say nothing about the next report any more; how many."""
    e = t.episodes.c
    ended = update(t.episodes).where(e.ended_lately, e.last_seen < rows.number(before))
    return connection.execute(ended.values(ended_lately=False)).rowcount
