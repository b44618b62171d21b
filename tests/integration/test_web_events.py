"""Live events: what happens arrives at once, nothing is missed or repeated, nobody costs memory."""

import asyncio
import time
from datetime import timedelta

import pytest

from sre_daemon.domain.event import Kind, TimelineEvent
from sre_daemon.domain.person import Person, Role
from sre_daemon.store.base import Writes
from sre_daemon.store.place import database
from sre_daemon.web import live as live_module
from sre_daemon.web import stream as stream_module
from sre_daemon.web.live import Live
from stack.postgres import PASSWORD
from tests.support.clock import START, ManualClock
from tests.support.correlation import fixed_writes
from tests.support.events import listening
from tests.support.factories import incident
from tests.support.front import API_TOKEN, front_door

BEARER = {"Authorization": f"Bearer {API_TOKEN}"}
ONE, TWO = incident(), incident(id="01incident0002", key="key-2")


async def given(door):
    await door.store.accept([], fixed_writes(Writes(opened=[ONE, TWO])))


def fact(summary, about=ONE, kind=Kind.STEP, **data):
    return TimelineEvent(about.id, START, kind, summary, data)


async def said(stream, count):
    return [(await stream.next("timeline")).data["summary"] for _ in range(count)]


async def test_what_happens_arrives_while_it_happens(tmp_path):
    async with front_door(tmp_path) as door:
        await given(door)
        async with listening(door.http, door.url, BEARER) as stream:
            assert (await stream.next()).name == "ready"
            began = time.monotonic()
            await door.store.note([fact("query_metrics(up)", tool="query_metrics", seconds=0.1)])
            event = await stream.next()
            assert time.monotonic() - began < 5
            assert event.name == "timeline"
            assert event.data["incident"] == ONE.id
            assert event.data["data"] == {"tool": "query_metrics", "seconds": 0.1}
            assert event.id == event.data["seq"]


async def test_client_that_comes_back_misses_and_repeats_nothing(tmp_path):
    async with front_door(tmp_path) as door:
        await given(door)
        async with listening(door.http, door.url, BEARER) as stream:
            await stream.next("ready")
            await door.store.note([fact("a"), fact("b")])
            assert await said(stream, 1) == ["a"]
            last = (await stream.next("timeline")).id
        await door.store.note([fact("c"), fact("d")])
        resumed = BEARER | {"Last-Event-ID": str(last)}
        async with listening(door.http, door.url, resumed) as stream:
            assert await said(stream, 2) == ["c", "d"]
            await door.store.note([fact("e")])
            assert await said(stream, 1) == ["e"]


async def test_one_incident_can_be_watched_alone(tmp_path):
    async with front_door(tmp_path) as door:
        await given(door)
        query = f"?incident={TWO.id}&after=0"
        await door.store.note([fact("not this"), fact("this", TWO)])
        async with listening(door.http, door.url, BEARER, query) as stream:
            assert await said(stream, 1) == ["this"]
            await stream.next("ready")
            await door.store.note([fact("nor this"), fact("but this", TWO)])
            assert await said(stream, 1) == ["but this"]


async def test_replica_shows_what_another_one_does(tmp_path, postgres):
    where = postgres.database()
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
    one, two = (database(where, folder, PASSWORD) for folder in folders)
    async with (
        front_door(folders[0], database=one) as first,
        front_door(folders[1], database=two) as second,
    ):
        await given(first)
        async with listening(second.http, second.url, BEARER) as stream:
            await stream.next("ready")
            await first.store.note([fact("over there")])
            event = await stream.next("timeline")
            assert event.data["summary"] == "over there"
        await first.store.note([fact("meanwhile")])
        # The balancer may send it to the other one next time.
        resumed = BEARER | {"Last-Event-ID": str(event.id)}
        async with listening(first.http, first.url, resumed) as stream:
            assert await said(stream, 1) == ["meanwhile"]


async def test_hostile_text_is_one_line_of_data(tmp_path):
    hostile = 'x\n\ndata: {"forged": true}\nid: 9\r\u2028\ud800</script>'
    async with front_door(tmp_path) as door:
        await given(door)
        async with listening(door.http, door.url, BEARER) as stream:
            await stream.next("ready")
            await door.store.note([fact(hostile)])
            event = await stream.next()
            assert event.data["kind"] == "step"
            assert event.data["summary"].startswith("x\n\ndata: ")


async def test_large_event_is_cut_and_the_stream_goes_on(tmp_path):
    async with front_door(tmp_path) as door:
        await given(door)
        async with listening(door.http, door.url, BEARER) as stream:
            await stream.next("ready")
            await door.store.note([fact("big", output="x" * 100_000), fact("small")])
            event = await stream.next("timeline")
            assert (event.data["summary"], event.data["data"]) == ("big", {})
            assert await said(stream, 1) == ["small"]


