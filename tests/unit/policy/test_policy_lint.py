"""Warnings about a policy that loads: what is said and where, and that none of it is wrong."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.policy.decide import match
from sre_daemon.policy.file import parse
from sre_daemon.policy.lint import lint
from tests.unit.policy.test_policy_file import REDEPLOY, RESTART, SET, A, text

NEVER_DEPLOYED = (
    "allows config.set but no restart or redeploy, so the service may never see the new value"
)


def warnings(*rules, **values):
    return [warned.text for warned in lint(parse(text(*rules, **values)))]


def test_a_good_file_has_no_warning():
    assert warnings(("one", [A], f"{SET}, {REDEPLOY}"), ("two", ['alertname="B"'], RESTART)) == []


@pytest.mark.parametrize("mode", ["observe", "suggest"])
def test_a_mode_that_changes_nothing_is_warned_about(mode):
    assert warnings(("one", [A], RESTART), mode=mode) == [
        f"mode is {mode}: nothing is ever changed without a person"
    ]


@pytest.mark.parametrize(
    "matchers",
    [
        [A, 'alertname="B"'],
        [A, 'alertname!="A"'],
        [A, 'x="1"', 'x=~"2|3"'],
        [A, 'x="1"', 'x!~"1"'],
        [A + ',x="1"', 'x="2"'],
    ],
)
def test_matchers_that_contradict_each_other_are_warned_about(matchers):
    (warning,) = warnings(("one", matchers, RESTART))
    assert warning == "one: its matchers contradict each other; it never matches"


@pytest.mark.parametrize(
    "matchers",
    [
        [A, 'alertname=~"A|B"'],
        [A, 'x="1"', 'x!="2"'],
        [A, 'x!="1"', 'y="1"'],
        [A, 'x=""', 'x!~".+"'],
        [A, A],
    ],
)
def test_matchers_that_agree_are_not_warned_about(matchers):
    assert warnings(("one", matchers, RESTART)) == []


def test_a_policy_behind_a_wider_one_is_warned_about():
    wide, narrow = ("wide", [A], RESTART), ("narrow", ['x="1"', "alertname=A"], RESTART)
    assert warnings(wide, narrow) == [
        "narrow: never reached, because wide matches the same alerts first"
    ]
    assert warnings(narrow, wide) == []


def test_a_setting_that_is_never_deployed_is_warned_about():
    (warning,) = warnings(("one", [A], SET))
    assert warning == f"one: {NEVER_DEPLOYED}"
    for allow in (f"{SET}, {RESTART}", f"{SET}, {REDEPLOY}", RESTART):
        assert warnings(("one", [A], allow)) == []


MATCHERS = st.lists(
    st.sampled_from(
        ['x="1"', 'x!="1"', 'x="2"', 'x=~"1|2"', 'x!~"1"', 'y="1"', 'y=""', 'alertname=~"A|B"']
    ),
    max_size=3,
)


ALERTS = st.fixed_dictionaries(
    {"x": st.sampled_from(["", "1", "2", "3"]), "y": st.sampled_from(["", "1"])}
)


@given(st.lists(MATCHERS, min_size=1, max_size=3), ALERTS)
@settings(max_examples=200)
def test_a_policy_said_to_be_dead_never_decides(matchers, labels):
    policy = parse(text(*((f"r{n}", [A, *more], RESTART) for n, more in enumerate(matchers))))
    dead = {warned.text.split(":")[0] for warned in lint(policy) if "never" in warned.text}
    decides = match(policy, {"alertname": "A", **labels})
    assert decides is None or decides.name not in dead


@given(MATCHERS, MATCHERS)
@settings(max_examples=200)
def test_policies_that_share_an_alert_are_warned_about_unless_the_first_is_stricter(first, second):
    policy = parse(text(("first", [A, *first], RESTART), ("second", [A, *second], RESTART)))
    alerts = [{"alertname": "A", "x": x, "y": y} for x in ("", "1", "2", "3") for y in ("", "1")]
    both = [all(m.matches(a) for rule in policy.policies for m in rule.parsed) for a in alerts]
    warned = any(warned.text.startswith("second: ") for warned in lint(policy))
    assert warned or not any(both) or set(second) <= set(first)


def test_policies_that_overlap_are_warned_about_at_the_later_one():
    by_team, by_place = (
        ("by-team", [A, 'team="a"'], RESTART),
        ("by-place", [A, 'place="b"'], RESTART),
    )
    assert warnings(by_team, by_place) == [
        "by-place: some alerts may match by-team, too, which comes first and decides alone"
    ]
    other_team = ("other-team", [A, 'team="b"'], RESTART)
    assert warnings(by_team, other_team) == []


LEVELS = """\
version: 1
mode: suggest
policies:
  - name: one
    matchers: ['alertname="A"']
    autonomy: auto
    allow: [{effect: service.restart, service: api}]
  - name: two
    matchers: ['alertname="B"', 'x="1"', 'x="2"']
    autonomy: shadow
    promotion:
      after: 3
      to: auto
    allow:
      - {effect: config.set, path: config/a.env, key: K, value: {type: boolean}}
"""


def test_each_warning_has_its_line():
    assert [(warned.line, warned.text) for warned in lint(parse(LEVELS))] == [
        (2, "mode is suggest: nothing is ever changed without a person"),
        (6, "one: autonomy auto is never more than ask while mode is suggest"),
        (9, "two: its matchers contradict each other; it never matches"),
        (13, "two: what it earns above ask changes nothing while mode is suggest"),
        (14, f"two: {NEVER_DEPLOYED}"),
    ]
