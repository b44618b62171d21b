"""The digest comes by itself: once, on the team's clock, where it can be read."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from sre_daemon.notify.digest import Morning
from sre_daemon.notify.message import Message
from sre_daemon.report.digest import Digests
from sre_daemon.schedule import Schedule
from sre_daemon.settings import NotifySettings
from sre_daemon.slack import render
from sre_daemon.store.history import History
from tests.support.clock import ManualClock
from tests.support.people import PlayedChannel, telling
from tests.support.slack import check_blocks

CHAT = {"kind": "webhook", "name": "chat", "url": "http://127.0.0.1:1/"}
WEEKDAYS = ("monday", "friday")


async def test_digest_is_sent_once_a_day_by_the_whole_fleet(tmp_path):
    chat, other = PlayedChannel("chat"), PlayedChannel("other")
    async with telling(tmp_path, chat, other) as bench:
        write = Digests(History(bench.store._database), bench.clock)
        day = timedelta(days=1)
        replicas = [
            Morning(write, bench.outbox, ["chat"], day, "UTC", bench.clock) for _ in range(3)
        ]
        for morning in replicas:
            await morning()
        bench.notifier.wake()
        await chat.until(lambda c: c.sent)
        assert await bench.nothing_due("chat")
        bench.later(86400)
        await replicas[0]()
        bench.notifier.wake()
        await chat.until(lambda c: len(c.sent) == 2)
        assert [m.title for m in chat.sent] == ["2026-03-14", "2026-03-15"]
        assert other.sent == []
        (first, _) = chat.sent
        assert "## What fired" in first.text
        assert (first.state, first.severity, first.quiet) == ("digest", "info", True)


def fires(zone, after, at=time(8, 0), days=WEEKDAYS):
    schedule = Schedule(None, "r1", ManualClock())
    schedule.daily("digest", at, days, zone, lambda: None)
    trigger = schedule._scheduler.get_jobs()[0].trigger
    return trigger.get_next_fire_time(None, after).astimezone(UTC)


@pytest.mark.parametrize(
    ("after", "utc"),
    [
        # Friday before and Monday after the clocks of Berlin are put forward.
        (datetime(2026, 3, 26, 12, tzinfo=UTC), datetime(2026, 3, 27, 7, tzinfo=UTC)),
        (datetime(2026, 3, 27, 12, tzinfo=UTC), datetime(2026, 3, 30, 6, tzinfo=UTC)),
    ],
)
def test_it_is_eight_on_the_teams_clock_in_summer_and_winter(after, utc):
    found = fires("Europe/Berlin", after)
    assert found == utc
    assert found.astimezone(ZoneInfo("Europe/Berlin")).hour == 8


@pytest.mark.parametrize(
    "digest",
    [
        {"channels": ["nobody"]},
        {"channels": ["pager"]},
        {"zone": "Europe/Atlantis"},
        {"at": "24:00"},
        {"days": []},
    ],
)
def test_digest_that_could_not_come_is_refused_at_the_start(digest):
    channels = [CHAT, {"kind": "pagerduty", "name": "pager"}]
    with pytest.raises(ValidationError):
        NotifySettings.model_validate({"channels": channels, "digest": digest})


def test_digest_in_slack_is_valid_and_looks_as_it_was_written():
    text = "# sre-daemon\n\n## What fired\n\n" + "- <Pool> \\_x\\_: 3×\n" * 900
    shown = render.told(Message("", "digest", "info", "2026-03-14", text))
    assert check_blocks(shown.blocks) == ""
    assert "*What fired*" in str(shown.blocks)
    assert "\\_" not in shown.blocks[0]["text"]["text"]
