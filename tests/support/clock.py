"""A clock that only moves when a test moves it."""

from datetime import UTC, datetime, timedelta

START = datetime(2026, 3, 14, 2, 0, tzinfo=UTC)


class ManualClock:
    """`sleep` returns at once and moves the time by what was asked for."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at

    def now(self):
        return self.at

    def monotonic(self):
        return (self.at - START).total_seconds()

    async def sleep(self, seconds):
        self.advance(seconds)

    def advance(self, seconds):
        """Let time pass."""
        self.at += timedelta(seconds=seconds)
        return self.at
