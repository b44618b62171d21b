"""What is particular to the SQLite store: the disk, other processes, its schema, its connections."""

import asyncio
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from contextlib import AsyncExitStack, asynccontextmanager, closing, contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.errors import MigrationFailed, StoreUnavailable
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from sre_daemon.store.tables import metadata
from tests.support.clock import START
from tests.support.correlation import Deciding, fixed
from tests.support.factories import alert, incident, notification

ROOT = Path(__file__).parents[2]
LEASE = timedelta(seconds=60)
PREAMBLE = """
import asyncio, os, resource, sys, tempfile
from pathlib import Path
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.errors import StoreError
from sre_daemon.store.base import Writes
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from sre_daemon.store.sqlite import SqliteDatabase
from tests.integration.test_store_sqlite import START, big, numbered, whole
from tests.support.correlation import Deciding

FILE = Path(sys.argv[1])

def say(*words):
    print(*words, flush=True)
"""


def numbered(n):
    return incident(id=f"01incident{n:04}", key=f"key-{n}")


def whole(one):
    """An incident with one alert and one fact: after a crash all three or none."""
    seen = StoredAlert(alert(n=one.id), one.id, START, START, 1, open=True)
    fact = TimelineEvent(one.id, START, Kind.NOTE, "a fact")
    return fixed(opened=[one], episodes=[seen], events=[fact])


def big(n):
    """A notification that needs many pages."""
    return notification(alert(n=str(n)), body=os.urandom(400_000))


