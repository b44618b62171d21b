"""The proof: what must hold, for how long without a gap, and what happens when it does not."""

from dataclasses import dataclass, field, replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import Event, RemediationState, State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import TargetUnavailable
from sre_daemon.metrics import Metrics
from sre_daemon.observe import AlertState, Sample
from sre_daemon.pipeline.proof import Proof, proof_from_json, proof_to_json
from sre_daemon.pipeline.stage import Escalate, Next, Wait
from sre_daemon.pipeline.undo import Undone
from sre_daemon.pipeline.verify import Verify
from sre_daemon.policy.file import parse
from tests.support.clock import START, ManualClock
from tests.support.factories import alert, incident
from tests.support.repairs import FixedRecord, counted

QUERY = "rate(errors_total[1m]) < 0.1"
OTHER = "up == 1"
FIRING, PENDING, INACTIVE, UNKNOWN = (
    AlertState.FIRING,
    AlertState.PENDING,
    AlertState.INACTIVE,
    AlertState.UNKNOWN,
)
POLICY = """\
version: 1
mode: act
policies:
  - name: pool
    matchers: ['alertname="ApiDbPoolExhausted"']
    autonomy: auto
    allow: [{effect: service.restart, service: api-server}]
    verify: {promql: ['up == 1'], hold: 20s, within: 2m}
    on_failure: %s
"""
PROOF = {
    "alerts_resolved": True,
    "promql": [QUERY],
    "hold_seconds": 10.0,
    "within_seconds": 60.0,
    "rollback": True,
}


@dataclass
class Seen:
    """A probe and a store in one: what there is to be seen now."""

    alerts_now: list = field(default_factory=lambda: [alert()])
    states: dict = field(default_factory=dict)
    values: dict = field(default_factory=lambda: {QUERY: 0.05, OTHER: 1.0})
    failing: set = field(default_factory=set)
    asked: list = field(default_factory=list)
    guards: dict = field(default_factory=dict)

    async def alerts(self, incident_id):
        return [
            StoredAlert(a, incident_id, START, START, 1, open=a.firing) for a in self.alerts_now
        ]

    async def alert_states(self, alerts):
        if "alerts" in self.failing:
            raise TargetUnavailable("Prometheus gave no answer")
        return {a.identity: self.states.get(a.name, INACTIVE) for a in alerts}

    async def holds(self, query):
        if query in self.failing:
            raise TargetUnavailable("Prometheus gave no answer")
        return self.guards.get(query, True)

    async def sample(self, query):
        self.asked.append(query)
        if query in self.failing:
            raise TargetUnavailable("Prometheus gave no answer")
        value = self.values.get(query)
        return Sample(query, value is not None and value < 1.5, value)


TAKEN_BACK = Undone(RemediationState.ROLLED_BACK, "the change was taken back")


@dataclass
class Undoing:
    """Takes back, as told."""

    planned: bool = False
    result: Undone = TAKEN_BACK
    done: int = 0

    async def begun(self, _incident):
        return self.planned

    async def __call__(self, _incident):
        self.done += 1
        return self.result


class Bench:
    """The stage, looked through as the worker would: what it notes is there the next time."""

    def __init__(self, **proof):
        self.clock, self.metrics = ManualClock(), Metrics()
        self.seen, self.undo = Seen(), Undoing()
        self.record = FixedRecord()
        self.stage = Verify(self.seen, self.seen, self.undo, self.record, self.clock, self.metrics)
        self.incident = incident(
            State.VERIFYING,
            data={
                "proof": PROOF | proof,
                "applied_at": START.isoformat(),
                "before": {QUERY: 0.9},
            },
        )

    async def look(self, after=0):
        self.clock.advance(after)
        outcome = await self.stage(self.incident)
        if isinstance(outcome, Wait):
            self.incident = self.incident.noting(**outcome.notes)
        return outcome

    async def until_end(self, step=2, limit=100):
        """Look every `step` seconds; the outcome, and how long after the start."""
        for _ in range(limit):
            outcome = await self.look()
            if not isinstance(outcome, Wait):
                return outcome, (self.clock.now() - START).total_seconds()
            self.clock.advance(step)
        raise AssertionError("no end")


