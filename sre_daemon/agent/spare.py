"""Keeps one of something ready that takes a second to start: taken when it is needed, and then the next one."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, TypeVar

from sre_daemon.errors import DaemonError
from sre_daemon.held import Held
from sre_daemon.tasks import Tasks

T = TypeVar("T")

# Nothing is used that waited for longer: its keys and settings may be old.
MAX_AGE_SECONDS = 600.0
# After a failed start the next one waits, so that a broken program is not started in a loop.
AGAIN_SECONDS = 30.0
# The next one is started when the one in use is not needed any more, or after this time: two at
# once would take the processors away from the run that has just begun.
REFILL_SECONDS = 5.0


class Spare(Generic[T]):
    """`warm` keeps one ready from now on; without it each `take` opens one of its own."""

    def __init__(
        self,
        open_: Callable[[], AbstractAsyncContextManager[T]],
        usable: Callable[[T], Awaitable[bool]],
    ) -> None:
        self._open = open_
        self._usable = usable
        self._tasks: Tasks | None = None
        self._waiting: Held[T] | None = None
        self._not_before = 0.0

    def warm(self, tasks: Tasks) -> None:
        """Keep one ready, until the tasks are stopped."""
        self._tasks = tasks
        self._next()

    @asynccontextmanager
    async def take(self) -> AsyncIterator[T]:
        """The one that is ready, or a new one; it is closed when the block ends.

        Raises:
            DaemonError: what opening it raises.
        """
        held = await self._fresh() or Held(self._open)
        refill = asyncio.get_running_loop().call_later(REFILL_SECONDS, self._next)
        try:
            yield await held.ready()
        finally:
            await held.close()
            refill.cancel()
            self._next()

    async def _fresh(self) -> Held[T] | None:
        held, self._waiting = self._waiting, None
        if held is None:
            return None
        loop = asyncio.get_running_loop()
        try:
            # Still opening is as good as opening another one.
            opened = await held.ready()
            fresh = loop.time() - held.since <= MAX_AGE_SECONDS
            if fresh and await self._usable(opened):
                return held
        except DaemonError:
            self._not_before = loop.time() + AGAIN_SECONDS
        except BaseException:
            await held.close()
            raise
        await held.close()
        return None

    def _next(self) -> None:
        loop = asyncio.get_running_loop()
        if self._tasks is None or self._waiting is not None or loop.time() < self._not_before:
            return
        self._waiting = Held(self._open)
        self._tasks.spawn("spare", self._waiting.kept())
