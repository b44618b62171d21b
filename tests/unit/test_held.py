"""What is held is opened and closed whole, by one task, whatever happens to who asked for it."""

import asyncio
from contextlib import asynccontextmanager

import pytest

from sre_daemon.held import Held, held


class Door:
    """Opens and closes in two steps, and notes each of them with its task."""

    def __init__(self, fails=None):
        self.fails = fails
        self.may_open, self.may_close = asyncio.Event(), asyncio.Event()
        self.may_open.set()
        self.may_close.set()
        self.noted, self.tasks = [], set()

    def note(self, word):
        self.noted.append(word)
        self.tasks.add(asyncio.current_task())

    @asynccontextmanager
    async def open(self):
        self.note("opening")
        await self.may_open.wait()
        if self.fails == "opening":
            raise KeyError("opening")
        self.note("open")
        try:
            yield self
        finally:
            self.note("closing")
            await self.may_close.wait()
            self.note("closed")
        if self.fails == "closing":
            raise KeyError("closing")


WHOLE = ["opening", "open", "closing", "closed"]


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_it_is_opened_and_closed_by_one_task_that_is_not_the_callers():
    door = Door()
    async with held(door.open) as opened:
        assert opened is door
    assert door.noted == WHOLE
    assert len(door.tasks - {asyncio.current_task()}) == len(door.tasks) == 1


async def test_cancelling_the_caller_while_it_closes_does_not_cut_the_close_short():
    door = Door()
    door.may_close.clear()

    async def use():
        async with held(door.open):
            pass

    using = asyncio.create_task(use())
    await settle()
    assert door.noted[-1] == "closing"
    for _ in range(3):
        using.cancel()
        await settle()
    assert not using.done()
    door.may_close.set()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert door.noted == WHOLE


async def test_cancelling_the_caller_while_it_opens_stops_the_opening():
    door = Door()
    door.may_open.clear()

    async def use():
        async with held(door.open):
            raise AssertionError("it never opened")

    using = asyncio.create_task(use())
    await settle()
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert door.noted == ["opening"]


async def test_what_is_closed_before_it_began_is_never_opened():
    door = Door()
    await Held(door.open).close()
    assert door.noted == []


async def test_failed_opening_is_told_to_the_caller():
    with pytest.raises(KeyError, match="opening"):
        async with held(Door("opening").open):
            raise AssertionError("it never opened")


async def test_failed_closing_is_logged_and_does_not_replace_the_callers_error(capsys):
    with pytest.raises(LookupError, match="mine"):
        async with held(Door("closing").open):
            raise LookupError("mine")
    assert "not closed cleanly" in capsys.readouterr().out


async def test_what_is_kept_is_closed_when_its_keeper_is_cancelled():
    door = Door()
    holder = Held(door.open)
    keeper = asyncio.create_task(holder.kept())
    assert await holder.ready() is door
    keeper.cancel()
    with pytest.raises(asyncio.CancelledError):
        await keeper
    assert door.noted == WHOLE
