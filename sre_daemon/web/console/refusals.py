"""Logins that failed, in the audit log: the first at once, then at most one line a minute with their number.

Whoever guesses tokens is seen, and cannot fill the log.
"""

from sre_daemon.clock import Clock
from sre_daemon.domain.audit import AuditEntry, AuditKind
from sre_daemon.web.front import Records

NOBODY = "nobody"
PAUSE_SECONDS = 60.0


class FailedLogins:
    """Counts them for one process."""

    def __init__(self, records: Records, clock: Clock) -> None:
        self._records = records
        self._clock = clock
        self._number = 0
        self._written: float | None = None

    async def add(self, peer: str) -> None:
        """One more, from this address.

        Raises:
            StoreUnavailable: it could not be written; it is counted in the next line.
        """
        self._number += 1
        now = self._clock.monotonic()
        if self._written is not None and now - self._written < PAUSE_SECONDS:
            return
        number, before = self._number, self._written
        self._number, self._written = 0, now
        said = "a login failed" if number == 1 else f"{number} logins failed since the last line"
        entry = AuditEntry(
            self._clock.now(), AuditKind.LOGIN, NOBODY, said, data={"failed": number, "peer": peer}
        )
        try:
            await self._records.record(entry)
        except BaseException:
            self._number, self._written = self._number + number, before
            raise
