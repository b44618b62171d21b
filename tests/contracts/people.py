"""What the tables behind the pages must do on every database: samples, the stream, periods."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

from sre_daemon.domain.effect import to_json
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.run import Run, RunOutcome
from sre_daemon.domain.series import Point, Series
from sre_daemon.domain.verdict import Decision
from sre_daemon.pipeline import wire
from sre_daemon.pipeline.past import recorded
from sre_daemon.store.base import Store
from sre_daemon.store.database import Database
from sre_daemon.store.feed import Feed
from sre_daemon.store.history import History
from sre_daemon.store.samples import Samples
from tests.contracts.store import HOSTILE, STORED, episode, fact, given, later, numbered, planned
from tests.support.clock import START
from tests.support.factories import REPAIR, diagnosis


async def pe01_samples_come_back_in_order_and_replace_each_other(
    store: Store, database: Database
) -> None:
    (one, two) = await given(store, numbered(1), numbered(2))
    samples = Samples(database)
    first = [Series("a < 1", [Point(START, 1.5), Point(later(1), -2.0)]), Series("b", [])]
    await samples.keep(one.id, first)
    assert await samples.of(one.id) == first
    await samples.keep(one.id, [Series(HOSTILE, [Point(START, 3.0)])])
    assert await samples.of(one.id) == [Series(STORED, [Point(START, 3.0)])]
    assert await samples.of(two.id) == []


async def pe02_stream_goes_over_all_incidents_in_order(store: Store, database: Database) -> None:
    (one, two) = await given(store, numbered(1), numbered(2))
    await store.note([fact(one, "a"), fact(two, "b"), fact(one, "c")])
    feed = Feed(database)
    events = await feed.after(0, 10)
    assert [e.summary for e in events] == ["a", "b", "c"]
    assert await feed.newest() == events[-1].seq
    assert await feed.after(events[0].seq, 1) == events[1:2]
    assert await feed.after(0, 10, two.id) == events[1:2]
    assert await feed.these([events[2].seq, 999]) == events[2:]


async def pe03_newest_fact_of_each_incident(store: Store, database: Database) -> None:
    (one, two, three) = await given(store, numbered(1), numbered(2), numbered(3))
    await store.note([fact(one, "a"), fact(two, "b"), fact(one, "c"), fact(three, "d")])
    latest = await Feed(database).latest([one.id, two.id, "none"])
    assert {name: e.summary for name, e in latest.items()} == {one.id: "c", two.id: "b"}


async def pe04_empty_stream_is_at_zero(store: Store, database: Database) -> None:
    assert await Feed(database).newest() == 0


async def pe05_period_has_what_moved_in_it_and_what_is_open(
    store: Store, database: Database
) -> None:
    old = numbered(1, State.CLOSED, created_at=later(-900), updated_at=later(-800))
    moved = numbered(2, State.CLOSED, created_at=later(-900), updated_at=later(5))
    is_open = numbered(3, State.ESCALATED, created_at=later(-900), updated_at=later(-800))
    future = numbered(4, created_at=later(99))
    await given(store, old, moved, is_open, future)
    found = await History(database).incidents(START, later(60))
    assert {item.id for item in found} == {moved.id, is_open.id}


async def pe06_facts_of_a_period_by_kind(store: Store, database: Database) -> None:
    (one,) = await given(store, numbered(1))
    events = [
        TimelineEvent(one.id, later(n), kind, str(n))
        for n, kind in enumerate([Kind.STATE, Kind.NOTE, Kind.STATE, Kind.VERDICT])
    ]
    await store.note(events)
    found = await History(database).events(later(1), later(4), [Kind.STATE, Kind.VERDICT])
    assert [e.summary for e in found] == ["2", "3"]


async def pe07_only_effects_that_were_begun_count(store: Store, database: Database) -> None:
    one = numbered(1, State.REMEDIATING, attempt=1)
    effects = await planned(store, one)
    fence = (await store.incident(one.id)).fence
    await store.intend(effects[0].id, fence, [State.REMEDIATING], later(5))
    history = History(database)
    found = await history.effects(START, later(60))
    assert [e.position for e in found] == [0]
    assert await history.effects(later(6), later(60)) == []


async def pe08_alerts_that_began_in_a_period(store: Store, database: Database) -> None:
    one = numbered(1)
    await given(store, one, episodes=[episode(1, one), episode(2, one, seen=100)])
    found = await History(database).episodes(later(50), later(200))
    assert [item.alert.labels["n"] for item in found] == ["2"]


async def pe09_samples_go_with_their_incident(store: Store, database: Database) -> None:
    (one,) = await given(store, numbered(1, State.CLOSED))
    await Samples(database).keep(one.id, [Series("a", [Point(START, 1.0)])])
    far = START + timedelta(days=400)
    await store.forget(far, far, 10, far)
    assert await store.incident(one.id) is None
    assert await Samples(database).of(one.id) == []


async def pe10_values_are_kept_exactly(store: Store, database: Database) -> None:
    (one,) = await given(store, replace(numbered(1)))
    points = [Point(later(n / 7), value) for n, value in enumerate([0.1, 1e-300, -1e300, 3.0])]
    await Samples(database).keep(one.id, [Series("a", points)])
    (kept,) = await Samples(database).of(one.id)
    assert [p.value for p in kept.points] == [p.value for p in points]


async def pe11_decision_comes_back_with_what_was_asked_then(
    store: Store, database: Database
) -> None:
    one = numbered(1, State.ESCALATED)
    gone = replace(episode(2, one, is_open=False), last_seen=later(2))
    await given(store, one, episodes=[episode(1, one), gone, episode(3, one, seen=9)])
    said = {"verdict": "deny", "reason": "no_policy", "policy": ""}
    effects = [to_json(effect) for effect in REPAIR]
    found = wire.diagnosis_to_json(diagnosis(*REPAIR))
    await store.begin_run(Run("r1", one.id, "runbook", "", START, outcome=RunOutcome.DIAGNOSED))
    await store.note([TimelineEvent(one.id, later(4), Kind.DIAGNOSIS, "found", found)])
    event = TimelineEvent(one.id, later(5), Kind.VERDICT, "deny", {**said, "effects": effects})
    await store.note([event])
    (past,) = (await recorded(History(database), START, later(60))).pasts
    assert [labels["n"] for labels in past.question.alerts] == ["1"]
    assert (past.question.effects, past.question.engine) == (REPAIR, "runbook")
    assert (past.question.at, past.question.diagnosis) == (later(5), diagnosis(*REPAIR))
    assert (past.decision, past.began, past.ending) == (Decision.DENY, False, "open")


Behaviour = Callable[[Store, Database], Awaitable[None]]
BEHAVIOURS: tuple[Behaviour, ...] = tuple(
    item for name, item in list(vars().items()) if name.startswith("pe") and name[2:4].isdigit()
)
