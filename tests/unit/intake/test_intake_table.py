"""The whole decision table: what is known about an alert, what comes, and what happens then."""

from dataclasses import dataclass, replace
from datetime import timedelta

import pytest

from sre_daemon.domain.lifecycle import State
from sre_daemon.domain.notification import Certainty
from sre_daemon.intake.rules import Rules
from tests.support.clock import START
from tests.support.factories import alert, notification
from tests.support.world import World

LATE = Rules().late.total_seconds()


def later(seconds):
    return START + timedelta(seconds=seconds)


def report(status, at, started=0, ended=None, certainty=Certainty.SAID, **labels):
    """One notification about one alert."""
    item = alert(
        status=status,
        starts_at=later(started),
        ends_at=None if ended is None else later(ended),
        **labels,
    )
    return replace(notification(item, at=later(at), group="g"), certainty=certainty)


@dataclass(frozen=True)
class Row:
    """A row of the table: what was said before, the state the incident is in, what comes, and then:
    actions, how many incidents there are in all, whether the alert is open, the incident's state."""

    name: str
    before: tuple
    incident: State | None
    comes: object
    actions: dict
    incidents: int
    is_open: bool
    state: State | None


FIRING = report("firing", 0)
RESOLVED = report("resolved", 100, ended=100)
TABLE = [
    Row("nothing, firing", (), None, FIRING, {"opened": 1}, 1, True, State.TRIGGERED),
    Row(
        "ended long ago, firing with the same start",
        (FIRING, RESOLVED),
        State.CLOSED,
        report("firing", 101 + LATE),
        {"opened": 1},
        2,
        True,
        State.TRIGGERED,
    ),
    Row(
        "open, firing with the same start",
        (FIRING,),
        State.INVESTIGATING,
        report("firing", 60),
        {"refreshed": 1},
        1,
        True,
        State.INVESTIGATING,
    ),
    Row(
        "open, firing with an earlier start",
        (FIRING,),
        State.ESCALATED,
        report("firing", 60, started=-25),
        {"refreshed": 1},
        1,
        True,
        State.ESCALATED,
    ),
    Row(
        "open, firing with a later start",
        (FIRING,),
        State.VERIFYING,
        report("firing", 60, started=50),
        {"refreshed": 1},
        1,
        True,
        State.VERIFYING,
    ),
    Row(
        "open, resolved, and nothing is under way",
        (FIRING,),
        State.INVESTIGATING,
        RESOLVED,
        {"resolved": 1},
        1,
        False,
        State.RESOLVED,
    ),
    Row(
        "open, resolved, in the middle of a repair",
        (FIRING,),
        State.REMEDIATING,
        RESOLVED,
        {"resolved": 1},
        1,
        False,
        State.REMEDIATING,
    ),
    Row(
        "open, resolved, before the repair is proven",
        (FIRING,),
        State.VERIFYING,
        RESOLVED,
        {"resolved": 1},
        1,
        False,
        State.VERIFYING,
    ),
    Row(
        "ended, firing with a start after the end",
        (FIRING, RESOLVED),
        State.CLOSED,
        report("firing", 110, started=105),
        {"opened": 1},
        2,
        True,
        State.TRIGGERED,
    ),
    Row(
        "ended, firing with a start after the end, incident still there",
        (FIRING, RESOLVED),
        State.RESOLVED,
        report("firing", 110, started=105),
        {"joined": 1, "recurred": 1},
        1,
        True,
        State.TRIGGERED,
    ),
    Row(
        "ended a moment ago, firing with an old start: nothing until it was looked up",
        (FIRING, RESOLVED),
        State.RESOLVED,
        report("firing", 107),
        {"suspect": 1},
        1,
        False,
        State.RESOLVED,
    ),
    Row(
        "the same at the last moment of the window",
        (FIRING, RESOLVED),
        State.CLOSED,
        report("firing", 100 + LATE),
        {"suspect": 1},
        1,
        False,
        State.CLOSED,
    ),
    Row(
        "the suspect fires: the same episode goes on",
        (FIRING, RESOLVED),
        State.RESOLVED,
        report("firing", 107, certainty=Certainty.VERIFIED),
        {"joined": 1, "recurred": 1, "reopened": 1},
        1,
        True,
        State.TRIGGERED,
    ),
    Row(
        "the suspect fires, and its incident is closed",
        (FIRING, RESOLVED),
        State.CLOSED,
        report("firing", 107, certainty=Certainty.VERIFIED),
        {"opened": 1, "reopened": 1},
        2,
        True,
        State.TRIGGERED,
    ),
    Row(
        "nobody can tell whether the suspect fires",
        (FIRING, RESOLVED),
        State.CLOSED,
        report("firing", 107, certainty=Certainty.DOUBTFUL),
        {"opened": 1, "reopened": 1},
        2,
        True,
        State.TRIGGERED,
    ),
    Row("nothing, resolved", (), None, RESOLVED, {"resolved_first": 1}, 0, False, None),
    Row(
        "resolved came first, then the firing of before",
        (RESOLVED,),
        None,
        report("firing", 107),
        {"suspect": 1},
        0,
        False,
        None,
    ),
    Row(
        "resolved came first, then a new firing",
        (RESOLVED,),
        None,
        report("firing", 107, started=103),
        {"opened": 1},
        1,
        True,
        State.TRIGGERED,
    ),
    Row(
        "resolved came first, and the firing of before is real",
        (RESOLVED,),
        None,
        report("firing", 107, certainty=Certainty.VERIFIED),
        {"opened": 1, "reopened": 1},
        1,
        True,
        State.TRIGGERED,
    ),
    Row(
        "resolved twice",
        (FIRING, RESOLVED),
        State.RESOLVED,
        report("resolved", 130, ended=100),
        {"unknown_resolved": 1},
        1,
        False,
        State.RESOLVED,
    ),
    Row(
        "open, no Alertmanager has it",
        (FIRING,),
        State.ESCALATED,
        report("resolved", 300, ended=300, certainty=Certainty.VERIFIED),
        {"resolved": 1},
        1,
        False,
        State.RESOLVED,
    ),
]


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_the_table(row):
    world = World()
    for said in row.before:
        world.say(said)
    if row.incident is not None:
        world.move(row.incident)
    assert world.say(row.comes) == row.actions
    assert len(world.incidents) == row.incidents
    assert bool(world.open_episodes) is row.is_open
    newest = list(world.incidents.values())[-1:]
    assert [item.state for item in newest] == ([row.state] if row.state else [])
    identities = [item.alert.identity for item in world.open_episodes]
    assert len(identities) == len(set(identities))


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row.name)
def test_a_second_copy_of_anything_opens_no_more(row):
    once, twice = World(), World()
    for world, copies in ((once, 1), (twice, 2)):
        for said in row.before:
            world.say(said)
        if row.incident is not None:
            world.move(row.incident)
        for _ in range(copies):
            world.say(row.comes)
    assert len(once.incidents) == len(twice.incidents)
    assert [item.open for item in once.episodes] == [item.open for item in twice.episodes]


