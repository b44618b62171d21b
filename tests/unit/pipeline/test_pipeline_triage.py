"""The first look: what is silenced waits, everything else is taken up."""

from dataclasses import dataclass, field

import pytest

from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.verdict import Reason
from sre_daemon.errors import TargetUnavailable
from sre_daemon.pipeline.stage import Next, Wait
from sre_daemon.pipeline.triage import RECHECK, Triage
from tests.support.clock import START, ManualClock
from tests.support.factories import alert, incident
from tests.support.repairs import FixedRecord

POOL, ERRORS = alert(), alert(alertname="HighErrorRate")


@dataclass
class Seen:
    """The store's alerts, and which are silenced."""

    stored: tuple = (POOL,)
    silenced: set = field(default_factory=set)
    failure: Exception | None = None
    asked: list = field(default_factory=list)

    async def alerts(self, incident_id):
        return [StoredAlert(a, incident_id, START, START, 1, open=a.firing) for a in self.stored]

    async def all_suppressed(self, alerts):
        self.asked.append([alert.name for alert in alerts])
        if self.failure is not None:
            raise self.failure
        return all(alert.name in self.silenced for alert in alerts)


async def triage(state, *stored, silenced=(), failure=None):
    seen = Seen(stored or (POOL,), set(silenced), failure)
    return await Triage(seen, seen, FixedRecord(), ManualClock())(incident(state)), seen


async def test_alert_that_nobody_silenced_is_taken_up():
    outcome, _ = await triage(State.TRIGGERED)
    assert isinstance(outcome, Next)
    assert (outcome.event, outcome.reason) == (Event.CLAIMED, Reason.CLAIMED)


async def test_silenced_alert_waits():
    outcome, _ = await triage(State.TRIGGERED, silenced={POOL.name})
    assert isinstance(outcome, Next)
    assert (outcome.event, outcome.reason) == (Event.SUPPRESSED, Reason.SUPPRESSED)


async def test_still_silenced_is_looked_at_again_later():
    outcome, _ = await triage(State.SUPPRESSED, silenced={POOL.name})
    assert outcome == Wait(START + RECHECK)


async def test_end_of_the_silence_takes_it_up():
    outcome, _ = await triage(State.SUPPRESSED)
    assert isinstance(outcome, Next)
    assert outcome.event is Event.UNSUPPRESSED


@pytest.mark.parametrize("stored", [(POOL, ERRORS), (ERRORS, POOL)])
async def test_one_audible_alert_is_enough(stored):
    outcome, seen = await triage(State.TRIGGERED, *stored, silenced={POOL.name})
    assert outcome.event is Event.CLAIMED
    assert [set(names) for names in seen.asked] == [{POOL.name, ERRORS.name}]


async def test_resolved_alert_is_not_asked_about():
    over = alert(alertname="HighErrorRate", status="resolved")
    outcome, seen = await triage(State.TRIGGERED, POOL, over, silenced={POOL.name})
    assert outcome.event is Event.SUPPRESSED
    assert seen.asked == [[POOL.name]]


async def test_incident_without_open_alert_is_not_suppressed():
    outcome, seen = await triage(State.TRIGGERED, alert(status="resolved"), silenced={POOL.name})
    assert outcome.event is Event.CLAIMED
    assert seen.asked == []


@pytest.mark.parametrize(
    ("state", "event"),
    [(State.TRIGGERED, Event.CLAIMED), (State.SUPPRESSED, Event.UNSUPPRESSED)],
)
async def test_unreachable_alertmanager_does_not_stop_an_investigation(state, event):
    outcome, _ = await triage(state, failure=TargetUnavailable("no answer"))
    assert outcome.event is event


async def test_what_was_proven_and_comes_back_was_no_success():
    seen, record = Seen((POOL,), set(), None), FixedRecord()
    back = incident(State.TRIGGERED, policy="pool", data={"resolution": "proven", "recurred": 1})
    outcome = await Triage(seen, seen, record, ManualClock())(back)
    assert [noted[1:] for noted in record.noted] == [("pool", "false_success")]
    again = back.noting(**outcome.notes)
    await Triage(seen, seen, record, ManualClock())(again)
    assert len(record.noted) == 1
