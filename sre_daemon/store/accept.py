"""Storing notifications: the bytes, and what correlation decided, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sre_daemon.domain.audit import audited
from sre_daemon.domain.event import TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Notification, StoredAlert
from sre_daemon.errors import StoreConflict
from sre_daemon.store import audit, bulk, known, rows
from sre_daemon.store import tables as t
from sre_daemon.store.base import WATCHDOG, Correlation, Writes
from sre_daemon.store.outbox import publish

INSERTS: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
# Found by its id; who it is, and when it began, does not change.
FIXED = {"id", "identity", "tenant", "first_seen"}
CHANGING = tuple(name for name in rows.EPISODE if name not in FIXED)
MAY = ("state", "severity", "rank", "labels", "updated_at", "wake_at", "data")


def accept(
    connection: Connection, notifications: Sequence[Notification], correlation: Correlation
) -> Writes:
    """Insert the raw notifications, read what is known, write what `correlation` decides."""
    raw = [rows.notification_row(item) for item in notifications if item.body]
    bulk.insert(connection, t.notifications, rows.NOTIFICATION, raw)
    writes = correlation.decide(notifications, known.read(connection, notifications, correlation))
    _write(connection, writes)
    return writes


def _write(connection: Connection, writes: Writes) -> None:
    if writes.opened:
        values = [rows.incident_values(incident) for incident in writes.opened]
        connection.execute(insert(t.incidents), values)
    for incident in writes.updated:
        _update_incident(connection, incident)
    _write_episodes(connection, writes.episodes)
    publish(connection, writes.opened, ())
    add_events(connection, writes.events)
    if writes.heartbeat is not None:
        set_switch(connection, WATCHDOG, writes.heartbeat.isoformat(), writes.heartbeat)


def set_switch(connection: Connection, name: str, value: str | None, at: datetime) -> None:
    """Set a switch, or remove it with None."""
    connection.execute(delete(t.switches).where(t.switches.c.name == name))
    if value is not None:
        values = {"name": name, "value": rows.clean(value), "set_at": rows.number(at)}
        connection.execute(insert(t.switches).values(**values))


def _update_incident(connection: Connection, incident: Incident) -> None:
    """Only what correlation may change; the version grows, so that a worker notices."""
    values = rows.incident_values(incident)
    changed = {name: values[name] for name in MAY}
    connection.execute(
        update(t.incidents)
        .where(t.incidents.c.id == incident.id)
        .values(**changed, version=t.incidents.c.version + 1)
    )


def _write_episodes(connection: Connection, episodes: Sequence[StoredAlert]) -> None:
    """The known ones first: what they end makes room for what begins."""
    known_ones = [rows.episode_row(item) for item in episodes if item.id]
    bulk.overwrite(connection, t.episodes, rows.EPISODE, known_ones, CHANGING)
    new = [rows.episode_row(item)[1:] for item in episodes if not item.id]
    bulk.insert(connection, t.episodes, rows.EPISODE[1:], new)


def add_events(connection: Connection, events: Sequence[TimelineEvent]) -> None:
    """Append to timelines, to the news, and to the audit log what belongs there."""
    if events:
        bulk.insert(connection, t.events, rows.EVENT, [rows.event_row(event) for event in events])
        publish(connection, (), events)
        # Last, because it takes turns.
        audit.append(connection, [entry for event in events if (entry := audited(event))])


def require_fence(
    connection: Connection, incident_id: str, fence: int, states: Sequence[State] = ()
) -> None:
    """Raise StoreConflict unless this fence is the newest and the incident in one of `states`."""
    i = t.incidents.c
    query = select(i.fence, i.state).where(i.id == incident_id).with_for_update(key_share=True)
    row = connection.execute(query).first()
    if row is None or row.fence != fence:
        raise StoreConflict(f"incident {incident_id} belongs to another worker now")
    if states and State(row.state) not in states:
        raise StoreConflict(f"incident {incident_id} is {row.state}")
