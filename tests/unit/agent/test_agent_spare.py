"""One is always ready; a dead, old or broken one is never used; nothing is left open."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from sre_daemon.agent import spare as module
from sre_daemon.agent.spare import Spare
from sre_daemon.errors import AgentUnavailable
from sre_daemon.tasks import Tasks


class Things:
    """Opens numbered things that must be closed by the task that opened them."""

    def __init__(self, slow=False, failures=0):
        self.opened, self.closed, self.dead = [], [], set()
        self.may_open = asyncio.Event()
        self.news = asyncio.Queue()
        self.failures = failures
        if not slow:
            self.may_open.set()

    @asynccontextmanager
    async def open(self):
        task = asyncio.current_task()
        if self.failures:
            self.failures -= 1
            raise AgentUnavailable("it does not start")
        await self.may_open.wait()
        number = len(self.opened) + 1
        self.opened.append(number)
        self.news.put_nowait(number)
        try:
            yield number
        finally:
            assert asyncio.current_task() is task
            self.closed.append(number)

    async def usable(self, thing):
        return thing not in self.dead


@pytest.fixture
async def tasks():
    made = Tasks()
    yield made
    await made.stop()
    assert not made.failed.is_set()


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_without_warming_each_take_opens_its_own():
    things = Things()
    spare = Spare(things.open, things.usable)
    for number in (1, 2):
        async with spare.take() as thing:
            assert thing == number
    assert things.closed == [1, 2]


async def test_next_one_is_ready_after_each_take(tasks):
    things = Things()
    spare = Spare(things.open, things.usable)
    spare.warm(tasks)
    await settle()
    assert things.opened == [1]
    async with spare.take() as thing:
        assert thing == 1
        await settle()
        # Not while the first one has just begun to work.
        assert things.opened == [1]
    await settle()
    assert (things.opened, things.closed) == ([1, 2], [1])


async def test_long_use_does_not_delay_the_next_one(tasks, monkeypatch):
    monkeypatch.setattr(module, "REFILL_SECONDS", 0.01)
    things = Things()
    spare = Spare(things.open, things.usable)
    spare.warm(tasks)
    async with spare.take():
        async with asyncio.timeout(5):
            assert [await things.news.get() for _ in range(2)] == [1, 2]
        async with spare.take() as second:
            assert second == 2


async def test_one_that_is_still_opening_is_waited_for(tasks):
    things = Things(slow=True)
    spare = Spare(things.open, things.usable)
    spare.warm(tasks)

    async def use():
        async with spare.take() as thing:
            return thing

    using = asyncio.ensure_future(use())
    await settle()
    things.may_open.set()
    assert await asyncio.wait_for(using, 5) == 1


async def test_dead_one_is_closed_and_another_opened(tasks):
    things = Things()
    spare = Spare(things.open, things.usable)
    spare.warm(tasks)
    await settle()
    things.dead.add(1)
    async with spare.take() as thing:
        assert thing == 2
        assert things.closed == [1]


async def test_old_one_is_closed_and_another_opened(tasks, monkeypatch):
    things = Things()
    spare = Spare(things.open, things.usable)
    spare.warm(tasks)
    await settle()
    monkeypatch.setattr(module, "MAX_AGE_SECONDS", -1.0)
    async with spare.take() as thing:
        assert thing == 2


async def test_broken_start_is_not_repeated_in_a_loop(tasks):
    things = Things(failures=2)
    spare = Spare(things.open, things.usable)
    spare.warm(tasks)
    await settle()
    # The taker tries by itself, and hears why it does not work.
    with pytest.raises(AgentUnavailable):
        async with spare.take():
            pass
    async with spare.take() as thing:
        assert thing == 1
    await settle()
    assert things.opened == [1]


async def test_error_of_the_user_passes_and_the_thing_is_closed(tasks):
    things = Things()
    spare = Spare(things.open, things.usable)
    spare.warm(tasks)
    with pytest.raises(KeyError):
        async with spare.take():
            raise KeyError
    assert things.closed == [1]


async def test_cancelled_user_leaves_nothing_open(tasks):
    things = Things()
    spare = Spare(things.open, things.usable)
    spare.warm(tasks)

    async def use():
        async with spare.take():
            await asyncio.Event().wait()

    using = asyncio.ensure_future(use())
    await settle()
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert things.closed == [1]


async def test_waiting_one_is_closed_when_all_ends():
    things, tasks = Things(), Tasks()
    spare = Spare(things.open, things.usable)
    spare.warm(tasks)
    await settle()
    await tasks.stop()
    assert (things.opened, things.closed) == ([1], [1])
