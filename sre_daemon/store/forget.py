"""Deleting what is over. How many incidents ever were stays known, so that counters never go back."""

from datetime import datetime, timedelta

from sqlalchemy import Connection, delete, select

from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.spending import SPANS
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.accept import set_switch

FORGOTTEN = "forgotten"
SEEN = timedelta(days=2)


def forget(
    connection: Connection, notifications: datetime, incidents: datetime, limit: int, at: datetime
) -> int:
    """Delete the oldest, `limit` of each at most; how many rows of both."""
    n = t.notifications.c
    # Rows are in the order of their arrival, so that only the oldest need to be looked at.
    oldest = select(n.id).order_by(n.id).limit(limit)
    old = n.id.in_(oldest) & (n.received_at < rows.number(notifications))
    gone = connection.execute(delete(t.notifications).where(old)).rowcount
    gone += _forget_endings_of_the_unknown(connection, rows.number(incidents), limit)
    d = t.deliveries.c
    told = (d.incident_id == "") & (d.created_at < rows.number(incidents)) & (d.state != "waiting")
    connection.execute(delete(t.deliveries).where(told))
    spent = t.spending.c.at < rows.number(at - max(SPANS.values()))
    connection.execute(delete(t.spending).where(spent))
    # What was sent again is sent again within the hour.
    connection.execute(delete(t.seen).where(t.seen.c.at < rows.number(at - SEEN)))
    ids = _over(connection, rows.number(incidents), limit)
    if ids:
        _delete(connection, ids)
        set_switch(connection, FORGOTTEN, str(forgotten(connection) + len(ids)), at)
    return gone + len(ids)


def _forget_endings_of_the_unknown(connection: Connection, before: int, limit: int) -> int:
    """Those that belong to no incident and are as old as one that is deleted."""
    e = t.episodes.c
    old = select(e.id).where(e.incident_id.is_(None), e.last_seen < before).limit(limit)
    return connection.execute(delete(t.episodes).where(e.id.in_(old))).rowcount


def forgotten(connection: Connection) -> int:
    """How many incidents were ever deleted."""
    s = t.switches.c
    return int(connection.scalar(select(s.value).where(s.name == FORGOTTEN)) or 0)


def _over(connection: Connection, before: int, limit: int) -> list[str]:
    i = t.incidents.c
    over = (
        select(i.id)
        .where(i.created_at < before, i.updated_at < before, i.state == State.CLOSED.value)
        .order_by(i.created_at)
        .limit(limit)
    )
    return [row.id for row in connection.execute(over)]


def _delete(connection: Connection, ids: list[str]) -> None:
    runs = select(t.runs.c.id).where(t.runs.c.incident_id.in_(ids))
    connection.execute(delete(t.calls).where(t.calls.c.run_id.in_(runs)))
    sessions = select(t.runs.c.session).where(t.runs.c.incident_id.in_(ids))
    connection.execute(delete(t.sessions).where(t.sessions.c.session.in_(sessions)))
    for table in (
        t.hands,
        t.approvals,
        t.runs,
        t.effects,
        t.events,
        t.episodes,
        t.news,
        t.deliveries,
        t.samples,
        t.threads,
    ):
        connection.execute(delete(table).where(table.c.incident_id.in_(ids)))
    connection.execute(delete(t.incidents).where(t.incidents.c.id.in_(ids)))
