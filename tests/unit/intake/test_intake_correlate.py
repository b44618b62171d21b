"""Correlation: the decision table, and the laws that hold for any order of notifications."""

from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.domain.alert import Severity
from sre_daemon.domain.event import Kind
from sre_daemon.domain.lifecycle import UNCLEARABLE, State
from sre_daemon.domain.notification import Certainty
from sre_daemon.intake.rules import Rules
from tests.support.clock import START
from tests.support.factories import alert, notification
from tests.support.world import World


def later(seconds):
    return START + timedelta(seconds=seconds)


def firing(at=0, started=0, group="g", **labels):
    return notification(alert(starts_at=later(started), **labels), at=later(at), group=group)


def resolved(at=60, started=0, ended=None, group="g", **labels):
    ended = later(at if ended is None else ended)
    item = alert(status="resolved", starts_at=later(started), ends_at=ended, **labels)
    return notification(item, at=later(at), group=group)


# --- one alert


def test_first_firing_opens_an_incident_and_an_episode():
    world = World()
    assert world.say(firing()) == {"opened": 1}
    assert world.incident.state is State.TRIGGERED
    assert world.incident.title == "ApiDbPoolExhausted on api-server"
    assert world.incident.severity is Severity.CRITICAL
    (episode,) = world.open_episodes
    assert (episode.incident_id, episode.reports) == (world.incident.id, 1)


def test_repeats_and_copies_of_other_peers_change_nothing_but_the_count():
    world = World()
    world.say(firing())
    before = world.incident
    assert world.say(firing(at=60), firing(at=61)) == {"refreshed": 2}
    assert world.incident == before
    assert world.open_episodes[0].reports == 3
    assert world.open_episodes[0].last_seen == later(61)


def test_copies_in_one_batch_open_one_incident():
    world = World()
    assert world.say(firing(), firing(), firing()) == {"opened": 1, "refreshed": 2}
    assert len(world.incidents) == 1


def test_the_earliest_start_is_kept():
    world = World()
    world.say(firing(started=0))
    world.say(firing(at=30, started=-25))
    world.say(firing(at=60, started=10))
    assert world.open_episodes[0].alert.starts_at == later(-25)


def test_a_resolution_closes_the_episode_and_the_incident_that_waits():
    world = World()
    world.say(firing())
    assert world.say(resolved(at=60)) == {"resolved": 1}
    assert world.open_episodes == []
    assert world.incident.state is State.RESOLVED
    assert world.episodes[0].alert.ends_at == later(60)
    assert world.episodes[0].alert.annotations == {"summary": "The pool is empty."}


@pytest.mark.parametrize("state", sorted(UNCLEARABLE - {State.CLOSED}))
def test_a_resolution_while_an_effect_may_be_under_way_moves_nothing(state):
    world = World()
    world.say(firing())
    world.move(state)
    world.say(resolved())
    assert world.incident.state is state
    assert world.open_episodes == []


@pytest.mark.parametrize(
    "state", [State.SUPPRESSED, State.INVESTIGATING, State.DIAGNOSED, State.ESCALATED]
)
def test_a_resolution_ends_what_is_only_thought_about(state):
    world = World()
    world.say(firing())
    world.move(state)
    world.say(resolved())
    assert world.incident.state is State.RESOLVED


def test_a_resolution_of_the_unknown_is_no_incident():
    world = World()
    assert world.say(resolved()) == {"resolved_first": 1}
    assert world.incidents == {}
    assert world.say(firing(at=61, started=61)) == {"opened": 1}


def test_a_second_resolution_changes_nothing():
    world = World()
    world.say(firing())
    world.say(resolved(at=60))
    assert world.say(resolved(at=61)) == {"unknown_resolved": 1}


def test_a_late_copy_of_the_firing_is_a_suspect_and_opens_nothing():
    world = World()
    world.say(firing(started=0))
    world.say(resolved(at=27, ended=25))
    before = dict(world.incidents)
    assert world.say(firing(at=34, started=0)) == {"suspect": 1}
    assert world.incidents == before
    assert world.open_episodes == []


def test_a_firing_with_a_new_start_is_a_new_episode():
    world = World()
    world.say(firing(started=0))
    world.say(resolved(at=27, ended=25))
    assert world.say(firing(at=34, started=30)) == {"joined": 1, "recurred": 1}
    assert len(world.episodes) == 2


def test_the_same_start_long_after_is_a_new_episode():
    world = World()
    world.say(firing(started=0))
    world.say(resolved(at=27, ended=25))
    world.move(State.CLOSED)
    after = 27 + Rules().late.total_seconds() + 1
    assert world.say(firing(at=after, started=0)) == {"opened": 1}


def test_a_suspect_that_was_looked_up_is_real():

    world = World()
    world.say(firing(started=0))
    world.say(resolved(at=27, ended=25))
    again = replace(firing(at=34, started=0), certainty=Certainty.VERIFIED)
    assert world.say(again) == {"joined": 1, "recurred": 1, "reopened": 1}