def test_an_episode_that_goes_on_is_the_same_one():
    world = World()
    world.say(FIRING)
    world.say(RESOLVED)
    world.say(report("firing", 107, certainty=Certainty.VERIFIED))
    (episode,) = world.episodes
    assert (episode.open, episode.reports, episode.first_seen) == (True, 2, START)


def test_an_end_that_nobody_said_says_so():
    world = World()
    world.say(FIRING)
    world.say(report("resolved", 300, ended=300, certainty=Certainty.VERIFIED))
    moves = [event.data["reason"] for event in world.events if event.kind == "state"]
    assert moves == ["reconciled"]


def test_what_nobody_can_tell_is_marked_for_a_person():
    world = World()
    world.say(FIRING)
    world.say(RESOLVED)
    world.say(report("firing", 107, certainty=Certainty.DOUBTFUL))
    assert world.incident.doubtful


def test_a_doubt_about_one_alert_is_none_about_its_incident():
    world = World()
    world.say(FIRING, report("firing", 0, pod="b"))
    world.say(RESOLVED)
    world.move(State.INVESTIGATING)
    world.say(report("firing", 107, certainty=Certainty.DOUBTFUL))
    assert not world.incident.doubtful


def test_absence_changes_nothing():
    world = World()
    world.say(FIRING)
    before = (world.incident, world.open_episodes)
    world.say(report("firing", 60, pod="another"))
    assert world.episodes[0] in before[1]
    assert world.incident.state is State.TRIGGERED


