"""Telling people: who is told what, and that a channel or a store in trouble holds nothing up."""

import asyncio
import json
import socket
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import State
from sre_daemon.errors import NotifyError, StoreUnavailable
from sre_daemon.metrics import Metrics
from sre_daemon.notify.base import Message, Notifier
from sre_daemon.notify.webhook import WebhookChannel
from sre_daemon.tasks import Tasks
from tests.support.clock import ManualClock
from tests.support.factories import incident
from tests.support.repairs import counted

MESSAGE = Message("01incident0001", "escalated", "critical", "Pool on api", "no cause found")
SECRET = "hunter2"


@dataclass
class Channel:
    """Fails so many times, then takes messages; `blocked` never answers."""

    name: str = "pager"
    failures: int = 0
    blocked: bool = False
    sent: list = field(default_factory=list)
    tries: int = 0

    async def send(self, message):
        self.tries += 1
        if self.blocked:
            await asyncio.Event().wait()
        if self.failures:
            self.failures -= 1
            raise NotifyError("answered 502")
        self.sent.append(message)


@dataclass
class Notes:
    """The timeline, and a signal for each entry."""

    failure: Exception | None = None
    queue: asyncio.Queue = field(default_factory=asyncio.Queue)

    async def note(self, events):
        if self.failure is not None:
            self.queue.put_nowait("refused")
            raise self.failure
        for event in events:
            self.queue.put_nowait(event)

    async def next(self):
        async with asyncio.timeout(5):
            return await self.queue.get()


class Bench:
    """A notifier on these channels."""

    def __init__(self, *channels):
        self.notes, self.tasks, self.clock = Notes(), Tasks(), ManualClock()
        self.metrics = Metrics()
        self.notifier = Notifier(channels, self.notes, self.tasks, self.clock, self.metrics)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.tasks.stop()

    async def escalated(self, text="no cause found"):
        """In the state of an incident that a person must hear of."""
        async with asyncio.timeout(1):
            await self.notifier.moved(incident(State.ESCALATED), text)

    async def idle(self):
        """Every background task has ended."""
        async with asyncio.timeout(5):
            while running := list(self.tasks._tasks):
                await asyncio.wait(running)


async def test_every_channel_is_told_and_the_timeline_knows():
    pager, chat = Channel(), Channel("chat")
    async with Bench(pager, chat) as bench:
        await bench.escalated()
        told = [await bench.notes.next(), await bench.notes.next()]
        assert {event.summary for event in told} == {
            "escalated sent to pager",
            "escalated sent to chat",
        }
        assert {event.kind for event in told} == {Kind.NOTIFICATION}
        expected = Message(
            "01incident0001",
            State.ESCALATED,
            "critical",
            "ApiDbPoolExhausted on api-server",
            "no cause found",
        )
        assert pager.sent == chat.sent == [expected]
        assert counted(bench.metrics.messages, outcome="sent") == 2


@pytest.mark.parametrize("state", [s for s in State if s not in {State.ESCALATED, State.RESOLVED}])
async def test_other_moves_are_nobodys_night(state):
    pager = Channel()
    async with Bench(pager) as bench:
        await bench.notifier.moved(incident(state), "on its way")
        await bench.idle()
        assert pager.tries == 0


async def test_resolution_is_told_too():
    pager = Channel()
    async with Bench(pager) as bench:
        await bench.notifier.moved(incident(State.RESOLVED), "proven")
        assert (await bench.notes.next()).summary == "resolved sent to pager"
        assert pager.sent[0].text == "proven"


async def test_failing_channel_is_tried_again_until_it_works():
    pager = Channel(failures=4)
    async with Bench(pager) as bench:
        await bench.escalated()
        assert (await bench.notes.next()).data == {"channel": "pager", "outcome": "sent"}
        assert (pager.tries, len(pager.sent)) == (5, 1)
        # Each wait is longer than the one before: 0.5, 1, 2, 4 s and up to 1 s of jitter each.
        assert 7.5 <= bench.clock.monotonic() <= 11.5
        assert counted(bench.metrics.messages, outcome="failed") == 0


async def test_dead_channel_ends_as_a_failure_in_the_timeline():
    pager = Channel(failures=99)
    async with Bench(pager) as bench:
        await bench.escalated()
        event = await bench.notes.next()
        assert event.summary == "escalated failed to pager: answered 502"
        assert event.data == {"channel": "pager", "outcome": "failed"}
        assert pager.tries == 5
        assert counted(bench.metrics.messages, outcome="failed") == 1
        assert counted(bench.metrics.messages, outcome="sent") == 0
        await bench.idle()
        assert not bench.tasks.failed.is_set()


