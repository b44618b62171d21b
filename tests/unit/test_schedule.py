"""Periodic jobs: one run at a time, one turn in the fleet, and one run for many reasons."""

import asyncio
from datetime import timedelta

from sre_daemon.clock import SystemClock
from sre_daemon.schedule import Schedule

HOUR = timedelta(hours=1)


class Turns:
    """Whose turn it is."""

    def __init__(self, mine=True):
        self.mine = mine
        self.asked = asyncio.Event()

    async def take_turn(self, job, owner, now, every):
        self.asked.set()
        return self.mine


class Held(SystemClock):
    """Sleeps until it is let go."""

    def __init__(self):
        self.go = asyncio.Event()
        self.slept = []

    async def sleep(self, seconds):
        self.slept.append(seconds)
        await self.go.wait()


class Job:
    """Counts its runs, each of which ends when told."""

    def __init__(self):
        self.begun = 0
        self.began = asyncio.Event()
        self.end = asyncio.Event()

    async def __call__(self):
        self.begun += 1
        self.began.set()
        await self.end.wait()


async def settle():
    """Let everything that can go on go on."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_many_reasons_are_one_run():
    clock, job = Held(), Job()
    schedule = Schedule(Turns(), "a", clock)
    schedule.every("look", HOUR, job)
    for _ in range(50):
        schedule.soon("look")
    await settle()
    assert job.begun == 0
    clock.go.set()
    job.end.set()
    await settle()
    assert (job.begun, len(clock.slept)) == (1, 1)
    await schedule._tasks.stop()


async def test_a_reason_during_a_run_is_another_run_after_it():
    clock, job = Held(), Job()
    clock.go.set()
    schedule = Schedule(Turns(), "a", clock)
    schedule.every("look", HOUR, job)
    schedule.soon("look")
    await asyncio.wait_for(job.began.wait(), 5)
    schedule.soon("look")
    await settle()
    assert job.begun == 1
    job.end.set()
    await settle()
    assert job.begun == 2
    await schedule._tasks.stop()


async def test_a_job_that_nobody_has_is_no_reason():
    schedule = Schedule(Turns(), "a", Held())
    schedule.soon("reconcile")
    await settle()
    assert not schedule._tasks._tasks


async def test_it_runs_at_once_when_it_is_our_turn_and_never_when_it_is_not():
    for mine in (True, False):
        turns, job = Turns(mine), Job()
        schedule = Schedule(turns, "a", SystemClock())
        schedule.every("look", HOUR, job)
        schedule.start()
        await asyncio.wait_for(turns.asked.wait(), 5)
        await settle()
        assert job.begun == mine
        await schedule.stop()


async def test_a_job_that_fails_runs_again():
    runs = []

    async def failing():
        runs.append(1)
        raise ZeroDivisionError

    clock = Held()
    clock.go.set()
    schedule = Schedule(Turns(), "a", clock)
    schedule.every("look", HOUR, failing)
    for _ in range(2):
        schedule.soon("look")
        await settle()
    assert len(runs) == 2
    assert not schedule._tasks.failed.is_set()
    await schedule._tasks.stop()
