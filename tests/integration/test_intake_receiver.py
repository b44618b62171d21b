"""Intake over a real store: few commits for many, quarantine, back-pressure, suspects, shutdown."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from sre_daemon.errors import StoreConflict, StoreUnavailable
from sre_daemon.intake.backlog import MOST_ALERTS
from sre_daemon.intake.receiver import Intake, Signals
from sre_daemon.intake.rules import Rules
from sre_daemon.metrics import Metrics
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from tests.support.clock import START
from tests.support.factories import alert, notification


class Watched(SqlStore):
    """Counts commits, and fails as told."""

    commits = 0
    failure = None
    poison = None
    gate = None

    async def accept(self, notifications, correlation):
        """See Store."""
        self.commits += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.failure is not None:
            raise self.failure
        # Keeping the bytes of what is poison must go well: that is what quarantine does.
        poisoned = any(item.body == self.poison for item in notifications)
        if poisoned and correlation.keys(notifications):
            raise ZeroDivisionError("a defect in correlation")
        return await super().accept(notifications, correlation)


class Parts:
    """What a test holds."""

    def __init__(self, store, intake, metrics):
        self.store, self.intake, self.metrics = store, intake, metrics
        self.stored = asyncio.Event()
        self.doubts = 0
        self.fires = {}

    async def still_firing(self, alerts):
        return {item.identity: self.fires.get(item.identity, False) for item in alerts}

    def counted(self, action):
        return self.metrics.registry.get_sample_value("sre_daemon_alerts_total", {"action": action})

    async def bodies(self):
        def read(connection):
            rows = connection.exec_driver_sql("SELECT body FROM notifications ORDER BY id").all()
            return [row[0] for row in rows]

        return await self.store._database.read(read)


@pytest.fixture
async def parts(tmp_path):
    store = Watched(SqliteDatabase(tmp_path / "store.sqlite3"))
    await store.open()
    metrics = Metrics()
    found = Parts(store, None, metrics)

    def doubt():
        found.doubts += 1

    found.intake = Intake(
        store, Rules(), found.still_firing, 50, metrics, Signals(found.stored.set, doubt)
    )
    await found.intake.start()
    yield found
    await found.intake.stop()
    await store.close()


def said(n, **values):
    item = notification(alert(pod=str(n)), group=f"g{n}", body=b"%d" % n)
    return replace(item, **values)


async def test_many_requests_share_a_commit(parts):
    await asyncio.gather(*(parts.intake.accept(said(n)) for n in range(40)))
    assert parts.store.commits <= 3
    assert sorted(await parts.bodies(), key=int) == [b"%d" % n for n in range(40)]
    assert len(await parts.store.episodes()) == 40
    assert parts.stored.is_set()


async def test_it_returns_only_when_it_is_stored(parts):
    parts.store.gate = asyncio.Event()
    waiting = asyncio.ensure_future(parts.intake.accept(said(1)))
    done, _ = await asyncio.wait([waiting], timeout=0.05)
    assert not done
    assert await parts.bodies() == []
    parts.store.gate.set()
    await waiting
    assert await parts.bodies() == [b"1"]


async def test_a_store_that_fails_is_told_to_everybody_who_waits(parts):
    parts.store.failure = StoreUnavailable("disk full")
    waiting = [parts.intake.accept(said(n)) for n in range(10)]
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, StoreUnavailable) for answer in answers)
    parts.store.failure = None
    await parts.intake.accept(said(1))
    assert await parts.bodies() == [b"1"]


async def test_what_breaks_correlation_is_set_aside_alone(parts):
    parts.store.poison = b"3"
    await asyncio.gather(*(parts.intake.accept(said(n)) for n in range(6)))
    assert sorted(await parts.bodies()) == [b"%d" % n for n in range(6)]
    pods = {item.alert.labels["pod"] for item in await parts.store.episodes()}
    assert pods == {"0", "1", "2", "4", "5"}
    assert parts.counted("rejected") == 1


async def test_a_conflict_of_one_batch_is_tried_one_by_one(parts):
    parts.store.failure = StoreConflict("another replica was first")
    first = asyncio.ensure_future(parts.intake.accept(said(1)))
    parts.store.failure = None
    await first
    assert len(await parts.store.episodes()) == 1


async def test_too_many_waiting_are_refused_at_once(parts):
    parts.store.gate = asyncio.Event()
    waiting = [asyncio.ensure_future(parts.intake.accept(said(n))) for n in range(250)]
    await asyncio.sleep(0)
    refused = [task for task in waiting if task.done()]
    assert refused
    for task in refused:
        with pytest.raises(StoreUnavailable, match="wait to be stored"):
            task.result()
    parts.store.gate.set()
    stored = await asyncio.gather(*(t for t in waiting if t not in refused))
    assert len(await parts.bodies()) == len(stored)


async def test_stopping_stores_what_waits_and_refuses_what_comes(parts):
    parts.store.gate = asyncio.Event()
    waiting = [asyncio.ensure_future(parts.intake.accept(said(n))) for n in range(5)]
    await asyncio.sleep(0)
    stopping = asyncio.ensure_future(parts.intake.stop())
    await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable, match="stopping"):
        await parts.intake.accept(said(9))
    parts.store.gate.set()
    await asyncio.gather(stopping, *waiting)
    assert len(await parts.bodies()) == 5


async def test_a_caller_that_goes_away_stops_nobody(parts):
    parts.store.gate = asyncio.Event()
    waiting = [asyncio.ensure_future(parts.intake.accept(said(n))) for n in range(3)]
    await asyncio.sleep(0)
    waiting[1].cancel()
    parts.store.gate.set()
    await waiting[0]
    await waiting[2]
    assert len(await parts.bodies()) == 3


async def test_what_was_left_out_is_looked_for(parts):
    await parts.intake.accept(said(1))
    assert parts.doubts == 0
    await parts.intake.accept(said(2, truncated=4))
    assert parts.doubts == 1


# --- a firing that may be a late copy


async def until(holds):
    async with asyncio.timeout(10):
        while not holds():  # noqa: ASYNC110 - what is counted tells nobody
            await asyncio.sleep(0.01)


async def suspect(parts, other=None):
    """An alert that fired, resolved, and now seems to fire with its old start."""
    at = START + timedelta(seconds=30)
    await parts.intake.accept(notification(alert(), body=b"1"))
    ended = alert(status="resolved", ends_at=at)
    await parts.intake.accept(notification(ended, at=at, body=b"2"))
    more = [other] if other is not None else []
    late = notification(alert(), *more, at=START + timedelta(seconds=40), body=b"3")
    parts.stored.clear()
    await parts.intake.accept(late)


async def opened_again(parts):
    async with asyncio.timeout(10):
        while True:
            found = await parts.store.episodes()
            if any("pod" not in item.alert.labels for item in found):
                return
            await asyncio.sleep(0.01)


async def test_a_late_copy_of_what_does_not_fire_opens_nothing(parts):
    await suspect(parts)
    await until(lambda: parts.counted("late_copy") == 1)
    assert await parts.store.episodes() == []
    assert parts.counted("suspect") == 1


async def test_what_still_fires_goes_on_as_the_same_episode(parts):
    parts.fires = {alert().identity: True}
    await suspect(parts)
    await opened_again(parts)
    assert await parts.bodies() == [b"1", b"2", b"3"]
    (incident,) = await parts.store.incidents()
    (episode,) = await parts.store.episodes(open_only=False)
    assert (episode.open, episode.reports) == (True, 2)
    assert not incident.doubtful


async def test_what_nobody_can_tell_is_opened_for_a_person(parts):
    parts.fires = {alert().identity: None}
    await suspect(parts)
    await opened_again(parts)
    (incident,) = await parts.store.incidents()
    assert incident.doubtful


async def test_only_the_suspect_is_looked_at_again(parts):
    parts.fires = {alert().identity: True}
    await suspect(parts, other=alert(pod="other"))
    await opened_again(parts)
    reports = {item.alert.labels.get("pod"): item.reports for item in await parts.store.episodes()}
    assert reports == {None: 2, "other": 1}


# --- how long an answer takes


async def test_an_answer_that_takes_too_long_is_no_and_the_copy_changes_nothing(tmp_path):
    store = Watched(SqliteDatabase(tmp_path / "store.sqlite3"))
    await store.open()
    store.gate = asyncio.Event()
    parts = Parts(store, None, Metrics())
    parts.intake = Intake(
        store, Rules(), parts.still_firing, 50, Metrics(), Signals(lambda: None), patience=0.5
    )
    await parts.intake.start()
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match="too long"):
            await parts.intake.accept(said(1))
    store.gate.set()
    await parts.intake.accept(said(1))
    await parts.intake.stop()
    assert len(await store.episodes()) == 1
    assert (await store.episodes())[0].reports == 3
    await store.close()


async def test_a_commit_takes_no_more_than_its_share(parts):
    parts.store.gate = asyncio.Event()
    big = [alert(pod=str(n)) for n in range(MOST_ALERTS)]
    sizes = []
    first = asyncio.ensure_future(parts.intake.accept(said(0)))
    await asyncio.sleep(0)
    waiting = [
        asyncio.ensure_future(parts.intake.accept(notification(*items, body=b"%d" % n)))
        for n, items in enumerate(([alert(pod="a")], big, [alert(pod="b")], [alert(pod="c")]))
    ]
    take = parts.intake._backlog.take

    async def watched():
        batch = await take()
        sizes.append([len(entry.notification.alerts) for entry in batch])
        return batch

    parts.intake._backlog.take = watched
    parts.store.gate.set()
    await asyncio.gather(first, *waiting)
    assert sizes == [[1], [MOST_ALERTS], [1, 1]]
