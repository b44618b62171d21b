"""The worker over a real store: who is next, what becomes of each outcome, and what a lost claim may write."""

import asyncio
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import (
    InvalidTransition,
    StoreUnavailable,
    TargetUnavailable,
    ToolFailed,
)
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline.stage import Escalate, Next, Retry, Wait
from sre_daemon.pipeline.worker import Worker
from sre_daemon.settings import WorkerSettings
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from sre_daemon.tasks import Tasks
from tests.support.clock import ManualClock
from tests.support.correlation import fixed
from tests.support.factories import incident
from tests.support.repairs import counted, store_incident

NEVER = timedelta(minutes=10)
TAKE_UP = Next(Event.CLAIMED, Reason.CLAIMED, "taken up")
GIVE_UP = Escalate(Reason.INCONCLUSIVE, "no cause found")


class Signalling(SqlStore):
    """Tells when something was saved or renewed, and when there was nothing to claim."""

    def __init__(self, database):
        super().__init__(database)
        self.saved, self.renewed, self.idle = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.bench = None
        self.looks = 0

    async def claim(self, owner, now, lease):
        self.looks += 1
        found = await super().claim(owner, now, lease)
        if found is None:
            self.idle.set()
        return found

    async def save(self, *arguments):
        saved = await super().save(*arguments)
        self.saved.set()
        return saved

    async def renew(self, *arguments):
        kept = await super().renew(*arguments)
        self.renewed.set()
        return kept


async def signal(event):
    """The event happened since it was looked at last."""
    async with asyncio.timeout(5):
        await event.wait()
    event.clear()


@dataclass
class Bench:
    """A worker that runs, and what it moved."""

    store: Signalling
    worker: Worker
    tasks: Tasks
    clock: ManualClock
    metrics: Metrics
    moves: asyncio.Queue = field(default_factory=asyncio.Queue)

    async def moved(self):
        """The next move: the state reached, and why."""
        async with asyncio.timeout(5):
            return await self.moves.get()

    async def now(self, incident_id="01incident0001") -> Incident:
        """The incident as stored."""
        return await self.store.incident(incident_id)

    async def once(self, condition):
        """The incident as soon as it is as wanted."""
        while not condition(found := await self.now()):
            await signal(self.store.saved)
        return found

    async def summaries(self, incident_id="01incident0001"):
        return [event.summary for event in await self.store.timeline(incident_id)]


def numbered(number, state=State.TRIGGERED, **values):
    return incident(state, id=f"0{number}incident000{number}", key=f"key-{number}", **values)


@asynccontextmanager
async def working(folder, stages, *incidents, store=Signalling, clock=None, **settings):
    """A worker over these incidents; `stages` by state."""
    clock, metrics, tasks = clock or ManualClock(), Metrics(), Tasks()
    stored = store(SqliteDatabase(folder / "worker.sqlite3"))
    await stored.open()
    for item in incidents:
        await store_incident(stored, item)
    values = {"concurrency": 1, "lease": timedelta(seconds=15), "poll": timedelta(milliseconds=20)}

    async def on_move(_, after, outcome):
        bench.moves.put_nowait((after.state, outcome.reason))

    worker = Worker(
        stored,
        stages,
        owner="here",
        settings=WorkerSettings(**(values | settings)),
        clock=clock,
        metrics=metrics,
        on_move=on_move,
    )
    bench = Bench(stored, worker, tasks, clock, metrics)
    stored.bench = bench
    worker.start(tasks)
    try:
        yield bench
        assert not tasks.failed.is_set()
    finally:
        await tasks.stop()
        await stored.close()


def saying(*outcomes):
    """A stage that gives these outcomes, one per call; the last one for ever."""
    left = list(outcomes)

    async def stage(_incident):
        outcome = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    return stage


