"""`policy test`: exit codes, and what differs in words and for programs."""

import json

import pytest
from typer.testing import CliRunner

from sre_daemon.cli.main import app, exit_code

POLICY = """\
version: 1
mode: act
policies:
  - name: worker
    matchers: ['alertname="Stuck"']
    autonomy: auto
    allow: [{effect: service.restart, service: worker}]
  - name: other
    matchers: ['alertname="Other"']
    allow: [{effect: service.restart, service: other}]
"""
CASES = """\
policy: rules/policy.yaml
at: 2026-05-01T03:00:00Z
cases:
  - name: it is restarted
    alerts: [{alertname: Stuck}]
    effects: ['service.restart:worker']
    expect: {verdict: allow, policy: worker}
"""


@pytest.fixture
def ask(tmp_path):
    """Run `policy test` on a text; the exit code and what was printed."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "policy.yaml").write_text(POLICY)

    def run(text, *arguments):
        path = tmp_path / "cases.yaml"
        path.write_text(text)
        answer = CliRunner().invoke(app, ["policy", "test", str(path), *arguments])
        if answer.exception is not None and not isinstance(answer.exception, SystemExit):
            return exit_code(answer.exception), str(answer.exception)
        return answer.exit_code, answer.stdout

    return run


def test_all_as_expected_is_0_and_an_untried_policy_is_noted(ask):
    code, text = ask(CASES)
    assert code == 0
    assert text.splitlines() == [
        "ok       it is restarted",
        "note     no case is decided by other",
        "1 cases, 0 differ",
    ]


def test_a_difference_is_1_with_its_line_and_the_tree(ask, tmp_path):
    code, text = ask(CASES.replace("verdict: allow", "verdict: ask"))
    assert code == 1
    assert f"differs  {tmp_path}/cases.yaml:4: it is restarted" in text
    assert "  verdict: expected ask, was allow\n  because worker allows restart worker" in text
    assert "      ✓ matches alert Stuck" in text
    assert text.endswith("1 cases, 1 differ\n")


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("verdict: allow", "verdict: sometimes", "cases.yaml:7: cases.0.expect.verdict"),
        ("rules/policy.yaml", "rules/none.yaml", "none.yaml: cannot be read"),
        ("cases:", "case:", "cases.yaml:3: case: Extra inputs"),
    ],
)
def test_a_file_that_cannot_be_used_is_2(ask, old, new, says):
    code, text = ask(CASES.replace(old, new))
    assert code == 2
    assert says in text


def test_another_policy_can_be_asked(ask, tmp_path):
    other = tmp_path / "other.yaml"
    other.write_text(POLICY.replace("mode: act", "mode: suggest"))
    code, text = ask(CASES, "--policy", str(other))
    assert code == 1
    assert "verdict: expected allow, was ask" in text


def test_programs_get_everything(ask):
    code, text = ask(CASES.replace("policy: worker", "policy: null"), "--json")
    assert code == 1
    (found,) = json.loads(text)
    assert (found["name"], found["line"], found["passed"]) == ("it is restarted", 4, False)
    assert found["differences"] == ["policy: expected none, was worker"]
    assert (found["verdict"], found["policy"], found["reason"]) == ("allow", "worker", "allowed")
    assert "✓ mode act" in found["lines"]
