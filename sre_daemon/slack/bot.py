"""Answers what people ask in Slack. Who asks is known by the member id that Slack signs; words give nobody a right."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol
from weakref import WeakValueDictionary

import structlog

from sre_daemon.agent.base import OnStep
from sre_daemon.clock import Clock
from sre_daemon.domain.incident import Incident
from sre_daemon.domain.person import Person, Role
from sre_daemon.domain.thread import ASKED, Thread
from sre_daemon.errors import DaemonError, NotifyError
from sre_daemon.slack import render
from sre_daemon.slack.client import Slack
from sre_daemon.slack.heard import Heard, Way, heard
from sre_daemon.slack.mrkdwn import line
from sre_daemon.slack.progress import Progress
from sre_daemon.tasks import Tasks

log = structlog.get_logger(__name__)

OFF = frozenset({"hands off", "hands-off", "stop"})
ON = frozenset({"go on", "hands on"})
GREETING = (
    "Hello. Mention me with a question and I look into it without changing anything, for example\n"
    "> why are there so many errors in checkout since 14:00?\n"
    "In its thread ask on without a mention. In the thread of an incident `hands off` keeps me "
    "from changing anything for it, and `go on` asks whether I may again."
)
STRANGER = (
    "I may not take questions from you. Somebody who runs me can add `{user}` to `slack.people` "
    "with the role approver."
)


class Answered(Protocol):
    """An answer in words."""

    @property
    def text(self) -> str:
        """As Markdown."""
        ...


class Converses(Protocol):
    """Answers questions about incidents."""

    async def ask(
        self, incident: Incident, question: str, who: str, on_step: OnStep = ...
    ) -> Answered:
        """Raises AgentError, StoreUnavailable."""
        ...


class Investigates(Protocol):
    """Investigates what is asked in words."""

    async def begin(self, question: str, who: str) -> Incident:
        """Put it on record."""
        ...

    async def answer(self, incident: Incident, on_step: OnStep) -> str:
        """Raises AgentError, StoreUnavailable."""
        ...


class Finds(Protocol):
    """The incidents."""

    async def incident(self, incident_id: str) -> Incident | None:
        """One of them."""
        ...


class Holds(Protocol):
    """Who is at work on what."""

    async def off(self, incident_id: str, who: str, reason: str, at: datetime) -> bool:
        """Hands off from now on; False when they are."""
        ...


class Keeps(Protocol):
    """Where the threads are, and what was seen."""

    async def at(self, room: str, ts: str) -> Thread | None:
        """Whatever is shown in this thread."""
        ...

    async def begin(self, thread: Thread) -> Thread:
        """Write that there is one."""
        ...

    async def first(self, key: str, at: datetime) -> bool:
        """Whether this was never seen before."""
        ...


@dataclass(frozen=True, slots=True)
class Crew:
    """What the bot works with."""

    slack: Slack
    conversation: Converses
    inquiry: Investigates
    store: Finds
    hands: Holds
    threads: Keeps
    people: Mapping[str, Person]
    clock: Clock
    console_url: str = ""


class Bot:
    """One per process. `event` returns when nothing can be lost any more; the answer comes later."""

    def __init__(self, crew: Crew, tasks: Tasks, concurrency: int) -> None:
        self._crew = crew
        self._tasks = tasks
        self._room = asyncio.Semaphore(concurrency)
        # A thread that nobody works in any more is forgotten.
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    @property
    def busy(self) -> int:
        """Threads in which somebody waits for an answer."""
        return len(self._turns)

    async def event(self, envelope: Mapping[str, Any]) -> None:
        """An event of Slack's, perhaps not for the first time.

        Raises:
            StoreUnavailable, NotifyError: it was not taken; Slack sends it again.
        """
        crew = self._crew
        event = envelope.get("event")
        if not isinstance(event, Mapping):
            return
        me = await crew.slack.myself()
        if envelope.get("team_id", me.team) != me.team:
            return
        said = heard(event, me.user)
        if said is None:
            return
        known = await crew.threads.at(said.room, said.thread)
        if said.way is Way.REPLY and not (known and known.place.startswith(ASKED)):
            # People talk to each other in threads, also of incidents; whoever asks once is listened to.
            return
        if await crew.threads.first(said.key, crew.clock.now()):
            self._tasks.spawn("slack-answer", self._answered(said))

    async def _answered(self, said: Heard) -> None:
        try:
            await self._answer(said)
        except DaemonError as failure:
            log.error("not answered in Slack", error=str(failure), room=said.room)
            await self._tell(said, f"I have no answer: {line(str(failure), 500)}")
        except Exception:  # the last wall: one question must not end the daemon
            log.exception("not answered in Slack", room=said.room)
            await self._tell(said, "I have no answer: an error of mine; my log has it.")

    async def _tell(self, said: Heard, text: str) -> None:
        try:
            blocks = [render.section(text)]
            await self._crew.slack.post(said.room, text, blocks, thread=said.thread)
        except NotifyError as failure:
            log.error("not told in Slack", error=failure.reason, room=said.room)

    async def _answer(self, said: Heard) -> None:
        if not said.words:
            await self._tell(said, GREETING)
            return
        person = self._crew.people.get(said.user)
        if person is None or not person.may(Role.APPROVER):
            await self._tell(said, STRANGER.format(user=line(said.user, 30)))
            return
        turn = self._turns.setdefault(f"{said.room}:{said.thread}", asyncio.Lock())
        async with turn, self._room:
            await self._ask(said, person)

    async def _ask(self, said: Heard, person: Person) -> None:
        crew = self._crew
        known = await crew.threads.at(said.room, said.thread)
        incident = await crew.store.incident(known.incident_id) if known else None
        if incident is not None and await self._ordered(said, person, incident):
            return
        async with Progress(crew.slack, crew.clock, said.room, said.thread) as progress:
            if incident is None:
                incident = await crew.inquiry.begin(said.words, person.name)
                await self._remember(said, incident)
                text = await crew.inquiry.answer(incident, progress.step)
            else:
                if known is not None and not known.place.startswith(ASKED):
                    await self._remember(said, incident)
                asked = await crew.conversation.ask(
                    incident, said.words, person.name, progress.step
                )
                text = asked.text
        url = f"{crew.console_url.rstrip('/')}/incidents/{incident.id}" if crew.console_url else ""
        shown = render.answer(text, url)
        await crew.slack.post(said.room, shown.text, shown.blocks, thread=said.thread)

    async def _remember(self, said: Heard, incident: Incident) -> None:
        """What is said in this thread from now on is about this incident."""
        place = f"{ASKED}{said.room}:{said.thread}"
        now = self._crew.clock.now()
        thread = Thread(place, incident.id, said.room, now, ts=said.thread)
        await self._crew.threads.begin(thread)

    async def _ordered(self, said: Heard, person: Person, incident: Incident) -> bool:
        """Whether it was one of the two orders; only the one that forbids is carried out at once."""
        crew = self._crew
        order = " ".join(said.words.lower().split()).rstrip(".!")
        if order in OFF:
            new = await crew.hands.off(
                incident.id, person.name, f"said so in Slack: {order}", crew.clock.now()
            )
            what = "I keep my hands off" if new else "My hands are off already"
            await self._tell(said, f"{what}, {line(person.name)}. The button below ends that.")
        elif order not in ON:
            return False
        text = "May I go on?" if order in ON else "When you are done:"
        blocks: list[render.Block] = [
            render.section(text),
            {"type": "actions", "elements": [render.go_on(incident.id)]},
        ]
        await crew.slack.post(said.room, text, blocks, thread=said.thread)
        return True
