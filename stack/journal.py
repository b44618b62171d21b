"""The API server's log: lines on standard output, and how many there were of each level."""

import sys
from datetime import UTC, datetime

from prometheus_client import Counter

LEVELS = ("DEBUG", "INFO", "WARN", "ERROR")
LINES = Counter("log_lines_total", "Lines written to the log.", ["service", "level"])


class Journal:
    """Writes lines from `lowest` on; a level that nobody knows is `ValueError`."""

    def __init__(self, service: str, lowest: str = "INFO") -> None:
        self._service = service
        self._lowest = LEVELS.index(lowest)
        for level in LEVELS:
            LINES.labels(service, level.lower())

    def __call__(self, level: str, text: str) -> None:
        """One line, if its level is not below the lowest."""
        if LEVELS.index(level) < self._lowest:
            return
        LINES.labels(self._service, level.lower()).inc()
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        sys.stdout.write(f"{now} {level} {text}\n")
        sys.stdout.flush()