@dataclass
class Blocking:
    """A stage that tells when it begins, and ends when it may."""

    outcome: object = GIVE_UP
    begun: asyncio.Queue = field(default_factory=asyncio.Queue)
    may_end: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)
    running: int = 0
    most: int = 0

    async def __call__(self, claimed):
        self.running += 1
        self.most = max(self.most, self.running)
        self.begun.put_nowait(claimed)
        try:
            await self.may_end.wait()
        except asyncio.CancelledError:
            self.cancelled.set()
            raise
        finally:
            self.running -= 1
        return self.outcome

    async def next(self):
        async with asyncio.timeout(5):
            return await self.begun.get()


async def test_most_severe_first_then_oldest(tmp_path):
    order = []

    async def stage(claimed):
        order.append(claimed.id[:2])
        return TAKE_UP

    incidents = [
        numbered(1, severity=Severity.INFO),
        numbered(2, severity=Severity.CRITICAL),
        numbered(3, severity=Severity.WARNING),
        numbered(4, severity=Severity.CRITICAL),
    ]
    incidents[1] = replace(incidents[1], created_at=incidents[1].created_at + timedelta(seconds=1))
    stages = {State.TRIGGERED: stage, State.INVESTIGATING: saying(GIVE_UP)}
    async with working(tmp_path, stages, *incidents) as bench:
        for _ in range(8):
            await bench.moved()
    assert order == ["04", "02", "03", "01"]


async def test_stage_after_stage_under_one_claim(tmp_path):
    fences = []

    async def investigate(claimed):
        fences.append(claimed.fence)
        return Next(Event.DIAGNOSED, Reason.DIAGNOSED, "the pool is empty", {"run": "r1"})

    async def decide(claimed):
        fences.append(claimed.fence)
        return Next(
            Event.ALLOWED, Reason.ALLOWED, "allowed", {"run": None}, attempt=1, policy="pool"
        )

    stages = {
        State.TRIGGERED: saying(TAKE_UP),
        State.INVESTIGATING: investigate,
        State.DIAGNOSED: decide,
        State.REMEDIATING: saying(Escalate(Reason.EFFECT_FAILED, "the disk is full")),
    }
    async with working(tmp_path, stages, incident()) as bench:
        assert [await bench.moved() for _ in range(4)] == [
            (State.INVESTIGATING, Reason.CLAIMED),
            (State.DIAGNOSED, Reason.DIAGNOSED),
            (State.REMEDIATING, Reason.ALLOWED),
            (State.ESCALATED, Reason.EFFECT_FAILED),
        ]
        after = await bench.now()
        assert (after.attempt, after.policy, after.data) == (1, "pool", {})
        assert fences == [1, 1]
        assert (await bench.summaries())[:2] == [
            "triggered -> investigating: taken up",
            "investigating -> diagnosed: the pool is empty",
        ]
        moves = bench.metrics.transitions
        labels = {"from": "remediating", "to": "escalated", "reason": "effect_failed"}
        assert counted(moves, **labels) == 1


async def test_no_more_at_once_than_allowed(tmp_path):
    stage = Blocking(TAKE_UP)
    stages = {State.TRIGGERED: stage, State.INVESTIGATING: saying(GIVE_UP)}
    async with working(
        tmp_path, stages, *(numbered(n) for n in range(1, 6)), concurrency=2
    ) as bench:
        first = {(await stage.next()).id, (await stage.next()).id}
        assert len(first) == 2
        stage.may_end.set()
        for _ in range(10):
            await bench.moved()
    assert stage.most == 2


async def test_claim_is_kept_while_a_stage_takes_its_time(tmp_path):
    class Slow(Signalling):
        async def renew(self, *arguments):
            kept = await super().renew(*arguments)
            self.bench.clock.advance(0.4)
            return kept

    stage = Blocking()
    stages = {State.INVESTIGATING: stage}
    settings = {"store": Slow, "lease": timedelta(seconds=0.5)}
    async with working(tmp_path, stages, incident(State.INVESTIGATING), **settings) as bench:
        await stage.next()
        for _ in range(4):
            await signal(bench.store.renewed)
        # Three leases later nobody else gets it.
        assert await bench.store.claim("another", bench.clock.now(), NEVER) is None
        stage.may_end.set()
        assert await bench.moved() == (State.ESCALATED, Reason.INCONCLUSIVE)


