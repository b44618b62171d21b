"""PostgreSQL under stress: killed, restarted, cut off, several replicas at once."""

import asyncio

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from sre_daemon.errors import ConfigError, DaemonError, StoreConflict, StoreUnavailable
from sre_daemon.store.place import database
from sre_daemon.store.postgres import address
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.tables import metadata
from stack.postgres import PASSWORD
from tests.support.correlation import fixed
from tests.support.factories import alert, incident, notification
from tests.support.postgres import Server


@pytest.fixture
async def replicas(postgres, tmp_path):
    """Two stores over one database."""
    url = postgres.database()
    stores = [SqlStore(database(url, tmp_path, PASSWORD)) for _ in range(2)]
    # At once, as after an update of the whole fleet.
    await asyncio.gather(*(store.open() for store in stores))
    yield stores
    for store in stores:
        await store.close()


async def put(store, number):
    new = incident(id=f"i-{number:05}", key=str(number))
    said = notification(alert(), body=b"%d" % number)
    await store.accept([said], fixed(opened=[new]))


async def patiently(call, *arguments):
    """As Alertmanager does: again, until it is stored."""
    async with asyncio.timeout(30):
        while True:
            try:
                return await call(*arguments)
            except StoreUnavailable:
                await asyncio.sleep(0.1)
            except StoreConflict:
                return None  # stored by the try whose answer was lost


async def test_replicas_see_each_others_work_and_are_woken(replicas):
    one, other = replicas
    woken = asyncio.Event()
    listener = asyncio.create_task(other.listen(woken.set))
    async with asyncio.timeout(10):
        await woken.wait()  # it listens
        woken.clear()
        await put(one, 1)
        await woken.wait()
    assert [item.id for item in await other.incidents()] == ["i-00001"]
    listener.cancel()


async def test_a_listener_survives_a_cut_connection(replicas, postgres):
    one, other = replicas
    woken = asyncio.Event()
    listener = asyncio.create_task(other.listen(woken.set))
    async with asyncio.timeout(20):
        await woken.wait()
        woken.clear()
        postgres.disconnect()
        await woken.wait()  # it listens again
        woken.clear()
        await patiently(put, one, 1)
        await woken.wait()
    listener.cancel()


async def test_cut_connections_lose_nothing_that_was_acknowledged(replicas, postgres):
    one, _ = replicas
    acknowledged = []

    async def write(start):
        for number in range(start, start + 60):
            await patiently(put, one, number)
            acknowledged.append(number)

    async def cut():
        for _ in range(8):
            await asyncio.sleep(0.05)
            await asyncio.to_thread(postgres.disconnect)

    await asyncio.gather(write(0), write(1000), write(2000), cut())
    kept = await one.incidents(limit=1000)
    assert sorted(int(item.id[2:]) for item in kept) == sorted(acknowledged)
    assert len(kept) == 180


async def test_a_killed_server_is_unavailable_and_comes_back_with_everything(tmp_path):
    server = Server()
    try:
        store = SqlStore(database(server.database(), tmp_path, PASSWORD))
        await store.open()
        await put(store, 1)
        await asyncio.to_thread(server.kill)
        with pytest.raises(StoreUnavailable):
            await put(store, 2)
        with pytest.raises(StoreUnavailable):
            await store.incidents()
        await asyncio.to_thread(server.start)
        await patiently(put, store, 3)
        kept = {item.id for item in await patiently(store.incidents)}
        assert kept == {"i-00001", "i-00003"}
        await store.close()
    finally:
        await asyncio.to_thread(server.stop)


async def test_migrations_make_the_tables_that_the_code_uses(replicas):
    def compare(connection):
        return compare_metadata(MigrationContext.configure(connection), metadata)

    assert await replicas[0]._database.read(compare) == []


async def test_commits_are_durable(replicas):
    def setting(connection):
        return connection.exec_driver_sql("SHOW synchronous_commit").scalar()

    assert await replicas[0]._database.read(setting) == "on"


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://u:secret@h/db",
        "postgresql://u@h",
        "mysql://u@h/db",
        "postgresql://u@h:port/db",
        "nonsense",
    ],
)
def test_an_unusable_address_is_refused_without_showing_a_password(url):
    with pytest.raises(ConfigError) as refused:
        address(url, "")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize("change", ["password", "port", "name"])
async def test_a_database_that_cannot_be_entered_is_an_error_without_the_password(
    postgres, tmp_path, change
):
    url = postgres.database()
    password = "wrong-secret" if change == "password" else PASSWORD
    if change == "port":
        url = url.replace(f":{postgres.port}/", ":1/")
    if change == "name":
        url += "_missing"
    store = SqlStore(database(url, tmp_path, password))
    with pytest.raises(DaemonError) as failed:
        await store.open()
    assert "wrong-secret" not in str(failed.value)
    await store.close()
