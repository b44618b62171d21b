"""How often a policy may act."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.domain.verdict import Reason
from sre_daemon.policy.limits import check
from sre_daemon.policy.model import Limits, Rule
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


def begun(ago, *, policy="pool", incident_id="other", active=False, targets=()):
    return Acted(incident_id, policy, targets, START - ago, active)


def reason(limited, *acted, effects=REPAIR, incident_id="mine"):
    refusal = check(limited, effects, incident_id, acted, START)
    return refusal and refusal[0]


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
        ({"concurrent": 1}, begun(SECOND, active=True), "1 repairs under pool are under way"),
        (
            {},
            begun(SECOND, active=True, targets=(SET_POOL.target, REDEPLOY.target)),
            "another incident is being repaired on config/api-server.env#DB_POOL_SIZE",
        ),
    ],
)
def test_the_sentence_says_what_was_counted(limited, acted, message):
    assert check(rule(**limited), REPAIR, "mine", [acted], START)[1] == message


ITEMS = st.lists(
    st.builds(
        begun,
        st.timedeltas(timedelta(0), timedelta(hours=2)),
        policy=st.sampled_from(["pool", "another"]),
        incident_id=st.sampled_from(["mine", "other"]),
        active=st.booleans(),
        targets=st.lists(st.sampled_from([SET_POOL.target, "x"]), max_size=1),
    ),
    max_size=6,
)


@given(ITEMS, st.randoms())
@settings(max_examples=150)
def test_the_order_of_the_history_does_not_matter(items, random):
    limited = rule(cooldown=timedelta(minutes=15))
    shuffled = list(items)
    random.shuffle(shuffled)
    assert check(limited, REPAIR, "mine", items, START) == check(
        limited, REPAIR, "mine", shuffled, START
    )


@given(ITEMS, st.integers(1, 5), st.integers(1, 5), st.integers(0, 60))
@settings(max_examples=150)
def test_tighter_limits_never_allow_more(items, per_hour, concurrent, minutes):
    def refused(more):
        limited = rule(
            per_hour=per_hour + more,
            concurrent=concurrent + more,
            cooldown=timedelta(minutes=minutes + 10 * (1 - more)),
        )
        return check(limited, REPAIR, "mine", items, START) is not None

    assert refused(0) >= refused(1)