async def test_proven_when_everything_held_long_enough():
    bench = Bench()
    for _ in range(5):
        assert isinstance(await bench.look(), Wait)
        bench.clock.advance(2)
    outcome = await bench.look()
    assert isinstance(outcome, Next)
    assert (outcome.event, outcome.reason) == (Event.CONFIRMED, Reason.PROVEN)
    assert bench.undo.done == 0
    assert counted(bench.metrics.verifications, outcome="proven") == 1
    assert counted(bench.metrics.verifications, outcome="not_proven") == 0


async def test_proof_says_the_numbers_before_and_after():
    bench = Bench()
    outcome, _ = await bench.until_end()
    assert outcome.notes == {
        "remediation": RemediationState.SUCCEEDED,
        "after": {QUERY: 0.05},
        "resolution": "proven",
    }
    [event] = outcome.events
    assert event.kind is Kind.VERIFICATION
    assert event.data == {"proven": True, "before": {QUERY: 0.9}, "after": {QUERY: 0.05}}


async def test_first_look_proves_nothing():
    bench = Bench()
    outcome = await bench.look(after=59)
    assert isinstance(outcome, Wait)
    assert outcome.notes["verification"]["held_since"] == bench.clock.now().isoformat()


@pytest.mark.parametrize(("hold", "poll"), [(0.1, 0.5), (10.0, 2), (25.0, 5), (600.0, 5)], ids=str)
async def test_looks_are_a_fifth_of_the_hold_within_bounds(hold, poll):
    bench = Bench(hold_seconds=hold, within_seconds=900.0)
    outcome = await bench.look()
    assert outcome.until - bench.clock.now() == timedelta(seconds=poll)


MISSING = {
    "firing": lambda seen: seen.states.update(ApiDbPoolExhausted=FIRING),
    "pending": lambda seen: seen.states.update(ApiDbPoolExhausted=PENDING),
    "no such rule": lambda seen: seen.states.update(ApiDbPoolExhausted=UNKNOWN),
    "no alerts answer": lambda seen: seen.failing.add("alerts"),
    "no query answer": lambda seen: seen.failing.add(QUERY),
    "no data": lambda seen: seen.values.update({QUERY: None}),
    "does not hold": lambda seen: seen.values.update({QUERY: 9.0}),
}


@pytest.mark.parametrize("what", MISSING)
async def test_never_proven_while_something_is_missing(what):
    bench = Bench()
    MISSING[what](bench.seen)
    outcome, seconds = await bench.until_end()
    assert isinstance(outcome, Escalate)
    assert outcome.reason is Reason.NOT_PROVEN
    assert seconds == 60
    assert bench.undo.done == 1
    outcomes = ("not_proven", "inconclusive")
    assert sum(counted(bench.metrics.verifications, outcome=o) for o in outcomes) == 1


@pytest.mark.parametrize("what", MISSING)
async def test_flicker_of_anything_starts_the_hold_again(what):
    bench = Bench()
    for _ in range(4):
        await bench.look()
        bench.clock.advance(2)
    good = replace(bench.seen, states={}, failing=set(), values=dict(bench.seen.values))
    MISSING[what](bench.seen)
    outcome = await bench.look()
    assert outcome.notes["verification"]["held_since"] is None
    bench.seen.states, bench.seen.failing = good.states, good.failing
    bench.seen.values = good.values
    bench.clock.advance(2)
    outcome, seconds = await bench.until_end()
    assert isinstance(outcome, Next)
    # Held from second 10 on, not from 0.
    assert seconds == 20


async def test_one_of_two_conditions_is_not_enough():
    bench = Bench(promql=[QUERY, OTHER])
    bench.seen.values[OTHER] = None
    outcome = await bench.look()
    assert outcome.events[0].data["missing"] == [f"does not hold: {OTHER}"]
    # And the number of the one that does not hold, for people.
    assert bench.seen.asked == [QUERY, OTHER, "up"]


