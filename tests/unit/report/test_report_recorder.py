"""What is recorded for charts: of which incidents, which queries, and nothing when nobody needs it."""

from datetime import timedelta
from types import SimpleNamespace

from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import StoredAlert
from sre_daemon.domain.series import Point
from sre_daemon.errors import TargetUnavailable
from sre_daemon.report.recorder import Recorder, conditions
from tests.support.clock import START, ManualClock
from tests.support.factories import alert, incident

RULE = SimpleNamespace(name="ApiDbPoolExhausted", query="in_use / size > 0.9")
PROOF = {"promql": ["errors < 1", "in_use / size > 0.9"]}


class Bench:
    """A store of some incidents, and a Prometheus that remembers its questions."""

    def __init__(self, *incidents):
        self.items = incidents
        self.asked, self.kept = [], {}
        self.failure = None
        self.clock = ManualClock()
        self.recorder = Recorder(self, self, self, self.clock)

    async def incidents(self, states=(), *, limit=50):
        return [item for item in self.items if item.state in states][:limit]

    async def alerts(self, incident_id):
        return [StoredAlert(alert(), incident_id, START, START, 1, open=True)]

    async def rules(self):
        if self.failure:
            raise self.failure
        return [RULE, SimpleNamespace(name="Other", query="other > 1")]

    async def series(self, query, start, end, step):
        self.asked.append((query, start, end, step))
        return [Point(START, 1.0)] if query != "errors" else []

    async def keep(self, incident_id, series):
        self.kept[incident_id] = series


async def test_proof_and_rule_are_recorded_without_their_limits():
    bench = Bench(incident(State.VERIFYING, data={"proof": PROOF}))
    bench.clock.advance(60)
    await bench.recorder()
    assert [query for query, *_ in bench.asked] == ["errors", "in_use / size"]
    _, start, end, step = bench.asked[0]
    assert start == START - timedelta(minutes=5)
    assert end == bench.clock.now()
    assert step == timedelta(seconds=3)
    (kept,) = bench.kept["01incident0001"]
    assert kept.condition == "in_use / size > 0.9"


async def test_what_is_over_or_not_begun_is_not_recorded():
    bench = Bench(*(incident(state) for state in (State.CLOSED, State.TRIGGERED)))
    await bench.recorder()
    assert bench.asked == []


async def test_what_a_person_has_for_long_is_not_recorded_for_ever():
    bench = Bench(incident(State.ESCALATED))
    bench.clock.advance(1799)
    await bench.recorder()
    assert len(bench.asked) == 1
    bench.clock.advance(2)
    await bench.recorder()
    assert len(bench.asked) == 1


async def test_prometheus_in_trouble_is_only_a_line_in_the_log(capsys):
    bench = Bench(incident(State.VERIFYING))
    bench.failure = TargetUnavailable("no answer")
    await bench.recorder()
    assert bench.kept == {}
    assert "not recorded" in capsys.readouterr().out


def test_queries_are_few_and_each_is_asked_once():
    many = incident(data={"proof": {"promql": [f"q{n} < 1" for n in range(9)]}})
    assert conditions(many, ["q0 < 1"]) == [f"q{n} < 1" for n in range(6)]
    assert conditions(incident(), ["a", "a"]) == ["a"]
