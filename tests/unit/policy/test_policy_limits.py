"""How often a policy may act."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.domain.verdict import Reason
from sre_daemon.policy.limits import check, host
from sre_daemon.policy.model import FleetLimits, Limits, Rule
from sre_daemon.policy.question import Question
from sre_daemon.store.base import Acted
from tests.support.clock import START
from tests.support.factories import REDEPLOY, REPAIR, SET_POOL

SECOND = timedelta(seconds=1)
HOUR = timedelta(hours=1)


def rule(**values):
    chosen = {"per_hour": 3, "cooldown": timedelta(0), "concurrent": 2} | values
    return Rule.model_validate(
        {
            "name": "pool",
            "matchers": ('alertname="A"',),
            "allow": ({"effect": "postmortem.write"},),
            "limits": Limits(**chosen),
        }
    )


# Wide enough to be out of the way of what a test is about.
WIDE = FleetLimits.model_validate(
    {
        "changes_per_hour": 1000,
        "concurrent": {"service": 100, "host": 100, "fleet": 1000},
        "target_cooldown": "0s",
    }
)


def begun(ago, *, policy="pool", incident_id="other", active=False, targets=(), **labels):
    return Acted(incident_id, policy, targets, START - ago, active, labels)


def checks(limited, acted, fleet=WIDE, **values):
    values = {"alerts": [{}], "effects": REPAIR, "incident_id": "mine"} | values
    return list(check(limited, fleet, Question(at=START, acted=acted, **values)))


def reason(limited, *acted, fleet=WIDE, **values):
    """The first reason against it."""
    return next((c.against for c in checks(limited, acted, fleet, **values) if c.against), None)


def test_without_history_nothing_is_limited():
    assert reason(rule(per_hour=1, concurrent=1, cooldown=HOUR)) is None


def test_the_rate_is_counted_over_sixty_minutes():
    recent = [begun(n * SECOND) for n in (1, 2)]
    assert reason(rule(), *recent) is None
    assert reason(rule(), *recent, begun(HOUR - SECOND)) is Reason.RATE_LIMITED
    assert reason(rule(), *recent, begun(HOUR)) is None


def test_the_cool_down_ends_when_its_time_is_over():
    limited = rule(cooldown=timedelta(minutes=15))
    assert reason(limited, begun(timedelta(minutes=15) - SECOND)) is Reason.COOLING_DOWN
    assert reason(limited, begun(timedelta(minutes=15))) is None


def test_the_newest_repair_starts_the_cool_down():
    limited = rule(cooldown=timedelta(minutes=15))
    for acted in ([begun(SECOND), begun(3 * HOUR)], [begun(3 * HOUR), begun(SECOND)]):
        assert reason(limited, *acted) is Reason.COOLING_DOWN


def test_a_cool_down_of_a_day_is_counted():
    limited = rule(cooldown=timedelta(hours=24))
    assert reason(limited, begun(23 * HOUR)) is Reason.COOLING_DOWN
    assert reason(limited, begun(24 * HOUR)) is None


def test_repairs_at_once_are_counted_while_they_are_active():
    under_way = begun(HOUR, active=True)
    assert reason(rule(), under_way) is None
    assert reason(rule(), under_way, under_way) is Reason.CONCURRENCY
    assert reason(rule(), under_way, begun(HOUR)) is None


def test_a_busy_target_is_left_alone_whatever_the_policy():
    for policy in ("pool", "another"):
        busy = begun(HOUR, policy=policy, active=True, targets=("x", REDEPLOY.target))
        assert reason(rule(), busy) is Reason.CONCURRENCY
        assert reason(rule(), busy, effects=[SET_POOL]) is None


def test_a_target_is_free_when_its_repair_is_over():
    assert reason(rule(), begun(HOUR, targets=(REDEPLOY.target,))) is None


def test_other_policies_do_not_spend_the_limits():
    limited = rule(per_hour=1, concurrent=1, cooldown=HOUR)
    assert reason(limited, begun(SECOND, policy="another", active=True)) is None


def test_what_the_incident_itself_began_is_not_counted():
    limited = rule(per_hour=1, concurrent=1, cooldown=HOUR)
    own = begun(SECOND, incident_id="mine", active=True, targets=(REDEPLOY.target,))
    assert reason(limited, own) is None
    assert reason(limited, own, incident_id="next") is Reason.CONCURRENCY


def test_a_repair_from_a_clock_ahead_of_ours_still_counts():
    ahead = begun(-HOUR)
    assert reason(rule(cooldown=SECOND), ahead) is Reason.COOLING_DOWN
    assert reason(rule(per_hour=1), ahead) is Reason.RATE_LIMITED


@pytest.mark.parametrize(
    ("limited", "acted", "message"),
    [
        ({"per_hour": 1}, begun(SECOND), "pool acted 1 times in the last hour; the limit is 1"),
        (
            {"cooldown": timedelta(minutes=1)},
            begun(5 * SECOND),
            "pool acted 5 s ago; its cool-down is 60 s",
        ),
        ({"concurrent": 1}, begun(SECOND, active=True), "1 of 1 repairs under pool are under way"),
        (
            {},
            begun(SECOND, active=True, targets=(SET_POOL.target, REDEPLOY.target)),
            "another incident is being repaired on config/api-server.env#DB_POOL_SIZE",
        ),
    ],
)
def test_the_sentence_says_what_was_counted(limited, acted, message):
    assert [c.text for c in checks(rule(**limited), [acted]) if c.against] == [message]


def fleet(**values):
    return WIDE.model_copy(update=dict(FleetLimits.model_validate(values)))


def on(service, instance, **values):
    return begun(HOUR, active=True, policy="x", service=service, instance=instance, **values)


@pytest.mark.parametrize(
    ("most", "acted", "here", "radius"),
    [
        ({"service": 1}, [on("api", "a:1")], {"service": "api"}, True),
        ({"service": 2}, [on("api", "a:1")], {"service": "api"}, False),
        ({"service": 1}, [on("db", "a:1")], {"service": "api"}, False),
        ({"host": 1}, [on("db", "web-1:9100")], {"instance": "web-1:80"}, True),
        ({"host": 1}, [on("db", "web-1:9100")], {"instance": "web-2:9100"}, False),
        ({"host": 2}, [on("db", "web-1:9100")], {"instance": "web-1:80"}, False),
        ({"fleet": 2}, [on("a", "1"), on("b", "2")], {"service": "c"}, True),
        ({"fleet": 3}, [on("a", "1"), on("b", "2")], {"service": "c"}, False),
        ({}, [begun(HOUR, policy="x", service="api")], {"service": "api"}, False),
        ({}, [on("api", "1", incident_id="mine")], {"service": "api"}, False),
        ({}, [on("", "")], {"service": "", "instance": ""}, False),
    ],
)
def test_the_blast_radius_is_counted_per_service_host_and_fleet(most, acted, here, radius):
    wide = {"service": 9, "host": 9, "fleet": 9} if most else {}
    limits = fleet(concurrent=wide | most)
    found = reason(rule(), *acted, fleet=limits, alerts=[here], effects=[SET_POOL])
    assert found is (Reason.BLAST_RADIUS if radius else None)


def test_a_service_is_known_by_what_is_done_to_it_too():
    busy = begun(HOUR, policy="x", active=True, targets=("service:api-server",))
    limits = fleet(concurrent={"service": 1})
    labels = [{"service": "api-server"}]
    assert reason(rule(), busy, fleet=limits, alerts=labels, effects=[SET_POOL]) is (
        Reason.BLAST_RADIUS
    )
    other = on("api-server", "")
    assert reason(rule(), other, fleet=limits, effects=[REDEPLOY]) is Reason.BLAST_RADIUS


def test_the_labels_that_name_service_and_host_can_be_chosen():
    limits = fleet(service_label="app", host_label="node")
    busy = begun(HOUR, policy="x", active=True, app="shop", node="n1")
    for here in ({"app": "shop"}, {"node": "n1:9100"}):
        assert reason(rule(), busy, fleet=limits, alerts=[here]) is Reason.BLAST_RADIUS
    for here in ({"service": "shop"}, {"instance": "n1"}):
        assert reason(rule(), busy, fleet=limits, alerts=[here]) is None


@pytest.mark.parametrize(
    ("instance", "name"),
    [
        ("web-1", "web-1"),
        ("web-1:9100", "web-1"),
        ("10.0.0.1:80", "10.0.0.1"),
        ("[::1]:9100", "::1"),
        ("[::1]", "::1"),
        ("::1", "::1"),
        ("fe80::1:2", "fe80::1:2"),
        ("web:http", "web:http"),
        ("", ""),
        (":", ":"),
    ],
)
def test_a_host_is_an_instance_without_its_port(instance, name):
    assert host(instance) == name


def test_all_policies_together_spend_the_changes_of_an_hour():
    limits = fleet(changes_per_hour=2)
    acted = [begun(n * SECOND, policy=f"p{n}", incident_id=f"i{n}") for n in (1, 2)]
    assert reason(rule(), *acted[:1], fleet=limits) is None
    assert reason(rule(), *acted, fleet=limits) is Reason.CHANGES_SPENT
    assert reason(rule(), acted[0], begun(HOUR, policy="x"), fleet=limits) is None


def test_a_target_cools_down_whatever_policy_changed_it():
    limits = fleet(target_cooldown="5m")
    recent = begun(timedelta(minutes=5) - SECOND, policy="x", targets=(SET_POOL.target, "y"))
    assert reason(rule(), recent, fleet=limits) is Reason.TARGET_COOLING
    assert reason(rule(), recent, fleet=limits, effects=[REDEPLOY]) is None
    cool = begun(timedelta(minutes=5), policy="x", targets=(SET_POOL.target,))
    assert reason(rule(), cool, fleet=limits) is None
    assert reason(rule(), cool, recent, fleet=limits) is Reason.TARGET_COOLING


STORM = fleet(storm={"incidents": 3, "within": "1m", "cooldown": "10m"})


@pytest.mark.parametrize(
    ("seconds", "storm"),
    [
        ([], False),
        ([1, 2], False),
        ([1, 2, 3], True),
        ([0, 30, 60], True),
        ([0, 30, 61], False),
        ([599, 600, 601], True),
        ([600, 601, 602], False),
        ([0, 100, 200, 300, 310, 320], True),
        ([0, 100, 200, 300, 400, 500], False),
        ([-5, -4, -3], True),
    ],
)
def test_after_a_storm_of_incidents_nothing_is_changed_for_a_while(seconds, storm):
    opened = [START - n * SECOND for n in seconds]
    for order in (opened, opened[::-1]):
        found = reason(rule(), fleet=STORM, opened=order)
        assert found is (Reason.STORM_COOLDOWN if storm else None)


ITEMS = st.lists(
    st.builds(
        begun,
        st.timedeltas(timedelta(0), timedelta(hours=2)),
        policy=st.sampled_from(["pool", "another"]),
        incident_id=st.sampled_from(["mine", "other"]),
        active=st.booleans(),
        targets=st.lists(st.sampled_from([SET_POOL.target, "x"]), max_size=1),
        service=st.sampled_from(["", "api", "db"]),
        instance=st.sampled_from(["", "web-1:80", "web-2"]),
    ),
    max_size=6,
)


@given(ITEMS, st.randoms())
@settings(max_examples=150)
def test_the_order_of_the_history_does_not_matter(items, random):
    limited = rule(cooldown=timedelta(minutes=15))
    shuffled = list(items)
    random.shuffle(shuffled)
    assert checks(limited, items) == checks(limited, shuffled)


@given(ITEMS, st.integers(1, 5), st.integers(1, 5), st.integers(0, 60))
@settings(max_examples=150)
def test_tighter_limits_never_allow_more(items, per_hour, concurrent, minutes):
    def refused(more):
        limited = rule(
            per_hour=per_hour + more,
            concurrent=concurrent + more,
            cooldown=timedelta(minutes=minutes + 10 * (1 - more)),
        )
        return reason(limited, *items) is not None

    assert refused(0) >= refused(1)