def test_firing_and_resolved_in_one_batch_leave_one_closed_episode():
    world = World()
    assert world.say(firing(), resolved(at=1)) == {"opened": 1, "resolved": 1}
    assert world.incident.state is State.RESOLVED
    assert len(world.episodes) == 1


def test_two_episodes_in_one_batch_are_both_kept():
    world = World()
    world.say(firing(), resolved(at=1, ended=1), firing(at=2, started=2))
    assert [item.open for item in world.episodes] == [False, True]
    assert world.incident.state is State.TRIGGERED


# --- several alerts


def test_alerts_of_one_group_are_one_incident():
    world = World()
    assert world.say(firing(), firing(pod="b")) == {"opened": 1, "joined": 1}
    assert len(world.open_episodes) == 2


def test_alerts_of_other_groups_tenants_or_without_a_group_are_other_incidents():

    world = World()
    world.say(firing(group="a"), firing(group="b", pod="b"))
    world.say(firing(group="", pod="c"), firing(group="", pod="d"))
    other = notification(alert(tenant="other"), group="a", tenant="other")
    world.say(replace(other, received_at=later(1)))
    assert len(world.incidents) == 5


def test_configured_labels_put_alerts_of_several_groups_together():
    world = World(Rules(labels=("cluster", "service")))
    world.say(firing(group="a", cluster="x"), firing(group="b", cluster="x", pod="b"))
    world.say(firing(group="c", cluster="y"))
    world.say(firing(group="d", cluster="x", service=None))
    assert len(world.incidents) == 3


def test_the_incident_has_the_worst_severity_and_the_common_labels():
    world = World()
    world.say(firing(severity="warning", pod="a"))
    assert world.incident.severity is Severity.WARNING
    world.say(firing(severity="critical", pod="b"))
    world.say(firing(severity="info", pod="c"))
    assert world.incident.severity is Severity.CRITICAL
    assert set(world.incident.labels) == {"alertname", "service", "job"}


def test_an_incident_ends_with_the_last_of_its_alerts():
    world = World()
    world.say(firing(pod="a"), firing(pod="b"))
    world.say(resolved(pod="a"))
    assert world.incident.state is State.TRIGGERED
    world.say(resolved(at=70, pod="b"))
    assert world.incident.state is State.RESOLVED


def test_a_member_that_is_missing_from_the_next_notification_stays_open():
    world = World()
    world.say(firing(pod="a"), firing(pod="b"))
    world.say(firing(at=60, pod="a"))
    assert len(world.open_episodes) == 2


def test_a_new_member_joins_a_running_investigation():
    world = World()
    world.say(firing(pod="a"))
    world.move(State.INVESTIGATING)
    world.say(firing(at=5, pod="b"))
    assert world.incident.state is State.INVESTIGATING
    assert len(world.open_episodes) == 2


def test_a_closed_incident_is_not_joined():
    world = World()
    world.say(firing())
    world.say(resolved(at=60))
    world.move(State.CLOSED)
    assert world.say(firing(at=70, started=65)) == {"opened": 1}
    assert len(world.incidents) == 2


def test_one_unusable_alert_is_counted_and_does_not_hold_its_neighbours():

    world = World()
    assert world.say(replace(firing(), rejected=("alert 1: bad",))) == {"opened": 1, "rejected": 1}


# --- debounce, flapping, storms, the Watchdog


def test_a_critical_alert_is_never_held_back():
    world = World()
    world.say(firing())
    assert world.incident.wake_at is None


def test_other_alerts_wait_a_moment():
    world = World(Rules(debounce=timedelta(seconds=5)))
    world.say(firing(severity="warning"))
    assert world.incident.wake_at == later(5)
    world.say(firing(at=1, severity="info", pod="b"))
    assert world.incident.wake_at == later(5)
    world.say(firing(at=2, severity="critical", pod="c"))
    assert world.incident.wake_at is None


def test_a_critical_alert_does_not_wake_what_waits_for_something_else():
    world = World()
    world.say(firing(severity="warning"))
    world.move(State.VERIFYING, wake_at=later(30))
    world.say(firing(at=2, severity="critical", pod="c"))
    assert world.incident.wake_at == later(30)


def test_what_comes_back_is_the_same_incident_and_counted():
    world = World()
    for turn in range(3):
        world.say(firing(at=100 * turn, started=100 * turn))
        world.say(resolved(at=100 * turn + 50, started=100 * turn))
    assert world.incident.recurrences == 2
    assert len(world.episodes) == 3


def test_what_flaps_stays_with_the_person_who_was_told():
    world = World(Rules(flaps=2))
    for turn in range(3):
        world.say(firing(at=100 * turn, started=100 * turn))
        world.move(State.ESCALATED)
        world.say(resolved(at=100 * turn + 50, started=100 * turn))
    assert world.incident.state is State.ESCALATED
    assert world.open_episodes == []
    world.say(firing(at=300, started=300))
    assert world.incident.state is State.ESCALATED
    assert len(world.incidents) == 1


