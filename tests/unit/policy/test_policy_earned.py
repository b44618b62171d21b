"""The record decides the level: laws over any series of trials, and the steps by example."""

from hypothesis import given
from hypothesis import strategies as st

from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.trial import BAD, Trial, TrialOutcome
from sre_daemon.policy.autonomy import earned, rule_digest
from sre_daemon.policy.file import parse
from tests.support.clock import START

TEXT = """\
version: 1
mode: act
policies:
  - name: p
    matchers: ['alertname="A"']
    autonomy: {level}
    {more}
    allow: [{{effect: service.restart, service: s}}]
"""


def rule(level="shadow", more="promotion: {to: auto, after: 2}"):
    return parse(TEXT.format(level=level, more=more)).policies[0]


def trials(of, *outcomes, digest=None):
    return [
        Trial("p", f"i{n}", 1, Autonomy.ASK, outcome, START, digest or rule_digest(of))
        for n, outcome in enumerate(outcomes)
    ]


V, F, R, W, U, G, B = (
    TrialOutcome.VERIFIED,
    TrialOutcome.FAILED,
    TrialOutcome.RIGHT,
    TrialOutcome.WRONG,
    TrialOutcome.UNKNOWN,
    TrialOutcome.GRANTED,
    TrialOutcome.FALSE_SUCCESS,
)
RULES = st.sampled_from(
    [
        rule(),
        rule("ask"),
        rule("auto", "demotion: {to: shadow}"),
        rule("auto", "demotion: {to: ask}"),
        rule("shadow", "promotion: {to: ask, after: 1}"),
    ]
)
OUTCOMES = st.lists(st.sampled_from(TrialOutcome), max_size=30)


def test_successes_in_a_row_raise_it_step_by_step():
    p = rule()
    assert earned(p, trials(p, R)) is Autonomy.SHADOW
    assert earned(p, trials(p, R, R)) is Autonomy.ASK
    assert earned(p, trials(p, R, R, V)) is Autonomy.ASK
    assert earned(p, trials(p, R, R, V, V)) is Autonomy.AUTO
    assert earned(p, trials(p, R, U, R)) is Autonomy.ASK
    assert earned(p, trials(p, R, W, R)) is Autonomy.SHADOW


def test_one_failure_lowers_it_at_once_and_the_count_begins_anew():
    p = rule()
    assert earned(p, trials(p, R, R, V, V, F)) is Autonomy.ASK
    assert earned(p, trials(p, R, R, V, V, B, V)) is Autonomy.ASK
    assert earned(p, trials(p, R, R, V, V, B, V, V)) is Autonomy.AUTO


def test_without_a_promotion_only_a_person_gives_it_back():
    p = rule("auto", "demotion: {to: ask}")
    assert earned(p, trials(p, F, *[V] * 50)) is Autonomy.ASK
    assert earned(p, trials(p, F, G)) is Autonomy.AUTO


def test_another_rule_has_another_record():
    p = rule()
    assert earned(p, trials(p, R, R, digest="of another text")) is Autonomy.SHADOW


@given(RULES, OUTCOMES)
def test_it_never_has_more_than_the_file_lets_it_earn(p, outcomes):
    assert earned(p, trials(p, *outcomes)).rank <= p.ceiling.rank


@given(RULES, OUTCOMES)
def test_a_failure_never_leaves_it_acting_alone(p, outcomes):
    for bad in BAD:
        assert earned(p, trials(p, *outcomes, bad)) is not Autonomy.AUTO


@given(RULES, OUTCOMES)
def test_a_failure_never_raises_it(p, outcomes):
    before = earned(p, trials(p, *outcomes))
    assert earned(p, trials(p, *outcomes, F)).rank <= before.rank