async def test_every_alert_of_the_incident_must_be_over():
    bench = Bench()
    bench.seen.alerts_now.append(alert(alertname="HighErrorRate"))
    bench.seen.states["HighErrorRate"] = FIRING
    outcome = await bench.look()
    assert outcome.events[0].summary == "HighErrorRate is firing"


async def test_alerts_do_not_count_when_the_policy_says_so():
    bench = Bench(alerts_resolved=False)
    bench.seen.states["ApiDbPoolExhausted"] = FIRING
    outcome, seconds = await bench.until_end()
    assert isinstance(outcome, Next)
    assert seconds == 10


async def test_time_that_nobody_watched_does_not_count():
    bench = Bench(within_seconds=600.0)
    await bench.look()
    # Six polls of two seconds are tolerated, more are a gap.
    gap = await bench.look(after=12.5)
    assert isinstance(gap, Wait)
    assert gap.notes["verification"]["held_since"] == bench.clock.now().isoformat()
    outcome, seconds = await bench.until_end()
    assert isinstance(outcome, Next)
    assert seconds == 22.5


async def test_slow_look_within_the_tolerance_counts():
    bench = Bench()
    await bench.look()
    assert isinstance(await bench.look(after=12), Next)


async def test_alert_that_fired_between_two_looks_starts_the_hold_again():
    bench = Bench()
    await bench.look()
    await bench.look(after=4)
    bench.seen.alerts_now = [alert(status="resolved", ends_at=START + timedelta(seconds=5))]
    outcome, seconds = await bench.until_end(step=1)
    assert isinstance(outcome, Next)
    assert seconds == 15


async def test_end_of_an_alert_in_the_future_does_not_shift_the_clock():
    bench = Bench()
    bench.seen.alerts_now = [alert(status="resolved", ends_at=START + timedelta(days=1))]
    outcome = await bench.look()
    assert outcome.notes["verification"]["held_since"] == START.isoformat()


async def test_what_holds_at_the_deadline_may_finish_its_hold():
    bench = Bench()
    bench.seen.values[QUERY] = 9.0
    assert isinstance(await bench.look(after=56), Wait)
    bench.seen.values[QUERY] = 0.05
    outcome, seconds = await bench.until_end()
    assert isinstance(outcome, Next)
    assert seconds == 66


async def test_flicker_after_the_deadline_is_the_end():
    bench = Bench()
    await bench.look(after=59)
    bench.seen.values[QUERY] = 9.0
    assert isinstance(await bench.look(after=2), Escalate)


async def test_deadline_counts_from_the_last_effect():
    bench = Bench()
    bench.clock.advance(600)
    bench.incident = bench.incident.noting(applied_at=bench.clock.now().isoformat())
    bench.seen.values[QUERY] = 9.0
    assert isinstance(await bench.look(after=59), Wait)
    assert isinstance(await bench.look(after=1), Escalate)


async def test_unproven_is_taken_back_and_says_what_is_missing():
    bench = Bench()
    bench.seen.values[QUERY] = 9.0
    outcome, _ = await bench.until_end()
    assert outcome.message == (
        f"not proven in time: does not hold: {QUERY} ({QUERY}: 0.9 before, 9.0 after); "
        "the change was taken back"
    )
    assert outcome.notes == {"remediation": RemediationState.ROLLED_BACK}


async def test_failed_taking_back_is_said_and_kept():
    bench = Bench()
    bench.undo.result = Undone(RemediationState.FAILED, "the change could NOT be taken back: x")
    bench.seen.values[QUERY] = 9.0
    outcome, _ = await bench.until_end()
    assert "could NOT be taken back" in outcome.message
    assert outcome.notes == {"remediation": RemediationState.FAILED}


async def test_policy_may_leave_the_change_in_place():
    bench = Bench(rollback=False)
    bench.seen.values[QUERY] = 9.0
    outcome, _ = await bench.until_end()
    assert outcome.reason is Reason.NOT_PROVEN
    assert "left in place, as the policy says" in outcome.message
    assert outcome.notes == {"remediation": RemediationState.FAILED}
    assert bench.undo.done == 0


async def test_taking_back_that_was_interrupted_is_finished():
    bench = Bench()
    bench.undo.planned = True
    outcome = await bench.look()
    assert isinstance(outcome, Escalate)
    assert bench.undo.done == 1
    assert bench.seen.asked == []


