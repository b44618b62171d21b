"""What every store promises, whatever it is kept in: memory, SQLite, PostgreSQL."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert, correlation_key
from sre_daemon.domain.remediation import Direction, EffectState
from sre_daemon.domain.run import Run, RunOutcome, ToolCall, Usage
from sre_daemon.errors import StoreConflict, StoreUnavailable
from sre_daemon.store.base import WATCHDOG, Writes
from sre_daemon.store.tables import notifications
from tests.support.clock import START
from tests.support.correlation import Deciding, fixed
from tests.support.factories import REDEPLOY, REPAIR, SET_POOL, alert, incident, notification

LEASE = timedelta(seconds=30)
HOSTILE = "a\0b \ud800 \u202e <script>'; DROP TABLE incidents --"
KEPT = "a\ufffdb \ufffd \u202e <script>'; DROP TABLE incidents --"


def later(seconds):
    return START + timedelta(seconds=seconds)


def episode(of, incident_id, *, at=START, opened=True, reports=1):
    return StoredAlert(of, incident_id, at, at, reports, open=opened)


async def put(store, *incidents, episodes=(), events=(), notifications=()):
    """Store incidents as intake would."""
    writes = Writes(opened=incidents, episodes=episodes, events=events, actions={"opened": 1})
    return await store.accept(notifications, Deciding(lambda *_: writes))


async def claimed(store, item):
    """The incident, stored and claimed."""
    await put(store, item)
    return await store.claim("me/0", START, LEASE)


def note(item, text="noted", at=START, /, **data):
    return TimelineEvent(item.id, at, Kind.NOTE, text, data)


# --- intake


async def test_accept_keeps_bytes_incidents_episodes_and_events(store):
    item, firing = incident(), alert()
    said = notification(firing, body=b"\x00\xff raw")
    await put(
        store,
        item,
        episodes=[episode(firing, item.id)],
        events=[note(item, "begun", step=1)],
        notifications=[said],
    )
    assert await store.incident(item.id) == item
    assert await store.alerts(item.id) == [episode(firing, item.id)]
    (event,) = await store.timeline(item.id)
    assert (event.summary, event.kind, event.at, dict(event.data)) == (
        "begun",
        Kind.NOTE,
        START,
        {"step": 1},
    )


async def test_accept_gives_back_what_was_counted(store):
    counted = await store.accept([], fixed(actions={"opened": 3, "joined": 1}))
    assert counted == {"opened": 3, "joined": 1}


async def test_accept_is_all_or_nothing(store):
    item = incident()

    def broken(_, __):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await store.accept([notification(alert())], Deciding(broken))
    twice = [episode(alert(), item.id), episode(alert(pod="other"), "no-such-incident")]
    with pytest.raises(StoreConflict):
        await put(store, item, episodes=twice)
    assert await store.incidents() == []
    assert await store.episodes() == []


async def test_correlation_sees_what_is_known_about_its_alerts_only(store):
    mine, other = alert(pod="a"), alert(pod="b")
    first = incident(id="i-1", key="key-1")
    second = incident(id="i-2", key="key-2")
    await put(store, first, second, episodes=[episode(mine, "i-1"), episode(other, "i-2")])
    seen = []
    await store.accept(
        [notification(mine, group="")],
        Deciding(lambda _, known: seen.append(known) or Writes()),
    )
    assert list(seen[0].episodes) == [mine.identity]
    assert set(seen[0].by_id) == {"i-1"}
    assert dict(seen[0].open_alerts) == {"i-1": 1}


async def test_correlation_knows_how_many_incidents_nobody_has_taken_up(store):
    seen = []
    await put(store, incident(id="i-1", key="1"), incident(id="i-2", key="2"))
    await put(store, incident(id="i-3", key="3", state=State.INVESTIGATING))
    await store.accept([], Deciding(lambda _, known: seen.append(known.waiting) or Writes()))
    assert seen == [2]


async def test_a_heartbeat_is_kept(store):
    assert await store.switch(WATCHDOG) is None
    await store.accept([], fixed(heartbeat=START))
    await store.accept([], fixed(heartbeat=later(5)))
    assert datetime.fromisoformat(await store.switch(WATCHDOG)) == later(5)


async def test_what_was_stored_before_is_not_stored_again(store):
    await store.accept([notification(alert(), body=b"")], fixed())
    async with store._database.read() as connection:
        assert (await connection.execute(select(notifications))).all() == []


async def test_correlation_finds_the_open_incident_of_a_group_and_no_closed_one(store):
    said = notification(alert())
    seen = []

    def look(_, known):
        seen.append(dict(known.incidents))
        return Writes()

    key = correlation_key(said, said.alerts[0])
    await put(store, incident(id="i-old", key=key, state=State.CLOSED))
    await store.accept([said], Deciding(look))
    await put(store, incident(id="i-new", key=key))
    await store.accept([said], Deciding(look))
    assert [[i.id for i in known.values()] for known in seen] == [[], ["i-new"]]


async def test_there_is_one_open_incident_per_key(store):
    await put(store, incident(id="i-1"))
    with pytest.raises(StoreConflict):
        await put(store, incident(id="i-2"))
    await put(store, incident(id="i-3", state=State.CLOSED))


async def test_there_is_one_open_episode_per_alert(store):
    await put(store, incident(), episodes=[episode(alert(), "01incident0001")])
    again = episode(alert(), "01incident0001", at=later(60), reports=2)
    await put(store, episodes=[again])
    assert [item.reports for item in await store.episodes()] == [2]
    await put(store, episodes=[replace(again, open=False)])
    assert await store.episodes() == []
    await put(store, episodes=[episode(alert(), "01incident0001", at=later(120))])
    assert len(await store.episodes()) == 1
    assert len(await store.episodes(open_only=False)) == 2
    assert len(await store.alerts("01incident0001")) == 1


async def test_hostile_text_is_kept_in_a_form_that_every_database_takes(store):
    bad = alert(pod=HOSTILE)
    item = incident(title=HOSTILE, labels={"a": HOSTILE}, data={"b": HOSTILE})
    await put(
        store,
        item,
        episodes=[episode(bad, item.id)],
        events=[note(item, HOSTILE, text=HOSTILE)],
        notifications=[notification(bad, group=HOSTILE, body=b"\xff\x00")],
    )
    kept = await store.incident(item.id)
    assert kept.title == KEPT
    (event,) = await store.timeline(item.id)
    assert event.summary == KEPT
    assert (await store.incidents(query="DROP TABLE"))[0].id == item.id
    assert await store.incidents(query="%") == []


async def test_times_at_the_end_of_the_calendar_are_kept(store):
    last = datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC)
    old = alert(starts_at=datetime(1, 1, 1, tzinfo=UTC), status="resolved", ends_at=last)
    await put(store, incident(), episodes=[episode(old, "01incident0001", opened=False)])
    (kept,) = await store.alerts("01incident0001")
    assert kept.alert.ends_at == last
    assert kept.alert.starts_at == old.starts_at


async def test_two_intakes_at_once_open_one_incident(store):
    def decide(items, known):
        if known.incidents:
            return Writes(actions={"joined": 1})
        (said,) = items

        key = correlation_key(said, said.alerts[0])
        new = incident(id=f"i-{said.peer}", key=key)
        return Writes(
            opened=[new], episodes=[episode(said.alerts[0], new.id)], actions={"opened": 1}
        )

    said = [replace(notification(alert()), peer=str(number)) for number in range(12)]
    counts = await asyncio.gather(*(store.accept([item], Deciding(decide)) for item in said))
    assert sum(count.get("opened", 0) for count in counts) == 1
    assert sum(count.get("joined", 0) for count in counts) == 11
    assert len(await store.incidents()) == 1


# --- claims


async def test_the_most_severe_and_then_the_oldest_is_claimed_first(store):
    await put(
        store,
        incident(id="i-1", key="1", severity=Severity.INFO, created_at=later(0)),
        incident(id="i-2", key="2", severity=Severity.CRITICAL, created_at=later(2)),
        incident(id="i-3", key="3", severity=Severity.CRITICAL, created_at=later(1)),
        incident(id="i-4", key="4", severity=Severity.WARNING, created_at=later(0)),
    )
    order = [(await store.claim("me/0", later(5), LEASE)).id for _ in range(4)]
    assert order == ["i-3", "i-2", "i-4", "i-1"]
    assert await store.claim("me/0", later(5), LEASE) is None


@pytest.mark.parametrize("state", [State.ESCALATED, State.AWAITING_APPROVAL, State.CLOSED])
async def test_what_waits_for_a_person_is_not_claimed(store, state):
    await put(store, incident(state))
    assert await store.claim("me/0", START, LEASE) is None


async def test_a_waiting_incident_is_claimed_when_it_is_due(store):
    await put(store, incident(wake_at=later(10)))
    assert await store.claim("me/0", later(9), LEASE) is None
    assert (await store.claim("me/0", later(10), LEASE)).id == "01incident0001"


async def test_a_lease_that_ran_out_is_taken_over_and_the_first_owner_can_write_nothing(store):
    first = await claimed(store, incident())
    assert await store.claim("other/0", later(29), LEASE) is None
    second = await store.claim("other/0", later(31), LEASE)
    assert second.fence == first.fence + 1
    moved = replace(first, title="written by the loser")
    with pytest.raises(StoreConflict):
        await store.save(moved, first.fence, [note(first)])
    with pytest.raises(StoreConflict):
        await store.plan(first, first.fence, Direction.FORWARD, REPAIR, START)
    assert not await store.renew(first.id, first.fence, later(100))
    await store.release(first.id, first.fence)
    assert await store.claim("third/0", later(32), LEASE) is None
    assert await store.timeline(first.id) == []
    assert (await store.save(second, second.fence)).version == second.version + 1


async def test_a_renewed_lease_is_kept(store):
    mine = await claimed(store, incident())
    assert await store.renew(mine.id, mine.fence, later(100))
    assert await store.claim("other/0", later(60), LEASE) is None


async def test_a_released_claim_is_free_and_cannot_be_renewed(store):
    mine = await claimed(store, incident())
    await store.release(mine.id, mine.fence)
    assert not await store.renew(mine.id, mine.fence, later(100))
    assert await store.claim("other/0", START, LEASE) is not None


async def test_an_owner_forgets_its_own_claims_only(store):
    await put(store, incident(id="i-1", key="1"), incident(id="i-2", key="2", created_at=later(1)))
    await store.claim("me/0", START, LEASE)
    await store.claim("me%/0", START, LEASE)
    await store.forget_claims("me")
    assert (await store.claim("other/0", START, LEASE)).id == "i-1"
    assert await store.claim("other/0", START, LEASE) is None


async def test_many_workers_never_claim_the_same_incident(store):
    await put(store, *(incident(id=f"i-{n:02}", key=str(n)) for n in range(20)))

    async def work(name):
        mine = []
        while (item := await store.claim(name, START, LEASE)) is not None:
            mine.append(item.id)
        return mine

    found = await asyncio.gather(*(work(f"w/{n}") for n in range(6)))
    names = [name for mine in found for name in mine]
    assert sorted(names) == [f"i-{n:02}" for n in range(20)]


# --- incidents


async def test_a_save_compares_the_version(store):
    mine = await claimed(store, incident())
    joined = replace(mine, severity=Severity.WARNING, labels={"common": "yes"})
    await store.accept([], fixed(updated=[joined]))
    with pytest.raises(StoreConflict):
        await store.save(replace(mine, title="old news"), mine.fence, [note(mine)])
    fresh = await store.incident(mine.id)
    saved = await store.save(replace(fresh, title="new"), mine.fence, [note(mine)])
    assert (saved.title, saved.severity) == ("new", Severity.WARNING)
    assert dict(saved.labels) == {"common": "yes"}
    assert len(await store.timeline(mine.id)) == 1


async def test_a_save_keeps_every_field(store):
    mine = await claimed(store, incident())
    changed = replace(
        mine,
        title="t",
        state=State.REMEDIATING,
        severity=Severity.INFO,
        labels={"a": "b"},
        updated_at=later(5),
        attempt=2,
        wake_at=later(9),
        policy="p",
        data={"x": [1, {"y": None}]},
    )
    saved = await store.save(changed, mine.fence)
    assert saved == replace(changed, version=mine.version + 1)
    assert await store.incident(mine.id) == saved


async def test_a_transition_needs_no_claim_but_the_version(store):
    mine = await claimed(store, incident())
    moved = await store.transition(replace(mine, state=State.INVESTIGATING), [note(mine)])
    assert moved.state is State.INVESTIGATING
    with pytest.raises(StoreConflict):
        await store.transition(replace(mine, state=State.CLOSED), [note(mine)])
    assert len(await store.timeline(mine.id)) == 1


async def test_incidents_are_found_by_state_label_and_title_newest_first(store):
    await put(
        store,
        incident(id="i-1", key="1", created_at=later(1), labels={"service": "api", "x": "1"}),
        incident(id="i-2", key="2", created_at=later(2), state=State.ESCALATED, title="Disk FULL"),
        incident(id="i-3", key="3", created_at=later(2), labels={"service": "api-2"}),
    )

    async def names(*args, **kwargs):
        return [item.id for item in await store.incidents(*args, **kwargs)]

    assert await names() == ["i-3", "i-2", "i-1"]
    assert await names((State.ESCALATED,)) == ["i-2"]
    assert await names(label={"service": "api"}) == ["i-1"]
    assert await names(label={"service": "api", "x": "2"}) == []
    assert await names(label={"x": "1"}) == ["i-1"]
    assert await names(label={"service": "a%"}) == []
    assert await names(query="disk full") == ["i-2"]
    assert await names(limit=2) == ["i-3", "i-2"]
    assert await names(before="i-2") == ["i-1"]
    assert await names(before="unknown") == []
    assert await store.incident("unknown") is None


async def test_a_label_inside_another_one_is_not_found(store):
    await put(store, incident(labels={'my"service': "api", "note": 'x,"service":"api"'}))
    assert await store.incidents(label={"service": "api"}) == []
    assert len(await store.incidents(label={'my"service': "api"})) == 1


async def test_a_timeline_is_read_on_from_where_a_reader_was(store):
    item = incident()
    await put(store, item, incident(id="i-2", key="2"))
    await store.note([note(item, "one"), note(item, "two")])
    await store.note([note(incident(id="i-2"), "elsewhere")])
    first = await store.timeline(item.id, limit=1)
    rest = await store.timeline(item.id, after=first[0].seq)
    assert [event.summary for event in (*first, *rest)] == ["one", "two"]


async def test_totals_count_states_and_the_queue(store):
    await put(
        store,
        incident(id="i-1", key="1"),
        incident(id="i-2", key="2", state=State.CLOSED),
        incident(id="i-3", key="3", state=State.VERIFYING, severity=Severity.INFO),
    )
    totals = await store.totals()
    assert totals.incidents[State.TRIGGERED] == 1
    assert totals.incidents[State.SUPPRESSED] == 0
    assert totals.queue == {"critical": 1, "warning": 0, "info": 0, "none": 0}
    assert (totals.accepted, totals.settled) == (3, 1)


# --- effects


async def remediating(store, **values):
    """A claimed incident in its first attempt, with the repair planned."""
    mine = await claimed(store, incident(State.REMEDIATING, attempt=1, policy="p", **values))
    planned = await store.plan(mine, mine.fence, Direction.FORWARD, REPAIR, START)
    return mine, planned


async def test_a_plan_keeps_its_order_and_is_made_once(store):
    mine, planned = await remediating(store)
    assert [(record.position, record.effect) for record in planned] == [
        (0, SET_POOL),
        (1, REDEPLOY),
    ]
    again = await store.plan(mine, mine.fence, Direction.FORWARD, [REDEPLOY], START)
    assert again == planned
    back = await store.plan(mine, mine.fence, Direction.ROLLBACK, [REDEPLOY], START)
    assert await store.effects(mine.id, 1) == [*planned, *back]
    assert await store.effects(mine.id, 2) == []


async def test_an_intent_is_written_once(store):
    mine, (first, _) = await remediating(store)
    record = await store.intend(first.id, mine.fence, (State.REMEDIATING,), later(3))
    assert (record.state, record.intended_at) == (EffectState.INTENDED, later(3))
    with pytest.raises(StoreConflict):
        await store.intend(first.id, mine.fence, (State.REMEDIATING,), later(4))


async def test_of_many_intents_at_once_one_is_written(store):
    mine, (first, _) = await remediating(store)
    tries = [store.intend(first.id, mine.fence, (State.REMEDIATING,), START) for _ in range(8)]
    outcomes = await asyncio.gather(*tries, return_exceptions=True)
    assert sum(isinstance(outcome, StoreConflict) for outcome in outcomes) == 7


async def test_no_intent_under_an_old_fence_or_in_a_wrong_state(store):
    mine, (first, _) = await remediating(store)
    with pytest.raises(StoreConflict):
        await store.intend(first.id, mine.fence, (State.VERIFYING,), START)
    await store.claim("other/0", later(31), LEASE)
    with pytest.raises(StoreConflict):
        await store.intend(first.id, mine.fence, (State.REMEDIATING,), START)
    with pytest.raises(StoreConflict):
        await store.intend(999_999, mine.fence, (State.REMEDIATING,), START)
    states = [record.state for record in await store.effects(mine.id)]
    assert states == [EffectState.PLANNED, EffectState.PLANNED]


@pytest.mark.parametrize(
    ("outcome", "again"),
    [
        (EffectState.NOT_APPLIED, True),
        (EffectState.APPLIED, False),
        (EffectState.FAILED, False),
        (EffectState.REFUSED, False),
    ],
)
async def test_only_what_was_not_applied_may_be_tried_again(store, outcome, again):
    mine, (first, _) = await remediating(store)
    await store.intend(first.id, mine.fence, (State.REMEDIATING,), START)
    await store.settle(first.id, outcome, {"why": "measured"}, later(2))
    (settled, _) = await store.effects(mine.id)
    assert (settled.state, settled.settled_at) == (outcome, later(2))
    assert dict(settled.detail) == {"why": "measured"}
    if again:
        retried = await store.intend(first.id, mine.fence, (State.REMEDIATING,), later(3))
        assert retried.settled_at is None
    else:
        with pytest.raises(StoreConflict):
            await store.intend(first.id, mine.fence, (State.REMEDIATING,), later(3))


async def test_limits_count_what_was_begun_and_what_is_still_active(store):
    mine, (first, _) = await remediating(store)
    assert await store.acted(later(-60)) == []
    await store.intend(first.id, mine.fence, (State.REMEDIATING,), START)
    (acted,) = await store.acted(later(60))
    assert (acted.incident_id, acted.policy, acted.active) == (mine.id, "p", True)
    assert (tuple(acted.targets), acted.at) == ((SET_POOL.target,), START)
    await store.save(replace(mine, state=State.RESOLVED), mine.fence)
    assert await store.acted(later(60)) == []
    assert [item.active for item in await store.acted(later(-60))] == [False]


async def test_a_refused_effect_does_not_count(store):
    _, (first, _) = await remediating(store)
    await store.settle(first.id, EffectState.REFUSED, {}, START)
    assert await store.acted(later(-60)) == []


# --- runs


async def test_runs_and_their_calls_are_kept(store):
    await put(store, incident())
    run = Run("r-1", "01incident0001", "claude", "m", START)
    await store.begin_run(run)
    call = ToolCall("r-1", "c1", "get_alerts", {"a": HOSTILE}, HOSTILE, False, 0.5, later(1))
    await store.record_call(call)
    ended = replace(
        run,
        ended_at=later(9),
        outcome=RunOutcome.DIAGNOSED,
        usage=Usage(3, 10, 20, 30, 40, 0.5),
        error="",
    )
    await store.end_run(ended)
    assert await store.runs("01incident0001") == [ended]
    assert await store.calls("r-1") == [replace(call, output=KEPT)]
    assert await store.interrupt_runs("01incident0001", later(10)) == 0


async def test_a_run_that_a_crash_left_is_interrupted_once(store):
    await put(store, incident())
    await store.begin_run(Run("r-1", "01incident0001", "claude", "m", START))
    assert await store.interrupt_runs("01incident0001", later(5)) == 1
    assert await store.interrupt_runs("01incident0001", later(6)) == 0
    (run,) = await store.runs("01incident0001")
    assert (run.outcome, run.ended_at) == (RunOutcome.INTERRUPTED, later(5))


# --- switches and the fleet


async def test_a_switch_is_set_changed_and_removed(store):
    assert await store.switch("paused") is None
    await store.set_switch("paused", "alice: deploy", START)
    await store.set_switch("paused", HOSTILE, START)
    assert await store.switch("paused") == KEPT
    await store.set_switch("paused", None, START)
    assert await store.switch("paused") is None


async def test_a_job_runs_once_per_interval_by_the_replica_that_has_it(store):
    minute = timedelta(minutes=1)

    async def winners(at):
        turns = [store.take_turn("poll", f"r-{n}", at, minute) for n in range(6)]
        return [n for n, mine in enumerate(await asyncio.gather(*turns)) if mine]

    (first,) = await winners(START)
    assert await winners(later(59)) == []
    assert await winners(later(60)) == [first]
    assert await store.take_turn("other", "r-1", later(60), minute)


async def test_the_job_of_a_dead_replica_is_taken_over_by_one(store):
    minute = timedelta(minutes=1)
    assert await store.take_turn("poll", "dead", START, minute)
    turns = [store.take_turn("poll", f"r-{n}", later(149), minute) for n in range(6)]
    assert not any(await asyncio.gather(*turns))
    turns = [store.take_turn("poll", f"r-{n}", later(150), minute) for n in range(6)]
    assert sum(await asyncio.gather(*turns)) == 1
    assert not await store.take_turn("poll", "dead", later(151), minute)


# --- life


async def test_a_cancelled_caller_does_not_cut_a_transaction_in_half(store):
    item = incident()
    begun = asyncio.Event()

    def decide(*_):
        begun.set()
        return Writes(opened=[item], episodes=[episode(alert(), item.id)], events=[note(item)])

    task = asyncio.create_task(store.accept([notification(alert())], Deciding(decide)))
    await begun.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    # Intake takes turns, so this one is over only after that one.
    await store.accept([], fixed())
    assert await store.incident(item.id) == item
    assert len(await store.episodes()) == 1


async def test_a_closed_store_says_so(store):
    await store.close()
    for call in (store.ping(), store.claim("me/0", START, LEASE), put(store, incident())):
        with pytest.raises(StoreUnavailable):
            await call
