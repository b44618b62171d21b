"""A store with a past: so many alerts, without sending each of them."""

import asyncio
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import text

from sre_daemon.store.postgres import PostgresDatabase, address
from sre_daemon.store.sqlite import SqliteDatabase

NOW = int(datetime.now(UTC).timestamp() * 1_000_000)
LABELS = '{"alertname":"KubePodCrashLooping","namespace":"shop","pod":"checkout-%08d"}'
INCIDENT = """
INSERT INTO incidents (id, key, title, state, severity, rank, labels, created_at, updated_at,
    version, fence, attempt, policy, data)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < CAST(:count AS INTEGER))
SELECT '0past' || substr(CAST(100000000 + i AS TEXT), 2),
    'key-' || substr(CAST(100000000 + i AS TEXT), 2), 'KubePodCrashLooping on checkout',
    CAST(:state AS TEXT), 'warning', 1, '{}', CAST(:at AS BIGINT) - 86400000000 + i,
    CAST(:at AS BIGINT) - 86400000000 + i, 0, 0, 0, '', '{}' FROM n
WHERE i < CAST(:count AS INTEGER)
"""
EPISODE = """
INSERT INTO episodes (identity, incident_id, tenant, status, labels, annotations, generator_url,
    fingerprint, starts_at, ends_at, first_seen, last_seen, reports, open, ended_lately)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count)
SELECT lower(hex(randomblob(32))), printf('0past%08d', i / :each), 'default',
    CASE WHEN :open THEN 'firing' ELSE 'resolved' END, printf(:labels, i),
    '{"summary":"Pod is crash looping."}', 'http://prometheus.example:9090/graph', 'b3b4f23d0731fe38',
    :at, :at, :at, :at - 86400000000, 1, :open, 0 FROM n WHERE i < :count
"""


def fill(folder: Path, *, incidents: int, alerts: int, is_open: bool) -> None:
    """Make the data directory of a daemon that has stored all of this."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "sre-daemon.sqlite3"
    asyncio.run(_make(file))
    values = {
        "at": NOW,
        "state": "escalated" if is_open else "closed",
        "open": is_open,
        "labels": LABELS,
        "each": max(1, alerts // max(1, incidents)),
    }
    with closing(sqlite3.connect(file)) as store:
        store.execute("PRAGMA synchronous=OFF")
        store.execute(INCIDENT, values | {"count": incidents})
        store.execute(EPISODE, values | {"count": alerts})
        store.commit()
    # Else what is measured next waits for this to reach the disk.
    os.sync()


def fill_postgres(url: str, password: str, *, incidents: int, is_open: bool) -> None:
    """The same incidents, without their alerts, in an empty database."""
    asyncio.run(_fill(PostgresDatabase(address(url, password)), incidents, is_open))


async def _fill(database: PostgresDatabase, incidents: int, is_open: bool) -> None:
    await database.open()
    values = {"at": NOW, "state": "escalated" if is_open else "closed", "count": incidents}
    await database.write(lambda connection: connection.execute(text(INCIDENT), values))
    await database.close()


async def _make(file: Path) -> None:
    database = SqliteDatabase(file)
    await database.open()
    await database.close()