async def test_hanging_channel_holds_up_neither_the_pipeline_nor_another_channel():
    dead, chat = Channel("dead", blocked=True), Channel("chat")
    async with Bench(dead, chat) as bench:
        await bench.escalated()
        assert (await bench.notes.next()).summary == "escalated sent to chat"
        await bench.escalated("again")
        assert (await bench.notes.next()).summary == "escalated sent to chat"
        assert [message.text for message in chat.sent] == ["no cause found", "again"]


async def test_store_in_trouble_does_not_end_the_daemon():
    pager = Channel()
    async with Bench(pager) as bench:
        bench.notes.failure = StoreUnavailable("the disk is full")
        await bench.escalated()
        assert await bench.notes.next() == "refused"
        await bench.idle()
        assert len(pager.sent) == 1
        assert not bench.tasks.failed.is_set()


async def test_what_is_about_the_daemon_is_in_no_timeline():
    pager = Channel()
    async with Bench(pager) as bench:
        await bench.notifier.tell("no alert may be reaching sre-daemon", "look at Prometheus")
        await bench.idle()
        assert [m.title for m in pager.sent] == ["no alert may be reaching sre-daemon"]
        assert pager.sent[0].incident_id == ""
        assert bench.notes.queue.empty()
        assert counted(bench.metrics.messages, outcome="sent") == 1


async def test_time_to_the_first_message_is_measured():
    async with Bench() as bench:
        bench.clock.advance(42)
        await bench.escalated()
        samples = bench.metrics.first_message.collect()[0].samples
        assert next(s.value for s in samples if s.name.endswith("_sum")) == 42


async def test_without_channels_the_log_still_tells(capsys):
    async with Bench() as bench:
        await bench.escalated()
    assert "a person is needed" in capsys.readouterr().out


@dataclass
class Endpoint:
    """A real HTTP server that answers as told."""

    url: str = ""
    status: int = 204
    bodies: list = field(default_factory=list)
    types: list = field(default_factory=list)

    async def answer(self, request):
        self.bodies.append(await request.read())
        self.types.append(request.content_type)
        return web.Response(status=self.status, headers={"Location": "/elsewhere"})


@asynccontextmanager
async def endpoint(path="/hook?token=" + SECRET):
    found = Endpoint()
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", found.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        found.url = f"http://127.0.0.1:{runner.addresses[0][1]}{path}"
        channel = WebhookChannel(found.url)
        try:
            yield found, channel
        finally:
            await channel.close()
    finally:
        await runner.cleanup()


async def test_webhook_posts_the_message_as_json():
    async with endpoint() as (server, channel):
        await channel.send(MESSAGE)
        assert [json.loads(body) for body in server.bodies] == [
            {
                "incident_id": "01incident0001",
                "state": "escalated",
                "severity": "critical",
                "title": "Pool on api",
                "text": "no cause found",
            }
        ]
        assert server.types == ["application/json"]


async def test_webhook_takes_any_text():
    hostile = Message("i", "escalated", "none", "\ud800 \0 \u2028", "\U0001f525 </script>")
    async with endpoint() as (server, channel):
        await channel.send(hostile)
        sent = json.loads(server.bodies[0])
        assert sent["text"] == "\U0001f525 </script>"
        assert len(sent["title"]) == 5


@pytest.mark.parametrize("status", [301, 302, 400, 404, 429, 500, 503])
async def test_anything_but_success_is_a_failure(status):
    async with endpoint() as (server, channel):
        server.status = status
        with pytest.raises(NotifyError, match=str(status)) as failure:
            await channel.send(MESSAGE)
        assert SECRET not in str(failure.value)
        # A redirect is not followed: it would carry the message to another place.
        assert len(server.bodies) == 1


async def test_nobody_there_is_a_failure_that_names_no_secret():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    channel = WebhookChannel(f"http://127.0.0.1:{port}/hook?token={SECRET}")
    try:
        with pytest.raises(NotifyError, match="ConnectError") as failure:
            await channel.send(MESSAGE)
        assert SECRET not in str(failure.value) + channel.name
        assert channel.name == "webhook 127.0.0.1"
    finally:
        await channel.close()


async def test_webhook_ignores_proxies_of_the_environment(monkeypatch):
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    async with endpoint() as (server, channel):
        await channel.send(MESSAGE)
        assert len(server.bodies) == 1


async def test_delivery_over_http_is_retried_and_recorded():
    async with endpoint() as (server, channel), Bench(channel) as bench:
        server.status = 503
        await bench.escalated()
        event = await bench.notes.next()
        assert event.summary == "escalated failed to webhook 127.0.0.1: answered 503"
        assert len(server.bodies) == 5