async def test_who_missed_too_much_reads_afresh(tmp_path, monkeypatch):
    monkeypatch.setattr(stream_module, "REPLAY", 3)
    async with front_door(tmp_path) as door:
        await given(door)
        await door.store.note([fact(str(n)) for n in range(4)])
        async with listening(door.http, door.url, BEARER, "?after=0") as stream:
            assert (await stream.next()).name == "reset"
            assert (await stream.next()).name == "ready"


async def test_client_that_falls_behind_is_told_and_costs_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(live_module, "KEPT", 5)
    async with front_door(tmp_path) as door:
        await given(door)
        async with listening(door.http, door.url, BEARER) as stream:
            await stream.next("ready")
            await door.store.note([fact(str(n)) for n in range(20)])
            assert (await stream.next("timeline", "reset")).name == "reset"
            assert len(door.live._kept) == 5


async def test_pause_is_shown_live(tmp_path, monkeypatch):
    monkeypatch.setattr(stream_module, "BEAT_SECONDS", 0.05)
    async with front_door(tmp_path) as door, listening(door.http, door.url, BEARER) as stream:
        await stream.next("ready")
        await door.control.pause("release", "me")
        assert (await stream.next()).data == {"paused": "me: release"}


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer nope"}])
async def test_without_a_token_nothing_is_streamed(tmp_path, headers):
    async with (
        front_door(tmp_path) as door,
        door.http.get(f"{door.url}/api/v1/events", headers=headers) as response,
    ):
        assert response.status == 401


@pytest.mark.parametrize("value", ["x", "-1", "9" * 20, "\u0663"])
async def test_number_that_makes_no_sense_is_400(tmp_path, value):
    async with front_door(tmp_path) as door:
        query = {"after": value}
        async with door.http.get(
            f"{door.url}/api/v1/events", headers=BEARER, params=query
        ) as response:
            assert response.status == 400


async def test_stream_ends_with_the_right_to_look(tmp_path, monkeypatch):
    monkeypatch.setattr(stream_module, "BEAT_SECONDS", 0.05)
    person = {"temporary-token-1": Person("guest", Role.VIEWER)}
    async with front_door(tmp_path, people=person) as door:
        headers = {"Authorization": "Bearer temporary-token-1"}
        async with listening(door.http, door.url, headers) as stream:
            await stream.next("ready")
            del door.front.people["temporary-token-1"]
            assert await stream.next() is None


async def test_so_many_may_watch_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(live_module, "MOST_WATCHERS", 1)
    async with front_door(tmp_path) as door, listening(door.http, door.url, BEARER) as stream:
        await stream.next("ready")
        async with door.http.get(f"{door.url}/api/v1/events", headers=BEARER) as response:
            assert response.status == 503


async def test_open_stream_does_not_hold_up_the_stop(tmp_path):
    async with front_door(tmp_path) as door, listening(door.http, door.url, BEARER) as stream:
        await stream.next("ready")
        began = time.monotonic()
        await door.runner.cleanup()
        assert await stream.next() is None
        assert time.monotonic() - began < 4


class Shelf:
    """A stream of which numbers become visible in any order."""

    def __init__(self):
        self.events = {}

    def put(self, *numbers):
        for number in numbers:
            self.events[number] = TimelineEvent(ONE.id, START, Kind.NOTE, str(number), {}, number)

    async def newest(self):
        return max(self.events, default=0)

    async def after(self, seq, limit, incident_id=""):
        return [self.events[n] for n in sorted(self.events) if n > seq][:limit]

    async def these(self, numbers):
        return [self.events[n] for n in sorted(self.events) if n in numbers]


async def test_number_that_is_committed_late_is_not_missed():
    shelf, clock = Shelf(), ManualClock()
    live = Live(shelf, clock)
    shelf.put(1, 2, 5)
    await live.look()
    shelf.put(4)
    await live.look()
    shelf.put(6, 3)
    await live.look()
    assert [event.seq for event in await live.next(0, 0)] == [1, 2, 5, 4, 3, 6]
    await live.look()
    assert live.position == 6


async def test_number_that_never_comes_is_not_looked_for_for_ever():
    shelf, clock = Shelf(), ManualClock()
    live = Live(shelf, clock)
    shelf.put(1, 3, 10_000)
    await live.look()
    assert len(live._missing) <= 501
    clock.advance(timedelta(seconds=11).total_seconds())
    await live.look()
    assert live._missing == {}


async def test_nobody_watching_costs_no_reads():
    shelf = Shelf()
    live = Live(shelf, ManualClock())
    reads = []
    shelf.after = lambda *args: reads.append(args)
    task = asyncio.ensure_future(live.run())
    await asyncio.sleep(0)
    task.cancel()
    assert reads == []
