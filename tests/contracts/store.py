"""What every store must do, as numbered behaviours. A store's own test calls each one with a store
that is new, open and empty."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from sqlalchemy import Connection

from sre_daemon.domain.alert import AlertStatus, Severity
from sre_daemon.domain.effect import PostmortemWrite, ServiceRestart
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.lifecycle import WORKING, State
from sre_daemon.domain.notification import Notification, StoredAlert, Unreadable, correlation_key
from sre_daemon.domain.remediation import Direction, EffectRecord, EffectState
from sre_daemon.domain.run import Run, RunOutcome, ToolCall, Usage
from sre_daemon.domain.sender import Sender
from sre_daemon.errors import StoreConflict
from sre_daemon.store.base import WATCHDOG, Horizon, Known, Store, Writes
from sre_daemon.store.unreadable import KEPT
from tests.support.clock import START
from tests.support.correlation import Deciding, fixed, fixed_writes
from tests.support.factories import (
    LABELS,
    REDEPLOY,
    REPAIR,
    SET_POOL,
    alert,
    incident,
    notification,
)

LEASE = timedelta(seconds=60)
ACTING = (State.REMEDIATING,)
# A lone surrogate, NUL, what a query language could trip over, and text of four bytes.
HOSTILE = "\ud800 \0 '; DROP TABLE incidents; -- %_\\\" \U0001f525"
STORED = "\ufffd \ufffd '; DROP TABLE incidents; -- %_\\\" \U0001f525"
LAST_MOMENT = datetime.max.replace(tzinfo=UTC)


def later(seconds: float) -> datetime:
    """So many seconds after the start."""
    return START + timedelta(seconds=seconds)


def numbered(n: int, state: State = State.TRIGGERED, **values: object) -> Incident:
    """An incident with an id and a key of its own."""
    return incident(state, **{"id": f"01incident{n:04}", "key": f"key-{n}"} | values)


def episode(n: int, of: Incident, *, is_open: bool = True, seen: float = 0) -> StoredAlert:
    """An episode of the alert `n`."""
    status = "firing" if is_open else "resolved"
    return StoredAlert(
        alert(status=status, n=str(n)), of.id, later(seen), later(seen), 1, open=is_open
    )


def fact(of: Incident, summary: str = "a fact") -> TimelineEvent:
    """An entry for the timeline."""
    return TimelineEvent(of.id, START, Kind.NOTE, summary)


async def given(
    store: Store, *opened: Incident, episodes: Sequence[StoredAlert] = ()
) -> Sequence[Incident]:
    """Bring incidents into the store in the only way there is."""
    await store.accept([], fixed_writes(Writes(opened=opened, episodes=episodes)))
    return opened


async def known(store: Store, *notifications: Notification, **horizon: timedelta) -> Known:
    """What correlation is told about these notifications."""
    told: list[Known] = []

    def listen(_n: Sequence[Notification], known: Known) -> Writes:
        told.append(known)
        return Writes()

    asking = Deciding(listen)
    asking.horizon = Horizon(**horizon)
    await store.accept(notifications, asking)
    return told[0]


async def claimed(store: Store, at: datetime = START) -> Incident:
    """A claim that succeeds."""
    taken = await store.claim("worker/0", at, LEASE)
    assert taken is not None
    return taken


async def planned(store: Store, one: Incident, *effects: object) -> list[EffectRecord]:
    """The forward plan of an incident in the state in which effects are applied."""
    await given(store, one)
    mine = await claimed(store)
    return await store.plan(mine, mine.fence, Direction.FORWARD, effects or REPAIR, START)


async def state_of(store: Store, effect: EffectRecord) -> EffectState:
    """What is stored about an effect now."""
    return next(e.state for e in await store.effects(effect.incident_id) if e.id == effect.id)


# --- intake


async def st01_accepted_writes_are_read_back_equal(store: Store) -> None:
    one = incident(
        attempt=2,
        wake_at=later(30),
        policy="pool",
        data={"nested": {"list": [1, None, True]}},
        severity=Severity.WARNING,
    )
    seen = replace(episode(1, one), reports=7, last_seen=later(9))
    event = TimelineEvent(one.id, later(1), Kind.ALERT, "fires", {"status": "firing"})
    written = await store.accept(
        [notification(seen.alert)],
        fixed_writes(Writes([one], (), [seen], [event], {"opened": 1})),
    )
    assert written.actions == {"opened": 1}
    assert await store.incident(one.id) == one
    assert await store.alerts(one.id) == [seen]
    timeline = await store.timeline(one.id)
    assert timeline == [replace(event, seq=timeline[0].seq)]
    assert timeline[0].seq > 0


async def st02_failing_correlation_stores_nothing(store: Store) -> None:
    def fail(_n: Sequence[Notification], _k: Known) -> Writes:
        raise LookupError("a defect")

    with pytest.raises(LookupError, match="a defect"):
        await store.accept([notification(alert())], Deciding(fail))
    assert await store.incidents() == []
    await given(store, incident())
    assert len(await store.incidents()) == 1


async def st03_refused_write_takes_the_whole_batch_back(store: Store) -> None:
    one, twin = numbered(1), numbered(2, key="key-1")
    with pytest.raises(StoreConflict):
        await store.accept(
            [notification(alert())],
            fixed_writes(
                Writes(opened=[one, twin], episodes=[episode(1, one)], events=[fact(one)])
            ),
        )
    assert await store.incidents() == []
    assert await store.episodes(open_only=False) == []
    assert await store.timeline(one.id) == []


async def st04_correlation_is_told_what_belongs_to_its_alerts(store: Store) -> None:
    mine, other = alert(n="1"), alert(n="2")
    message = notification(mine)
    one = numbered(1, key=correlation_key(message, mine))
    old = numbered(2, State.CLOSED, key=one.key)
    stranger = numbered(3)
    stored = [
        StoredAlert(mine, old.id, START, START, 1, open=False),
        StoredAlert(mine, stranger.id, later(1), later(1), 1, open=True),
        StoredAlert(other, one.id, START, START, 1, open=True),
        episode(9, one, is_open=False),
    ]
    await given(store, one, old, stranger, episodes=stored)
    told = await known(store, message)
    assert told.episodes == {mine.identity: stored[1]}
    assert told.incidents == {one.key: one}
    assert told.by_id == {one.id: one, stranger.id: stranger}
    assert told.open_alerts == {}
    assert told.begun == {mine.identity: [START, later(1)]}


async def st041_a_resolution_is_told_how_many_others_fire(store: Store) -> None:
    one, two = numbered(1), numbered(2)
    mine = [episode(n, one) for n in range(3)]
    await given(store, one, two, episodes=[*mine, episode(7, two), episode(8, one, is_open=False)])
    over = replace(mine[0].alert, status=AlertStatus.RESOLVED)
    assert (await known(store, notification(over))).open_alerts == {one.id: 3}


async def st042_what_ended_long_ago_is_not_remembered(store: Store) -> None:
    one = numbered(1)
    ended = [replace(episode(n, one, is_open=False), last_seen=later(n)) for n in range(3)]
    await given(store, one, episodes=[*ended, replace(episode(9, one), last_seen=START)])
    assert await store.forget_endings(later(2)) == 2
    assert await store.forget_endings(later(2)) == 0
    asked = notification(*(item.alert for item in ended), episode(9, one).alert)
    told = await known(store, asked)
    assert told.episodes.keys() == {ended[2].alert.identity, episode(9, one).alert.identity}
    assert len(await store.episodes(open_only=False)) == 4


async def st043_what_a_repair_touched_is_known_for_a_while(store: Store) -> None:
    one = await planned(store, numbered(1, State.REMEDIATING))
    two = await planned(store, numbered(2, State.REMEDIATING))
    for effect, at in ((one[-1], 10), (two[0], 20)):
        await store.intend(effect.id, 1, ACTING, later(at))
    told = await known(store, notification(alert(), at=later(60)), touched=timedelta(seconds=55))
    assert told.touched == {"api-server": numbered(1).id}
    assert numbered(1).id in told.by_id
    told = await known(store, notification(alert(), at=later(60)), touched=timedelta(seconds=45))
    assert told.touched == {}


async def st05_nothing_is_told_about_strangers(store: Store) -> None:
    one = numbered(1)
    await given(store, one, episodes=[episode(1, one)])
    told = await known(store, notification(alert(n="2"), group="other"))
    assert told == Known(pressing=1)


async def st06_update_by_correlation_changes_what_it_decided(store: Store) -> None:
    (one,) = await given(store, numbered(1, severity=Severity.WARNING))
    joined = replace(
        one,
        state=State.RESOLVED,
        severity=Severity.CRITICAL,
        labels={"job": "api-server"},
        updated_at=later(5),
        wake_at=later(9),
        data={"seen": 2},
    )
    await store.accept([], fixed_writes(Writes(updated=[joined])))
    assert await store.incident(one.id) == replace(joined, version=one.version + 1)


async def st07_update_by_correlation_makes_a_worker_read_again(store: Store) -> None:
    await given(store, numbered(1))
    mine = await claimed(store)
    await store.accept([], fixed_writes(Writes(updated=[mine])))
    with pytest.raises(StoreConflict):
        await store.save(mine, mine.fence)
    newest = await store.incident(mine.id)
    assert newest is not None
    assert newest.fence == mine.fence
    await store.save(newest, mine.fence)


async def st08_one_open_incident_per_key(store: Store) -> None:
    await given(store, numbered(1, State.CLOSED, key="k"), numbered(2, key="k"))
    for state in set(State) - {State.CLOSED}:
        with pytest.raises(StoreConflict):
            await given(store, numbered(3, state, key="k"))
    await given(store, numbered(4, State.CLOSED, key="k"))
    assert {i.id for i in await store.incidents()} == {numbered(n).id for n in (1, 2, 4)}


async def st09_closing_makes_room_for_the_next_incident(store: Store) -> None:
    (one,) = await given(store, numbered(1, State.RESOLVED, key="k"))
    await store.transition(replace(one, state=State.CLOSED), [])
    await given(store, numbered(2, key="k"))
    with pytest.raises(StoreConflict):
        await store.transition(replace(one, version=1), [])


async def st10_repeated_report_updates_the_open_episode(store: Store) -> None:
    one = numbered(1)
    await given(store, one, episodes=[episode(1, one)])
    (first,) = await store.episodes()
    again = replace(first, reports=2, last_seen=later(30))
    await store.accept([], fixed_writes(Writes(episodes=[again])))
    assert await store.episodes(open_only=False) == [again]


async def st11_new_firing_begins_a_new_episode(store: Store) -> None:
    one = numbered(1)
    second = episode(1, one, seen=60)
    await given(store, one, episodes=[episode(1, one)])
    (first,) = await store.episodes()
    ended = replace(first, open=False, alert=replace(first.alert, status=AlertStatus.RESOLVED))
    await store.accept([], fixed_writes(Writes(episodes=[ended])))
    assert await store.episodes() == []
    await store.accept([], fixed_writes(Writes(episodes=[second])))
    assert await store.episodes() == [second]
    assert await store.episodes(open_only=False) == [ended, second]
    assert await store.alerts(one.id) == [second]


async def st12_end_and_new_firing_in_one_batch_are_both_kept(store: Store) -> None:
    one = numbered(1)
    second = episode(1, one, seen=60)
    await given(store, one, episodes=[episode(1, one)])
    (first,) = await store.episodes()
    ended = replace(first, open=False, last_seen=later(50))
    await store.accept([], fixed_writes(Writes(episodes=[ended, second])))
    assert await store.episodes(open_only=False) == [ended, second]


async def st13_one_open_episode_per_alert(store: Store) -> None:
    one, two = numbered(1), numbered(2)
    await given(store, one, two, episodes=[episode(1, one)])
    (first,) = await store.episodes()
    with pytest.raises(StoreConflict):
        await store.accept([], fixed(episodes=[episode(1, two, seen=1)]))
    assert await store.episodes() == [first]
    moved = replace(first, incident_id=two.id, last_seen=later(9))
    await store.accept([], fixed(episodes=[moved]))
    assert await store.episodes(open_only=False) == [moved]
    ended = replace(moved, open=False)
    await store.accept([], fixed(episodes=[ended, episode(1, two, seen=1)]))
    assert await store.episodes() == [episode(1, two, seen=1)]


async def st14_episodes_need_their_incident(store: Store) -> None:
    with pytest.raises(StoreConflict):
        await given(store, episodes=[episode(1, numbered(1))])
    assert await store.episodes(open_only=False) == []


async def st141_what_was_over_before_it_was_heard_of_has_no_incident(store: Store) -> None:
    over = replace(episode(1, numbered(1), is_open=False), incident_id="")
    await store.accept([], fixed(episodes=[over]))
    assert await store.episodes(open_only=False) == [over]
    told = await known(store, notification(over.alert))
    assert (told.episodes, told.by_id) == ({over.alert.identity: over}, {})
    assert await store.forget(START, later(-1), 100, later(99)) == 0
    assert await store.forget(START, later(1), 100, later(99)) == 1


async def st142_an_episode_that_goes_on_may_find_another_incident(store: Store) -> None:
    one, two = numbered(1, State.CLOSED), numbered(2)
    await given(store, one, two, episodes=[episode(1, one, is_open=False)])
    (over,) = await store.episodes(open_only=False)
    on = replace(over, incident_id=two.id, open=True)
    await store.accept([], fixed(episodes=[on]))
    assert await store.episodes() == [on]
    assert await store.alerts(one.id) == []


async def st15_alerts_come_first_seen_first(store: Store) -> None:
    one = numbered(1)
    seen = [episode(n, one, seen=-n) for n in range(4)]
    await given(store, one, numbered(2), episodes=seen)
    assert await store.alerts(one.id) == seen[::-1]
    assert await store.alerts(numbered(2).id) == []


async def st16_hostile_text_and_far_times_survive(store: Store) -> None:
    one = incident(
        title=HOSTILE,
        labels={HOSTILE: HOSTILE},
        data={HOSTILE: [HOSTILE]},
        created_at=LAST_MOMENT,
        updated_at=LAST_MOMENT,
        wake_at=LAST_MOMENT,
    )
    fired = replace(
        alert(starts_at=datetime.min.replace(tzinfo=UTC), ends_at=LAST_MOMENT),
        labels={"alertname": HOSTILE},
        annotations={HOSTILE: HOSTILE},
        generator_url=HOSTILE,
        fingerprint=HOSTILE,
    )
    seen = StoredAlert(fired, one.id, START, LAST_MOMENT, 1, open=True)
    event = TimelineEvent(one.id, LAST_MOMENT, Kind.NOTE, HOSTILE, {HOSTILE: HOSTILE})
    message = replace(
        notification(fired, group=HOSTILE, body=bytes(range(256))),
        receiver=HOSTILE,
        rejected=[HOSTILE],
    )
    await store.accept([message], fixed_writes(Writes([one], (), [seen], [event])))
    assert await store.incident(one.id) == replace(one, title=STORED)
    cleaned = replace(fired, generator_url=STORED, fingerprint=STORED)
    assert await store.alerts(one.id) == [replace(seen, alert=cleaned)]
    timeline = await store.timeline(one.id)
    assert timeline == [replace(event, summary=STORED, seq=timeline[0].seq)]
    assert [i.id for i in await store.incidents(query=HOSTILE)] == [one.id]
    assert (await known(store, message)).episodes[fired.identity].incident_id == one.id


async def st17_many_alerts_fit_in_one_batch(store: Store) -> None:
    one = numbered(1)
    alerts = [alert(n=str(n)) for n in range(6000)]
    some = [StoredAlert(a, one.id, START, START, 1, open=True) for a in alerts[::100]]
    await given(store, one, episodes=some)
    told = await known(store, notification(*alerts, group=""))
    assert told.episodes.keys() == {item.alert.identity for item in some}
    over = [replace(item, status=AlertStatus.RESOLVED) for item in alerts]
    told = await known(store, notification(*over, group=""))
    assert told.open_alerts == {one.id: len(some)}


# --- claims


async def st20_claims_go_by_severity_then_age(store: Store) -> None:
    urgent = [
        numbered(n, severity=severity, created_at=later(age))
        for n, (severity, age) in enumerate((s, a) for s in Severity for a in (-5, 0, 5))
    ]
    shuffled = sorted(urgent, key=lambda i: int(i.id[-1]) * 7 % 11)
    await given(store, *shuffled)
    order = [(await claimed(store)).id for _ in urgent]
    assert order == [i.id for i in urgent]
    assert await store.claim("worker", START, LEASE) is None


async def st21_only_working_states_are_claimed(store: Store) -> None:
    await given(store, *(numbered(n, state) for n, state in enumerate(State)))
    taken = []
    while (mine := await store.claim("worker", START, LEASE)) is not None:
        taken.append(mine.state)
    assert len(taken) == len(WORKING)
    assert set(taken) == WORKING


async def st22_waiting_incident_is_not_due_before_its_time(store: Store) -> None:
    await given(store, numbered(1, wake_at=later(10)))
    assert await store.claim("worker", later(10) - timedelta(microseconds=1), LEASE) is None
    assert await store.claim("worker", later(10), LEASE) is not None


async def st23_lease_ends_at_its_time(store: Store) -> None:
    await given(store, numbered(1))
    first = await claimed(store)
    ends = START + LEASE
    assert await store.claim("other", ends - timedelta(microseconds=1), LEASE) is None
    second = await claimed(store, ends)
    assert (second.id, second.fence) == (first.id, first.fence + 1)


async def st24_claim_returns_what_is_stored(store: Store) -> None:
    await given(store, numbered(1, fence=4))
    mine = await claimed(store)
    assert mine.fence == 5
    assert await store.incident(mine.id) == mine


async def st25_renewed_lease_keeps_others_out(store: Store) -> None:
    await given(store, numbered(1))
    mine = await claimed(store)
    assert await store.renew(mine.id, mine.fence, later(100))
    assert await store.claim("other", later(99), LEASE) is None
    assert await store.claim("other", later(100), LEASE) is not None


async def st26_lost_claim_can_be_neither_renewed_nor_released(store: Store) -> None:
    await given(store, numbered(1))
    lost = await claimed(store)
    mine = await claimed(store, START + LEASE)
    assert not await store.renew(lost.id, lost.fence, later(9999))
    await store.release(lost.id, lost.fence)
    end = START + 2 * LEASE
    assert await store.claim("third", end - timedelta(microseconds=1), LEASE) is None
    assert (await claimed(store, end)).fence == mine.fence + 1


async def st27_released_claim_is_free_at_once(store: Store) -> None:
    await given(store, numbered(1))
    mine = await claimed(store)
    await store.release(mine.id, mine.fence)
    assert not await store.renew(mine.id, mine.fence, later(9999))
    assert (await claimed(store)).fence == mine.fence + 1


async def st28_forgotten_claims_are_free_at_once(store: Store) -> None:
    await given(store, numbered(1), numbered(2))
    fences = {mine.id: mine.fence for mine in [await claimed(store), await claimed(store)]}
    await store.forget_claims("worker")
    assert not await store.renew(numbered(1).id, fences[numbered(1).id], later(9999))
    again = [await claimed(store), await claimed(store)]
    assert {mine.id: mine.fence - 1 for mine in again} == fences


async def st281_an_owner_forgets_its_own_claims_only(store: Store) -> None:
    await given(store, numbered(1), numbered(2))
    await claimed(store)
    await store.claim("worker%/0", START, LEASE)
    await store.forget_claims("worker")
    assert (await claimed(store)).id == numbered(1).id
    assert await store.claim("other/0", START, LEASE) is None


async def st29_concurrent_claims_never_share_an_incident(store: Store) -> None:
    await given(store, *(numbered(n) for n in range(5)))
    taken = await asyncio.gather(*(store.claim(f"w{n}", START, LEASE) for n in range(20)))
    ids = [mine.id for mine in taken if mine is not None]
    assert sorted(ids) == [numbered(n).id for n in range(5)]


# --- saving


async def st30_save_writes_incident_and_events_together(store: Store) -> None:
    await given(store, numbered(1))
    mine = await claimed(store)
    changed = replace(
        mine,
        state=State.DIAGNOSED,
        title="another",
        severity=Severity.INFO,
        labels={},
        updated_at=later(3),
        attempt=1,
        wake_at=later(4),
        policy="pool",
        data={"a": 1},
    )
    saved = await store.save(changed, mine.fence, [fact(mine, "one"), fact(mine, "two")])
    assert saved == replace(changed, version=mine.version + 1)
    assert await store.incident(mine.id) == saved
    assert [e.summary for e in await store.timeline(mine.id)] == ["one", "two"]


async def st31_save_leaves_identity_and_lease_alone(store: Store) -> None:
    (one,) = await given(store, numbered(1))
    mine = await claimed(store)
    forged = replace(mine, key="other", created_at=later(-5), fence=99)
    saved = await store.save(forged, mine.fence)
    assert (saved.key, saved.created_at, saved.fence) == (one.key, one.created_at, mine.fence)
    assert await store.claim("other", START, LEASE) is None


async def st32_saved_severity_decides_the_next_claim(store: Store) -> None:
    await given(store, numbered(1), numbered(2, severity=Severity.WARNING))
    mine = await claimed(store)
    await store.save(replace(mine, severity=Severity.INFO), mine.fence)
    await store.release(mine.id, mine.fence)
    assert (await claimed(store)).id == numbered(2).id


async def st33_old_fence_saves_nothing(store: Store) -> None:
    await given(store, numbered(1))
    lost = await claimed(store)
    mine = await claimed(store, START + LEASE)
    with pytest.raises(StoreConflict):
        await store.save(replace(lost, title="late"), lost.fence, [fact(lost)])
    assert await store.incident(mine.id) == mine
    assert await store.timeline(mine.id) == []


async def st34_old_version_saves_nothing(store: Store) -> None:
    await given(store, numbered(1))
    mine = await claimed(store)
    saved = await store.save(mine, mine.fence)
    with pytest.raises(StoreConflict):
        await store.save(replace(mine, title="late"), mine.fence, [fact(mine)])
    assert await store.incident(mine.id) == saved
    assert await store.timeline(mine.id) == []


async def st35_unknown_incident_is_a_conflict(store: Store) -> None:
    with pytest.raises(StoreConflict):
        await store.save(numbered(1), 0)
    with pytest.raises(StoreConflict):
        await store.transition(numbered(1), [])
    assert await store.incidents() == []


async def st36_person_needs_no_claim_and_takes_none(store: Store) -> None:
    await given(store, numbered(1))
    mine = await claimed(store)
    moved = await store.transition(replace(mine, state=State.ESCALATED), [fact(mine)])
    assert moved == replace(mine, state=State.ESCALATED, version=mine.version + 1)
    assert len(await store.timeline(mine.id)) == 1
    assert await store.renew(mine.id, mine.fence, later(9))


async def st37_person_with_an_old_page_changes_nothing(store: Store) -> None:
    (one,) = await given(store, numbered(1))
    moved = await store.transition(replace(one, state=State.SUPPRESSED), [])
    with pytest.raises(StoreConflict):
        await store.transition(replace(one, state=State.ESCALATED), [fact(one)])
    assert await store.incident(one.id) == moved
    assert await store.timeline(one.id) == []


async def st38_one_of_many_concurrent_changes_wins(store: Store) -> None:
    (one,) = await given(store, numbered(1))
    tries = [store.transition(replace(one, title=str(n)), [fact(one, str(n))]) for n in range(10)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    won = [r for r in results if isinstance(r, Incident)]
    assert len(won) == 1
    assert sum(isinstance(r, StoreConflict) for r in results) == 9
    assert await store.incident(one.id) == won[0]
    assert [e.summary for e in await store.timeline(one.id)] == [won[0].title]


async def st39_event_that_cannot_be_stored_undoes_the_save(store: Store) -> None:
    await given(store, numbered(1))
    mine = await claimed(store)
    with pytest.raises(StoreConflict):
        await store.save(replace(mine, title="late"), mine.fence, [fact(mine), fact(numbered(2))])
    assert await store.incident(mine.id) == mine
    assert await store.timeline(mine.id) == []


async def abandoned_write(store: Store, n: int) -> bool:
    """Cancel a write after some turns of the loop; whether its transaction was under way."""
    one = numbered(n)
    decided = asyncio.Event()

    def open_one(_n: Sequence[Notification], _k: Known) -> Writes:
        decided.set()
        return Writes(opened=[one], episodes=[episode(n, one)], events=[fact(one)])

    write = asyncio.ensure_future(store.accept([notification(alert())], Deciding(open_one)))
    await decided.wait()
    for _ in range(n):
        await asyncio.sleep(0)
    write.cancel()
    await asyncio.wait([write])
    await store.accept([], fixed())  # intake takes turns: this one ends after the abandoned one
    assert await store.incident(one.id) is not None
    assert len(await store.alerts(one.id)) == 1
    assert len(await store.timeline(one.id)) == 1
    return write.cancelled()


async def st40_cancelled_caller_does_not_cut_a_write(store: Store) -> None:
    assert any([await abandoned_write(store, n) for n in range(60)])


async def st41_cancelled_readers_leave_the_store_working(store: Store) -> None:
    (one,) = await given(store, numbered(1))
    for n in range(40):
        read = asyncio.ensure_future(store.incidents())
        for _ in range(n):
            await asyncio.sleep(0)
        read.cancel()
        await asyncio.wait([read])
    found = await asyncio.wait_for(asyncio.gather(*(store.incidents() for _ in range(10))), 5)
    assert found == [[one]] * 10


# --- reading


async def st50_absent_things_are_none_or_empty(store: Store) -> None:
    await store.ping()
    assert await store.incident("none") is None
    assert await store.incidents(before="none") == []
    assert await store.timeline("none") == []
    assert await store.alerts("none") == []
    assert await store.effects("none") == []
    assert await store.runs("none") == []
    assert await store.calls("none") == []
    assert await store.acted(START) == []
    assert await store.switch("none") is None


async def st51_incidents_come_newest_first_in_whole_pages(store: Store) -> None:
    # Three of each age, so that pages end between equals.
    made = [numbered(n, created_at=later(n // 3)) for n in range(10)]
    await given(store, *made[::2], *made[1::2])
    for size in (1, 2, 3, 4, 10, 11):
        read: list[Incident] = []
        while page := await store.incidents(before=read[-1].id if read else "", limit=size):
            assert len(page) <= size
            read += page
        assert read == made[::-1]


async def st52_incidents_are_filtered_by_state(store: Store) -> None:
    made = [numbered(n, state) for n, state in enumerate(State)]
    await given(store, *made)
    for one in made:
        assert await store.incidents([one.state]) == [one]
    two = [State.CLOSED, State.VERIFYING]
    assert {i.state for i in await store.incidents(two)} == set(two)
    assert len(await store.incidents()) == len(State)


async def st53_label_filter_is_exact(store: Store) -> None:
    label_sets: list[dict[str, str]] = [
        {"service": "api"},
        {"service": "API"},
        {"Service": "api"},
        {"service": "api_"},
        {"service": "apix"},
        {"service": "api%"},
        {"service": "api", "job": "api"},
        {'x"service': "api"},
        {"x": '"service":"api"'},
        {"x": ',"service":"api",'},
        {"service": ""},
        {"": "api"},
        {"service": "caf\u00e9"},
        {"service": "a\\pi"},
        {},
    ]
    made = [numbered(n, labels=labels) for n, labels in enumerate(label_sets)]
    await given(store, *made)
    for labels in label_sets:
        expected = [i for i in reversed(made) if labels.items() <= i.labels.items()]
        assert await store.incidents(label=labels) == expected, labels
    assert await store.incidents(label={HOSTILE: HOSTILE}) == []


async def st54_title_filter_is_plain_text(store: Store) -> None:
    titles = ["Disk 100% full", "Disk 1000 full", "a_b", "aXb", "back\\slash", "DISK"]
    made = [numbered(n, title=title) for n, title in enumerate(titles)]
    await given(store, *made)

    async def found(query: str) -> set[str]:
        return {i.title for i in await store.incidents(query=query)}

    assert await found("100%") == {"Disk 100% full"}
    assert await found("a_b") == {"a_b"}
    assert await found("\\") == {"back\\slash"}
    assert await found("disk") == {"Disk 100% full", "Disk 1000 full", "DISK"}
    assert await found("nothing") == set()


async def st55_filters_and_paging_combine(store: Store) -> None:
    made = [
        numbered(
            n,
            State.CLOSED if n % 2 else State.ESCALATED,
            title=f"title {n % 3}",
            labels={"team": "a" if n < 9 else "b"},
            created_at=later(n),
        )
        for n in range(12)
    ]
    await given(store, *made)
    arguments = {"states": [State.CLOSED], "label": {"team": "a"}, "query": "title 1"}
    assert await store.incidents(**arguments) == [made[7], made[1]]
    assert await store.incidents(**arguments, limit=1) == [made[7]]
    assert await store.incidents(**arguments, before=made[7].id) == [made[1]]


async def st56_timeline_is_read_in_pages_and_in_order(store: Store) -> None:
    one, two = await given(store, numbered(1), numbered(2))
    for n in range(7):
        await store.note([fact(one, f"one {n}"), fact(two, f"two {n}")])
    read: list[TimelineEvent] = []
    while page := await store.timeline(one.id, read[-1].seq if read else 0, 3):
        assert len(page) <= 3
        read += page
    assert [e.summary for e in read] == [f"one {n}" for n in range(7)]
    assert all(a.seq < b.seq for a, b in pairwise(read))


async def st57_note_does_not_touch_the_incident(store: Store) -> None:
    (one,) = await given(store, numbered(1))
    await store.note([fact(one)])
    assert await store.incident(one.id) == one
    with pytest.raises(StoreConflict):
        await store.note([fact(one), fact(numbered(2))])
    assert len(await store.timeline(one.id)) == 1


async def st58_totals_count_every_incident_once(store: Store) -> None:
    empty = await store.totals()
    assert set(empty.incidents) == set(State)
    assert set(empty.queue) == {str(s) for s in Severity}
    assert (empty.accepted, empty.settled) == (0, 0)
    assert not any(empty.incidents.values())
    await given(
        store,
        numbered(1),
        numbered(2, severity=Severity.WARNING, updated_at=later(-5)),
        numbered(3, severity=Severity.WARNING),
        numbered(4, State.ESCALATED, severity=Severity.WARNING),
        numbered(5, State.CLOSED),
        numbered(6, State.CLOSED, severity=Severity.NONE),
    )
    totals = await store.totals()
    counted = {state: n for state, n in totals.incidents.items() if n}
    assert counted == {State.TRIGGERED: 3, State.ESCALATED: 1, State.CLOSED: 2}
    assert totals.queue == {"critical": 1, "warning": 2, "info": 0, "none": 0}
    assert (totals.accepted, totals.settled) == (6, 2)
    assert set(totals.oldest) == {State.TRIGGERED, State.ESCALATED, State.CLOSED}
    assert totals.oldest[State.TRIGGERED] == later(-5)


# --- effects


async def st60_plan_is_recorded_in_order(store: Store) -> None:
    one = numbered(1, State.REMEDIATING, attempt=3, policy="pool")
    records = await planned(store, one)
    assert [
        (r.incident_id, r.attempt, r.direction, r.position, r.effect, r.policy, r.state)
        for r in records
    ] == [
        (one.id, 3, Direction.FORWARD, n, effect, "pool", EffectState.PLANNED)
        for n, effect in enumerate(REPAIR)
    ]
    assert all((r.intended_at, r.settled_at, r.detail) == (None, None, {}) for r in records)
    assert await store.effects(one.id) == records


async def st61_planning_twice_changes_nothing(store: Store) -> None:
    records = await planned(store, numbered(1, State.REMEDIATING))
    mine = await store.incident(numbered(1).id)
    assert mine is not None
    begun = await store.intend(records[0].id, mine.fence, ACTING, later(1))
    other = [ServiceRestart("other")]
    again = await store.plan(mine, mine.fence, Direction.FORWARD, other, later(2))
    assert again == [begun, *records[1:]]
    assert await store.effects(mine.id) == again


async def st62_attempts_and_directions_have_plans_of_their_own(store: Store) -> None:
    await given(store, numbered(1, State.REMEDIATING, attempt=1))
    mine = await claimed(store)
    next_time = replace(mine, attempt=2)
    assert await store.plan(mine, mine.fence, Direction.ROLLBACK, (), START) == []
    await store.plan(next_time, mine.fence, Direction.FORWARD, [REDEPLOY], START)
    await store.plan(mine, mine.fence, Direction.ROLLBACK, [SET_POOL.inverse()], START)
    await store.plan(mine, mine.fence, Direction.FORWARD, REPAIR, START)
    effects = await store.effects(mine.id)
    assert [(e.attempt, e.direction, e.effect) for e in effects] == [
        (1, Direction.FORWARD, SET_POOL),
        (1, Direction.FORWARD, REDEPLOY),
        (1, Direction.ROLLBACK, SET_POOL.inverse()),
        (2, Direction.FORWARD, REDEPLOY),
    ]
    assert await store.effects(mine.id, 2) == effects[3:]
    assert await store.effects(mine.id, 3) == []


async def st63_old_fence_plans_nothing(store: Store) -> None:
    await given(store, numbered(1, State.REMEDIATING))
    lost = await claimed(store)
    await claimed(store, START + LEASE)
    with pytest.raises(StoreConflict):
        await store.plan(lost, lost.fence, Direction.FORWARD, REPAIR, START)
    with pytest.raises(StoreConflict):
        await store.plan(numbered(2), 0, Direction.FORWARD, REPAIR, START)
    assert await store.effects(lost.id) == []


async def st64_intent_is_written_once(store: Store) -> None:
    first, second = await planned(store, numbered(1, State.REMEDIATING))
    tries = [store.intend(first.id, 1, ACTING, later(1)) for _ in range(5)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    begun = [r for r in results if isinstance(r, EffectRecord)]
    assert begun == [replace(first, state=EffectState.INTENDED, intended_at=later(1))]
    assert sum(isinstance(r, StoreConflict) for r in results) == 4
    assert await store.effects(first.incident_id) == [begun[0], second]


async def st65_only_an_effect_that_did_not_happen_may_be_begun(store: Store) -> None:
    (record,) = await planned(store, numbered(1, State.REMEDIATING), SET_POOL)
    for n, state in enumerate(EffectState):
        await store.settle(record.id, state, {}, later(n))
        if state in {EffectState.PLANNED, EffectState.NOT_APPLIED}:
            begun = await store.intend(record.id, 1, ACTING, later(10 + n))
            assert begun.state is EffectState.INTENDED
            assert (begun.intended_at, begun.settled_at) == (later(10 + n), None)
        else:
            with pytest.raises(StoreConflict):
                await store.intend(record.id, 1, ACTING, later(10 + n))
            assert await state_of(store, record) is state
    with pytest.raises(StoreConflict):
        await store.intend(record.id + 1, 1, ACTING, START)


async def st66_old_fence_begins_nothing(store: Store) -> None:
    record, _ = await planned(store, numbered(1, State.REMEDIATING))
    mine = await claimed(store, START + LEASE)
    with pytest.raises(StoreConflict):
        await store.intend(record.id, mine.fence - 1, ACTING, START)
    assert await state_of(store, record) is EffectState.PLANNED
    await store.intend(record.id, mine.fence, ACTING, START)


async def st67_effect_is_begun_in_the_given_states_only(store: Store) -> None:
    record, _ = await planned(store, numbered(1, State.REMEDIATING))
    rollback = (State.VERIFYING, State.ESCALATED)
    with pytest.raises(StoreConflict, match="remediating"):
        await store.intend(record.id, 1, rollback, START)
    assert await state_of(store, record) is EffectState.PLANNED
    one = await store.incident(record.incident_id)
    assert one is not None
    await store.transition(replace(one, state=State.ESCALATED), [])
    with pytest.raises(StoreConflict):
        await store.intend(record.id, 1, ACTING, START)
    await store.intend(record.id, 1, rollback, START)


async def st68_outcome_is_written_whoever_reports_it(store: Store) -> None:
    record, other = await planned(store, numbered(1, State.REMEDIATING))
    begun = await store.intend(record.id, 1, ACTING, later(1))
    await claimed(store, START + LEASE)
    await store.settle(record.id, EffectState.FAILED, {"why": HOSTILE}, later(2))
    settled = replace(begun, state=EffectState.FAILED, detail={"why": HOSTILE}, settled_at=later(2))
    assert await store.effects(record.incident_id) == [settled, other]


async def st69_every_kind_of_effect_survives(store: Store) -> None:
    kinds = (SET_POOL, REDEPLOY, ServiceRestart("api"), PostmortemWrite("API: pool \u2026"))
    records = await planned(store, numbered(1, State.REMEDIATING), *kinds)
    assert tuple(r.effect for r in records) == kinds


async def st70_limits_see_what_was_begun_since(store: Store) -> None:
    records = await planned(store, numbered(1, State.REMEDIATING, attempt=1, policy="pool"))
    assert await store.acted(START) == []
    await store.intend(records[0].id, 1, ACTING, later(10))
    await store.intend(records[1].id, 1, ACTING, later(20))
    one = await store.incident(records[0].incident_id)
    assert one is not None
    await store.transition(replace(one, state=State.ESCALATED), [])
    (acted,) = await store.acted(later(10))
    assert (acted.incident_id, acted.policy, acted.at) == (one.id, "pool", later(10))
    assert list(acted.targets) == [SET_POOL.target, REDEPLOY.target]
    assert not acted.active
    assert await store.acted(later(21)) == []


async def st71_limits_see_what_is_active_however_old(store: Store) -> None:
    records = await planned(store, numbered(1, State.REMEDIATING, attempt=1))
    await store.intend(records[0].id, 1, ACTING, later(10))
    for state in State:
        one = await store.incident(records[0].incident_id)
        assert one is not None
        await store.transition(replace(one, state=state), [])
        old = await store.acted(later(1000))
        recent = await store.acted(START)
        active = state in {State.REMEDIATING, State.VERIFYING}
        assert [a.active for a in old] == [True] * active
        assert [a.active for a in recent] == [active]


async def st72_earlier_attempts_are_not_active(store: Store) -> None:
    records = await planned(store, numbered(1, State.REMEDIATING, attempt=1))
    await store.intend(records[0].id, 1, ACTING, later(10))
    one = await store.incident(records[0].incident_id)
    assert one is not None
    again = await store.transition(replace(one, attempt=2), [])
    plan = await store.plan(again, 1, Direction.FORWARD, [REDEPLOY], later(20))
    await store.intend(plan[0].id, 1, ACTING, later(20))
    acted = await store.acted(START)
    assert [(a.at, list(a.targets), a.active) for a in acted] == [
        (later(10), [SET_POOL.target], False),
        (later(20), [REDEPLOY.target], True),
    ]
    assert [a.at for a in await store.acted(later(1000))] == [later(20)]


async def st73_limits_do_not_count_what_never_began(store: Store) -> None:
    (record,) = await planned(store, numbered(1, State.REMEDIATING), SET_POOL)
    await store.intend(record.id, 1, ACTING, later(1))
    counted = set()
    for state in EffectState:
        await store.settle(record.id, state, {}, later(2))
        if await store.acted(START):
            counted.add(state)
    assert counted == set(EffectState) - {EffectState.PLANNED, EffectState.REFUSED}


async def st74_limits_do_not_count_rollbacks(store: Store) -> None:
    await given(store, numbered(1, State.REMEDIATING))
    mine = await claimed(store)
    plan = await store.plan(mine, mine.fence, Direction.ROLLBACK, [REDEPLOY], START)
    await store.intend(plan[0].id, mine.fence, ACTING, START)
    assert await store.acted(START - LEASE) == []


# --- runs


def run_of(one: Incident, n: int, **values: object) -> Run:
    """A run that is under way."""
    return replace(Run(f"run-{n}", one.id, "claude", "model", later(n)), **values)


async def st80_run_is_recorded_from_start_to_end(store: Store) -> None:
    (one,) = await given(store, numbered(1))
    second, first = run_of(one, 2), run_of(one, 1)
    await store.begin_run(second)
    await store.begin_run(first)
    assert await store.runs(one.id) == [first, second]
    ended = replace(
        first,
        ended_at=later(9),
        outcome=RunOutcome.DIAGNOSED,
        usage=Usage(5, 10, 20, 1 << 40, 40, 0.1234),
        error="none",
    )
    await store.end_run(ended)
    assert await store.runs(one.id) == [ended, second]


async def st81_interruption_settles_what_was_running(store: Store) -> None:
    one, two = await given(store, numbered(1), numbered(2))
    ended = run_of(one, 1, ended_at=later(2), outcome=RunOutcome.TIMEOUT)
    left, other = run_of(one, 2), run_of(two, 3)
    for run in (ended, left, other):
        await store.begin_run(run)
    assert await store.interrupt_runs(one.id, later(50)) == 1
    interrupted = replace(left, outcome=RunOutcome.INTERRUPTED, ended_at=later(50))
    assert await store.runs(one.id) == [ended, interrupted]
    assert await store.runs(two.id) == [other]
    assert await store.interrupt_runs(one.id, later(60)) == 0


async def st82_tool_calls_are_kept_in_order(store: Store) -> None:
    (one,) = await given(store, numbered(1))
    first, second = run_of(one, 1), run_of(one, 2)
    await store.begin_run(first)
    await store.begin_run(second)
    calls = [
        ToolCall(
            first.id,
            f"c{n}",
            "query",
            {"q": HOSTILE, "n": n},
            STORED,
            bool(n % 2),
            n / 4,
            later(-n),
        )
        for n in range(5)
    ]
    for call in calls:
        await store.record_call(call)
    await store.record_call(replace(calls[0], run_id=second.id, output=HOSTILE))
    assert await store.calls(first.id) == calls
    assert await store.calls(second.id) == [replace(calls[0], run_id=second.id)]


async def st83_runs_and_calls_need_their_owner(store: Store) -> None:
    with pytest.raises(StoreConflict):
        await store.begin_run(run_of(numbered(1), 1))
    with pytest.raises(StoreConflict):
        await store.record_call(ToolCall("none", "c1", "t", {}, "", False, 0.0, START))
    (one,) = await given(store, numbered(1))
    await store.begin_run(run_of(one, 1))
    with pytest.raises(StoreConflict):
        await store.begin_run(run_of(one, 1))
    assert len(await store.runs(one.id)) == 1


# --- switches


async def st90_switch_is_set_replaced_and_removed(store: Store) -> None:
    await store.set_switch("paused", "ann: deploy", START)
    await store.set_switch("other", "", START)
    assert await store.switch("paused") == "ann: deploy"
    await store.set_switch("paused", HOSTILE, later(1))
    assert await store.switch("paused") == STORED
    await store.set_switch("paused", None, later(2))
    await store.set_switch("paused", None, later(3))
    assert await store.switch("paused") is None
    assert await store.switch("other") == ""


async def st91_label_sets_are_not_shared_with_the_caller(store: Store) -> None:
    labels = dict(LABELS)
    (one,) = await given(store, numbered(1, labels=labels))
    labels["service"] = "changed afterwards"
    stored = await store.incident(one.id)
    assert stored is not None
    assert stored.labels == LABELS


async def st92_correlation_knows_how_many_incidents_nobody_has_taken_up(store: Store) -> None:
    await given(store, numbered(1), numbered(2), numbered(3, State.INVESTIGATING))
    new = numbered(4, State.ESCALATED, created_at=later(50))
    await given(store, new, numbered(5, created_at=later(50)))
    asked = notification(alert(), at=later(60))
    assert (await known(store, asked)).pressing == 3
    assert (await known(store, asked, opened=timedelta(seconds=11))).pressing == 4


async def st921_what_nobody_hears_of_any_more_is_quiet(store: Store) -> None:
    waits = [numbered(n, State.ESCALATED, updated_at=later(n)) for n in range(5)]
    await given(
        store,
        *waits,
        numbered(8, State.RESOLVED),
        episodes=[
            episode(1, waits[1]),
            replace(episode(2, waits[2], is_open=False), last_seen=later(9)),
            replace(episode(3, waits[3], is_open=False), last_seen=later(3)),
        ],
    )
    assert [item.id for item in await store.quiet(later(3), 9)] == [waits[0].id, waits[3].id]
    assert [item.id for item in await store.quiet(later(3), 1)] == [waits[0].id]


async def st93_of_two_intakes_at_once_one_sees_what_the_other_wrote(store: Store) -> None:
    def decide(items: Sequence[Notification], told: Known) -> Writes:
        if told.incidents:
            return Writes(actions={"joined": 1})
        (said,) = items
        key = correlation_key(said, said.alerts[0])
        new = incident(id=f"i-{said.peer}", key=key)
        fires = StoredAlert(said.alerts[0], new.id, START, START, 1, open=True)
        return Writes(opened=[new], episodes=[fires], actions={"opened": 1})

    said = [replace(notification(alert()), peer=str(number)) for number in range(12)]
    counts = await asyncio.gather(*(store.accept([item], Deciding(decide)) for item in said))
    assert sum(count.actions.get("opened", 0) for count in counts) == 1
    assert sum(count.actions.get("joined", 0) for count in counts) == 11
    assert len(await store.incidents()) == 1


# --- retention


async def st935_old_and_over_is_deleted_whole_and_nothing_else(store: Store) -> None:
    old = numbered(1, State.CLOSED)
    await given(
        store,
        old,
        numbered(2, State.ESCALATED),
        numbered(3, State.CLOSED, updated_at=later(100)),
        episodes=[episode(1, old, is_open=False)],
    )
    mine = await planned(store, numbered(4))
    await store.begin_run(Run("r-1", old.id, "claude", "m", START))
    await store.record_call(ToolCall("r-1", "c1", "t", {}, "", is_error=False, seconds=0, at=START))
    await store.note([fact(old), fact(numbered(2))])
    await store.accept([notification(alert(), at=later(n)) for n in range(4)], fixed())
    counted = await store.totals()
    assert await store.forget(later(2), later(50), 100, later(99)) == 3
    assert await store.forget(later(2), later(50), 100, later(99)) == 0
    kept = [item.id for item in await store.incidents()]
    assert sorted(kept) == [numbered(n).id for n in (2, 3, 4)]
    assert await store.timeline(old.id) == []
    assert await store.runs(old.id) == []
    assert await store.calls("r-1") == []
    assert len(await store.timeline(numbered(2).id)) == 1
    assert len(await store.effects(numbered(4).id)) == len(mine)
    # What was counted stays counted.
    now = await store.totals()
    assert (now.accepted, now.settled) == (counted.accepted, counted.settled) == (4, 2)
    assert now.incidents[State.CLOSED] == 1


async def st936_deleting_stops_at_its_limit(store: Store) -> None:
    await given(store, *(numbered(n, State.CLOSED) for n in range(5)))
    await store.accept([notification(alert()) for _ in range(3)], fixed())
    assert await store.forget(later(9), later(9), 2, later(99)) == 4
    assert await store.forget(later(9), later(9), 2, later(99)) == 3
    assert await store.forget(later(9), later(9), 2, later(99)) == 1
    assert await store.incidents() == []


async def st937_notifications_come_back_as_they_came(store: Store) -> None:
    for n in range(4):
        sent = notification(alert(), at=later(n), body=b'{"n": %d}' % n, group="g\x00g")
        await store.accept([sent], fixed())
    found = await store.notifications(later(1), later(2), 10)
    assert [(item.body, item.received_at) for item in found] == [
        (b'{"n": 1}', later(1)),
        (b'{"n": 2}', later(2)),
    ]
    assert (found[0].peer, found[0].tenant, found[0].alerts) == ("127.0.0.1", "default", ())
    assert [item.body for item in await store.notifications(START, later(9), 1)] == [b'{"n": 0}']


# --- what cannot be read


def unreadable(n: int, at: float = 0) -> Unreadable:
    return Unreadable(b"{%d" % n, later(at), Sender("default", "t1"), "10.0.0.1", "it is not JSON")


async def kept(store: Store) -> list[tuple[bytes, int, str]]:
    """The bytes, how often they came, and why they cannot be read."""

    def read(connection: Connection) -> list[tuple[bytes, int, str]]:
        found = connection.exec_driver_sql("SELECT body, times, reason FROM unreadable ORDER BY id")
        return [(bytes(row.body), row.times, row.reason) for row in found]

    return await store._database.read(read)  # type: ignore[attr-defined]


async def st939_what_cannot_be_read_is_kept_once_and_counted(store: Store) -> None:
    for n in (1, 2, 1, 1):
        await store.keep_unreadable(unreadable(n))
    assert await kept(store) == [(b"{1", 3, "it is not JSON"), (b"{2", 1, "it is not JSON")]


async def st9391_the_oldest_that_cannot_be_read_makes_room(store: Store) -> None:
    for n in range(KEPT + 5):
        await store.keep_unreadable(unreadable(n, at=n))
    await store.keep_unreadable(unreadable(5, at=999))
    await store.keep_unreadable(unreadable(-1, at=1000))
    bodies = [body for body, *_ in await kept(store)]
    assert len(bodies) == KEPT
    assert b"{5" in bodies
    assert b"{6" not in bodies


async def st9392_whose_token_it_was_is_stored(store: Store) -> None:
    await store.accept([replace(notification(alert()), token_id="t7")], fixed())

    def read(connection: Connection) -> list[str]:
        found = connection.exec_driver_sql("SELECT token_id FROM notifications")
        return [row.token_id for row in found]

    assert await store._database.read(read) == ["t7"]  # type: ignore[attr-defined]


# --- the fleet

MINUTE = timedelta(minutes=1)


async def winners(store: Store, at: datetime) -> list[int]:
    """Which of six replicas get the turn when all ask at once."""
    turns = [store.take_turn("poll", f"r-{n}", at, MINUTE) for n in range(6)]
    return [n for n, mine in enumerate(await asyncio.gather(*turns)) if mine]


async def st94_heartbeat_is_the_last_one(store: Store) -> None:
    assert await store.switch(WATCHDOG) is None
    await store.accept([], fixed(heartbeat=START))
    await store.accept([], fixed(heartbeat=later(5)))
    assert await store.switch(WATCHDOG) == later(5).isoformat()


async def st95_job_runs_once_per_interval_by_the_replica_that_has_it(store: Store) -> None:
    (first,) = await winners(store, START)
    assert await winners(store, later(59)) == []
    assert await winners(store, later(60)) == [first]
    assert await store.take_turn("other", "r-1", later(60), MINUTE)


async def st96_job_of_a_dead_replica_is_taken_over_by_one(store: Store) -> None:
    assert await store.take_turn("poll", "dead", START, MINUTE)
    assert await winners(store, later(149)) == []
    assert len(await winners(store, later(150))) == 1
    assert not await store.take_turn("poll", "dead", later(151), MINUTE)


async def st97_label_within_another_entry_is_not_found(store: Store) -> None:
    await given(store, numbered(1, labels={'my"service': "api", "note": 'x,"service":"api"'}))
    assert await store.incidents(label={"service": "api"}) == []
    assert len(await store.incidents(label={'my"service': "api"})) == 1


async def st98_limits_see_when_incidents_were_opened_and_their_labels(store: Store) -> None:
    for n, seconds in enumerate((30, 10, 20), start=1):
        await given(store, numbered(n, created_at=later(seconds)))
    assert await store.opened(START) == [later(10), later(20), later(30)]
    assert await store.opened(later(20)) == [later(20), later(30)]
    assert await store.opened(START, 1) == [later(30)]
    assert await store.opened(later(31)) == []
    records = await planned(store, numbered(4, State.REMEDIATING, labels={"service": "api"}))
    await store.intend(records[0].id, 1, ACTING, later(10))
    assert [dict(item.labels) for item in await store.acted(START)] == [{"service": "api"}]


async def st99_incidents_are_found_by_severity(store: Store) -> None:
    await given(store, numbered(1, severity=Severity.WARNING), numbered(2))
    found = await store.incidents(severities=[Severity.WARNING, Severity.INFO])
    assert [item.id for item in found] == ["01incident0001"]


Behaviour = Callable[[Store], Awaitable[None]]
BEHAVIOURS: tuple[Behaviour, ...] = tuple(
    item for name, item in list(vars().items()) if name.startswith("st") and name[2:4].isdigit()
)