async def test_stolen_claim_cancels_the_stage_and_nothing_is_written(tmp_path):
    stage = Blocking()
    stages = {State.INVESTIGATING: stage}
    lease = timedelta(seconds=0.25)
    async with working(tmp_path, stages, incident(State.INVESTIGATING), lease=lease) as bench:
        await stage.next()
        later = bench.clock.now() + timedelta(hours=1)
        stolen = await bench.store.claim("another", later, NEVER)
        async with asyncio.timeout(5):
            await stage.cancelled.wait()
        # The new owner still has it, and its fence.
        assert await bench.now() == stolen
        assert await bench.summaries() == []
        assert await bench.store.claim("third", later, NEVER) is None
        assert bench.moves.empty()


async def test_claim_stolen_just_before_the_save_writes_nothing(tmp_path):
    stages = {}
    async with working(tmp_path, stages) as bench:
        stolen = asyncio.get_running_loop().create_future()

        async def stage(_claimed):
            later = bench.clock.now() + timedelta(hours=1)
            stolen.set_result(await bench.store.claim("another", later, NEVER))
            return Escalate(Reason.INCONCLUSIVE, "late", {"run": "r1"}, [fact("late")])

        stages[State.INVESTIGATING] = stage
        await store_incident(bench.store, incident(State.INVESTIGATING))
        bench.worker.wake()
        async with asyncio.timeout(5):
            new = await stolen
        # A second one ends up done: the loop has gone on from the lost one.
        stages[State.INVESTIGATING] = saying(GIVE_UP)
        await store_incident(bench.store, numbered(2, State.INVESTIGATING))
        assert await bench.moved() == (State.ESCALATED, Reason.INCONCLUSIVE)
        assert await bench.now() == new
        assert await bench.summaries() == []


def fact(text, incident_id="01incident0001"):
    return TimelineEvent(incident_id, ManualClock().now(), Kind.NOTE, text)


async def test_person_who_moves_the_incident_cancels_the_stage(tmp_path):
    stage, close = Blocking(), Blocking(Next(Event.CLOSED, Reason.WRITTEN, "closed"))
    stages = {State.INVESTIGATING: stage, State.RESOLVED: close}
    lease = timedelta(seconds=0.25)
    async with working(tmp_path, stages, incident(State.INVESTIGATING), lease=lease) as bench:
        claimed = await stage.next()
        cleared = claimed.moved(Event.CLEARED, bench.clock.now())
        await bench.store.transition(cleared, [fact("cleared")])
        async with asyncio.timeout(5):
            await stage.cancelled.wait()
        assert (await close.next()).state is State.RESOLVED
        assert await bench.summaries() == ["cleared"]
        close.may_end.set()
        assert await bench.moved() == (State.CLOSED, Reason.WRITTEN)


async def test_person_who_was_faster_than_the_outcome_is_not_overruled(tmp_path):
    async def stage(claimed):
        await bench.store.transition(claimed.moved(Event.CLEARED, claimed.updated_at), [])
        return GIVE_UP

    stages = {State.RESOLVED: saying(Next(Event.CLOSED, Reason.WRITTEN, "closed"))}
    async with working(tmp_path, stages) as bench:
        stages[State.INVESTIGATING] = stage
        await store_incident(bench.store, incident(State.INVESTIGATING))
        assert await bench.moved() == (State.CLOSED, Reason.WRITTEN)
        assert await bench.summaries() == ["resolved -> closed: closed"]


