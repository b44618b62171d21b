"""The sweep and the heartbeat: quiet incidents end, a silent path is told."""

from datetime import timedelta

import pytest

from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.intake.rules import Rules
from sre_daemon.pipeline.heartbeat import Heartbeat
from sre_daemon.pipeline.sweep import Sweep
from sre_daemon.store.base import WATCHDOG
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import MemoryDatabase
from tests.support.clock import START, ManualClock
from tests.support.correlation import fixed
from tests.support.factories import alert, incident

QUIET = timedelta(minutes=5)


@pytest.fixture
async def store():
    opened = SqlStore(MemoryDatabase())
    await opened.open()
    yield opened
    await opened.close()


async def swept(store, state, *, opened, after, **data):
    """The state after a sweep so many seconds after the last report."""
    episode = StoredAlert(alert(), "01incident0001", START, START, 1, open=opened)
    await store.accept([], fixed(opened=[incident(state, data=data)], episodes=[episode]))
    clock = ManualClock()
    clock.advance(after)
    await Sweep(store, QUIET, Rules(), clock)()
    return (await store.incident("01incident0001")).state


@pytest.mark.parametrize(
    ("state", "opened", "after", "then"),
    [
        (State.ESCALATED, False, 300, State.RESOLVED),
        (State.ESCALATED, False, 299, State.ESCALATED),
        (State.ESCALATED, True, 9999, State.ESCALATED),
        (State.VERIFYING, False, 9999, State.VERIFYING),
        (State.CLOSED, False, 9999, State.CLOSED),
    ],
)
async def test_only_what_waits_for_a_person_and_is_quiet_is_ended(
    store, state, opened, after, then
):
    assert await swept(store, state, opened=opened, after=after) is then


@pytest.mark.parametrize(("after", "then"), [(1799, State.ESCALATED), (1800, State.RESOLVED)])
async def test_what_flapped_must_be_quiet_for_longer(store, after, then):
    assert await swept(store, State.ESCALATED, opened=False, after=after, flapping=True) is then


async def test_what_correlation_need_not_remember_is_let_go(store):
    await swept(store, State.RESOLVED, opened=False, after=Rules().memory.total_seconds())
    assert await store.forget_endings(START + timedelta(days=1)) == 1
    await store.accept([], fixed())
    clock = ManualClock()
    clock.advance(Rules().memory.total_seconds() + 1)
    episode = StoredAlert(alert(pod="b"), "01incident0001", START, START, 1, open=False)
    await store.accept([], fixed(episodes=[episode]))
    await Sweep(store, QUIET, Rules(), clock)()
    assert await store.forget_endings(START + timedelta(days=1)) == 0


async def test_the_end_is_in_the_timeline(store):
    await swept(store, State.ESCALATED, opened=False, after=300)
    (event,) = await store.timeline("01incident0001")
    assert (event.data["to"], event.data["reason"]) == ("resolved", "quiet")


async def test_more_than_one_page_is_swept(store):
    many = [incident(State.ESCALATED, id=f"i-{n:04}", key=str(n)) for n in range(450)]
    await store.accept([], fixed(opened=many))
    clock = ManualClock()
    clock.advance(600)
    await Sweep(store, QUIET, Rules(), clock)()
    assert (await store.totals()).incidents[State.RESOLVED] == 450


class People:
    """Who is told."""

    def __init__(self):
        self.heard = []

    async def tell(self, title, text):
        self.heard.append(title)


async def test_a_path_that_went_silent_is_told_once_and_its_return_too(store):
    people, clock = People(), ManualClock()
    look = Heartbeat(store, people, timedelta(minutes=10), clock)
    await look()
    assert people.heard == []  # never seen: not configured
    await store.accept([], fixed(heartbeat=START))
    clock.advance(600)
    await look()
    assert people.heard == []
    clock.advance(1)
    await look()
    await look()
    await Heartbeat(store, people, timedelta(minutes=10), clock)()  # after a restart
    assert people.heard == ["no alert may be reaching sre-daemon"]
    await store.set_switch(WATCHDOG, clock.now().isoformat(), clock.now())
    await look()
    await look()
    assert people.heard[1:] == ["alerts reach sre-daemon again"]
