"""Background tasks: named, watched, and stopped in order. A dead task is never silent."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")


async def race(work: Coroutine[Any, Any, T], guard: Coroutine[Any, Any, None]) -> T | None:
    """The result of `work`, or None when `guard` ended first; neither outlives the call.

    An error of `work` is raised; a cancelled caller cancels both.
    """
    tasks = asyncio.create_task(work), asyncio.create_task(guard)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return tasks[0].result() if tasks[0].done() else None
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


class Tasks:
    """A set of background tasks that live as long as the daemon.

    `failed` is set when one of them ends with an error: the daemon then stops, so that its
    supervisor starts it afresh instead of leaving it half alive.
    """

    def __init__(self) -> None:
        self._tasks: set[asyncio.Task[Any]] = set()
        self.failed = asyncio.Event()

    def spawn(self, name: str, work: Coroutine[Any, Any, Any]) -> None:
        """Start one task."""
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._tasks.discard(task)
        if task.cancelled():
            return
        failure = task.exception()
        if failure is not None:
            log.error("background task died", task=task.get_name(), exc_info=failure)
            self.failed.set()

    async def stop(self, grace: float = 5.0) -> None:
        """Cancel every task and wait for it, `grace` seconds at most."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
