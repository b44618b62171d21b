"""Anchors the audit log: checks what was added since the last time, and signs the new end.

Each replica does it for itself, with a file of its own. What is wrong is said at once, in the log,
in a metric and to people, and the old heads are kept as they are.
"""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import structlog

from sre_daemon.clock import Clock
from sre_daemon.domain.audit import AuditLine, Chain, Head
from sre_daemon.errors import StoreUnavailable
from sre_daemon.metrics import Metrics
from sre_daemon.store import heads

log = structlog.get_logger(__name__)


class Lines(Protocol):
    """The audit log."""

    async def page(self, after: int = 0) -> list[AuditLine]:
        """Raises StoreUnavailable."""
        ...

    async def line(self, seq: int) -> AuditLine | None:
        """Raises StoreUnavailable."""
        ...


class Tells(Protocol):
    """Reaches people."""

    async def tell(self, title: str, text: str) -> None:
        """Returns at once."""
        ...


class Anchor:
    """One replica's."""

    def __init__(
        self,
        audit: Lines,
        folder: Path,
        key: bytes,
        people: Tells,
        clock: Clock,
        metrics: Metrics,
    ) -> None:
        self._audit = audit
        self._folder = folder
        self._key = key
        self._people = people
        self._clock = clock
        self._metrics = metrics
        self._last: Head | None = None
        self._told = False

    async def run(self, every: float) -> None:
        """From now on."""
        await asyncio.to_thread(self.remember)
        while True:
            await self.once()
            await self._clock.sleep(every)

    def remember(self) -> None:
        """Go on after the last head that we signed; what others wrote into the file does not count."""
        ours = [head for _, head in heads.known(self._folder) if head and head.genuine(self._key)]
        self._last = max(ours, key=lambda head: head.seq, default=None)

    async def once(self) -> None:
        """Check and sign; what fails is left for the next time."""
        try:
            problems, end = await self._check()
            if problems:
                await self._wrong(problems)
                return
            self._metrics.audit_intact.set(1)
            if end.seq > (self._last.seq if self._last else 0):
                await asyncio.to_thread(heads.add, self._folder, end)
                self._last = end
                # Also a line that leaves this machine with the log.
                log.info("audit head", seq=end.seq, hash=end.hash, mac=end.mac)
        except (StoreUnavailable, OSError) as failure:
            log.error("audit log not anchored", error=str(failure))
            return
        self._metrics.audit_head.set(end.seq)
        self._metrics.audit_anchored.set(end.at.timestamp())

    async def _check(self) -> tuple[Sequence[str], Head]:
        """What is wrong since the last head, and the new one."""
        last = self._last
        if last is not None:
            line = await self._audit.line(last.seq)
            if line is None:
                return [f"line {last.seq}, which was signed, is missing"], last
            if line.hash != last.hash or not line.whole:
                return [f"line {last.seq}, which was signed, was changed"], last
        chain = Chain(after=last)
        while page := await self._audit.page(chain.seq):
            chain.walk(page)
        return chain.end(), Head(chain.seq, chain.hash, self._clock.now()).signed(self._key)

    async def _wrong(self, problems: Sequence[str]) -> None:
        self._metrics.audit_intact.set(0)
        log.error("the audit log was tampered with", problems=list(problems[:20]))
        if not self._told:
            self._told = True
            await self._people.tell(
                "the audit log was tampered with",
                f"{'; '.join(problems[:3])}; run `sre-daemon audit verify` and look who can write "
                "to the store",
            )
