"""Receipts of orders: the API server writes them into a folder and keeps the newest files.

The folder has a limit. At the limit nothing more is written, as on a full disk, and orders fail.
"""

import asyncio
import time
from collections import deque
from pathlib import Path

from prometheus_client import Gauge

from stack.journal import Journal

USED = Gauge("spool_bytes", "Bytes in the folder of receipts.", ["service"])
LIMIT = Gauge("spool_limit_bytes", "Bytes that the folder of receipts may have.", ["service"])
LIMIT_BYTES = 64 * 1024 * 1024
FILE_BYTES = 128 * 1024
EVERY_SECONDS = 0.25


class Spool:
    """A folder with at most `keep` files; `full` when the next one would pass the limit."""

    def __init__(self, folder: Path, keep: int, service: str, log: Journal) -> None:
        self.full = False
        self._folder = folder
        self._keep = keep
        self._log = log
        self._used = USED.labels(service)
        self._files: deque[Path] = deque()
        LIMIT.labels(service).set(LIMIT_BYTES)

    async def run(self) -> None:
        """Write until cancelled; what an earlier process has left is counted and thinned out first."""
        await asyncio.to_thread(self.find)
        while True:
            await asyncio.to_thread(self.write)
            await asyncio.sleep(EVERY_SECONDS)

    def find(self) -> None:
        """Take over the files that are there."""
        self._folder.mkdir(parents=True, exist_ok=True)
        self._files = deque(sorted(self._folder.glob("*.receipts")))
        self._thin_out()

    def write(self) -> None:
        """One more file, if there is room for it."""
        full = (len(self._files) + 1) * FILE_BYTES > LIMIT_BYTES
        if full and not self.full:
            self._log(
                "ERROR", f"no space left in {self._folder}: {LIMIT_BYTES} bytes are the limit"
            )
        self.full = full
        if not full:
            # Names of one length, so that their order is the order of time.
            file = self._folder / f"{time.time_ns():020}.receipts"
            file.write_bytes(b"receipt\n" * (FILE_BYTES // 8))
            self._files.append(file)
        self._thin_out()

    def _thin_out(self) -> None:
        while len(self._files) > self._keep:
            self._files.popleft().unlink(missing_ok=True)
        self._used.set(len(self._files) * FILE_BYTES)
