"""Storing notifications: the bytes, and what correlation decided, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from sre_daemon.domain.audit import audited
from sre_daemon.domain.event import TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Notification, StoredAlert
from sre_daemon.errors import StoreConflict
from sre_daemon.store import audit, rows
from sre_daemon.store import tables as t
from sre_daemon.store.base import WATCHDOG, Correlation, Known, Writes
from sre_daemon.store.outbox import publish

# SQLite takes up to 32,766 parameters in one statement.
CHUNK = 5000
INSERTS: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}
EPISODE_CHANGES = [
    column.name
    for column in t.episodes.c
    if column.name not in {"id", "identity", "tenant", "first_seen"}
]


def accept(
    connection: Connection, notifications: Sequence[Notification], correlation: Correlation
) -> Mapping[str, int]:
    """Insert the raw notifications, read what is known, write what `correlation` decides."""
    raw = [rows.notification_values(item) for item in notifications if item.body]
    if raw:
        connection.execute(insert(t.notifications), raw)
    known = _known(connection, notifications, correlation)
    writes = correlation.decide(notifications, known)
    _write(connection, writes)
    return dict(writes.actions or {})


def _known(
    connection: Connection, notifications: Sequence[Notification], correlation: Correlation
) -> Known:
    identities = {alert.identity for item in notifications for alert in item.alerts}
    keys = sorted(correlation.keys(notifications))
    episodes = _newest_episodes(connection, sorted(identities))
    i = t.incidents.c
    by_key: dict[str, Incident] = {}
    for part in _parts(keys):
        found = connection.execute(
            _locked(select(t.incidents).where(i.key.in_(part), i.state != State.CLOSED.value))
        )
        by_key.update({row.key: rows.incident(row) for row in found})
    by_id = {incident.id: incident for incident in by_key.values()}
    missing = sorted({item.incident_id for item in episodes.values()} - by_id.keys())
    for part in _parts(missing):
        found = connection.execute(_locked(select(t.incidents).where(i.id.in_(part))))
        by_id.update({row.id: rows.incident(row) for row in found})
    open_alerts = _open_alerts(connection, sorted(by_id))
    return Known(episodes, by_key, by_id, open_alerts, _waiting(connection))


def _waiting(connection: Connection) -> int:
    counted = select(func.count()).where(t.incidents.c.state == State.TRIGGERED.value)
    return connection.execute(counted).scalar_one()


def _locked(query: Select[Any]) -> Select[Any]:
    """What is decided about may not change meanwhile; a fixed order keeps lockers from each other."""
    return query.order_by(t.incidents.c.id).with_for_update(key_share=True)


def _open_alerts(connection: Connection, incident_ids: Sequence[str]) -> dict[str, int]:
    e = t.episodes.c
    counts: dict[str, int] = {}
    for part in _parts(incident_ids):
        counted = select(e.incident_id, func.count().label("n")).where(
            e.incident_id.in_(part), e.open
        )
        found = connection.execute(counted.group_by(e.incident_id))
        counts.update({row.incident_id: row.n for row in found})
    return counts


def _newest_episodes(connection: Connection, identities: Sequence[str]) -> dict[str, StoredAlert]:
    e, other = t.episodes.c, t.episodes.alias()
    newest = (
        select(func.max(other.c.first_seen)).where(other.c.identity == e.identity).scalar_subquery()
    )
    known: dict[str, StoredAlert] = {}
    for part in _parts(identities):
        wanted = select(t.episodes).where(e.identity.in_(part), e.first_seen == newest)
        found = connection.execute(wanted)
        known.update({row.identity: rows.episode(row) for row in found})
    return known


def _parts(items: Sequence[str]) -> list[Sequence[str]]:
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]


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
    may = ("state", "severity", "rank", "labels", "updated_at", "wake_at", "data")
    changed = {name: values[name] for name in may}
    connection.execute(
        update(t.incidents)
        .where(t.incidents.c.id == incident.id)
        .values(**changed, version=t.incidents.c.version + 1)
    )


def _write_episodes(connection: Connection, episodes: Sequence[StoredAlert]) -> None:
    """Insert, or update what has the same identity and beginning; never a second open one."""
    if not episodes:
        return
    make = INSERTS[connection.dialect.name](t.episodes)
    upsert = make.on_conflict_do_update(
        index_elements=["identity", "first_seen"],
        set_={name: make.excluded[name] for name in EPISODE_CHANGES},
    )
    connection.execute(upsert, [rows.episode_values(episode) for episode in episodes])


def add_events(connection: Connection, events: Sequence[TimelineEvent]) -> None:
    """Append to timelines, to the news, and to the audit log what belongs there."""
    if events:
        values = [rows.event_values(event) for event in events]
        connection.execute(insert(t.events), values)
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
