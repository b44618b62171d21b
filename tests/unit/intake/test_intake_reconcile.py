"""Reconciliation: what webhooks missed is found, and nothing else is touched."""

from datetime import timedelta

import pytest

from sre_daemon.domain.level import Level, LevelAlert
from sre_daemon.errors import StoreUnavailable, TargetUnavailable
from sre_daemon.intake.reconcile import Reconciler
from sre_daemon.metrics import Metrics
from sre_daemon.settings.intake import ReconcileSettings
from tests.support.clock import START, ManualClock
from tests.support.factories import alert, notification
from tests.support.world import World

ROUTED = ("sre-daemon",)


class Sky:
    """What Alertmanager has; None means that nobody answers."""

    def __init__(self):
        self.alerts = {}
        self.complete = True

    def has(self, *items, suppressed=False, receivers=ROUTED):
        self.alerts = {item.identity: LevelAlert(item, suppressed, receivers) for item in items}

    async def level(self):
        if self.alerts is None:
            raise TargetUnavailable("no answer")
        return Level("default", self.alerts, self.complete)


class Ground:
    """Store and intake over a world."""

    def __init__(self):
        self.world = World()
        self.broken = False

    async def episodes(self, open_only=True):
        return self.world.open_episodes

    async def correct(self, said):
        if self.broken:
            raise StoreUnavailable("locked")
        return self.world.say(said)


@pytest.fixture
def parts():
    sky, ground, clock, metrics = Sky(), Ground(), ManualClock(), Metrics()
    reconcile = Reconciler(sky, ground, ground, ReconcileSettings(), "Watchdog", clock, metrics)
    return reconcile, sky, ground, clock, metrics


def corrections(metrics):
    """Kind to number, without zeros."""
    found = {}
    for sample in metrics.reconcile_corrections.collect()[0].samples:
        if sample.name.endswith("_total") and sample.value:
            found[sample.labels["kind"]] = int(sample.value)
    return found


async def test_a_firing_that_no_webhook_said_is_opened_once(parts):
    reconcile, sky, ground, clock, metrics = parts
    sky.has(alert())
    clock.advance(120)
    await reconcile()
    await reconcile()
    assert len(ground.world.open_episodes) == 1
    assert corrections(metrics) == {"missed_firing": 1}


async def test_a_firing_whose_webhook_may_be_on_its_way_is_left_alone(parts):
    reconcile, sky, ground, clock, metrics = parts
    clock.advance(10)
    sky.has(alert())
    await reconcile()
    assert ground.world.incidents == {}
    assert corrections(metrics) == {}


async def test_a_firing_after_a_resolution_is_no_late_copy_when_alertmanager_has_it(parts):
    reconcile, sky, ground, clock, _ = parts
    ground.world.say(notification(alert()))
    ended = alert(status="resolved", ends_at=START + timedelta(seconds=50))
    ground.world.say(notification(ended, at=START + timedelta(seconds=50)))
    sky.has(alert())
    clock.advance(60)
    await reconcile()
    assert len(ground.world.open_episodes) == 1


@pytest.mark.parametrize(
    "other",
    [
        {"receivers": ("team-b",)},
        {"suppressed": True},
    ],
)
async def test_what_is_routed_elsewhere_or_suppressed_is_not_opened(parts, other):
    reconcile, sky, ground, clock, _ = parts
    sky.has(alert(), **other)
    clock.advance(120)
    await reconcile()
    assert ground.world.incidents == {}


async def test_the_watchdog_is_not_looked_up(parts):
    reconcile, sky, ground, clock, _ = parts
    sky.has(alert(alertname="Watchdog"))
    clock.advance(120)
    await reconcile()
    assert ground.world.heartbeat is None


async def passes(parts, number, apart=60):
    """So many comparisons, one per minute as a rule."""
    reconcile, _, _, clock, _ = parts
    for _ in range(number):
        clock.advance(apart)
        await reconcile()


async def test_what_is_absent_three_times_is_resolved(parts):
    _, _, ground, _, metrics = parts
    ground.world.say(notification(alert()))
    await passes(parts, 2)
    assert len(ground.world.open_episodes) == 1
    await passes(parts, 1)
    assert ground.world.open_episodes == []
    assert corrections(metrics) == {"missed_resolved": 1}
    await passes(parts, 1)
    assert corrections(metrics) == {"missed_resolved": 1}


async def test_comparisons_out_of_turn_do_not_make_an_absence_longer(parts):
    _, _, ground, _, _ = parts
    ground.world.say(notification(alert()))
    await passes(parts, 20, apart=1)
    assert len(ground.world.open_episodes) == 1
    await passes(parts, 2)
    assert ground.world.open_episodes == []


async def test_what_was_seen_in_between_begins_to_count_anew(parts):
    reconcile, sky, ground, clock, _ = parts
    ground.world.say(notification(alert()))
    for seen in (False, False, True, False, False):
        clock.advance(60)
        sky.has(*([alert()] if seen else []))
        await reconcile()
    assert len(ground.world.open_episodes) == 1


async def test_a_peer_that_does_not_answer_is_no_absence(parts):
    reconcile, sky, ground, _, metrics = parts
    ground.world.say(notification(alert()))
    sky.complete = False
    for _ in range(5):
        await reconcile()
    assert len(ground.world.open_episodes) == 1
    assert (
        metrics.registry.get_sample_value(
            "sre_daemon_reconciliations_total", {"outcome": "partial"}
        )
        == 5
    )


async def test_what_another_receiver_or_a_silence_has_is_not_absent(parts):
    reconcile, sky, ground, _, metrics = parts
    ground.world.say(notification(alert()))
    sky.has(alert(), suppressed=True, receivers=("renamed",))
    for _ in range(5):
        await reconcile()
    assert len(ground.world.open_episodes) == 1
    assert corrections(metrics) == {"suppressed": 1}
    sky.has(alert())
    await reconcile()
    assert corrections(metrics) == {"suppressed": 1, "unsuppressed": 1}


async def test_faults_change_nothing_and_the_next_pass_works(parts):
    reconcile, sky, ground, clock, metrics = parts
    clock.advance(120)
    sky.alerts = None
    await reconcile()
    sky.has(alert())
    ground.broken = True
    await reconcile()
    assert ground.world.incidents == {}
    ground.broken = False
    await reconcile()
    assert len(ground.world.open_episodes) == 1
    assert (
        metrics.registry.get_sample_value("sre_daemon_reconciliations_total", {"outcome": "failed"})
        == 2
    )


async def test_what_is_found_is_told_as_verified_with_its_bytes(parts):
    reconcile, sky, ground, clock, _ = parts
    heard = []

    async def correct(said):
        heard.append(said)
        return {}

    ground.correct = correct
    clock.advance(120)
    sky.has(alert())
    await reconcile()
    (said,) = heard
    assert (said.tenant, said.certainty, len(said.alerts)) == ("default", "verified", 1)
    assert b"ApiDbPoolExhausted" in said.body


async def test_a_cluster_says_nothing_about_the_alerts_of_another(parts):
    _, _, ground, _, _ = parts
    other = alert(tenant="other")
    ground.world.say(notification(other, tenant="other"))
    await passes(parts, 5)
    assert [item.alert for item in ground.world.open_episodes] == [other]
