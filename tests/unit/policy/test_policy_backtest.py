"""What a policy would have said: limits over what it would have begun, never over what others did."""

from datetime import timedelta

import pytest

from sre_daemon.domain.verdict import Decision, Reason
from sre_daemon.policy.backtest import Past, backtest, endings, totals
from sre_daemon.policy.file import parse
from sre_daemon.policy.question import Question
from tests.support.clock import START
from tests.support.factories import LABELS, REPAIR, diagnosis

POLICY = """\
version: 1
mode: act
limits: {target_cooldown: 0s}
policies:
  - name: pool
    matchers: ['alertname="ApiDbPoolExhausted"']
    autonomy: auto
    allow:
      - {effect: config.set, path: config/api-server.env, key: DB_POOL_SIZE, value: {type: integer, min: 5, max: 100}}
      - {effect: service.redeploy, service: api-server}
    guards: ['up == 1']
    verify: {within: 5m, hold: 30s}
    limits: {attempts_per_incident: 1, per_hour: 100, cooldown: 0s, concurrent: 1}
"""


def past(n, minutes=0, *, began=False, over=None, ending="open", decision=Decision.DENY, **values):
    """A recorded decision; `over` in minutes after START."""
    asked = {
        "alerts": (LABELS,),
        "effects": REPAIR,
        "at": START + timedelta(minutes=minutes),
        "incident_id": f"i{n}",
        "diagnosis": diagnosis(*REPAIR),
        "engine": "claude",
    }
    return Past(
        title=f"incident {n}",
        question=Question(**(asked | values)),
        decision=decision,
        policy="pool",
        reason="autonomy",
        began=began,
        over=None if over is None else START + timedelta(minutes=over),
        ending=ending,
    )


def said(policy, *pasts, opened=()):
    judged = backtest(parse(policy), pasts, opened)
    return [(item.verdict.decision.value, item.verdict.reason) for item in judged]


ALLOW = ("allow", Reason.ALLOWED)


def changed(old, new):
    assert old in POLICY
    return POLICY.replace(old, new)


def test_without_anything_in_its_way_it_would_have_acted():
    assert said(POLICY, past(1)) == [ALLOW]


def test_without_a_policy_everything_would_have_been_refused():
    (judged,) = backtest(None, [past(1)], [])
    assert (judged.verdict.decision, judged.verdict.reason) == (Decision.DENY, Reason.NO_POLICY)


def test_each_is_judged_in_the_order_of_time():
    judged = backtest(parse(POLICY), [past(2, 60), past(1, 0)], [])
    assert [item.past.question.incident_id for item in judged] == ["i1", "i2"]


def test_what_it_would_have_begun_holds_up_the_next_for_as_long_as_its_proof_may_take():
    assert said(POLICY, past(1, 0), past(2, 4.9)) == [ALLOW, ("deny", Reason.CONCURRENCY)]
    assert said(POLICY, past(1, 0), past(2, 5)) == [ALLOW, ALLOW]


def test_a_repair_that_was_made_holds_up_the_next_for_as_long_as_it_took():
    assert said(POLICY, past(1, 0, began=True, over=2), past(2, 3)) == [ALLOW, ALLOW]
    slow = past(1, 0, began=True, over=20)
    assert said(POLICY, slow, past(2, 19)) == [ALLOW, ("deny", Reason.CONCURRENCY)]


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("cooldown: 0s", "cooldown: 15m", Reason.COOLING_DOWN),
        ("per_hour: 100", "per_hour: 1", Reason.RATE_LIMITED),
        ("{target_cooldown: 0s}", "{target_cooldown: 15m}", Reason.TARGET_COOLING),
        (
            "{target_cooldown: 0s}",
            "{target_cooldown: 0s, changes_per_hour: 1}",
            Reason.CHANGES_SPENT,
        ),
    ],
)
def test_every_limit_counts_what_it_would_have_begun(old, new, reason):
    policy = changed(
        f"limits: {old}" if old[0] == "{" else old, f"limits: {new}" if new[0] == "{" else new
    )
    assert said(policy, past(1, 0), past(2, 10)) == [ALLOW, ("deny", reason)]
    assert said(policy, past(1, 0), past(2, 61)) == [ALLOW, ALLOW]


def test_attempts_are_those_that_it_would_have_made():
    assert said(POLICY, past(1, 0), past(1, 30)) == [ALLOW, ("deny", Reason.ATTEMPTS_SPENT)]
    # The first would have been refused, so the second is its first attempt.
    first = past(1, 0, effects=(), began=True, over=1)
    assert said(POLICY, first, past(1, 30)) == [("deny", Reason.NO_EFFECTS), ALLOW]


def test_a_question_counts_as_begun_only_where_a_person_agreed():
    policy = changed("autonomy: auto", "autonomy: ask")
    ask = ("ask", Reason.AUTONOMY)
    assert said(policy, past(1, 0), past(1, 30)) == [ask, ask]
    agreed = past(1, 0, began=True, over=1)
    assert said(policy, agreed, past(1, 30)) == [ask, ("deny", Reason.ATTEMPTS_SPENT)]


def test_a_storm_is_of_incidents_that_were_opened_before():
    policy = changed("{target_cooldown: 0s}", "{storm: {incidents: 2, within: 1m, cooldown: 15m}}")
    opened = [START, START + timedelta(seconds=30)]
    assert said(policy, past(1, 1), opened=opened) == [("deny", Reason.STORM_COOLDOWN)]
    assert said(policy, past(1, 0.4), opened=opened) == [ALLOW]


def test_the_diagnosis_of_then_is_what_is_looked_at():
    weak = past(1, diagnosis=diagnosis(*REPAIR, confidence=0.6))
    assert said(POLICY, weak) == [("deny", Reason.LOW_CONFIDENCE)]
    strict = changed("autonomy: auto", "autonomy: auto\n    deterministic: true")
    assert said(strict, past(1)) == [("deny", Reason.NOT_DETERMINISTIC)]
    assert said(strict, past(1, engine="runbook")) == [ALLOW]


def test_sums_are_by_policy_and_by_what_came_of_it():
    pasts = [
        past(1, 0, decision=Decision.ALLOW, began=True, over=1, ending="proven"),
        past(2, 10, decision=Decision.ALLOW, began=True, over=11, ending="taken_back"),
        past(3, 20, decision=Decision.ASK, ending="ended_unchanged"),
        past(4, 30, alerts=({"alertname": "Other"},), ending="open"),
    ]
    judged = backtest(parse(POLICY), pasts, [])
    assert totals(judged) == {
        "none": {"allow": 0, "ask": 0, "shadow": 0, "deny": 1},
        "pool": {"allow": 3, "ask": 0, "shadow": 0, "deny": 0},
    }
    assert endings(judged) == {
        "allow": {"ended_unchanged": 1, "proven": 1, "taken_back": 1},
        "ask": {},
        "shadow": {},
        "deny": {"open": 1},
    }
    assert [item.differs for item in judged] == [False, False, True, True]