async def test_alert_that_joins_meanwhile_is_kept(tmp_path):
    stage = Blocking(
        Next(Event.DIAGNOSED, Reason.DIAGNOSED, "found", {"run": "r1"}, [fact("found it")])
    )
    stages = {State.INVESTIGATING: stage, State.DIAGNOSED: saying(GIVE_UP)}
    start = incident(State.INVESTIGATING, severity=Severity.WARNING)
    async with working(tmp_path, stages, start) as bench:
        claimed = await stage.next()
        joined = replace(claimed, severity=Severity.CRITICAL).noting(joined=1)
        await bench.store.accept([], fixed(updated=[joined], events=[fact("alert joined")]))
        stage.may_end.set()
        assert await bench.moved() == (State.DIAGNOSED, Reason.DIAGNOSED)
        await bench.moved()
        after = await bench.now()
        assert (after.severity, after.data) == (Severity.CRITICAL, {"joined": 1, "run": "r1"})
        assert (await bench.summaries())[:3] == [
            "alert joined",
            "found it",
            "investigating -> diagnosed: found",
        ]


@pytest.mark.parametrize("raised", [True, False])
async def test_passing_failure_is_retried_ever_later_and_then_a_persons(tmp_path, raised):
    failure = TargetUnavailable("no answer")
    stages = {State.INVESTIGATING: saying(failure if raised else Retry(failure))}
    async with working(tmp_path, stages, incident(State.INVESTIGATING)) as bench:
        for tried, seconds in enumerate((2, 4, 8), start=1):
            due = bench.clock.now() + timedelta(seconds=seconds)
            waiting = await bench.once(lambda i, due=due: i.wake_at == due)
            assert waiting.data == {"retries": tried}
            assert waiting.state is State.INVESTIGATING
            bench.clock.advance(seconds)
        assert await bench.moved() == (State.ESCALATED, Reason.INTERNAL_ERROR)
        assert (await bench.now()).data == {}
        told = await bench.summaries()
        assert told[:3] == ["trying again later: no answer"] * 3
        assert told[3:] == ["investigating -> escalated: no answer"]


async def test_success_between_failures_starts_the_count_again(tmp_path):
    failure = TargetUnavailable("no answer")
    stages = {State.TRIGGERED: saying(failure, failure, TAKE_UP)}
    stages[State.INVESTIGATING] = saying(failure, failure, failure, GIVE_UP)
    async with working(tmp_path, stages, incident()) as bench:
        for seconds in (2, 4):
            due = bench.clock.now() + timedelta(seconds=seconds)
            await bench.once(lambda i, due=due: i.wake_at == due)
            bench.clock.advance(seconds)
        assert await bench.moved() == (State.INVESTIGATING, Reason.CLAIMED)
        for seconds in (2, 4, 8):
            due = bench.clock.now() + timedelta(seconds=seconds)
            await bench.once(lambda i, due=due: i.wake_at == due)
            bench.clock.advance(seconds)
        assert await bench.moved() == (State.ESCALATED, Reason.INCONCLUSIVE)


async def test_wait_between_failures_starts_the_count_again(tmp_path):
    failure = TargetUnavailable("no answer")
    due = ManualClock().now() + timedelta(seconds=5)
    stages = {State.VERIFYING: saying(failure, Wait(due), failure)}
    async with working(tmp_path, stages, incident(State.VERIFYING)) as bench:
        assert (await bench.once(lambda i: i.wake_at)).data == {"retries": 1}
        bench.clock.advance(2)
        assert (await bench.once(lambda i: i.wake_at == due)).data == {}
        bench.clock.advance(3)
        assert (await bench.once(lambda i: i.wake_at != due)).data == {"retries": 1}


async def test_failure_that_cannot_pass_goes_to_a_person_at_once(tmp_path):
    stages = {State.REMEDIATING: saying(ToolFailed("wrong for ever"))}
    async with working(tmp_path, stages, incident(State.REMEDIATING)) as bench:
        assert await bench.moved() == (State.ESCALATED, Reason.INTERNAL_ERROR)
        assert "wrong for ever" in (await bench.summaries())[-1]


