"""Several replicas over one PostgreSQL: killed, paused, cut off; every incident is worked once."""

import asyncio
import os
import signal
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sre_daemon.domain.lifecycle import State
from sre_daemon.store.place import database
from sre_daemon.store.sql import SqlStore
from stack.postgres import PASSWORD
from tests.support.correlation import fixed
from tests.support.factories import incident

LEASE = 2
PATH = ["triggered", "investigating", "diagnosed", "remediating", "verifying", "resolved", "closed"]


@asynccontextmanager
async def fleet(url, names):
    """The replicas, as processes by name; all are gone at the end."""
    running = {}
    for name in names:
        running[name] = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.support.replica", url, name, str(LEASE)),
            stdout=asyncio.subprocess.DEVNULL,
            cwd=Path(__file__).parents[2],
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    try:
        yield running
    finally:
        for process in running.values():
            if process.returncode is None:
                process.kill()
            await process.wait()


@pytest.fixture
async def shared(postgres, tmp_path):
    """A store with thirty incidents, and its address."""
    url = postgres.database()
    store = SqlStore(database(url, tmp_path, PASSWORD))
    await store.open()
    many = [incident(id=f"i-{n:03}", key=str(n)) for n in range(30)]
    await store.accept([], fixed(opened=many))
    yield store, url
    await store.close()


async def until(store, state, number, within=40):
    async with asyncio.timeout(within):
        while True:
            if (await store.totals()).incidents[state] >= number:
                return
            await asyncio.sleep(0.05)


async def owners(store):
    """Who moved each incident along; fails when one was not moved exactly along the path."""
    who = set()
    for item in await store.incidents(limit=100):
        moves = [event for event in await store.timeline(item.id) if event.kind == "state"]
        assert [event.data["from"] for event in moves] == PATH[:-1]
        assert [event.data["to"] for event in moves] == PATH[1:]
        who |= {event.summary.rpartition(" ")[2] for event in moves}
    return who


async def test_replicas_share_the_work_and_do_none_of_it_twice(shared):
    store, url = shared
    async with fleet(url, ["a", "b", "c"]):
        await until(store, State.CLOSED, 30)
    assert await owners(store) == {"a", "b", "c"}


async def test_a_killed_replica_is_taken_over_within_a_lease(shared):
    store, url = shared
    async with fleet(url, ["a", "b"]) as running:
        await until(store, State.CLOSED, 3)
        running["a"].kill()
        await until(store, State.CLOSED, 30)
    assert "b" in await owners(store)


async def test_a_paused_replica_that_wakes_up_late_writes_nothing(shared):
    store, url = shared
    async with fleet(url, ["a", "b"]) as running:
        await until(store, State.CLOSED, 3)
        running["a"].send_signal(signal.SIGSTOP)
        await until(store, State.CLOSED, 30)
        running["a"].send_signal(signal.SIGCONT)
        # Whatever it had in hand it would write now; one more piece of work shows that it is alive.
        running["b"].kill()
        await store.accept([], fixed(opened=[incident(id="i-last", key="last")]))
        await until(store, State.CLOSED, 31)
    assert await owners(store) == {"a", "b"}


async def test_replicas_that_are_cut_off_again_and_again_do_all_the_work_once(shared, postgres):
    _, url = shared
    async with fleet(url, ["a", "b", "c"]):
        for _ in range(5):
            await asyncio.sleep(0.3)
            await asyncio.to_thread(postgres.disconnect)
        reader = SqlStore(database(url, Path(), PASSWORD))
        await reader.open()
        await until(reader, State.CLOSED, 30)
    await owners(reader)
    await reader.close()
