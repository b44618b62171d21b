import asyncio

from sre_daemon.agent import watchdog as module
from sre_daemon.agent.watchdog import Watchdog
from sre_daemon.errors import AgentLimitReached, AgentTimeout, AgentUnavailable


class Target:
    """Something that can be killed at the n-th attempt."""

    def __init__(self, attempts=1):
        self.left = attempts
        self.dead = asyncio.Event()

    def kill(self):
        self.left -= 1
        if self.left <= 0:
            self.dead.set()
        return self.left <= 0


async def test_deadline_kills_and_says_so():
    target = Target()
    watchdog = Watchdog(target.kill, deadline=0.01, silence=60)
    await asyncio.wait_for(target.dead.wait(), 5)
    assert isinstance(watchdog.failure, AgentTimeout)


async def test_process_that_is_only_starting_is_killed_later():
    target = Target(attempts=3)
    Watchdog(target.kill, deadline=0.01, silence=60)
    await asyncio.wait_for(target.dead.wait(), 5)


async def test_silence_kills_before_the_deadline():
    target = Target()
    watchdog = Watchdog(target.kill, deadline=60, silence=0.01)
    await asyncio.wait_for(target.dead.wait(), 5)
    assert isinstance(watchdog.failure, AgentUnavailable)
    watchdog.stop()


async def test_run_that_is_heard_of_lives_on():
    target = Target()
    watchdog = Watchdog(target.kill, deadline=60, silence=0.2)
    for _ in range(10):
        await asyncio.sleep(0.05)
        watchdog.touch()
    assert not target.dead.is_set()
    watchdog.stop()


async def test_stopped_watchdog_kills_nothing():
    target = Target()
    watchdog = Watchdog(target.kill, deadline=0.01, silence=0.01)
    watchdog.stop()
    await asyncio.sleep(0.05)
    assert not target.dead.is_set()
    assert watchdog.failure is None


async def test_run_that_takes_too_much_is_killed(monkeypatch):
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.01)
    target, answers = Target(), [None, None, AgentLimitReached("the disk is full")]
    watchdog = Watchdog(target.kill, deadline=60, silence=60, look=lambda: answers.pop(0))
    await asyncio.wait_for(target.dead.wait(), 5)
    assert watchdog.failure.reason == "the disk is full"
    assert answers == []