@pytest.mark.parametrize(
    "state", [State.INVESTIGATING, State.DIAGNOSED, State.REMEDIATING, State.VERIFYING]
)
@pytest.mark.parametrize("bug", [RuntimeError("secret"), InvalidTransition("cannot happen")])
async def test_bug_in_a_stage_goes_to_a_person(tmp_path, state, bug):
    async with working(tmp_path, {state: saying(bug)}, incident(state)) as bench:
        assert await bench.moved() == (State.ESCALATED, Reason.INTERNAL_ERROR)
        told = (await bench.store.timeline("01incident0001"))[-1]
        assert told.data["reason"] == "internal_error"
        assert "secret" not in told.summary


async def test_bug_in_a_state_without_exit_is_tried_again_later(tmp_path):
    stages = {State.TRIGGERED: saying(RuntimeError("bug"), TAKE_UP)}
    stages[State.INVESTIGATING] = saying(GIVE_UP)
    async with working(tmp_path, stages, incident()) as bench:
        waiting = await bench.once(lambda i: i.wake_at is not None)
        assert waiting.state is State.TRIGGERED
        assert waiting.wake_at - bench.clock.now() == timedelta(seconds=16)
        bench.clock.advance(16)
        assert await bench.moved() == (State.INVESTIGATING, Reason.CLAIMED)


async def test_bug_with_one_incident_does_not_hold_up_the_next(tmp_path):
    async def stage(claimed):
        if claimed.id.startswith("01"):
            raise KeyError("bug")
        return TAKE_UP

    stages = {State.TRIGGERED: stage, State.INVESTIGATING: saying(GIVE_UP)}
    async with working(tmp_path, stages, numbered(1), numbered(2)) as bench:
        assert await bench.moved() == (State.INVESTIGATING, Reason.CLAIMED)


async def test_waiting_incident_is_due_at_its_time(tmp_path):
    until = ManualClock().now() + timedelta(seconds=30)
    stages = {
        State.VERIFYING: saying(
            Wait(until, {"verification": {"seen": 1}}, [fact("looked")]),
            Next(Event.CONFIRMED, Reason.PROVEN, "proven"),
        ),
        State.RESOLVED: saying(Next(Event.CLOSED, Reason.WRITTEN, "closed")),
    }
    async with working(tmp_path, stages, incident(State.VERIFYING)) as bench:
        waiting = await bench.once(lambda i: i.wake_at == until)
        assert waiting.data == {"verification": {"seen": 1}}
        assert await bench.summaries() == ["looked"]
        bench.clock.advance(29)
        assert await bench.store.claim("another", bench.clock.now(), NEVER) is None
        assert bench.moves.empty()
        bench.clock.advance(1)
        assert await bench.moved() == (State.RESOLVED, Reason.PROVEN)
        assert await bench.moved() == (State.CLOSED, Reason.WRITTEN)
        assert (await bench.now()).wake_at is None
        took = bench.metrics.time_to_resolve.collect()[0].samples
        assert next(s.value for s in took if s.name.endswith("_sum")) == 30


@pytest.mark.parametrize("method", ["claim", "save", "release", "renew"])
async def test_store_that_fails_a_while_does_not_end_the_loop(tmp_path, method):
    failures = [StoreUnavailable("the disk is full"), StoreUnavailable("the disk is full")]
    works_again = asyncio.Event()

    class Failing(Signalling):
        pass

    async def failing(self, *arguments):
        if failures:
            raise failures.pop()
        works_again.set()
        return await getattr(Signalling, method)(self, *arguments)

    setattr(Failing, method, failing)
    stage = Blocking()
    first, second = numbered(1, State.INVESTIGATING), numbered(2, State.INVESTIGATING)
    settings = {"store": Failing, "lease": timedelta(seconds=0.2)}
    async with working(tmp_path, {State.INVESTIGATING: stage}, first, **settings) as bench:
        await stage.next()
        if method == "renew":
            await signal(works_again)
        stage.may_end.set()
        assert await bench.moved() == (State.ESCALATED, Reason.INCONCLUSIVE)
        assert len(await bench.summaries()) == 1
        await store_incident(bench.store, second)
        assert await bench.moved() == (State.ESCALATED, Reason.INCONCLUSIVE)
        assert len(failures) < 2
        assert not stage.cancelled.is_set()


