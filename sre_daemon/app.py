"""The composition root: builds the daemon from its settings, starts it, stops it in reverse order."""

import asyncio
import fcntl
import os
import uuid
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import structlog
from pydantic import SecretStr

from sre_daemon import __version__
from sre_daemon.agent.base import Investigator
from sre_daemon.agent.claude import ClaudeInvestigator, ClaudeProfile
from sre_daemon.agent.fallback import FallbackInvestigator
from sre_daemon.agent.runbook import RunbookInvestigator
from sre_daemon.agent.runbook_file import load as load_runbooks
from sre_daemon.clock import Clock, SystemClock
from sre_daemon.control import Control
from sre_daemon.domain.incident import Incident
from sre_daemon.errors import ConfigError, StoreUnavailable
from sre_daemon.executor.executor import Executor
from sre_daemon.executor.gate import Gate
from sre_daemon.executor.hands import ProcessHands, tool_server, write_tool_settings
from sre_daemon.intake.payload import parse
from sre_daemon.intake.receiver import Intake
from sre_daemon.intake.reconcile import Reconciler
from sre_daemon.intake.rules import Rules
from sre_daemon.metrics import Metrics
from sre_daemon.notify.base import Notifier
from sre_daemon.notify.webhook import WebhookChannel
from sre_daemon.observe import Observer
from sre_daemon.pipeline.build import Stages
from sre_daemon.pipeline.close import Close
from sre_daemon.pipeline.decide import Decide
from sre_daemon.pipeline.heartbeat import Heartbeat
from sre_daemon.pipeline.investigate import Investigate
from sre_daemon.pipeline.remediate import Remediate
from sre_daemon.pipeline.retention import Retention
from sre_daemon.pipeline.stage import Next
from sre_daemon.pipeline.surroundings import RuleFacts
from sre_daemon.pipeline.sweep import Sweep
from sre_daemon.pipeline.triage import Triage
from sre_daemon.pipeline.undo import Undo
from sre_daemon.pipeline.verify import Verify
from sre_daemon.pipeline.worker import Worker
from sre_daemon.policy.source import PolicyFile
from sre_daemon.report.postmortem import Postmortem
from sre_daemon.schedule import Schedule
from sre_daemon.settings import Secrets, Settings, check_front_door
from sre_daemon.store.base import Store
from sre_daemon.store.database import Database
from sre_daemon.store.place import database
from sre_daemon.store.sql import SqlStore
from sre_daemon.tasks import Tasks, race
from sre_daemon.web.front import Front
from sre_daemon.web.server import build, listen

log = structlog.get_logger(__name__)

GAUGES_EVERY = 2.0
SWEEP = timedelta(seconds=15)
HOUR = timedelta(hours=1)
OpenStore = Callable[[Database], Store]


class Daemon:
    """A running daemon. `start` builds it whole or not at all; `stop` undoes it in reverse order."""

    def __init__(self, stack: AsyncExitStack, tasks: Tasks, policy: PolicyFile, url: str) -> None:
        self._stack = stack
        self._tasks = tasks
        self._policy = policy
        self.url = url

    @classmethod
    async def start(
        cls,
        settings: Settings,
        secrets: Secrets,
        clock: Clock | None = None,
        open_store: OpenStore = SqlStore,
    ) -> "Daemon":
        """Start everything; the HTTP server last, so that what answers can also work.

        Raises:
            ConfigError: settings that cannot be used.
            StoreError: the store cannot be opened.
        """
        check_front_door(settings, secrets)
        stack = AsyncExitStack()
        try:
            return await cls._build(stack, settings, secrets, clock or SystemClock(), open_store)
        except BaseException:
            await stack.aclose()
            raise

    async def run_until(self, stop: asyncio.Event) -> bool:
        """Wait for the stop event, or for a background task to die; True when it was the event."""
        await race(_wait(stop), _wait(self._tasks.failed))
        return stop.is_set()

    async def reload(self) -> None:
        """Look at the policy file now, to say in the log whether it can be used.

        Raises:
            PolicyFileError: it cannot; until it can, nothing is changed.
        """
        self._policy.current()

    async def stop(self) -> None:
        """Stop taking notifications, finish what is being stored, give claims back, let go."""
        await self._stack.aclose()

    @classmethod
    async def _build(
        cls,
        stack: AsyncExitStack,
        settings: Settings,
        secrets: Secrets,
        clock: Clock,
        open_store: OpenStore,
    ) -> "Daemon":
        base = await _foundation(stack, settings, secrets, clock, open_store)
        notifier = Notifier(_channels(stack, settings), base.store, base.tasks, clock, base.metrics)
        investigator = _investigator(base)
        worker = await _worker(stack, base, investigator, notifier)
        intake = await _intake(stack, base, worker, notifier)
        control = Control(
            base.store,
            base.policy,
            base.observer,
            clock,
            base.metrics,
            investigator.engine,
            investigator.model,
        )
        base.tasks.spawn("gauges", _gauges(control, clock))
        url = await _front(stack, base, intake, control)
        log.info("ready", url=url, engine=investigator.engine, version=__version__)
        return cls(stack, base.tasks, base.policy, url)


