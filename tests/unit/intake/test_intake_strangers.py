"""A burst of refused Alertmanagers is a page, and one now and then is none."""

import pytest

from sre_daemon.intake.strangers import Strangers
from sre_daemon.metrics import Metrics
from tests.support.clock import ManualClock


class People:
    """Whoever is told."""

    def __init__(self):
        self.heard = []

    async def tell(self, title, text):
        self.heard.append(f"{title}: {text}")


@pytest.fixture
def parts():
    people, clock, metrics = People(), ManualClock(), Metrics()
    return Strangers(people, clock, metrics), people, clock, metrics


async def come(parts, times, apart):
    strangers, _, clock, _ = parts
    for _ in range(times):
        clock.advance(apart)
        await strangers.refused("10.0.0.7")


async def test_a_burst_is_told_once_an_hour(parts):
    _, people, clock, metrics = parts
    await come(parts, 9, apart=30)
    (said,) = people.heard
    assert "10.0.0.7" in said
    clock.advance(3600)
    await come(parts, 3, apart=1)
    assert len(people.heard) == 2
    counted = metrics.registry.get_sample_value("sre_daemon_alertmanager_unauthorized_total")
    assert counted == 12


async def test_now_and_then_is_no_burst(parts):
    _, people, _, _ = parts
    await come(parts, 9, apart=400)
    assert people.heard == []
