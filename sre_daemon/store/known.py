"""What correlation must know about notifications, read in the transaction that will write."""

from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import groupby

from sqlalchemy import Connection

from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Notification, StoredAlert
from sre_daemon.store import bulk, rows
from sre_daemon.store.base import Correlation, Known

SERVICE = "service:"
# What is decided about may not change meanwhile; a fixed order keeps lockers from each other.
LOCK = {"postgresql": "ORDER BY t.id FOR NO KEY UPDATE", "sqlite": "ORDER BY t.id"}
NOT_CLOSED = f"AND t.state != '{State.CLOSED.value}'"


def read(
    connection: Connection, notifications: Sequence[Notification], correlation: Correlation
) -> Known:
    """Everything that `Known` names."""
    if not notifications:
        return Known()
    since = min(item.received_at for item in notifications)
    alerts = {alert.identity: alert for item in notifications for alert in item.alerts}
    remembered = _remembered(connection, list(alerts))
    newest = {name: mine[-1] for name, mine in remembered.items()}
    lock = LOCK[connection.dialect.name]
    by_key = {
        row.key: rows.incident(row)
        for row in bulk.matching(
            connection,
            "incidents",
            "key",
            sorted(correlation.keys(notifications)),
            f"{NOT_CLOSED} {lock}",
        )
    }
    touched = _touched(connection, since, correlation)
    by_id = {incident.id: incident for incident in by_key.values()}
    wanted = {item.incident_id for item in newest.values()} | {*touched.values()}
    missing = sorted(wanted - by_id.keys() - {""})
    by_id |= _incidents(bulk.matching(connection, "incidents", "id", missing, lock))
    ended = {alert.identity for item in notifications for alert in item.alerts if not alert.firing}
    return Known(
        episodes=newest,
        begun={name: [item.first_seen for item in mine] for name, mine in remembered.items()},
        incidents=by_key,
        by_id=by_id,
        open_alerts=_open_alerts(
            connection, {newest[name].incident_id for name in ended if name in newest} - {""}
        ),
        pressing=_pressing(connection, since, correlation),
        touched=touched,
    )


def _incidents(found: Iterable[object]) -> dict[str, Incident]:
    return {incident.id: incident for incident in map(rows.incident, found)}  # type: ignore[arg-type] # rows of a text


def _remembered(connection: Connection, identities: Sequence[str]) -> dict[str, list[StoredAlert]]:
    """The remembered episodes of each identity, oldest first."""
    found = [
        *bulk.matching(connection, "episodes", "identity", identities, "AND t.ended_lately"),
        *bulk.matching(connection, "episodes", "identity", identities, "AND t.open"),
    ]
    episodes = sorted(
        map(rows.episode, found), key=lambda item: (item.alert.identity, item.first_seen)
    )
    groups = groupby(episodes, key=lambda item: item.alert.identity)
    return {identity: list(mine) for identity, mine in groups}


def _open_alerts(connection: Connection, incident_ids: set[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for incident_id in sorted(incident_ids):
        text = "SELECT count(*) FROM episodes WHERE open AND incident_id = "
        mark = "$1" if connection.dialect.name == "postgresql" else "?"
        counts[incident_id] = connection.exec_driver_sql(text + mark, (incident_id,)).scalar_one()
    return counts


def _pressing(connection: Connection, since: datetime, correlation: Correlation) -> int:
    """Counted from two indexes; who waits and is new is counted once."""
    first, second = ("$1", "$2") if connection.dialect.name == "postgresql" else ("?", "?")
    text = (
        f"SELECT (SELECT count(*) FROM incidents WHERE state = {first}) + "  # noqa: S608 - marks
        f"(SELECT count(*) FROM incidents WHERE created_at > {second} AND state != {first})"
    )
    at = rows.number(since - correlation.horizon.opened)
    waiting = State.TRIGGERED.value
    values = (waiting, at) if first == "$1" else (waiting, at, waiting)
    return int(connection.exec_driver_sql(text, values).scalar_one())


def _touched(connection: Connection, since: datetime, correlation: Correlation) -> dict[str, str]:
    mark = "$1" if connection.dialect.name == "postgresql" else "?"
    text = (
        f"SELECT target, incident_id FROM effects WHERE intended_at > {mark} ORDER BY intended_at"  # noqa: S608 - a mark
    )
    at = rows.number(since - correlation.horizon.touched)
    found = connection.exec_driver_sql(text, (at,)).all()
    return {
        row.target.removeprefix(SERVICE): row.incident_id
        for row in found
        if row.target.startswith(SERVICE)
    }