@pytest.mark.parametrize("name", ["proof", "applied_at"])
async def test_without_a_record_nothing_is_proven(name):
    bench = Bench()
    bench.incident = bench.incident.noting(**{name: None})
    outcome = await bench.look()
    assert isinstance(outcome, Escalate)
    assert outcome.reason is Reason.INTERNAL_ERROR


async def test_timeline_tells_changes_only():
    bench = Bench()
    bench.seen.values[QUERY] = 9.0
    first, same = await bench.look(), await bench.look(after=2)
    bench.seen.values[QUERY] = 0.05
    holds, still = await bench.look(after=2), await bench.look(after=2)
    assert [len(w.events) for w in (first, same, holds, still)] == [1, 0, 1, 0]
    assert holds.events[0].summary == "everything holds; 10 s of that prove it"
    assert first.events[0].data == {
        "missing": [f"does not hold: {QUERY}"],
        "values": {QUERY: 9.0},
    }


@pytest.mark.parametrize(("on_failure", "rollback"), [("rollback", True), ("escalate", False)])
def test_proof_is_what_the_policy_said(on_failure, rollback):
    rule = parse(POLICY % on_failure).policies[0]
    assert proof_from_json(proof_to_json(rule)) == Proof(
        alerts_resolved=True,
        promql=("up == 1",),
        hold=timedelta(seconds=20),
        within=timedelta(minutes=2),
        rollback=rollback,
    )
    assert proof_from_json(None) is None


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 20)), min_size=1, max_size=40))
async def test_proof_needs_looks_without_gap_over_the_whole_hold(looks):
    bench = Bench(hold_seconds=10.0, within_seconds=10_000.0)
    held_from, last = None, None
    for holds, pause in looks:
        now = bench.clock.now()
        if not holds:
            held_from = None
        elif held_from is None or (now - last).total_seconds() > 12:
            held_from = now
        last = now
        bench.seen.values[QUERY] = 0.05 if holds else 9.0
        outcome = await bench.look()
        expected = held_from is not None and (now - held_from).total_seconds() >= 10
        assert isinstance(outcome, Next) is expected
        if expected:
            return
        bench.clock.advance(pause)


# --- regressions, what is not known, and the record


async def test_a_guard_that_is_broken_for_the_hold_ends_the_proof_early():
    bench = Bench(guards=["g"], within_seconds=600.0)
    bench.seen.guards = {"g": False}
    outcome, took = await bench.until_end(step=2)
    assert isinstance(outcome, Escalate)
    assert took < 30
    assert "the guard does not hold: g" in outcome.message
    assert counted(bench.metrics.verifications, outcome="regressed") == 1
    assert bench.undo.done == 1


async def test_a_guard_that_is_broken_for_a_moment_only_delays_the_proof():
    bench = Bench(guards=["g"])
    bench.seen.guards = {"g": False}
    await bench.look()
    await bench.look(2)
    bench.seen.guards = {}
    outcome, _ = await bench.until_end(step=2)
    assert outcome.event is Event.CONFIRMED


@pytest.mark.parametrize("gone", [{"g"}, {"alerts"}, {QUERY}])
async def test_what_cannot_be_looked_at_is_inconclusive_and_never_fixed(gone):
    bench = Bench(guards=["g"])
    bench.seen.failing = gone
    outcome, _ = await bench.until_end(step=2)
    assert isinstance(outcome, Escalate)
    assert counted(bench.metrics.verifications, outcome="inconclusive") == 1
    assert [noted[2] for noted in bench.record.noted] == ["failed"]


async def test_a_proof_is_a_success_of_its_policy():
    bench = Bench()
    await bench.until_end(step=2)
    assert [noted[2] for noted in bench.record.noted] == ["verified"]


async def test_a_person_gets_the_numbers_before_and_after():
    bench = Bench()
    bench.seen.values[QUERY] = 7.0
    outcome, _ = await bench.until_end(step=2)
    assert f"{QUERY}: 0.9 before, 7.0 after" in outcome.message