# --- flapping: three episodes of one alert in half an hour


def flap(world, times, apart, length=10, closed=True):
    """The alert fires and stops so many times; between two of them its incident is closed."""
    for turn in range(times):
        at = turn * apart
        world.say(report("firing", at, started=at))
        for item in list(world.incidents.values()):
            if item.state is State.TRIGGERED:
                world.move(State.ESCALATED if item.flapping else State.INVESTIGATING, item.id)
        world.say(report("resolved", at + length, started=at, ended=at + length))
        for item in list(world.incidents.values()):
            if closed and item.state is State.RESOLVED:
                world.move(State.CLOSED, item.id)


def test_the_third_episode_in_half_an_hour_is_flapping_and_one_incident_from_then_on():
    world = World()
    flap(world, 6, apart=500)
    assert [item.flapping for item in world.incidents.values()] == [False, False, True]
    assert world.incidents["i-0002"].state is State.ESCALATED
    assert len([item for item in world.episodes if item.incident_id == "i-0002"]) == 4


def test_two_episodes_or_slow_ones_are_not_flapping():
    world = World()
    flap(world, 2, apart=500)
    assert not any(item.flapping for item in world.incidents.values())
    slow = World()
    flap(slow, 6, apart=1000)
    assert not any(item.flapping for item in slow.incidents.values())


def test_episodes_of_other_alerts_are_not_counted():
    world = World()
    for turn in range(6):
        world.say(report("firing", turn, started=turn, pod=str(turn)))
    assert not world.incident.flapping


def test_an_incident_that_comes_back_too_often_is_flapping():
    world = World()
    flap(world, 4, apart=100, closed=False)
    assert world.incident.flapping


# --- what a repair did


def test_an_alert_about_what_a_repair_touched_joins_its_incident():
    world = World()
    world.say(FIRING)
    world.move(State.VERIFYING)
    world.touched = {"worker": "i-0000"}
    said = notification(alert(alertname="WorkerDown", service="worker"), at=later(60), group="w")
    assert world.say(said) == {"joined": 1}
    assert world.incident.aftermath == "i-0000"
    assert world.incident.state is State.VERIFYING


def test_when_that_incident_is_closed_a_new_one_knows_where_it_comes_from():
    world = World()
    world.say(FIRING)
    world.move(State.CLOSED)
    world.touched = {"worker": "i-0000"}
    said = notification(alert(alertname="WorkerDown", service="worker"), at=later(60), group="w")
    assert world.say(said) == {"opened": 1}
    assert world.incidents["i-0001"].aftermath == "i-0000"


def test_an_alert_of_a_known_group_stays_with_its_group():
    world = World()
    world.say(FIRING)
    world.say(notification(alert(service="worker", pod="a"), at=later(1), group="w"))
    world.touched = {"worker": "i-0000"}
    world.say(notification(alert(service="worker", pod="b"), at=later(2), group="w"))
    assert [item.aftermath for item in world.incidents.values()] == ["", ""]


def test_other_services_are_nobodys_aftermath():
    world = World()
    world.say(FIRING)
    world.touched = {"worker": "i-0000"}
    world.say(notification(alert(service="shop"), at=later(2), group="s"))
    assert world.incidents["i-0001"].aftermath == ""


# --- a storm that is worked off as fast as it comes


def test_incidents_that_are_taken_up_at_once_are_a_storm_too():
    world = World(Rules(storm=10))
    for number in range(40):
        at = number / 10
        said = notification(alert(pod=str(number)), at=later(at), group=f"g{number}")
        world.say(said)
        for item in list(world.incidents.values()):
            if item.state is State.TRIGGERED:
                world.move(State.ESCALATED, item.id)
    assert len(world.incidents) == 11


def test_as_many_incidents_over_a_day_are_none():
    world = World(Rules(storm=10))
    for number in range(40):
        at = number * 600
        world.say(notification(alert(pod=str(number)), at=later(at), group=f"g{number}"))
        world.move(State.ESCALATED, f"i-{number:04}")
    assert len(world.incidents) == 40