def test_a_storm_ends_in_a_handful_of_incidents_and_keeps_every_alert():
    world = World(Rules(storm=10))
    for number in range(500):
        world.say(firing(at=number / 100, group=f"g{number}", pod=str(number)))
    assert len(world.incidents) == 11
    assert len(world.open_episodes) == 500
    (storm,) = (item for item in world.incidents.values() if item.storm)
    members = [item for item in world.open_episodes if item.incident_id == storm.id]
    assert len(members) == 490
    lines = [event for event in world.events if event.incident_id == storm.id]
    assert sum("storm" in event.summary for event in lines) == len(lines)


def test_a_storm_in_one_batch_is_seen_too():
    world = World(Rules(storm=10))
    world.say(*(firing(group=f"g{n}", pod=str(n), severity="info") for n in range(99)))
    assert len(world.incidents) == 11
    lines = [e for e in world.events if "storm" in e.summary and e.kind is Kind.ALERT]
    assert [line.summary for line in lines] == ["89 reports of alerts in the storm"]


def test_a_critical_alert_in_a_storm_makes_the_storm_critical():
    world = World(Rules(storm=1))
    world.say(*(firing(group=f"g{n}", pod=str(n), severity="info") for n in range(3)))
    world.say(firing(group="worse", pod="worse", severity="critical"))
    (storm,) = (item for item in world.incidents.values() if item.storm)
    assert (storm.severity, storm.wake_at) == (Severity.CRITICAL, None)


def test_the_watchdog_is_a_heartbeat_and_never_an_incident():
    world = World()
    assert world.say(firing(at=5, alertname="Watchdog")) == {"heartbeat": 1}
    assert world.heartbeat == later(5)
    assert world.incidents == {}
    assert world.say(resolved(at=9, alertname="Watchdog")) == {"heartbeat": 1}
    assert world.heartbeat == later(5)


# --- laws

STEPS = st.lists(
    st.tuples(
        st.sampled_from(["firing", "resolved"]),
        st.sampled_from("abcd"),  # which alert
        st.sampled_from(["g1", "g2", ""]),
        st.integers(min_value=-30, max_value=30),  # started before the report
        st.integers(min_value=1, max_value=400),  # seconds since the last step
        st.sampled_from([None, None, None, State.INVESTIGATING, State.ESCALATED, State.CLOSED]),
    ),
    max_size=25,
)


def work(world, moved):
    """What workers may do meanwhile: take up what waits, close what is resolved."""
    before = State.RESOLVED if moved is State.CLOSED else State.TRIGGERED
    for item in list(world.incidents.values()):
        if moved is not None and item.state is before:
            world.move(moved, item.id)


def hear(world, steps, batch):
    """All steps, so many per commit; how many were suspects."""
    at, said, suspects = 0, [], 0
    for kind, name, group, started, wait, moved in steps:
        at += wait
        work(world, moved)
        make = firing if kind == "firing" else resolved
        said.append(make(at=at, started=at - abs(started), group=group, pod=name))
        if len(said) == batch:
            suspects += world.say(*said).get("suspect", 0)
            said = []
    return suspects + world.say(*said).get("suspect", 0)


@settings(max_examples=150, deadline=None)
@given(STEPS, st.integers(min_value=1, max_value=4))
def test_any_history_keeps_the_promises(steps, batch):
    world = World(Rules(storm=3))
    suspects = hear(world, steps, batch)
    open_episodes = Counter(item.alert.identity for item in world.open_episodes)
    open_keys = Counter(i.key for i in world.incidents.values() if i.state is not State.CLOSED)
    assert {*open_episodes.values(), *open_keys.values()} <= {1}
    owners = {item.incident_id for item in world.open_episodes}
    assert not any(world.incidents[owner].state is State.CLOSED for owner in owners)
    pods = {item.alert.labels["pod"] for item in world.open_episodes}
    last = {name: kind for kind, name, *_ in steps}
    ended = {name for name, kind in last.items() if kind == "resolved"}
    assert not pods & ended
    # Whoever fires last is open, unless a firing was taken for a late copy.
    assert suspects or pods == last.keys() - ended


@settings(max_examples=60, deadline=None)
@given(STEPS)
def test_hearing_everything_twice_opens_no_more(steps):
    once, twice = World(), World()
    at = 0
    for kind, name, group, started, wait, _ in steps:
        at += wait
        make = firing if kind == "firing" else resolved
        item = make(at=at, started=at - abs(started), group=group, pod=name)
        once.say(item)
        twice.say(item)
        twice.say(item)
    assert len(once.incidents) == len(twice.incidents)
    assert {item.alert.identity for item in once.open_episodes} == {
        item.alert.identity for item in twice.open_episodes
    }
