"""Storing notifications: the bytes, and what correlation decided, in the caller's transaction."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Select, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from sre_daemon.domain.event import TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Notification, StoredAlert
from sre_daemon.errors import StoreConflict
from sre_daemon.store import rows
from sre_daemon.store import tables as t
from sre_daemon.store.base import WATCHDOG, Correlation, Known, Writes

# SQLite takes up to 32,766 parameters in one statement.
CHUNK = 5000


async def accept(
    connection: AsyncConnection, notifications: Sequence[Notification], correlation: Correlation
) -> Mapping[str, int]:
    """Insert the raw notifications, read what is known, write what `correlation` decides."""
    raw = [rows.notification_values(item) for item in notifications if item.body]
    if raw:
        await connection.execute(insert(t.notifications), raw)
    known = await _known(connection, notifications, correlation)
    writes = correlation.decide(notifications, known)
    await _write(connection, writes)
    return dict(writes.actions or {})


async def _known(
    connection: AsyncConnection, notifications: Sequence[Notification], correlation: Correlation
) -> Known:
    identities = {alert.identity for item in notifications for alert in item.alerts}
    keys = sorted(correlation.keys(notifications))
    episodes = await _newest_episodes(connection, sorted(identities))
    i = t.incidents.c
    by_key: dict[str, Incident] = {}
    for part in _parts(keys):
        found = await connection.execute(
            _locked(select(t.incidents).where(i.key.in_(part), i.state != State.CLOSED.value))
        )
        by_key.update({row.key: rows.incident(row) for row in found})
    by_id = {incident.id: incident for incident in by_key.values()}
    missing = sorted({item.incident_id for item in episodes.values()} - by_id.keys())
    for part in _parts(missing):
        found = await connection.execute(_locked(select(t.incidents).where(i.id.in_(part))))
        by_id.update({row.id: rows.incident(row) for row in found})
    open_alerts = await _open_alerts(connection, sorted(by_id))
    return Known(episodes, by_key, by_id, open_alerts, await _waiting(connection))


async def _waiting(connection: AsyncConnection) -> int:
    counted = select(func.count()).where(t.incidents.c.state == State.TRIGGERED.value)
    return (await connection.execute(counted)).scalar_one()


def _locked(query: Select[Any]) -> Select[Any]:
    """What is decided about may not change meanwhile; a fixed order keeps lockers from each other."""
    return query.order_by(t.incidents.c.id).with_for_update(key_share=True)


async def _open_alerts(connection: AsyncConnection, incident_ids: Sequence[str]) -> dict[str, int]:
    e = t.episodes.c
    counts: dict[str, int] = {}
    for part in _parts(incident_ids):
        counted = select(e.incident_id, func.count().label("n")).where(
            e.incident_id.in_(part), e.open
        )
        found = await connection.execute(counted.group_by(e.incident_id))
        counts.update({row.incident_id: row.n for row in found})
    return counts


async def _newest_episodes(
    connection: AsyncConnection, identities: Sequence[str]
) -> dict[str, StoredAlert]:
    e = t.episodes.c
    known: dict[str, StoredAlert] = {}
    for part in _parts(identities):
        newest = select(func.max(e.id)).where(e.identity.in_(part)).group_by(e.identity)
        found = await connection.execute(select(t.episodes).where(e.id.in_(newest)))
        known.update({row.identity: rows.episode(row) for row in found})
    return known


def _parts(items: Sequence[str]) -> list[Sequence[str]]:
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]


async def _write(connection: AsyncConnection, writes: Writes) -> None:
    if writes.opened:
        values = [rows.incident_values(incident) for incident in writes.opened]
        await connection.execute(insert(t.incidents), values)
    for incident in writes.updated:
        await _update_incident(connection, incident)
    for episode in writes.episodes:
        await _write_episode(connection, episode)
    await add_events(connection, writes.events)
    if writes.heartbeat is not None:
        await set_switch(connection, WATCHDOG, writes.heartbeat.isoformat(), writes.heartbeat)


async def set_switch(
    connection: AsyncConnection, name: str, value: str | None, at: datetime
) -> None:
    """Set a switch, or remove it with None."""
    await connection.execute(delete(t.switches).where(t.switches.c.name == name))
    if value is not None:
        values = {"name": name, "value": rows.clean(value), "set_at": rows.number(at)}
        await connection.execute(insert(t.switches).values(**values))


async def _update_incident(connection: AsyncConnection, incident: Incident) -> None:
    """Only what correlation may change; the version grows, so that a worker notices."""
    values = rows.incident_values(incident)
    may = ("state", "severity", "rank", "labels", "updated_at", "wake_at", "data")
    changed = {name: values[name] for name in may}
    await connection.execute(
        update(t.incidents)
        .where(t.incidents.c.id == incident.id)
        .values(**changed, version=t.incidents.c.version + 1)
    )


async def _write_episode(connection: AsyncConnection, episode: StoredAlert) -> None:
    """Update the open episode of this alert, or the same closed one; else begin a new one."""
    values = rows.episode_values(episode)
    e = t.episodes.c
    same = (e.identity == values["identity"]) & (e.open | (e.first_seen == values["first_seen"]))
    updated = await connection.execute(update(t.episodes).where(same).values(**values))
    if updated.rowcount == 0:
        await connection.execute(insert(t.episodes).values(**values))


async def add_events(connection: AsyncConnection, events: Sequence[TimelineEvent]) -> None:
    """Append to timelines."""
    if events:
        values = [rows.event_values(event) for event in events]
        await connection.execute(insert(t.events), values)


async def require_fence(
    connection: AsyncConnection, incident_id: str, fence: int, states: Sequence[State] = ()
) -> None:
    """Raise StoreConflict unless this fence is the newest and the incident in one of `states`."""
    i = t.incidents.c
    query = select(i.fence, i.state).where(i.id == incident_id).with_for_update(key_share=True)
    row = (await connection.execute(query)).first()
    if row is None or row.fence != fence:
        raise StoreConflict(f"incident {incident_id} belongs to another worker now")
    if states and State(row.state) not in states:
        raise StoreConflict(f"incident {incident_id} is {row.state}")
