"""Holds a context manager open in a task of its own, so that no cancellation reaches into its opening or closing.

The clients of tool servers and of the agent close in several steps that must all happen, and they
protect them against anyio's cancellation only. `asyncio.timeout` and `Task.cancel` know nothing of
that: one that strikes while such a client closes leaves it waiting for ever.
"""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Generic, TypeVar

import anyio
import structlog

log = structlog.get_logger(__name__)

T = TypeVar("T")


class Held(Generic[T]):
    """One opened thing; made inside a running loop, and being opened from then on."""

    def __init__(self, open_: Callable[[], AbstractAsyncContextManager[T]]) -> None:
        self._open = open_
        self._release = asyncio.Event()
        self._opening: anyio.CancelScope | None = None
        loop = asyncio.get_running_loop()
        self.since = loop.time()
        self._ready: asyncio.Future[T] = loop.create_future()
        # Nobody may be waiting for it when it fails.
        self._ready.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._task = loop.create_task(self._hold())
        self._task.add_done_callback(lambda _: self._ready.cancel())

    async def ready(self) -> T:
        """What was opened, as soon as it is.

        Raises:
            Exception: what opening it raises.
        """
        return await asyncio.shield(self._ready)

    async def close(self) -> None:
        """Close it, or stop opening it, and wait until that is done.

        A caller that is cancelled meanwhile, however often, hears of it when that is done.
        """
        self._release.set()
        if self._opening is not None and not self._ready.done():
            self._opening.cancel()
        cancelled: asyncio.CancelledError | None = None
        with anyio.CancelScope(shield=True):
            while not self._task.done():
                try:
                    await asyncio.wait([self._task])
                except asyncio.CancelledError as struck:
                    cancelled = struck
        if cancelled is not None:
            raise cancelled

    async def kept(self) -> None:
        """Returns when it is closed; cancelling this closes it."""
        try:
            await asyncio.wait([self._task])
        finally:
            await self.close()

    async def _hold(self) -> None:
        try:
            with anyio.CancelScope() as self._opening:
                if self._release.is_set():
                    return
                async with self._open() as opened:
                    self._ready.set_result(opened)
                    await self._release.wait()
        except Exception as failure:  # noqa: BLE001 - handed on, or told
            if self._ready.done():
                log.warning("not closed cleanly", error=repr(failure))
            else:
                self._ready.set_exception(failure)


@asynccontextmanager
async def held(open_: Callable[[], AbstractAsyncContextManager[T]]) -> AsyncIterator[T]:
    """What `open_` yields; it is closed when the block ends, however it ends."""
    holder = Held(open_)
    try:
        yield await holder.ready()
    finally:
        await holder.close()
