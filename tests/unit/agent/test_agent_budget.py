"""The ladder: what may be spent now, with a reserve for critical alerts, and never silence."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.agent.budget import RUNGS, BudgetRules, Limit, Rung, grant, remaining
from sre_daemon.domain.spending import Scope, Used, Window

COSTS = {Rung.FULL: 2.0, Rung.SMALL: 0.5, Rung.TRIAGE: 0.1}
DAY = (Scope.ALL, Window.DAY)


def rules(costs=COSTS, reserve=0.2, **limits):
    """Limits by window, or by scope_window."""
    found = {}
    for name, limit in limits.items():
        scope, _, window = name.rpartition("_")
        found[Scope(scope or "all"), Window(window)] = limit
    return BudgetRules(costs, found, reserve)


def rung(usd, critical=False, limits=None, runs=0):
    known = limits or rules(day=Limit(usd=100))
    return grant(known, {DAY: Used(usd, runs)}, critical).rung


@pytest.mark.parametrize(
    ("spent", "expected"),
    [
        (0, Rung.FULL),
        (63.9, Rung.FULL),
        (64, Rung.SMALL),  # 80 % of what is not reserved
        (75.9, Rung.SMALL),
        (76, Rung.TRIAGE),
        (79.8, Rung.TRIAGE),
        (79.95, Rung.NONE),  # a triage would not fit any more
        (500, Rung.NONE),
    ],
)
def test_less_is_granted_the_more_was_spent(spent, expected):
    assert rung(spent) is expected


@pytest.mark.parametrize(
    ("spent", "expected"),
    [(79.95, Rung.FULL), (80, Rung.SMALL), (95, Rung.TRIAGE), (100, Rung.NONE)],
)
def test_critical_alerts_have_a_reserve(spent, expected):
    assert rung(spent, critical=True) is expected


def test_without_limits_the_model_is_asked():
    assert grant(rules(), {}, critical=False).rung is Rung.FULL


def test_without_a_smaller_model_triage_follows():
    costs = {Rung.FULL: 2.0, Rung.TRIAGE: 0.1}
    limits = rules(costs, day=Limit(usd=100))
    assert [rung(spent, limits=limits) for spent in (63, 65, 77, 90)] == [
        Rung.FULL,
        Rung.TRIAGE,
        Rung.TRIAGE,
        Rung.NONE,
    ]


def test_run_that_would_not_fit_takes_a_lower_rung():
    assert rung(0, limits=rules(reserve=0, day=Limit(usd=1))) is Rung.SMALL
    assert rung(0, limits=rules(reserve=0, day=Limit(usd=0.2))) is Rung.TRIAGE
    assert rung(0, limits=rules(reserve=0, day=Limit(usd=0))) is Rung.NONE


def test_runs_are_counted_too():
    limits = rules(day=Limit(runs=10))
    assert rung(0, limits=limits, runs=6) is Rung.FULL
    assert rung(0, limits=limits, runs=8) is Rung.NONE
    assert rung(0, critical=True, limits=limits, runs=9) is Rung.SMALL
    assert rung(0, limits=rules(day=Limit(runs=1))) is Rung.FULL
    assert rung(0, limits=rules(day=Limit(runs=0))) is Rung.NONE


def test_tightest_limit_decides_and_says_so():
    limits = rules(hour=Limit(usd=10), day=Limit(usd=1000), alertname_day=Limit(usd=5))
    spending = {
        (Scope.ALL, Window.HOUR): Used(6.5, 3),
        (Scope.ALL, Window.DAY): Used(700, 3),
        (Scope.ALERTNAME, Window.DAY): Used(4.9, 3),
    }
    granted = grant(limits, spending, critical=False)
    assert granted.rung is Rung.NONE
    assert granted.usd == 0
    assert granted.why == "4.90 of 5 dollars of this alertname in a day are used"


def test_what_is_left_is_told_by_window():
    limits = rules(hour=Limit(usd=10), day=Limit(usd=20))
    left = remaining(limits, {Window.HOUR: Used(12, 1), Window.DAY: Used(12, 1)})
    assert left == {Window.HOUR: 0.0, Window.DAY: 8.0, Window.MONTH: float("inf")}


money = st.floats(0, 1000, allow_nan=False)


@given(money, money, money, st.booleans(), st.floats(0, 1))
def test_no_grant_exceeds_a_limit(limit, spent, other, critical, reserve):
    known = rules(reserve=reserve, day=Limit(usd=limit), hour=Limit(usd=other))
    spending = {DAY: Used(spent), (Scope.ALL, Window.HOUR): Used(spent)}
    granted = grant(known, spending, critical)
    assert granted.usd == 0 or spent + granted.usd <= min(limit, other)


@given(money, money, money, st.booleans())
def test_more_spent_never_grants_more(limit, spent, more, critical):
    known = rules(day=Limit(usd=limit))
    first = grant(known, {DAY: Used(spent)}, critical).rung
    second = grant(known, {DAY: Used(spent + more)}, critical).rung
    assert RUNGS.index(second) >= RUNGS.index(first)


@given(money, money)
def test_critical_is_never_granted_less(limit, spent):
    known = rules(day=Limit(usd=limit))
    plain = grant(known, {DAY: Used(spent)}, critical=False).rung
    critical = grant(known, {DAY: Used(spent)}, critical=True).rung
    assert RUNGS.index(critical) <= RUNGS.index(plain)