@dataclass(frozen=True, slots=True)
class _Base:
    """What everything else stands on."""

    settings: Settings
    secrets: Secrets
    clock: Clock
    data: Path
    replica: str
    metrics: Metrics
    tasks: Tasks
    policy: PolicyFile
    store: Store
    observer: Observer
    tools: Path


async def _foundation(
    stack: AsyncExitStack,
    settings: Settings,
    secrets: Secrets,
    clock: Clock,
    open_store: OpenStore,
) -> _Base:
    data = _own(stack, settings.data_dir)
    store = open_store(database(settings.store, data, _reveal(secrets.store_password)))
    await store.open()
    stack.push_async_callback(store.close)
    replica = _replica(data)
    await store.forget_claims(replica)
    observer = await stack.enter_async_context(
        Observer(
            str(settings.prometheus.url),
            [str(url) for url in settings.alertmanagers],
            settings.prometheus.timeout.total_seconds(),
            clock,
        )
    )
    return _Base(
        settings=settings,
        secrets=secrets,
        clock=clock,
        data=data,
        replica=replica,
        metrics=Metrics(),
        tasks=Tasks(),
        policy=PolicyFile(settings.policy),
        store=store,
        observer=observer,
        tools=write_tool_settings(settings, data / "tools.json"),
    )


async def _worker(
    stack: AsyncExitStack, base: _Base, investigator: Investigator, notifier: Notifier
) -> Worker:
    """The gate, the executor and the stages, and the worker that drives them."""
    store, clock, metrics, known = base.store, base.clock, base.metrics, base.settings
    gate = Gate(base.data / "gate.sock", store, base.policy, base.observer, clock, metrics)
    await gate.start()
    stack.push_async_callback(gate.stop)
    executor = Executor(store, gate, ProcessHands(base.tools, gate.socket), clock, metrics)
    undo = Undo(store, executor, clock, metrics)
    facts = RuleFacts(base.observer)
    stages = Stages(
        Triage(store, base.observer, clock),
        Investigate(store, investigator, facts, known.agent.deadline, clock, metrics),
        Decide(store, base.policy, base.observer, known.correlation.flaps, clock, metrics),
        Remediate(store, executor, undo, clock),
        Verify(store, base.observer, undo, clock, metrics),
        Close(Postmortem(store, base.data / "postmortems"), known.correlation.linger, clock),
    )

    async def moved(_: Incident, after: Incident, outcome: Next) -> None:
        await notifier.moved(after, outcome.message)

    worker = Worker(
        store,
        stages.table(),
        owner=base.replica,
        settings=known.worker,
        clock=clock,
        metrics=metrics,
        on_move=moved,
    )
    worker.start(base.tasks)
    base.tasks.spawn("listener", store.listen(worker.wake))
    stack.push_async_callback(base.tasks.stop)
    return worker


