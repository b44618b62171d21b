"""What the outbox must do on every database, as numbered behaviours: each gets a new store and its outbox."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from sre_daemon.domain.delivery import Delivery
from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.store.base import Store, Writes
from sre_daemon.store.outbox import Outbox
from tests.contracts.store import HOSTILE, STORED, claimed, given, later, numbered
from tests.support.clock import START
from tests.support.correlation import fixed_writes

LEASE = timedelta(seconds=60)


def delivery(key="k1", incident_id="01incident0001", channel="pager", **values) -> Delivery:
    """A message that is due at once."""
    return replace(Delivery(channel, key, incident_id, {"n": key}, START, START), **values)


def nothing(*_) -> list[Delivery]:
    """Sends nothing."""
    return []


async def ob01_opening_and_moves_are_news_in_their_order(store: Store, outbox: Outbox) -> None:
    (one,) = await given(store, numbered(1))
    mine = await claimed(store)
    moved = mine.moved(Event.CLAIMED, later(1))
    data = {"from": mine.state, "to": moved.state, "event": "claimed", "reason": "claimed"}
    event = TimelineEvent(one.id, later(1), Kind.STATE, "triggered -> investigating: by r1", data)
    await store.save(moved, mine.fence, [event])
    seen = await outbox.plan(nothing)
    assert [(n.state, n.text, n.reason) for n in seen] == [
        ("triggered", one.title, ""),
        ("investigating", "by r1", "claimed"),
    ]
    assert seen[0].id < seen[1].id


async def ob02_news_is_planned_once(store: Store, outbox: Outbox) -> None:
    await given(store, numbered(1))
    assert len(await outbox.plan(nothing)) == 1
    assert await outbox.plan(nothing) == []


async def ob03_alerts_notes_and_telling_are_no_news(store: Store, outbox: Outbox) -> None:
    (one,) = await given(store, numbered(1))
    silent = [
        TimelineEvent(one.id, START, kind, "x")
        for kind in (Kind.ALERT, Kind.NOTE, Kind.NOTIFICATION)
    ]
    await store.note(silent)
    assert [n.state for n in await outbox.plan(nothing)] == ["triggered"]


async def ob04_planning_knows_the_incident_and_who_was_told(store: Store, outbox: Outbox) -> None:
    (one,) = await given(store, numbered(1))
    await outbox.add([delivery(incident_id=one.id)])
    seen = []

    def plan(news, incidents, told):
        seen.append((incidents[one.id].title, dict(told)))
        return []

    await outbox.plan(plan)
    assert seen == [(one.title, {one.id: {"pager"}})]


async def ob05_failing_plan_loses_no_news(store: Store, outbox: Outbox) -> None:
    await given(store, numbered(1))

    def broken(*_):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await outbox.plan(broken)
    assert len(await outbox.plan(nothing)) == 1


async def ob06_same_key_is_queued_once_also_after_it_was_sent(store: Store, outbox: Outbox) -> None:
    await outbox.add([delivery(), delivery()])
    taken = await outbox.take("pager", "r/1", START, LEASE)
    await outbox.sent(taken, "r/1", START)
    await outbox.add([delivery()])
    assert await outbox.take("pager", "r/1", later(1), LEASE) is None
    await outbox.add([delivery(channel="chat")])
    assert await outbox.take("chat", "r/1", later(1), LEASE) is not None


async def ob07_message_is_taken_by_one(store: Store, outbox: Outbox) -> None:
    await outbox.add([delivery()])
    taken = await asyncio.gather(*(outbox.take("pager", f"r/{n}", START, LEASE) for n in range(4)))
    assert sum(item is not None for item in taken) == 1


async def ob08_message_of_a_dead_sender_is_taken_again(store: Store, outbox: Outbox) -> None:
    await outbox.add([delivery()])
    first = await outbox.take("pager", "dead/1", START, LEASE)
    assert await outbox.take("pager", "r/1", later(59), LEASE) is None
    again = await outbox.take("pager", "r/1", later(60), LEASE)
    assert (again.key, again.attempts) == (first.key, 2)


async def ob09_late_word_of_a_dead_sender_changes_nothing(store: Store, outbox: Outbox) -> None:
    await outbox.add([delivery()])
    old = await outbox.take("pager", "dead/1", START, LEASE)
    await outbox.take("pager", "r/1", later(60), LEASE)
    await outbox.sent(old, "dead/1", later(61))
    await outbox.failed(old, "dead/1", "too late", None)
    assert (await outbox.backlog())["pager"].waiting == 1


async def ob10_restart_frees_what_its_process_had_taken(store: Store, outbox: Outbox) -> None:
    await outbox.add([delivery(), delivery("k2", "other")])
    await outbox.take("pager", "r_1/pager", START, LEASE)
    await outbox.take("pager", "rx1/pager", START, LEASE)
    await outbox.release("r_1")
    again = await outbox.take("pager", "r_1/pager", START, LEASE)
    assert again.key == "k1"
    assert await outbox.take("pager", "r_1/pager", START, LEASE) is None


async def ob11_messages_of_one_incident_keep_their_order(store: Store, outbox: Outbox) -> None:
    await outbox.add([delivery("first"), delivery("second"), delivery("other", "other")])
    first = await outbox.take("pager", "r/1", START, LEASE)
    await outbox.failed(first, "r/1", "down", later(10))
    assert (await outbox.take("pager", "r/1", later(1), LEASE)).key == "other"
    assert await outbox.take("pager", "r/2", later(1), LEASE) is None
    assert (await outbox.take("pager", "r/1", later(10), LEASE)).key == "first"


async def ob12_message_that_failed_for_good_holds_up_nothing(store: Store, outbox: Outbox) -> None:
    await outbox.add([delivery("first"), delivery("second")])
    first = await outbox.take("pager", "r/1", START, LEASE)
    await outbox.failed(first, "r/1", "refused", None)
    assert (await outbox.take("pager", "r/1", START, LEASE)).key == "second"


async def ob13_messages_about_the_daemon_wait_for_no_other(store: Store, outbox: Outbox) -> None:
    await outbox.add([delivery("a", ""), delivery("b", "")])
    taken = [await outbox.take("pager", f"r/{n}", START, LEASE) for n in range(2)]
    assert [item.key for item in taken] == ["a", "b"]


async def ob14_following_is_one_message_however_often_asked_for(
    store: Store, outbox: Outbox
) -> None:
    follow = delivery("follow", follows=True)
    await outbox.add([follow, follow])
    await outbox.add([follow])
    taken = await outbox.take("pager", "r/1", START, LEASE)
    assert taken.revision == 3
    await outbox.sent(taken, "r/1", START)
    assert await outbox.take("pager", "r/1", START, LEASE) is None


async def ob15_following_asked_for_while_it_is_sent_is_sent_again(
    store: Store, outbox: Outbox
) -> None:
    follow = delivery("follow", follows=True)
    await outbox.add([follow])
    taken = await outbox.take("pager", "r/1", START, LEASE)
    await outbox.add([follow])
    await outbox.sent(taken, "r/1", later(1))
    again = await outbox.take("pager", "r/1", later(1), LEASE)
    assert (again.revision, again.attempts) == (2, 1)


async def ob16_following_asked_for_after_it_was_sent_is_sent_again(
    store: Store, outbox: Outbox
) -> None:
    follow = delivery("follow", follows=True)
    await outbox.add([follow])
    await outbox.sent(await outbox.take("pager", "r/1", START, LEASE), "r/1", START)
    await outbox.add([replace(follow, created_at=later(100), due_at=later(100))])
    assert await outbox.take("pager", "r/1", later(99), LEASE) is None
    assert await outbox.take("pager", "r/1", later(100), LEASE) is not None
    assert (await outbox.backlog())["pager"].oldest == later(100)


async def ob17_following_keeps_the_pause_after_a_failure(store: Store, outbox: Outbox) -> None:
    follow = delivery("follow", follows=True)
    await outbox.add([follow])
    taken = await outbox.take("pager", "r/1", START, LEASE)
    await outbox.failed(taken, "r/1", "rate limited", later(30))
    await outbox.add([replace(follow, due_at=later(1))])
    assert await outbox.take("pager", "r/1", later(29), LEASE) is None
    assert await outbox.take("pager", "r/1", later(30), LEASE) is not None


async def ob18_following_and_messages_do_not_wait_for_each_other(
    store: Store, outbox: Outbox
) -> None:
    await outbox.add([delivery("follow", follows=True), delivery("m1"), delivery("m2")])
    # What a person must hear goes first, however long the other waits.
    assert (await outbox.take("pager", "r/1", START, LEASE)).key == "m1"
    assert (await outbox.take("pager", "r/1", START, LEASE)).key == "follow"
    await outbox.add([delivery("f2", follows=True)])
    assert (await outbox.take("pager", "r/1", START, LEASE)).key == "f2"


async def ob19_only_the_first_message_of_an_incident_is_the_first(
    store: Store, outbox: Outbox
) -> None:
    await outbox.add([delivery("a"), delivery("b", channel="chat"), delivery("c", "")])
    assert await outbox.sent(await outbox.take("pager", "r/1", START, LEASE), "r/1", START)
    assert not await outbox.sent(await outbox.take("chat", "r/1", START, LEASE), "r/1", START)
    about_daemon = await outbox.take("pager", "r/1", START, LEASE)
    assert not await outbox.sent(about_daemon, "r/1", START)


async def ob20_failure_is_not_the_first_message(store: Store, outbox: Outbox) -> None:
    await outbox.add([delivery("a"), delivery("b")])
    await outbox.failed(await outbox.take("pager", "r/1", START, LEASE), "r/1", "no", None)
    assert await outbox.sent(await outbox.take("pager", "r/1", START, LEASE), "r/1", START)


async def ob21_backlog_tells_how_much_since_when_and_why(store: Store, outbox: Outbox) -> None:
    assert await outbox.backlog() == {}
    await outbox.add([delivery("a"), delivery("b", created_at=later(5)), delivery(channel="chat")])
    await outbox.sent(await outbox.take("chat", "r/1", START, LEASE), "r/1", START)
    await outbox.failed(await outbox.take("pager", "r/1", START, LEASE), "r/1", HOSTILE, later(1))
    (name, waits), *rest = (await outbox.backlog()).items()
    assert (name, waits.waiting, waits.oldest, waits.error) == ("pager", 2, START, STORED)
    assert rest == []


async def ob22_channels_that_are_gone_are_given_up(store: Store, outbox: Outbox) -> None:
    await outbox.add([delivery(), delivery(channel="gone")])
    assert await outbox.abandon(["pager"]) == 1
    assert set(await outbox.backlog()) == {"pager"}
    assert await outbox.take("gone", "r/1", START, LEASE) is None


async def ob23_payload_comes_back_as_it_was(store: Store, outbox: Outbox) -> None:
    payload = {"text": "\U0001f525 '; --", "n": 1, "deep": {"list": [None, True]}}
    await outbox.add([delivery(payload=payload)])
    assert (await outbox.take("pager", "r/1", START, LEASE)).payload == payload


async def ob24_what_is_forgotten_takes_its_messages_along(store: Store, outbox: Outbox) -> None:
    closed = numbered(1, State.CLOSED)
    await store.accept([], fixed_writes(Writes(opened=[closed])))
    await outbox.add([delivery(incident_id=closed.id), delivery("old", ""), delivery("wait", "")])
    done = await outbox.take("pager", "r/1", START, LEASE)
    await outbox.sent(done, "r/1", START)
    old = await outbox.take("pager", "r/1", START, LEASE)
    await outbox.sent(old, "r/1", START)
    await store.forget(later(10), later(10), 100, later(10))
    assert await store.incident(closed.id) is None
    # The same keys are new again: nothing is left of the old ones.
    await outbox.add([delivery(incident_id=closed.id), delivery("old", "")])
    assert (await outbox.backlog())["pager"].waiting == 3


async def ob25_no_news_is_planned_twice_by_two_replicas(store: Store, outbox: Outbox) -> None:
    await given(store, *(numbered(n) for n in range(20)))

    def plan(news, *_):
        return [delivery(f"news:{item.id}", item.incident_id) for item in news]

    async def drain() -> int:
        total = 0
        while news := await outbox.plan(plan, limit=3):
            total += len(news)
        return total

    assert sum(await asyncio.gather(*(drain() for _ in range(3)))) == 20
    assert (await outbox.backlog())["pager"].waiting == 20


async def ob26_number_of_news_is_never_given_twice(store: Store, outbox: Outbox) -> None:
    await given(store, numbered(1))
    (first,) = await outbox.plan(nothing)
    await given(store, numbered(2))
    (second,) = await outbox.plan(nothing)
    assert second.id > first.id


Behaviour = Callable[[Store, Outbox], Awaitable[None]]
BEHAVIOURS: tuple[Behaviour, ...] = tuple(
    item for name, item in list(vars().items()) if name.startswith("ob") and name[2:4].isdigit()
)
