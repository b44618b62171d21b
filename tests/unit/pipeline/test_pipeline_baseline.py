"""The proof of a rollback: what held before must hold again, and nothing new may be broken."""

from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.errors import TargetUnavailable
from sre_daemon.observe import AlertState, Sample
from sre_daemon.pipeline.baseline import LONGEST, Restoration, capture, measured
from tests.support.clock import START, ManualClock
from tests.support.factories import alert, incident

GUARD, FAULT = "up == 1", "errors < 1"
PROOF = {
    "alerts_resolved": True,
    "promql": [FAULT],
    "hold_seconds": 10.0,
    "within_seconds": 60.0,
    "rollback": True,
    "guards": [GUARD],
}
HOLDS = {"up == 1": lambda up: up == 1, "errors < 1": lambda errors: errors < 1}


@dataclass
class Shop:
    """Prometheus and the alerts of one incident; `at` has what the numbers are from a second on."""

    clock: ManualClock
    numbers: dict = field(default_factory=lambda: {"up": 1.0, "errors": 9.0})
    later: list = field(default_factory=list)
    gone: set = field(default_factory=set)
    known: list = field(default_factory=lambda: [alert()])
    states: dict = field(default_factory=dict)

    def _now(self):
        numbers = dict(self.numbers)
        for seconds, change in self.later:
            if self.clock.now() >= START + timedelta(seconds=seconds):
                numbers |= change
        return numbers

    async def sample(self, query):
        if query in self.gone:
            raise TargetUnavailable("Prometheus gave no answer")
        number = self._now()[query.split()[0]]
        if query not in HOLDS:
            return Sample(query, holds=True, value=number)
        holds = HOLDS[query](number)
        return Sample(query, holds, number if holds else None)

    async def alerts(self, incident_id):
        return [StoredAlert(a, incident_id, START, START, 1, open=True) for a in self.known]

    async def alert_states(self, alerts):
        if "alerts" in self.gone:
            raise TargetUnavailable("Prometheus gave no answer")
        return {a.identity: self.states.get(a.name, AlertState.FIRING) for a in alerts}


async def restored(change, **values):
    """Capture, change the shop, look."""
    clock = ManualClock()
    shop = Shop(clock)
    baseline = await capture(shop, [FAULT, GUARD], START)
    data = {"proof": PROOF, "baseline": baseline} | values
    change(shop)
    seen = await Restoration(shop, shop, clock)(incident(State.VERIFYING, data=data))
    return seen, (clock.now() - START).total_seconds()


async def test_a_fault_that_is_still_there_is_as_before():
    seen, took = await restored(lambda _: None)
    assert seen.proven
    assert seen.before == {FAULT: 9.0, GUARD: 1.0}
    assert took == 5


async def test_a_guard_that_comes_back_within_the_bound_proves_it():
    def later(shop):
        shop.numbers["up"] = 0
        shop.later = [(20, {"up": 1.0})]

    seen, took = await restored(later)
    assert seen.proven
    assert took == 25


async def test_a_guard_that_is_up_for_a_moment_proves_nothing():
    def flicker(shop):
        shop.later = [(3, {"up": 0.0})]

    seen, took = await restored(flicker)
    assert seen.missing == [f"held before and does not hold: {GUARD}"]
    assert took == 60
    assert f"{GUARD}: 1.0 before, 0.0 after" in seen.numbers


@pytest.mark.parametrize("gone", [GUARD, FAULT])
async def test_what_cannot_be_read_proves_nothing(gone):
    seen, _ = await restored(lambda shop: shop.gone.add(gone))
    assert seen.missing == [f"no data for {gone}: Prometheus gave no answer"]
    assert f"{gone}: " in seen.numbers
    assert "unknown after" in seen.numbers


@pytest.mark.parametrize("state", [AlertState.FIRING, AlertState.PENDING, AlertState.UNKNOWN])
async def test_an_alert_that_began_after_the_change_must_be_over(state):
    def more(shop):
        shop.known.append(alert(alertname="Down", starts_at=START + timedelta(seconds=1)))
        shop.states["Down"] = state

    seen, _ = await restored(more)
    assert seen.missing == [f"Down began after the change and is {state}"]


async def test_an_alert_that_began_and_ended_is_no_complaint():
    def over(shop):
        shop.known.append(alert(alertname="Down", starts_at=START + timedelta(seconds=1)))
        shop.states["Down"] = AlertState.INACTIVE

    seen, _ = await restored(over)
    assert seen.proven


async def test_a_new_alert_that_nobody_can_look_up_proves_nothing():
    def blind(shop):
        shop.known.append(alert(alertname="Down", starts_at=START + timedelta(seconds=1)))
        shop.gone.add("alerts")

    seen, _ = await restored(blind)
    assert seen.missing == ["no data about the alerts: Prometheus gave no answer"]


async def test_the_bound_is_never_longer_than_people_can_wait():
    long = PROOF | {"within_seconds": 3600.0}
    seen, took = await restored(lambda shop: shop.numbers.update(up=0), proof=long)
    assert not seen.proven
    assert took == LONGEST.total_seconds()


@pytest.mark.parametrize("name", ["proof", "baseline"])
async def test_without_a_record_nothing_is_proven(name):
    seen, took = await restored(lambda _: None, **{name: None})
    assert seen.missing == ["it is not recorded how it was before"]
    assert took == 0


async def test_what_was_not_known_before_must_hold_afterwards():
    clock = ManualClock()
    shop = Shop(clock, gone={GUARD})
    baseline = await capture(shop, [GUARD], START)
    assert baseline["held"] == {GUARD: None}
    shop.gone, shop.numbers["up"] = set(), 0
    data = {"proof": PROOF, "baseline": baseline}
    seen = await Restoration(shop, shop, clock)(incident(State.VERIFYING, data=data))
    assert not seen.proven


async def test_a_condition_that_does_not_hold_has_a_number_all_the_same():
    sample = await measured(Shop(ManualClock()), FAULT)
    assert (sample.holds, sample.value) == (False, 9.0)
