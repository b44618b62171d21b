"""Guessing is recorded, and cannot fill the log."""

import pytest

from sre_daemon.errors import StoreUnavailable
from sre_daemon.web.console.refusals import FailedLogins
from tests.support.clock import ManualClock


class Log:
    """Keeps entries, unless it is away."""

    def __init__(self):
        self.entries, self.away = [], False

    async def record(self, *entries):
        if self.away:
            raise StoreUnavailable("away")
        self.entries += entries

    async def about(self, subject):
        return []

    @property
    def said(self):
        return [(entry.summary, entry.data["failed"]) for entry in self.entries]


async def test_first_is_written_at_once_and_many_as_one_line_a_minute():
    log, clock = Log(), ManualClock()
    failed = FailedLogins(log, clock)
    for _ in range(500):
        await failed.add("10.0.0.9")
    assert log.said == [("a login failed", 1)]
    await clock.sleep(61)
    await failed.add("10.0.0.9")
    assert log.said[1:] == [("500 logins failed since the last line", 500)]
    assert {(entry.kind, entry.who, entry.data["peer"]) for entry in log.entries} == {
        ("login", "nobody", "10.0.0.9")
    }


async def test_what_could_not_be_written_is_counted_in_the_next_line():
    log, clock = Log(), ManualClock()
    failed = FailedLogins(log, clock)
    log.away = True
    for _ in range(2):
        with pytest.raises(StoreUnavailable):
            await failed.add("10.0.0.9")
    log.away = False
    await failed.add("10.0.0.9")
    assert log.said == [("3 logins failed since the last line", 3)]
