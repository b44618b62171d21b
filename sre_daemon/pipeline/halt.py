"""The kill switch without a network: a file `pause` in data_dir pauses the daemon while it is there.

Taking the file away resumes nothing: that needs a person and a reason.
"""

import asyncio
from pathlib import Path

import structlog

from sre_daemon.clock import Clock
from sre_daemon.errors import StoreUnavailable
from sre_daemon.store.pauses import Pauses

log = structlog.get_logger(__name__)

FILE = "pause"
LOOK_SECONDS = 1.0


class Halt:
    """Looks for the file."""

    def __init__(self, folder: Path, pauses: Pauses, clock: Clock) -> None:
        self.file = folder / FILE
        self._pauses = pauses
        self._clock = clock

    async def run(self) -> None:
        """From now on."""
        while True:
            await self.once()
            await self._clock.sleep(LOOK_SECONDS)

    async def once(self) -> None:
        """One look; what fails is tried again."""
        try:
            if await asyncio.to_thread(self.file.exists) and await self._pauses.why() is None:
                await self._pauses.pause(f"{self.file} is there", "file", self._clock.now())
                log.warning("paused", reason=f"{self.file} is there", who="file")
        except StoreUnavailable as failure:
            log.error("not paused by the file", error=failure.reason)