@contextmanager
def child(script, file):
    """Another process, with pipes."""
    command = [sys.executable, "-c", PREAMBLE + textwrap.dedent(script), str(file)]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def output_of(script, file):
    """What another process prints, which must end well."""
    command = [sys.executable, "-W", "error", "-c", PREAMBLE + textwrap.dedent(script), str(file)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def ask(file, query):
    """Read the file with nothing of ours in between."""
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute(query).fetchall()


def tell(file, *statements):
    with closing(sqlite3.connect(file)) as connection, connection:
        for statement in statements:
            connection.execute(statement)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "store.sqlite3"


@asynccontextmanager
async def opened(file):
    store = SqlStore(SqliteDatabase(file))
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def stored_whole(store):
    """The ids of the stored incidents, none of which is in pieces."""
    found = await store.incidents(limit=10_000)
    for one in found:
        assert len(await store.alerts(one.id)) == 1
        assert len(await store.timeline(one.id)) == 1
    assert len(await store.episodes(open_only=False)) == len(found)
    return sorted(one.id for one in found)


# --- durability


async def test_acknowledged_writes_survive_a_killed_process(file):
    writer = """
    async def main():
        store = SqlStore(SqliteDatabase(FILE))
        await store.open()
        for n in range(100_000):
            await store.accept([big(n)], whole(numbered(n)))
            say(n)
    asyncio.run(main())
    """
    with child(writer, file) as process:
        for line in process.stdout:
            if int(line) == 15:
                break
        process.send_signal(signal.SIGKILL)
        acknowledged = max([15, *map(int, process.stdout.read().split())])
        process.wait(timeout=10)
    async with opened(file) as store:
        stored = await stored_whole(store)
    assert stored == [numbered(n).id for n in range(len(stored))]
    # The one under way may have been stored without anybody having been told.
    assert len(stored) - (acknowledged + 1) in {0, 1}
    assert ask(file, "SELECT count(*) FROM notifications") == [(len(stored),)]
    assert ask(file, "PRAGMA integrity_check") == [("ok",)]


async def test_every_connection_is_durable_and_checks_references(file):
    def pragmas(connection):
        names = ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
        return [connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names]

    async with opened(file) as store:
        full = 2
        assert await store._database.write(pragmas) == ["wal", full, 1, 2000]
        assert await store._database.read(pragmas) == ["wal", full, 1, 2000]


async def test_stored_bytes_are_those_that_came(file):
    body = bytes(range(256)) * 3
    async with opened(file) as store:
        message = notification(alert(), body=body, tenant="shop")
        await store.accept([message], fixed())
    row = ask(file, "SELECT body, tenant, received_at FROM notifications")
    assert row == [(body, "shop", int(START.timestamp()) * 1_000_000)]


async def test_failing_correlation_stores_no_bytes(file):
    def fail(_notifications, _known):
        raise LookupError("a defect")

    async with opened(file) as store:
        with pytest.raises(LookupError):
            await store.accept([notification(alert())], Deciding(fail))
    assert ask(file, "SELECT count(*) FROM notifications") == [(0,)]


async def test_everything_is_there_after_a_restart(file):
    async with opened(file) as store:
        await store.accept([], whole(numbered(1)))
        mine = await store.claim("worker", START, LEASE)
        await store.set_switch("paused", "ann: deploy", START)
    async with opened(file) as store:
        assert await store.incident(mine.id) == mine
        assert await store.switch("paused") == "ann: deploy"
        assert await store.claim("other", START, LEASE) is None


# --- other processes


async def test_locked_store_is_unavailable_soon_and_works_afterwards(file):
    locker = """
    import sqlite3
    connection = sqlite3.connect(FILE, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    say("locked")
    sys.stdin.readline()
    connection.execute("COMMIT")
    connection.close()
    say("free")
    """
    async with opened(file) as store:
        await store.accept([], whole(numbered(1)))
        with child(locker, file) as process:
            assert process.stdout.readline() == "locked\n"
            before = time.monotonic()
            with pytest.raises(StoreUnavailable, match="locked") as raised:
                await store.accept([], whole(numbered(2)))
            assert time.monotonic() - before < 4
            assert raised.value.retryable
            assert await stored_whole(store) == [numbered(1).id]
            process.stdin.write("\n")
            process.stdin.flush()
            assert process.stdout.readline() == "free\n"
        await store.accept([], whole(numbered(2)))
        assert len(await stored_whole(store)) == 2


async def test_write_waits_out_a_short_lock(file):
    async with opened(file) as store:
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            write = asyncio.create_task(store.accept([], whole(numbered(1))))
            await asyncio.wait([write], timeout=0.3)
            assert not write.done()
            assert await store.incidents() == []
            other.execute("COMMIT")
        await write
        assert len(await stored_whole(store)) == 1


async def test_two_stores_on_one_file_never_claim_the_same(file):
    async with opened(file) as one, opened(file) as two:
        for n in range(8):
            await one.accept([], whole(numbered(n)))
        taken = await asyncio.gather(
            *(store.claim("w", START, LEASE) for _ in range(8) for store in (one, two))
        )
        ids = [mine.id for mine in taken if mine is not None]
        assert sorted(ids) == [numbered(n).id for n in range(8)]


# --- the disk


async def test_full_disk_leaves_nothing_half_written(file):
    async with opened(file) as store:
        await store.accept([], whole(numbered(1)))

        def limit(connection, pages):
            connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")

        (pages,) = ask(file, "PRAGMA page_count")[0]
        await store._database.write(lambda c: limit(c, pages + 4))
        with pytest.raises(StoreUnavailable, match="full"):
            await store.accept([big(2)], whole(numbered(2)))
        assert await stored_whole(store) == [numbered(1).id]
        assert ask(file, "SELECT count(*) FROM notifications") == [(0,)]
        await store._database.write(lambda c: limit(c, 1 << 30))
        await store.accept([big(2)], whole(numbered(2)))
        assert len(await stored_whole(store)) == 2


async def test_failing_disk_leaves_nothing_half_written(file):
    script = """
    def allow(size):
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))

    async def main():
        store = SqlStore(SqliteDatabase(FILE))
        await store.open()
        await store.accept([], whole(numbered(1)))
        allow(Path(f"{FILE}-wal").stat().st_size + 50_000)
        try:
            await store.accept([big(2)], whole(numbered(2)))
        except StoreError as failure:
            say(type(failure).__name__)
        say(len(await store.incidents()))
        allow(resource.RLIM_INFINITY)
        await store.accept([big(3)], whole(numbered(3)))
        await store.close()
    asyncio.run(main())
    """
    assert output_of(script, file) == ["StoreUnavailable", "1"]
    async with opened(file) as store:
        assert await stored_whole(store) == [numbered(1).id, numbered(3).id]
    assert ask(file, "SELECT count(*) FROM notifications") == [(1,)]
    assert ask(file, "PRAGMA integrity_check") == [("ok",)]


def test_read_only_folder_is_refused_by_name():
    # Not tmp_path: nobody but its owner may enter that, and the child gives up being root.
    folder = Path(tempfile.mkdtemp())
    script = """
    async def main(file):
        store = SqlStore(SqliteDatabase(file))
        await store.open()
        await store.close()
    with tempfile.TemporaryDirectory() as other:
        asyncio.run(main(Path(other, "works")))  # loads what this user may not be able to read
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        asyncio.run(main(FILE))
    except StoreError as failure:
        say(type(failure).__name__, failure.reason, failure.hint)
    """
    try:
        folder.chmod(0o555)
        (line,) = output_of(script, folder / "store.sqlite3")
        assert line.startswith(f"MigrationFailed {folder}/store.sqlite3 cannot be")
        assert "unable to open" in line
        assert list(folder.iterdir()) == []
    finally:
        shutil.rmtree(folder)


async def test_absent_folder_is_refused_by_name(tmp_path):
    with pytest.raises(MigrationFailed, match=r"none/store\.sqlite3"):
        await SqlStore(SqliteDatabase(tmp_path / "none" / "store.sqlite3")).open()


async def test_file_that_is_no_database_is_left_alone(file):
    file.write_text("minutes of the meeting\n" * 500)
    before = file.read_bytes()
    with pytest.raises(MigrationFailed, match="not a database"):
        await SqlStore(SqliteDatabase(file)).open()
    assert file.read_bytes() == before


# --- the schema


async def test_schema_of_a_newer_version_is_refused_and_kept(file):
    async with opened(file) as store:
        await store.accept([], whole(numbered(1)))
    tell(file, "UPDATE alembic_version SET version_num = '9999'", "CREATE TABLE newer (x)")
    with pytest.raises(MigrationFailed, match="newer version") as raised:
        await SqlStore(SqliteDatabase(file)).open()
    assert "install that version" in raised.value.hint
    assert ask(file, "SELECT version_num FROM alembic_version") == [("9999",)]
    assert ask(file, "SELECT count(*) FROM incidents") == [(1,)]


async def test_first_opening_by_three_at_once_makes_one_schema(file):
    async with AsyncExitStack() as every:
        stores = [SqlStore(SqliteDatabase(file)) for _ in range(3)]
        for store in stores:
            every.push_async_callback(store.close)
        await asyncio.gather(*(store.open() for store in stores))
        await stores[0].set_switch("paused", "yes", START)
        assert await stores[2].switch("paused") == "yes"


async def test_failing_migration_leaves_no_table(file):
    tell(file, "CREATE TABLE switches (mine)")
    with pytest.raises(MigrationFailed, match="switches"):
        await SqlStore(SqliteDatabase(file)).open()
    assert ask(file, "SELECT name FROM sqlite_master") == [("switches",)]


def schema(file):
    """Tables, columns, references, and indexes with their conditions."""
    tables = ask(file, "SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
    described = {
        name: [
            sorted(ask(file, f"PRAGMA {what}('{name}')"))
            for what in ("table_info", "foreign_key_list")
        ]
        + [sorted(row[2:] for row in ask(file, f"PRAGMA index_list('{name}')"))]
        for (name,) in tables
        if name != "alembic_version" and not name.startswith("sqlite_")
    }
    indexes = ask(file, "SELECT name, sql FROM sqlite_master WHERE type = 'index' AND sql > ''")
    return described, {name: " ".join(sql.split()) for name, sql in indexes}


async def test_migrations_lead_to_the_tables_of_the_code(file, tmp_path):
    async with opened(file):
        pass
    declared = tmp_path / "declared.sqlite3"
    engine = create_engine(f"sqlite:///{declared}")
    metadata.create_all(engine)
    engine.dispose()
    assert schema(file) == schema(declared)
    assert set(schema(file)[0]) == set(metadata.tables)


@pytest.mark.parametrize(
    ("table", "name"),
    [("incidents", "one_open_incident_per_key"), ("episodes", "one_open_episode_per_alert")],
)
async def test_database_itself_refuses_a_second_open_one(file, table, name):
    async with opened(file) as store:
        await store.accept([], whole(numbered(1)))
    (sql,) = ask(file, f"SELECT sql FROM sqlite_master WHERE name = '{name}'")[0]
    assert sql.startswith("CREATE UNIQUE INDEX")
    names = [row[1] for row in ask(file, f"PRAGMA table_info('{table}')")]
    others = ", ".join("'copy'" if n == "id" and table == "incidents" else n for n in names)
    others = others if table == "incidents" else others.replace("id,", "NULL,", 1)
    with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
        tell(file, f"INSERT INTO {table} SELECT {others} FROM {table}")


# --- opening and closing


async def test_store_that_is_not_open_is_unavailable(file):
    store = SqlStore(SqliteDatabase(file))
    await store.close()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="closed"):
            await store.ping()
        with pytest.raises(StoreUnavailable, match="closed"):
            await store.note([])
        await store.open()
        await store.ping()
        await store.close()
        await store.close()


async def test_close_lets_the_write_under_way_end(file):
    script = """
    async def main():
        store = SqlStore(SqliteDatabase(FILE))
        await store.open()
        began = asyncio.Event()

        def correlate(notifications, known):
            began.set()
            return whole(numbered(1)).decide(notifications, known)

        write = asyncio.ensure_future(store.accept([], Deciding(correlate)))
        waiting = asyncio.ensure_future(store.accept([], whole(numbered(2))))
        await began.wait()
        write.cancel()
        await store.close()
        results = await asyncio.gather(write, waiting, return_exceptions=True)
        say(*(type(result).__name__ for result in results))
    asyncio.run(main())
    """
    assert output_of(script, file) == ["CancelledError StoreUnavailable"]
    async with opened(file) as store:
        assert await stored_whole(store) == [numbered(1).id]


async def test_close_lets_reads_under_way_end(file):
    script = """
    async def main():
        store = SqlStore(SqliteDatabase(FILE))
        await store.open()
        await store.accept([], whole(numbered(1)))
        reads = [asyncio.ensure_future(store.incidents()) for _ in range(8)]
        for _ in range(3):
            await asyncio.sleep(0)
        await store.close()
        results = await asyncio.gather(*reads, return_exceptions=True)
        say(all(isinstance(r, StoreError) or len(r) == 1 for r in results))
    asyncio.run(main())
    """
    assert output_of(script, file) == ["True"]


async def test_many_readers_never_wait_for_the_writer(file):
    async with opened(file) as store:
        await store.accept([], whole(numbered(1)))
        inside, leave = asyncio.Event(), threading.Event()
        loop = asyncio.get_running_loop()

        def write(connection):
            connection.exec_driver_sql("UPDATE incidents SET title = 'unseen'")
            loop.call_soon_threadsafe(inside.set)
            assert leave.wait(10)

        writing = asyncio.create_task(store._database.write(write))
        await inside.wait()
        reads = asyncio.gather(*(store.incident(numbered(1).id) for _ in range(20)))
        seen = await asyncio.wait_for(reads, 5)
        assert {one.title for one in seen} == {numbered(1).title}
        leave.set()
        await writing
        assert (await store.incident(numbered(1).id)).title == "unseen"


async def test_search_for_text_the_disk_cannot_hold_finds_nothing(file):
    async with opened(file) as store:
        await store.accept([], whole(replace(numbered(1), title="plain")))
        assert await store.incidents(query="\ud800") == []
        assert await store.incidents(label={"\ud800": "\ud800"}) == []
