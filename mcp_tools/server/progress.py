"""Signs of life of a long call, for a client that asked for them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import anyio
from mcp.server.session import ServerSession

FIRST_SECONDS = 1.0
EVERY_SECONDS = 2.0


@asynccontextmanager
async def reported(session: ServerSession, name: str, seconds: float) -> AsyncIterator[None]:
    """Report while the block runs, which must not raise: seconds so far, of at most `seconds`.

    A client that gave no progress token is sent nothing; a call that is over soon neither.
    """
    async with anyio.create_task_group() as group:
        group.start_soon(_report, session, name, seconds)
        try:
            yield
        finally:
            group.cancel_scope.cancel()


async def _report(session: ServerSession, name: str, seconds: float) -> None:
    started = anyio.current_time()
    await anyio.sleep(FIRST_SECONDS)
    # A client that has left wants no reports; the call itself notices that by itself.
    with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
        while True:
            passed = round(anyio.current_time() - started, 1)
            await session.report_progress(passed, seconds, f"{name} is running")
            await anyio.sleep(EVERY_SECONDS)
