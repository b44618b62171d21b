"""Loading a policy file, and its warnings."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sre_daemon.errors import PolicyFileError
from sre_daemon.policy.decide import match
from sre_daemon.policy.file import lint, load, parse

SET = "{effect: config.set, path: config/a.env, key: K, value: {type: boolean}}"
RESTART = "{effect: service.restart, service: api}"
REDEPLOY = "{effect: service.redeploy, service: api}"


def text(*rules, mode="act"):
    """Rules are (name, matchers, allow)."""
    lines = ["version: 1", f"mode: {mode}", "policies:" if rules else "policies: []"]
    for name, matchers, allow in rules:
        lines += [f"  - name: {name}", f"    matchers: {matchers!r}", f"    allow: [{allow}]"]
    return "\n".join(lines) + "\n"


def warnings(*rules, **values):
    return lint(parse(text(*rules, **values)))


A = 'alertname="A"'
GOOD = text(("one", [A], RESTART))


def test_a_file_is_loaded_with_its_digest(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(GOOD)
    policy = load(path)
    assert (policy.mode, [rule.name for rule in policy.policies]) == ("act", ["one"])
    assert policy.digest == hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\xff", "is not UTF-8"),
        (b"#" * ((1 << 20) + 1), "larger than"),
        (b"version: 3", "p.yaml:1: version: "),
    ],
)
def test_a_file_that_cannot_be_used_is_named(tmp_path, content, says):
    path = tmp_path / "p.yaml"
    path.write_bytes(content)
    with pytest.raises(PolicyFileError) as caught:
        load(path)
    assert caught.value.reason.startswith(str(path))
    assert says in caught.value.reason
    assert caught.value.hint


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(PolicyFileError, match=r"none\.yaml: cannot be read: No such file"):
        load(tmp_path / "none.yaml")


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
    assert warning.startswith("one: allows config.set but no restart or redeploy")
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
@settings(max_examples=200, deadline=None)
def test_a_policy_said_to_be_dead_never_decides(matchers, labels):
    policy = parse(text(*((f"r{n}", [A, *more], RESTART) for n, more in enumerate(matchers))))
    dead = {warning.split(":")[0] for warning in lint(policy) if "never" in warning}
    decides = match(policy, {"alertname": "A", **labels})
    assert decides is None or decides.name not in dead
