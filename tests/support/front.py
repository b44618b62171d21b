"""A front door on a real port, with the intake replaced at our own seam."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import aiohttp
from aiohttp import web

from sre_daemon.clock import SystemClock
from sre_daemon.domain.notification import Notification, Unreadable
from sre_daemon.domain.person import Person, Role
from sre_daemon.domain.sender import Sender
from sre_daemon.errors import DaemonError
from sre_daemon.intake.payload import parse
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline.answers import Answers
from sre_daemon.pipeline.conversation import Answer
from sre_daemon.pipeline.handover import Handover
from sre_daemon.pipeline.record import Record
from sre_daemon.policy.explain import explain
from sre_daemon.policy.question import Question
from sre_daemon.report.digest import Digests
from sre_daemon.report.rules import RuleBook
from sre_daemon.settings import ReceiverSettings
from sre_daemon.store.approvals import Approvals
from sre_daemon.store.audit import AuditLog
from sre_daemon.store.feed import Feed
from sre_daemon.store.hands import Hands
from sre_daemon.store.history import History
from sre_daemon.store.pauses import Pauses
from sre_daemon.store.samples import Samples
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import SqliteDatabase
from sre_daemon.store.trials import Trials
from sre_daemon.tasks import Tasks
from sre_daemon.web.front import Front, Page
from sre_daemon.web.live import Live
from sre_daemon.web.server import build, listen
from tests.support.clock import START

TOKEN = "webhook-token-9f8e7d"
API_TOKEN = "api-token-1a2b3c"


RUNBOOK = Page(
    "pool-exhausted",
    "The pool is empty.",
    ['alertname="Pool"'],
    "# Pool\n\n## Meaning\n\nNone left.",
    3,
)


@dataclass
class Fixed:
    """A policy source: a policy, none, or an error."""

    policy: object = None

    def current(self):
        if isinstance(self.policy, Exception):
            raise self.policy
        return self.policy


@dataclass
class Recorder:
    """An intake that keeps what it is given, or fails as told."""

    accepted: list[Notification] = field(default_factory=list)
    aside: list[Unreadable] = field(default_factory=list)
    doubts: int = 0
    strangers: list[str] = field(default_factory=list)
    failure: DaemonError | None = None

    async def accept(self, notification):
        if self.failure is not None:
            raise self.failure
        self.accepted.append(notification)

    async def set_aside(self, item):
        if self.failure is not None:
            raise self.failure
        self.aside.append(item)

    def doubt(self):
        self.doubts += 1

    async def refused(self, peer):
        self.strangers.append(peer)


@dataclass
class Heard:
    """What a worker would be told of moves that people made."""

    moves: list = field(default_factory=list)
    wakes: int = 0

    async def moved(self, before, after, outcome):
        self.moves.append((before.state, after.state, outcome.reason))

    def wake(self):
        self.wakes += 1


@dataclass
class FixedConversation:
    """Answers every question the same way, or fails as told."""

    asked: list[tuple[str, str, str]] = field(default_factory=list)
    failure: DaemonError | None = None

    async def ask(self, incident, question, who):
        if self.failure is not None:
            raise self.failure
        self.asked.append((incident.id, question, who))
        return Answer("because the pool is full", "r1")


@dataclass
class FixedControl:
    """Control without a daemon behind it."""

    store: SqlStore
    dependencies: dict[str, str] = field(default_factory=lambda: {"store": "ok"})
    paused: str | None = None
    explained: dict[str, str] = field(default_factory=dict)
    policy: object = None
    reloaded: str = ""
    failure: DaemonError | None = None

    async def pause(self, reason, who):
        self.paused = f"{who}: {reason}"

    async def resume(self, reason, who):
        self.paused = None

    async def is_paused(self):
        return self.paused

    async def ready(self):
        return self.dependencies

    async def explain(self, labels, effects=(), at=None):
        self.explained = dict(labels)
        return explain(self.policy, Question(alerts=(labels,), effects=effects, at=at or START))

    async def reload(self, who):
        if self.failure is not None:
            raise self.failure
        self.reloaded = who
        return {"digest": "d", "before": "", "changed": True}

    async def status(self):
        totals = await self.store.totals()
        return {
            "version": "test",
            "mode": "act",
            "paused": self.paused,
            "engine": "runbook",
            "model": "",
            "incidents": {state.value: n for state, n in totals.incidents.items()},
            "dependencies": self.dependencies,
        }


@dataclass
class Door:
    """What a test holds."""

    url: str
    http: aiohttp.ClientSession
    intake: Recorder
    control: FixedControl
    heard: Heard
    conversation: FixedConversation
    store: SqlStore
    metrics: Metrics
    live: Live
    front: Front
    runner: web.AppRunner
    shown: dict = field(default_factory=dict)


def record_of(database, policy, clock, metrics):
    """The record of policies, with a brake that never pulls."""
    brake = 0, timedelta(hours=1)
    return Record(Trials(database), Pauses(database), Fixed(policy), brake, clock, metrics)


@asynccontextmanager
async def front_door(
    folder: Path,
    *,
    webhook_token: str = TOKEN,
    api_token: str = API_TOKEN,
    people=None,
    database=None,
    senders=None,
    clock=None,
    policy=None,
    proxy=None,
    slack=None,
    paging=None,
    port=0,
    **receiver,
) -> AsyncIterator[Door]:
    """Serve on a free port; `people` and `senders` by token are known besides the usual ones."""
    known = {api_token: Person("api admin", Role.ADMIN)} if api_token else {}
    known_senders = {webhook_token: Sender("default", "id")} if webhook_token else {}
    database = database or SqliteDatabase(folder / "front.sqlite3")
    store = SqlStore(database)
    await store.open()
    feed, tasks = Feed(database), Tasks()
    live = Live(feed, clock or SystemClock())
    tasks.spawn("live", live.run())
    intake, control = Recorder(), FixedControl(store, policy=policy)
    metrics, heard = Metrics(), Heard()
    conversation = FixedConversation()
    settings = ReceiverSettings.model_validate({"body_timeout": timedelta(seconds=10)} | receiver)
    front = Front(
        store=store,
        intake=intake,
        parse=parse,
        control=control,
        handover=Handover(store, heard, clock or SystemClock()),
        conversation=conversation,
        hands=Hands(database),
        levels=record_of(database, policy, clock or SystemClock(), metrics),
        answers=Answers(Approvals(database), heard, clock or SystemClock(), metrics),
        clock=clock or SystemClock(),
        metrics=metrics,
        receiver=settings,
        senders=known_senders | (senders or {}),
        people=known | (people or {}),
        audit=AuditLog(database),
        feed=feed,
        live=live,
        paused=control.is_paused,
        samples=Samples(database),
        runbooks=lambda: [RUNBOOK],
        rules=RuleBook(Fixed(policy), History(database), Trials(database), clock or SystemClock()),
        digest=Digests(History(database), clock or SystemClock()),
        form_key=b"form key of the test",
        proxy=proxy,
        slack=slack,
        paging=paging,
    )
    runner, url = await listen(build(front), "127.0.0.1", port)
    try:
        async with aiohttp.ClientSession() as http:
            yield Door(
                url, http, intake, control, heard, conversation, store, metrics, live, front, runner
            )
    finally:
        await runner.cleanup()
        await tasks.stop()
        await store.close()
