"""A person takes an incident over or gives it back, whatever the daemon is doing with it."""

import pytest

from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import StoreConflict, WrongState
from sre_daemon.pipeline.handover import Handover
from sre_daemon.store.place import database
from sre_daemon.store.sql import SqlStore
from tests.support.clock import ManualClock
from tests.support.correlation import fixed
from tests.support.factories import REPAIR, incident
from tests.support.front import Heard


@pytest.fixture
async def store(tmp_path):
    opened = SqlStore(database("memory", tmp_path, ""))
    await opened.open()
    yield opened
    await opened.close()


async def given(store, state, **values):
    one = incident(state, **values)
    await store.accept([], fixed(opened=[one]))
    heard = Heard()
    return one, heard, Handover(store, heard, ManualClock())


TAKEABLE = sorted(set(State) - {State.ESCALATED, State.RESOLVED, State.CLOSED})


@pytest.mark.parametrize("state", TAKEABLE)
async def test_a_person_takes_over_whatever_is_under_way(store, state):
    one, heard, handover = await given(store, state)
    moved = await handover.escalate(one.id, "I look myself", "paul")
    assert moved.state is State.ESCALATED
    assert await store.incident(one.id) == moved
    hands, fact = await store.timeline(one.id)
    assert (hands.kind, hands.data) == (Kind.HANDS, {"who": "paul"})
    assert fact.kind is Kind.STATE
    assert fact.summary == f"{state} -> escalated: taken over by paul: I look myself"
    assert fact.data["reason"] == "taken_over"
    assert heard.moves == [(state, State.ESCALATED, Reason.TAKEN_OVER)]


async def test_handed_back_is_investigated_anew_and_at_once(store):
    found = {"diagnosis": {"conclusive": False}, "run": "r1"}
    data = {**found, "recurred": 4, "flapping": True, "before": {"q": 1}}
    one, heard, handover = await given(store, State.ESCALATED, attempt=1, data=data)
    moved = await handover.hand_back(one.id, "the disk is fixed", "paul")
    assert moved.state is State.INVESTIGATING
    # What was found is forgotten, what was done is not.
    assert (dict(moved.data), moved.recurrences, moved.attempt) == ({"before": {"q": 1}}, 0, 1)
    assert (await store.timeline(one.id))[0].summary.endswith(
        "handed back by paul: the disk is fixed"
    )
    assert heard.moves == [(State.ESCALATED, State.INVESTIGATING, Reason.HANDED_BACK)]
    assert heard.wakes == 1


@pytest.mark.parametrize(
    ("state", "says"),
    [
        (State.ESCALATED, "waits for a person already"),
        (State.RESOLVED, "is resolved"),
        (State.CLOSED, "is closed"),
    ],
)
async def test_what_is_over_or_a_persons_cannot_be_taken_over(store, state, says):
    one, heard, handover = await given(store, state)
    with pytest.raises(WrongState, match=says):
        await handover.escalate(one.id, "mine", "paul")
    assert await store.incident(one.id) == one
    assert (await store.timeline(one.id), heard.moves) == ([], [])


@pytest.mark.parametrize("state", sorted(set(State) - {State.ESCALATED}))
async def test_only_what_a_person_has_is_handed_back(store, state):
    one, heard, handover = await given(store, state)
    with pytest.raises(WrongState):
        await handover.hand_back(one.id, "go on", "paul")
    assert await store.incident(one.id) == one
    assert (await store.timeline(one.id), heard.moves) == ([], [])


async def test_what_was_begun_is_told_to_the_person(store):
    one, _, handover = await given(store, State.REMEDIATING, attempt=1)
    mine = await store.claim("worker", ManualClock().at, ManualClock().at - ManualClock().at)
    first, second = await store.plan(mine, mine.fence, Direction.FORWARD, REPAIR, mine.created_at)
    await store.intend(first.id, mine.fence, [State.REMEDIATING], mine.created_at)
    await store.settle(first.id, EffectState.APPLIED, {}, mine.created_at)
    await store.intend(second.id, mine.fence, [State.REMEDIATING], mine.created_at)
    await handover.escalate(one.id, "stop", "paul")
    _, fact = await store.timeline(one.id)
    assert "(so far: set DB_POOL_SIZE in config/api-server.env" in fact.summary
    assert "applied; redeploy api-server: intended)" in fact.summary
    # The worker that was at it can write nothing about it any more, and intend nothing.
    with pytest.raises(StoreConflict):
        await store.save(mine, mine.fence)


class Busy(SqlStore):
    """An alert joins just before each of the first writes."""

    conflicts = 3

    async def transition(self, incident, events):
        if self.conflicts:
            self.conflicts -= 1
            fresh = await self.incident(incident.id)
            await super().transition(fresh.noting(joined=self.conflicts), [])
        return await super().transition(incident, events)


@pytest.mark.parametrize(("conflicts", "works"), [(3, True), (99, False)])
async def test_alerts_that_join_meanwhile_are_kept(tmp_path, conflicts, works):
    store = Busy(database("memory", tmp_path, ""))
    store.conflicts = conflicts
    await store.open()
    one, _, handover = await given(store, State.INVESTIGATING)
    if works:
        moved = await handover.escalate(one.id, "mine", "paul")
        assert moved.data == {"joined": 0}
    else:
        with pytest.raises(StoreConflict):
            await handover.escalate(one.id, "mine", "paul")
    await store.close()


async def test_what_is_gone_is_said(store):
    _, _, handover = await given(store, State.INVESTIGATING)
    with pytest.raises(WrongState, match="there is no incident"):
        await handover.escalate("nothing", "mine", "paul")
