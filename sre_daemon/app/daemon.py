"""The daemon as a whole: started whole or not at all, stopped in reverse order."""

import asyncio
from contextlib import AsyncExitStack, suppress

import structlog

from sre_daemon import __version__
from sre_daemon.app.agent import conversation_for, resume_for, start_agent, watch_director
from sre_daemon.app.foundation import OpenStore, foundation
from sre_daemon.app.front import start_front
from sre_daemon.app.intake import start_intake
from sre_daemon.app.people import start_people
from sre_daemon.app.slack import start_bot
from sre_daemon.app.trust import record_start, start_anchor
from sre_daemon.app.work import start_worker
from sre_daemon.clock import Clock, SystemClock
from sre_daemon.control import Control
from sre_daemon.domain.audit import DAEMON
from sre_daemon.errors import PolicyFileError, StoreUnavailable
from sre_daemon.pipeline.halt import Halt
from sre_daemon.settings import Secrets, Settings, check_front_door
from sre_daemon.store.pauses import Pauses
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.trials import Trials
from sre_daemon.tasks import Tasks, race

log = structlog.get_logger(__name__)

GAUGES_EVERY = 2.0
LOOK_EVERY = 5.0


class Daemon:
    """A running daemon. `start` builds it whole or not at all; `stop` undoes it in reverse order."""

    def __init__(self, stack: AsyncExitStack, tasks: Tasks, control: Control, url: str) -> None:
        self._stack = stack
        self._tasks = tasks
        self._control = control
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

    async def reload(self, who: str) -> None:
        """Put the policy file in force.

        Raises:
            PolicyFileError: it cannot be used; the policy before it stays.
            StoreUnavailable: it could not be recorded; the policy before it stays.
        """
        await self._control.reload(who)

    async def pause(self, reason: str, who: str) -> None:
        """Change nothing from now on. Raises StoreUnavailable."""
        await self._control.pause(reason, who)

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
        base = await foundation(stack, settings, secrets, clock, open_store)
        people = await start_people(stack, base)
        agent = start_agent(base)
        director = agent.director
        pauses = Pauses(base.database)
        halt = Halt(base.data, pauses, clock)
        base.tasks.spawn("halt", halt.run())
        control = Control(
            base.store,
            pauses,
            Trials(base.database),
            base.audit,
            base.policy,
            base.observer,
            clock,
            base.metrics,
            director.engine,
            director.model,
            halt.file,
        )
        with suppress(PolicyFileError):  # said in log, metric and status; nothing is changed
            await control.reload(DAEMON)
        worker = await start_worker(stack, base, agent, people.notifier)
        resume = resume_for(base, director)
        intake = await start_intake(stack, base, worker, people, resume)
        await record_start(base)
        start_anchor(base, people.notifier)
        base.tasks.spawn("gauges", _gauges(control, clock))
        base.tasks.spawn("dependencies", _dependencies(control, clock))
        base.tasks.spawn("director", watch_director(base, director))
        conversation = conversation_for(base, director)
        slack = start_bot(base, people.slack, agent, conversation, worker, people.notifier)
        url = await start_front(stack, base, intake, control, worker, conversation, slack)
        log.info("ready", url=url, engine=director.engine, version=__version__)
        return cls(stack, base.tasks, control, url)


async def _gauges(control: Control, clock: Clock) -> None:
    while True:
        try:
            await control.refresh()
        except StoreUnavailable as failure:
            log.error("gauges not refreshed", error=failure.reason)
        await clock.sleep(GAUGES_EVERY)


async def _dependencies(control: Control, clock: Clock) -> None:
    while True:
        await control.look()
        await clock.sleep(LOOK_EVERY)


async def _wait(event: asyncio.Event) -> None:
    await event.wait()
