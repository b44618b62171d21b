"""What the tables of chats must do on every database."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.thread import Thread
from sre_daemon.store.base import Store
from sre_daemon.store.database import Database
from sre_daemon.store.threads import Threads
from tests.contracts.store import given, later, numbered
from tests.support.clock import START


def thread(incident, place="slack", **values):
    return Thread(place, incident.id, "C1", START, "r1", **values)


async def ch01_thread_is_found_by_incident_and_by_message(store: Store, database: Database) -> None:
    (one,) = await given(store, numbered(1))
    threads = Threads(database)
    assert await threads.of("slack", one.id) is None
    begun = await threads.begin(thread(one))
    kept = await threads.keep(replace(begun, ts="1.2", data={"lines": ["a", "\u00e9"], "n": 1}))
    assert await threads.of("slack", one.id) == kept
    assert await threads.at("C1", "1.2") == kept
    assert await threads.at("C1", "1.3") is None
    assert await threads.at("C2", "1.2") is None


async def ch02_first_to_begin_a_thread_has_it(store: Store, database: Database) -> None:
    (one,) = await given(store, numbered(1))
    threads = Threads(database)
    wanted = [replace(thread(one), owner=f"r{n}") for n in range(5)]
    found = await asyncio.gather(*(threads.begin(item) for item in wanted))
    assert len({item.owner for item in found}) == 1
    assert await threads.begin(thread(one, "asked")) == thread(one, "asked")


async def ch03_event_is_new_once_in_the_whole_fleet(store: Store, database: Database) -> None:
    threads = Threads(database)
    firsts = await asyncio.gather(*(threads.first("e1", START) for _ in range(5)))
    assert sorted(firsts) == [False] * 4 + [True]
    assert not await threads.knows("e2")
    assert await threads.first("e2", START)
    assert await threads.knows("e2")
    assert not await threads.first("e1", later(9))


async def ch04_threads_go_with_their_incident_and_events_after_days(
    store: Store, database: Database
) -> None:
    (one,) = await given(store, numbered(1, State.CLOSED))
    threads = Threads(database)
    await threads.begin(thread(one))
    await threads.first("old", START)
    day = START + timedelta(days=1)
    await store.forget(START, START, 10, day)
    assert not await threads.first("old", day)
    far = START + timedelta(days=400)
    await store.forget(far, far, 10, far)
    assert await threads.of("slack", one.id) is None
    assert await threads.first("old", far)


Behaviour = Callable[[Store, Database], Awaitable[None]]
BEHAVIOURS: tuple[Behaviour, ...] = tuple(
    item for name, item in list(vars().items()) if name.startswith("ch0")
)
