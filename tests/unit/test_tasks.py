"""Background tasks: watched, bounded by a guard, stopped in order."""

import asyncio

import pytest

from sre_daemon.tasks import Tasks, race


async def forever(cancelled):
    try:
        await asyncio.Event().wait()
    finally:
        cancelled.set()


async def value():
    return 7


async def broken():
    raise LookupError("a defect")


async def test_the_result_wins_and_the_guard_is_gone():
    gone = asyncio.Event()
    assert await race(value(), forever(gone)) == 7
    assert gone.is_set()


async def test_a_guard_that_ends_first_cancels_the_work():
    gone = asyncio.Event()

    async def guard():
        await asyncio.sleep(0)

    assert await race(forever(gone), guard()) is None
    assert gone.is_set()


async def test_an_error_of_the_work_is_raised():
    with pytest.raises(LookupError):
        await race(broken(), forever(asyncio.Event()))


async def test_a_cancelled_caller_cancels_both():
    one, other = asyncio.Event(), asyncio.Event()
    task = asyncio.create_task(race(forever(one), forever(other)))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert one.is_set()
    assert other.is_set()


async def test_a_dead_task_is_noticed():
    tasks = Tasks()
    tasks.spawn("good", value())
    await asyncio.sleep(0.01)
    assert not tasks.failed.is_set()
    tasks.spawn("bad", broken())
    async with asyncio.timeout(5):
        await tasks.failed.wait()


async def test_stopping_cancels_and_is_no_failure():
    tasks, gone = Tasks(), asyncio.Event()
    tasks.spawn("endless", forever(gone))
    await asyncio.sleep(0)
    await tasks.stop()
    assert gone.is_set()
    assert not tasks.failed.is_set()