async def test_wake_is_prompt(tmp_path):
    stages = {State.TRIGGERED: saying(TAKE_UP), State.INVESTIGATING: saying(GIVE_UP)}
    async with working(tmp_path, stages, poll=NEVER) as bench:
        for number in (1, 2):
            await signal(bench.store.idle)
            await store_incident(bench.store, numbered(number))
            bench.worker.wake()
            assert await bench.moved() == (State.INVESTIGATING, Reason.CLAIMED)
            await bench.moved()


async def test_one_wake_is_one_look(tmp_path):
    async with working(tmp_path, {}, poll=NEVER) as bench:
        await signal(bench.store.idle)
        bench.worker.wake()
        await signal(bench.store.idle)
        for _ in range(20):
            await bench.store.ping()
        assert bench.store.looks == 2


async def test_without_a_wake_the_poll_finds_what_is_due(tmp_path):
    stages = {State.TRIGGERED: saying(TAKE_UP), State.INVESTIGATING: saying(GIVE_UP)}
    async with working(tmp_path, stages) as bench:
        await signal(bench.store.idle)
        await store_incident(bench.store, incident())
        assert await bench.moved() == (State.INVESTIGATING, Reason.CLAIMED)


@pytest.mark.parametrize("concurrency", [1, 3])
async def test_wake_between_the_look_and_the_wait_is_not_lost(tmp_path, concurrency):
    class Late(Signalling):
        came = False

        async def claim(self, owner, now, lease):
            found = await super().claim(owner, now, lease)
            if found is None and not self.came:
                self.came = True
                for number in range(concurrency):
                    await store_incident(self, numbered(number + 1))
                self.bench.worker.wake()
            return found

    stage = Blocking(TAKE_UP)
    stages = {State.TRIGGERED: stage, State.INVESTIGATING: saying(GIVE_UP)}
    async with working(tmp_path, stages, store=Late, poll=NEVER, concurrency=concurrency) as bench:
        # Each loop takes one: none of them sleeps through the wake.
        for _ in range(concurrency):
            await stage.next()
        stage.may_end.set()
        for _ in range(2 * concurrency):
            await bench.moved()


async def test_stopping_gives_claims_back_and_writes_no_outcome(tmp_path):
    stage = Blocking()
    stages = {State.INVESTIGATING: stage}
    async with working(tmp_path, stages, incident(State.INVESTIGATING)) as bench:
        await stage.next()
        await bench.tasks.stop()
        assert stage.cancelled.is_set()
        taken = await bench.store.claim("next process", bench.clock.now(), NEVER)
        assert (taken.state, taken.fence) == (State.INVESTIGATING, 2)
        assert await bench.summaries() == []


async def test_queue_wait_is_measured_at_the_first_claim_only(tmp_path):
    stages = {State.TRIGGERED: saying(TAKE_UP), State.INVESTIGATING: saying(GIVE_UP)}
    clock = ManualClock()
    clock.advance(7)
    incidents = numbered(1), numbered(2, State.INVESTIGATING)
    async with working(tmp_path, stages, *incidents, clock=clock) as bench:
        for _ in range(3):
            await bench.moved()
        samples = bench.metrics.queue_wait.collect()[0].samples
        values = {s.name.rsplit("_", 1)[1]: s.value for s in samples}
        assert (values["count"], values["sum"]) == (1, 7)
