"""Whatever is lost, repeated or late on the way: after the comparison the state is the truth."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.domain.level import Level, LevelAlert
from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Certainty
from sre_daemon.intake.reconcile import ABSENT_PASSES, Reconciler
from sre_daemon.metrics import Metrics
from sre_daemon.settings.intake import ReconcileSettings
from tests.support.clock import START, ManualClock
from tests.support.factories import alert, notification
from tests.support.world import World

PODS = "abcde"


class Truth:
    """What really fires, and since when; Alertmanager's view of it."""

    def __init__(self, clock):
        self.clock = clock
        self.since = {}

    def flip(self, pod):
        """It begins to fire, or stops; what a notification about that would say."""
        now = self.clock.now()
        if pod in self.since:
            item = alert(status="resolved", starts_at=self.since.pop(pod), ends_at=now, pod=pod)
        else:
            self.since[pod] = now
            item = alert(starts_at=now, pod=pod)
        return item

    async def level(self):
        """See Source."""
        items = [alert(starts_at=at, pod=pod) for pod, at in self.since.items()]
        return Level(
            "default", {i.identity: LevelAlert(i, False, ("sre-daemon",)) for i in items}, True
        )


class Daemon:
    """The world behind intake, with a worker that closes what is resolved."""

    def __init__(self):
        self.world = World()

    async def episodes(self, open_only=True):
        """See Episodes."""
        return self.world.open_episodes

    async def correct(self, said):
        """See Corrects."""
        return self.world.say(said)

    def hear(self, said, truth, answers):
        """A notification; what may be a late copy is looked up, when there is somebody to ask."""
        before = len(self.world.suspects)
        self.world.say(said)
        for suspect in self.world.suspects[before:]:
            fires = suspect.alert.labels["pod"] in truth.since
            if answers and not fires:
                continue
            certainty = Certainty.VERIFIED if answers else Certainty.DOUBTFUL
            again = replace(suspect.notification, alerts=(suspect.alert,), certainty=certainty)
            self.world.say(again)

    def work(self, investigate):
        """Between two notifications."""
        for item in list(self.world.incidents.values()):
            if item.state is State.RESOLVED:
                self.world.move(State.CLOSED, item.id)
            elif investigate and item.state is State.TRIGGERED:
                self.world.move(State.ESCALATED, item.id)


STEPS = st.lists(
    st.tuples(
        st.sampled_from(PODS),
        st.integers(min_value=1, max_value=300),  # seconds until it happens
        st.sampled_from(["said", "said", "said", "lost", "twice", "late"]),
        st.booleans(),  # whether workers had their turn
        st.booleans(),  # whether anybody can tell late copies from new alerts
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(STEPS)
async def test_after_the_comparison_exactly_what_fires_is_open(steps):
    clock, daemon = ManualClock(START), Daemon()
    truth = Truth(clock)
    reconcile = Reconciler(truth, daemon, daemon, ReconcileSettings(), "Watchdog", clock, Metrics())
    late = []
    for pod, wait, fate, worked, answers in steps:
        clock.advance(wait)
        item = truth.flip(pod)
        now = clock.now()
        if fate == "late":
            late.append(item)
        elif fate != "lost":
            daemon.hear(notification(item, at=now, group=f"g-{pod}"), truth, answers)
        if fate == "twice":
            soon = now + timedelta(seconds=1)
            daemon.hear(notification(item, at=soon, group=f"g-{pod}"), truth, answers)
        daemon.work(worked)
    for item in late:
        daemon.hear(notification(item, at=clock.now(), group="late"), truth, answers=False)
    for _ in range(ABSENT_PASSES):
        clock.advance(60)
        await reconcile()
        daemon.work(investigate=False)
    pods = [item.alert.labels["pod"] for item in daemon.world.open_episodes]
    assert sorted(pods) == sorted(truth.since)
    for item in daemon.world.incidents.values():
        mine = [e for e in daemon.world.open_episodes if e.incident_id == item.id]
        # What flaps stays with a person until the sweep finds it quiet.
        over = item.state in {State.RESOLVED, State.CLOSED}
        assert mine or over or (item.flapping and item.state is State.ESCALATED)
