"""The SQLite file under stress: locked, full, killed, read-only, from another version."""

import asyncio
import os
import signal
import sqlite3
import sys
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine

from sre_daemon.errors import MigrationFailed, StoreUnavailable
from sre_daemon.store import schema
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from sre_daemon.store.tables import metadata
from tests.support.correlation import fixed
from tests.support.factories import alert, incident, notification

WRITER = """
import asyncio, sys
from pathlib import Path
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from tests.support.correlation import fixed
from tests.support.factories import alert, incident, notification

async def main():
    store = SqlStore(SqliteDatabase(Path(sys.argv[1])))
    await store.open()
    for number in range(100_000):
        new = incident(id=f"i-{number:06}", key=str(number))
        await store.accept([notification(alert(), body=b"%d" % number)], fixed(opened=[new]))
        print(number, flush=True)

asyncio.run(main())
"""


def stored(file):
    """The bodies and incidents in the file, read by nobody but SQLite."""
    with sqlite3.connect(file) as database:
        assert database.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        bodies = {int(row[0]) for row in database.execute("SELECT body FROM notifications")}
        incidents = {int(row[0][2:]) for row in database.execute("SELECT id FROM incidents")}
    return bodies, incidents


@pytest.fixture
async def opened(tmp_path):
    store = SqlStore(SqliteDatabase(tmp_path / "store.sqlite3"))
    await store.open()
    yield store, tmp_path / "store.sqlite3"
    await store.close()


async def put(store, number=1):
    new = incident(id=f"i-{number}", key=str(number))
    await store.accept([notification(alert(), body=b"%d" % number)], fixed(opened=[new]))


@pytest.mark.parametrize("after", [3, 40, 150])
async def test_kill_9_loses_nothing_that_was_acknowledged(tmp_path, after):
    file = tmp_path / "store.sqlite3"
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        WRITER,
        str(file),
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    acknowledged = [int(await process.stdout.readline()) for _ in range(after)]
    process.send_signal(signal.SIGKILL)
    acknowledged += [int(line) for line in (await process.stdout.read()).split(b"\n")[:-1]]
    await process.wait()
    bodies, incidents = stored(file)
    assert set(acknowledged) <= bodies
    assert bodies == incidents
    assert len(bodies) <= len(acknowledged) + 1


async def test_every_connection_is_durable_and_checks_references(opened):
    store, _ = opened
    for begin in (store._database._reading, store._database._writer.begin):
        async with begin() as connection:
            found = {
                name: (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys")
            }
            assert found == {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}


async def test_a_file_that_another_process_locks_is_unavailable_and_works_afterwards(opened):
    store, file = opened
    other = sqlite3.connect(file, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    began = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await put(store)
    assert time.monotonic() - began < 5
    assert await store.incidents() == []  # reading goes on
    other.execute("ROLLBACK")
    other.close()
    await put(store)
    assert len(await store.incidents()) == 1


async def test_a_full_disk_is_unavailable_and_leaves_nothing_half_written(opened):
    store, file = opened
    await put(store)
    async with store._database._writer.connect() as connection:
        pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar()
        await connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
    failed = False
    for number in range(2, 200):
        try:
            await put(store, number)
        except StoreUnavailable:
            failed = True
            break
    assert failed
    bodies, incidents = await asyncio.to_thread(stored, file)
    assert bodies == incidents == set(range(1, number))
    async with store._database._writer.connect() as connection:
        await connection.exec_driver_sql("PRAGMA max_page_count=1000000")
    await put(store, number)
    assert len(await store.incidents(limit=500)) == number


async def test_a_file_of_a_newer_version_is_refused_and_left_alone(opened, tmp_path):
    store, file = opened
    await store.close()
    with sqlite3.connect(file) as database:
        database.execute("UPDATE alembic_version SET version_num = '9999'")
    before = file.read_bytes()
    newer = SqlStore(SqliteDatabase(file))
    with pytest.raises(MigrationFailed, match="newer version"):
        await newer.open()
    assert file.read_bytes() == before


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be looked at" * 10, b"\0" * 8192]
)
async def test_a_file_that_is_no_database_is_refused(tmp_path, content):
    file = tmp_path / "store.sqlite3"
    file.write_bytes(content)
    with pytest.raises(MigrationFailed):
        await SqlStore(SqliteDatabase(file)).open()
    assert file.read_bytes() == content


async def test_a_missing_folder_is_refused(tmp_path):
    with pytest.raises(MigrationFailed):
        await SqlStore(SqliteDatabase(tmp_path / "missing" / "store.sqlite3")).open()


async def test_opening_twice_in_a_row_changes_nothing(opened):
    store, file = opened
    await put(store)
    await store.close()
    again = SqlStore(SqliteDatabase(file))
    await again.open()
    assert len(await again.incidents()) == 1
    await again.close()


def test_migrations_make_the_tables_that_the_code_uses(tmp_path):
    engine = create_engine(f"sqlite:///{tmp_path / 'store.sqlite3'}")
    with engine.begin() as connection:
        schema.upgrade(connection)
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()
