"""What is not worth an investigation, or a repair: storms, flapping, doubt, aftermath, a standing answer."""

from datetime import timedelta

import pytest

from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.verdict import Reason
from sre_daemon.metrics import Metrics
from sre_daemon.pipeline import wire
from sre_daemon.pipeline.decide import Decide, Eyes, Patience
from sre_daemon.pipeline.investigate import Investigate
from sre_daemon.pipeline.stage import Escalate, Next
from sre_daemon.store.sql import SqlStore
from sre_daemon.store.sqlite import MemoryDatabase
from tests.support.clock import START, ManualClock
from tests.support.correlation import fixed
from tests.support.factories import REPAIR, alert, diagnosis, incident


class Never:
    """Stands for whatever must not be asked."""

    def __getattr__(self, name):
        raise AssertionError(f"{name} was asked for")


@pytest.fixture
async def store():
    opened = SqlStore(MemoryDatabase())
    await opened.open()
    yield opened
    await opened.close()


async def investigated(store, *alerts, **data):
    one = incident(State.INVESTIGATING, data=data)
    seen = [StoredAlert(a, one.id, START, START, 1, open=a.firing) for a in alerts or (alert(),)]
    await store.accept([], fixed(opened=[one], episodes=seen))
    stage = Investigate(store, Never(), Never(), Never(), None, ManualClock(), Metrics())
    outcome = await stage(one)
    assert await store.runs(one.id) == []
    return outcome


FOUND = wire.diagnosis_to_json(diagnosis(*REPAIR))
NOT_FOUND = wire.diagnosis_to_json(diagnosis(conclusive=False))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"storm": True}, Reason.STORM),
        ({"flapping": True}, Reason.FLAPPING),
        ({"doubtful": True}, Reason.DOUBTFUL),
        ({"doubtful": True, "recurred": 1, "diagnosis": FOUND}, Reason.DOUBTFUL),
        ({"recurred": 1, "diagnosis": NOT_FOUND}, Reason.INCONCLUSIVE),
    ],
)
async def test_a_person_is_told_and_no_run_is_bought(store, data, reason):
    outcome = await investigated(store, **data)
    assert isinstance(outcome, Escalate)
    assert outcome.reason is reason


async def test_what_comes_back_has_its_answer(store):
    outcome = await investigated(store, recurred=1, diagnosis=FOUND)
    assert isinstance(outcome, Next)
    assert (outcome.event, outcome.reason) == (Event.DIAGNOSED, Reason.STANDING)


async def test_a_storm_is_told_with_what_is_critical_in_it(store):
    many = [alert(alertname="PodDown", severity="warning", pod=str(n)) for n in range(30)]
    over = alert(status="resolved", alertname="PodDown", severity="warning", pod="over")
    critical = [alert(alertname="DiskFull", node=str(n)) for n in range(2)]
    outcome = await investigated(store, *many, *critical, over, storm=True)
    assert outcome.message == (
        "32 alerts of 2 names at once: 30 PodDown, 2 DiskFull; critical: 2 DiskFull"
    )


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"flapping": True}, Reason.FLAPPING),
        ({"recurred": 3}, Reason.FLAPPING),
        ({"aftermath": "01before0001"}, Reason.AFTERMATH),
    ],
)
async def test_nothing_is_repaired_and_no_policy_is_asked(store, data, reason):
    one = incident(State.DIAGNOSED, data={"diagnosis": FOUND} | data)
    patience = Patience(3, timedelta(hours=1))
    stage = Decide(
        store, Never(), Eyes(Never(), Never()), Never(), patience, ManualClock(), Metrics()
    )
    outcome = await stage(one)
    assert isinstance(outcome, Escalate)
    assert outcome.reason is reason
