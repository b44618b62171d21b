"""Cases of a policy: what differs is said, and a case that would show nothing is refused."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from sre_daemon.domain.autonomy import Autonomy
from sre_daemon.domain.effect import ServiceRestart
from sre_daemon.errors import PolicyFileError
from sre_daemon.policy.cases import read, run, untried
from sre_daemon.policy.file import parse

STACK = Path(__file__).parents[3] / "stack"
POLICY = parse("""\
version: 1
mode: act
time_intervals:
  - {name: night, time_intervals: [{times: [{start_time: '00:00', end_time: '06:00'}]}]}
policies:
  - name: worker
    matchers: ['alertname="Stuck"']
    autonomy: auto
    active_time_intervals: [night]
    promotion: null
    deterministic: true
    guards: ['up == 1']
    allow: [{effect: service.restart, service: worker}]
    require: {min_confidence: 0.8}
    limits: {attempts_per_incident: 2, per_hour: 2, cooldown: 10m}
  - name: other
    matchers: ['alertname="Other"']
    allow: [{effect: service.restart, service: other}]
""")
HEAD = "policy: p.yaml\nat: 2026-05-01T03:00:00Z\ncases:\n"
STUCK = "    alerts: [{alertname: Stuck}]\n    effects: ['service.restart:worker']\n"


def results(text):
    file, lines = read(text, "t.yaml")
    return run(POLICY, file, lines, "t.yaml")


def one(expect="verdict: allow, policy: worker", *, state="", head=HEAD, alerts=STUCK):
    (result,) = results(
        f"{head}  - name: one\n{alerts}    expect: {{{expect}}}\n    state: {{{state}}}\n"
    )
    return result


def refused(text):
    with pytest.raises(PolicyFileError) as caught:
        results(text)
    return caught.value.reason


def test_a_case_that_is_as_expected_has_no_differences():
    result = one("verdict: allow, policy: worker, reason: allowed")
    assert result.differences == ()
    assert result.case.effects == (ServiceRestart("worker"),)


@pytest.mark.parametrize(
    ("expect", "says"),
    [
        ("verdict: ask, policy: worker", "verdict: expected ask, was allow"),
        ("verdict: allow, policy: other", "policy: expected other, was worker"),
        ("verdict: allow, policy: null", "policy: expected none, was worker"),
        (
            "verdict: allow, policy: worker, reason: autonomy",
            "reason: expected autonomy, was allowed",
        ),
    ],
)
def test_each_thing_that_differs_is_said(expect, says):
    assert one(expect).differences == (says,)


def test_everything_that_differs_is_said_at_once():
    assert one(
        "verdict: ask, policy: null, reason: paused", state="approved: true"
    ).differences == (
        "verdict: expected ask, was allow",
        "policy: expected none, was worker",
        "reason: expected paused, was allowed",
    )


@pytest.mark.parametrize(
    ("state", "expect"),
    [
        ("paused: true", "deny, reason: paused"),
        ("attempts: 1", "allow, reason: allowed"),
        ("attempts: 2", "deny, reason: attempts_spent"),
        ("earned: {worker: shadow}", "shadow, reason: demoted"),
        ("earned: {worker: ask}", "ask, reason: demoted"),
        ("earned: {worker: ask}, approved: true", "allow, reason: allowed"),
        ("guards: {'up == 1': true}", "allow, reason: allowed"),
        ("guards: {'up == 1': false}", "deny, reason: guard_failed"),
        ("guards: {'up == 1': null}", "deny, reason: no_data"),
        ("diagnosis: {engine: runbook}", "allow, reason: allowed"),
        ("diagnosis: {}", "deny, reason: not_deterministic"),
        ("diagnosis: {engine: runbook, conclusive: false}", "deny, reason: inconclusive"),
        ("diagnosis: {engine: runbook, confidence: 0.79}", "deny, reason: low_confidence"),
        ("diagnosis: {engine: runbook, confidence: 0.8}", "allow, reason: allowed"),
        ("diagnosis: {engine: runbook, supported: false}", "deny, reason: unsupported_evidence"),
        ("begun: [{policy: worker, ago: 9m}]", "deny, reason: cooling_down"),
        ("begun: [{policy: worker, ago: 10m}]", "allow, reason: allowed"),
        (
            "begun: [{policy: worker, ago: 20m}, {policy: worker, ago: 30m}]",
            "deny, reason: rate_limited",
        ),
        (
            "begun: [{policy: other, ago: 20m, active: true, targets: ['service:worker']}]",
            "deny, reason: concurrency",
        ),
        (
            "begun: [{policy: other, ago: 4m, targets: ['service:worker']}]",
            "deny, reason: target_cooling",
        ),
        ("opened: [{incidents: 25, ago: 1m}]", "deny, reason: storm_cooldown"),
        ("opened: [{incidents: 24, ago: 1m}]", "allow, reason: allowed"),
    ],
)
def test_the_state_is_what_the_policy_is_asked_about(state, expect):
    assert one(f"policy: worker, verdict: {expect}", state=state).differences == ()


def test_labels_of_a_repair_that_is_under_way_count():
    busy = "{policy: other, ago: 20m, active: true, labels: {service: api}}"
    alerts = STUCK.replace("Stuck}", "Stuck, service: api}")
    deny = "verdict: deny, policy: worker, reason: blast_radius"
    assert one(deny, state=f"begun: [{busy}]", alerts=alerts).differences == ()


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        ("2026-05-01T05:59:59Z", "allow"),
        ("2026-05-01T06:00:00Z", "ask"),
        ("2026-05-01T07:59:00+02:00", "allow"),
        ("'2026-05-01T07:59:00+02:00'", "allow"),
        ("2026-05-01 05:00", "allow"),
    ],
)
def test_the_moment_decides(at, verdict):
    head = HEAD.replace("2026-05-01T03:00:00Z", at)
    assert one(f"verdict: {verdict}, policy: worker", head=head).differences == ()


def test_a_case_has_its_own_moment_before_that_of_the_file():
    text = f"{HEAD}  - name: one\n{STUCK}    at: 2026-05-01T12:00:00Z\n"
    (result,) = results(text + "    expect: {verdict: ask, policy: worker}\n")
    assert result.differences == ()
    assert result.case.at == datetime(2026, 5, 1, 12, tzinfo=UTC)
    assert type(result.case.at) is datetime
    assert result.case.at.utcoffset() == timedelta(0)


def test_a_case_without_any_moment_is_refused():
    text = "policy: p.yaml\ncases:\n  - name: one\n" + STUCK
    said = refused(text + "    expect: {verdict: ask, policy: worker}\n")
    assert "'one' has no `at`" in said


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ("earned: {wroker: ask}", "t.yaml:8: there is no policy 'wroker'"),
        ("guards: {'up == 2': true}", "t.yaml:8: no policy has the guard 'up == 2'"),
        ("begun: [{policy: wroker, ago: 1m}]", "t.yaml:8: there is no policy 'wroker'"),
        ("pausd: true", "t.yaml:8: cases.0.state.pausd: Extra inputs are not permitted"),
    ],
)
def test_a_state_that_names_nothing_is_refused_with_its_line(state, says):
    with pytest.raises(PolicyFileError) as caught:
        one(state=state)
    assert caught.value.reason == says


@pytest.mark.parametrize(
    ("old", "new", "line"),
    [
        ("'service.restart:worker'", "'service.stop:worker'", 6),
        ("'service.restart:worker'", "{effect: service.restart}", 6),
        ("{alertname: Stuck}", "{alertname: 7}", 5),
        ("[{alertname: Stuck}]", "[]", 5),
        ("verdict: allow", "verdict: perhaps", 7),
        ("2026-05-01T03:00:00Z", "tomorrow", 2),
        ("2026-05-01T03:00:00Z", "12", 2),
    ],
)
def test_what_cannot_be_read_is_named_with_its_line(old, new, line):
    good = f"{HEAD}  - name: one\n{STUCK}    expect: {{verdict: allow, policy: worker}}\n"
    assert results(good)[0].differences == ()
    assert refused(good.replace(old, new)).startswith(f"t.yaml:{line}: ")


def test_two_cases_of_one_name_are_refused():
    case = f"  - name: one\n{STUCK}    expect: {{verdict: allow, policy: worker}}\n"
    assert "two cases have the name 'one'" in refused(HEAD + case + case)


def test_lines_and_policies_without_a_case_are_known():
    case = f"{STUCK}    expect: {{verdict: allow, policy: worker}}\n"
    found = results(f"{HEAD}  - name: one\n{case}  - name: two\n{case}")
    assert [result.line for result in found] == [4, 8]
    assert untried(POLICY, found) == ["other"]


CHANGES = [
    ("max: 100}", "max: 1000}"),
    ("min: 5", "min: 0"),
    ("min_confidence: 0.7", "min_confidence: 0.5"),
    ("evidence: true", "evidence: false"),
    ("attempts_per_incident: 1", "attempts_per_incident: 2"),
    (", 'severity=\"critical\"'", ""),
    (", 'service=\"api-server\"'", ""),
    ("incidents: 50", "incidents: 500"),
    ("autonomy: auto", "autonomy: ask"),
    ("mode: act", "mode: suggest"),
    ("service: api-server}", "service: postgres}"),
]


@pytest.mark.parametrize(("old", "new"), CHANGES)
def test_the_demo_s_cases_notice_another_policy(old, new):
    """A test file that passes whatever the policy says would show nothing."""
    text = (STACK / "policy.yaml").read_text(encoding="utf-8")
    file, lines = read((STACK / "policy-test.yaml").read_text(encoding="utf-8"), "t.yaml")
    good = run(parse(text), file, lines, "t.yaml")
    assert [result.case.name for result in good if result.differences] == []
    assert untried(parse(text), good) == []
    assert old in text
    changed = run(parse(text.replace(old, new)), file, lines, "t.yaml")
    assert any(result.differences for result in changed)


def test_levels_are_those_of_the_ladder():
    result = one(state="earned: {worker: ask}", expect="verdict: ask, policy: worker")
    assert result.case.state.earned == {"worker": Autonomy.ASK}
