"""Hands off, the record of policies, and the last word before an intent, over every backend."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.domain.trial import Trial, TrialOutcome
from sre_daemon.errors import DaemonError
from sre_daemon.store.audit import AuditLog
from sre_daemon.store.base import Writes
from sre_daemon.store.hands import Hands
from sre_daemon.store.pauses import Pauses
from sre_daemon.store.place import database
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.trials import Trials
from stack.postgres import PASSWORD
from tests.support.clock import START
from tests.support.correlation import fixed_writes
from tests.support.factories import SET_POOL, incident

BACKENDS = ("memory", "sqlite", "postgres")
LEASE = timedelta(minutes=5)
ACTING = (State.REMEDIATING,)


class Full(DaemonError):
    """The limit of the test is reached."""


@pytest.fixture(params=BACKENDS)
async def place(request, tmp_path):
    """A database that is new, open and empty."""
    kind = request.param
    where = request.getfixturevalue("postgres").database() if kind == "postgres" else kind
    opened = database(where, tmp_path, PASSWORD)
    await opened.open()
    yield opened
    await opened.close()


async def repairing(store, number=1):
    """An incident in the middle of its repair, with one planned effect on a target of its own."""
    one = incident(
        State.REMEDIATING, id=f"01incident{number:04}", key=f"key-{number}", attempt=1, policy="p"
    )
    await store.accept([], fixed_writes(Writes(opened=[one])))
    claimed = await store.claim(f"worker/{number}", START, LEASE)
    effect = replace(SET_POOL, key=f"KEY_{number}")
    (record,) = await store.plan(claimed, claimed.fence, Direction.FORWARD, [effect], START)
    return claimed, record


def one_in_all(moment):
    """A limit as a policy would have it: one repair in the whole fleet."""
    if moment.acted:
        raise Full("one was begun already")


async def test_hands_off_is_told_once_and_given_back(place):
    store, hands = SqlStore(place), Hands(place)
    one, _ = await repairing(store)
    assert await hands.of(one.id) is None
    assert await hands.off(one.id, "paul", "I look at it", START)
    assert not await hands.off(one.id, "ada", "me too", START)
    hold = await hands.of(one.id)
    assert (hold.who, hold.reason, hold.since) == ("paul", "I look at it", START)
    assert await hands.on(one.id, "paul", "done", START)
    assert not await hands.on(one.id, "paul", "done", START)
    assert await hands.of(one.id) is None
    told = [event for event in await store.timeline(one.id) if event.kind is Kind.HANDS]
    assert [event.data["who"] for event in told] == ["paul", "paul"]
    assert [line.entry.who for line in await AuditLog(place).page()] == ["paul", "paul"]


async def test_the_last_word_sees_all_that_is_stored(place):
    store = SqlStore(place)
    one, record = await repairing(store)
    await Pauses(place).pause("release", "ada", START)
    await Hands(place).off(one.id, "paul", "mine", START)
    seen = []
    await store.intend(record.id, one.fence, ACTING, START, seen.append)
    (moment,) = seen
    assert moment.paused == "ada: release"
    assert moment.hold.who == "paul"
    assert moment.approval is None
    # In the same transaction: its own intent is counted, and limits leave it out.
    assert [item.incident_id for item in moment.acted] == [one.id]
    assert moment.opened == [one.created_at]


async def test_what_the_last_word_refuses_leaves_no_intent(place):
    store = SqlStore(place)
    one, record = await repairing(store)

    def refuse(_moment):
        raise Full("no")

    with pytest.raises(Full):
        await store.intend(record.id, one.fence, ACTING, START, refuse)
    (stored,) = await store.effects(one.id)
    assert (stored.state, stored.intended_at) == (EffectState.PLANNED, None)


def trial(outcome, attempt=1, **values):
    base = Trial("p", "i1", attempt, Autonomy.ASK, outcome, START, "d")
    return replace(base, **values)


async def test_a_trial_is_recorded_once_with_what_is_told_about_it(place):
    store, trials = SqlStore(place), Trials(place)
    one, _ = await repairing(store)
    fact = TimelineEvent(one.id, START, Kind.AUTONOMY, "p: failed")
    first = trial(TrialOutcome.FAILED, incident_id=one.id)
    assert await trials.add(first, [fact])
    assert not await trials.add(first, [fact])
    assert await trials.add(trial(TrialOutcome.VERIFIED, 2))
    assert await trials.of(["p"]) == [first, trial(TrialOutcome.VERIFIED, 2)]
    assert await trials.of(["q"]) == []
    kinds = [event.kind for event in await store.timeline(one.id)]
    assert kinds == [Kind.AUTONOMY]


async def test_only_failures_of_the_window_are_counted(place):
    trials = Trials(place)
    await trials.add(trial(TrialOutcome.FAILED, 1, at=START - timedelta(hours=2)))
    await trials.add(trial(TrialOutcome.FAILED, 2))
    await trials.add(trial(TrialOutcome.FALSE_SUCCESS, 2))
    await trials.add(trial(TrialOutcome.VERIFIED, 3))
    await trials.add(trial(TrialOutcome.UNKNOWN, 4))
    assert await trials.bad_since(START - timedelta(hours=1)) == 2


@pytest.mark.parametrize("round_", range(5))
async def test_replicas_that_race_stay_within_a_limit(postgres, tmp_path, round_):
    where = postgres.database()
    places = [database(where, tmp_path, PASSWORD) for _ in range(4)]
    for place in places:
        await place.open()
    try:
        stores = [SqlStore(place) for place in places]
        mine = [await repairing(store, number) for number, store in enumerate(stores, 1)]

        def admit(own):
            def check(moment):
                if [item for item in moment.acted if item.incident_id != own]:
                    raise Full("another one began")

            return check

        outcomes = await asyncio.gather(
            *(
                store.intend(record.id, one.fence, ACTING, START, admit(one.id))
                for store, (one, record) in zip(stores, mine, strict=True)
            ),
            return_exceptions=True,
        )
        refused = [item for item in outcomes if isinstance(item, Full)]
        assert len(refused) == len(stores) - 1
    finally:
        for place in places:
            await place.close()


@pytest.mark.parametrize("round_", range(5))
async def test_after_a_pause_has_returned_no_intent_is_written(postgres, tmp_path, round_):
    where = postgres.database()
    places = [database(where, tmp_path, PASSWORD) for _ in range(2)]
    for place in places:
        await place.open()
    try:
        store, pauses = SqlStore(places[0]), Pauses(places[1])
        one, record = await repairing(store)
        order = []

        def admit(moment):
            if moment.paused is not None:
                raise Full("paused")

        async def begin():
            await store.intend(record.id, one.fence, ACTING, START, admit)
            order.append("begun")

        async def pause():
            await pauses.pause("release", "ada", START)
            (now,) = await store.effects(one.id)
            order.append(f"paused while {now.state}")

        results = await asyncio.gather(begin(), pause(), return_exceptions=True)
        (last,) = await store.effects(one.id)
        # What was true when the pause returned stays true.
        assert f"paused while {last.state}" in order
        assert isinstance(results[0], Full) is (last.state is EffectState.PLANNED)
    finally:
        for place in places:
            await place.close()