async def _intake(stack: AsyncExitStack, base: _Base, worker: Worker, notifier: Notifier) -> Intake:
    """What comes in, and the periodic jobs that find what did not."""
    store, clock, known = base.store, base.clock, base.settings
    schedule = Schedule(store, base.replica, clock)
    rules = _rules(known)
    intake = Intake(
        store,
        rules,
        base.observer.firing,
        known.receiver.max_pending,
        base.metrics,
        on_stored=worker.wake,
        on_doubt=lambda: schedule.soon("reconcile"),
    )
    await intake.start()
    stack.push_async_callback(intake.stop)
    if known.alertmanagers:
        receivers = known.reconcile.receivers
        reconcile = Reconciler(
            base.observer, store, intake, receivers, rules.watchdog, clock, base.metrics
        )
        schedule.every("reconcile", known.reconcile.interval, reconcile)
    schedule.every("sweep", SWEEP, Sweep(store, known.correlation.linger, clock))
    keep = known.retention
    schedule.every("retention", HOUR, Retention(store, keep.notifications, keep.incidents, clock))
    heartbeat = Heartbeat(store, notifier, known.watchdog.stale_after, clock)
    schedule.every("heartbeat", SWEEP, heartbeat)
    schedule.start()
    stack.push_async_callback(schedule.stop)
    return intake


async def _front(stack: AsyncExitStack, base: _Base, intake: Intake, control: Control) -> str:
    """The HTTP server; its address."""
    front = Front(
        store=base.store,
        intake=intake,
        parse=parse,
        control=control,
        clock=base.clock,
        metrics=base.metrics,
        receiver=base.settings.receiver,
        webhook_token=_reveal(base.secrets.webhook_token),
        api_token=_reveal(base.secrets.api_token),
    )
    runner, url = await listen(build(front), base.settings.host, base.settings.port)
    stack.push_async_callback(runner.cleanup)
    return url


def _rules(settings: Settings) -> Rules:
    known = settings.correlation
    return Rules(
        labels=known.labels,
        debounce=known.debounce,
        storm=known.storm,
        flaps=known.flaps,
        late=known.late,
        watchdog=settings.watchdog.alertname,
    )


def _reveal(secret: SecretStr | None) -> str:
    return secret.get_secret_value() if secret is not None else ""


async def _wait(event: asyncio.Event) -> None:
    await event.wait()


def _own(stack: AsyncExitStack, data: Path) -> Path:
    """Make the data directory ours alone, until the daemon stops or dies."""
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = stack.enter_context((data / "lock").open("w"))
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigError(
            f"{data}: another sre-daemon uses this data directory", "stop it, or choose another"
        ) from None
    except OSError as failure:
        raise ConfigError(f"{data}: {failure.strerror}", "check data_dir and its owner") from None
    return data


def _replica(data: Path) -> str:
    """The name of whoever owns this data directory; it stays the same over restarts."""
    file = data / "replica"
    if not file.exists():
        file.write_text(f"{os.uname().nodename}-{uuid.uuid4().hex[:8]}\n", encoding="utf-8")
    return file.read_text(encoding="utf-8").strip()


def _investigator(base: _Base) -> Investigator:
    settings, clock = base.settings, base.clock
    server = tool_server("investigate", base.tools)
    runbook = RunbookInvestigator(load_runbooks(settings.runbooks), server, clock)
    key = base.secrets.anthropic_api_key
    engine = settings.agent.engine
    if engine == "runbook" or (engine == "auto" and key is None):
        return runbook
    if key is None:
        raise ConfigError("agent.engine is claude", "set ANTHROPIC_API_KEY, or choose auto")
    profile = ClaudeProfile(
        model=settings.agent.model,
        folder=base.data / "runs",
        api_key=key.get_secret_value(),
        base_url=base.secrets.anthropic_base_url or "",
        max_turns=settings.agent.max_turns,
        max_budget_usd=settings.agent.max_budget_usd,
    )
    return FallbackInvestigator(ClaudeInvestigator(profile, server, clock), runbook)


def _channels(stack: AsyncExitStack, settings: Settings) -> list[WebhookChannel]:
    channels = [WebhookChannel(str(channel.url)) for channel in settings.notify]
    for channel in channels:
        stack.push_async_callback(channel.close)
    return channels


async def _gauges(control: Control, clock: Clock) -> None:
    while True:
        try:
            await control.refresh()
        except StoreUnavailable as failure:
            log.error("gauges not refreshed", error=failure.reason)
        await clock.sleep(GAUGES_EVERY)
