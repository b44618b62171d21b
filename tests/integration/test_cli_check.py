"""`check` sees every mistake, with its place."""

import json

import pytest
from typer.testing import CliRunner

from sre_daemon.cli.main import app

SETTINGS = """\
data_dir: data
prometheus: {url: 'http://127.0.0.1:9090'}
alertmanagers: ['http://127.0.0.1:9093']
services: [api-server]
policy: policy.yaml
guardrails: guardrails.yaml
runbooks: [runbooks]
"""
POLICY = """\
version: 1
mode: act
policies:
  - name: restore-pool
    matchers: ['alertname="PoolExhausted"']
    autonomy: auto
    allow:
      - effect: config.set
        path: config/api-server.env
        key: DB_POOL_SIZE
        value: {type: integer, min: 5, max: 100}
      - {effect: service.redeploy, service: api-server}
"""
GUARDRAILS = """\
version: 1
files:
  config/api-server.env:
    DB_POOL_SIZE: {type: integer, min: 5, max: 100}
"""
RUNBOOK = """\
---
name: pool-exhausted
description: The pool is too small.
matchers: ['alertname="PoolExhausted"']
---
# Pool exhausted
## Meaning
## Impact
## Diagnosis
## Mitigation
"""


@pytest.fixture
def shop(tmp_path):
    """A folder with a complete and correct configuration."""
    (tmp_path / "runbooks").mkdir()
    for name, text in {
        "settings.yaml": SETTINGS,
        "policy.yaml": POLICY,
        "guardrails.yaml": GUARDRAILS,
        "runbooks/pool.md": RUNBOOK,
    }.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def check(*paths):
    answer = CliRunner().invoke(app, ["check", "--json", *map(str, paths)])
    return answer.exit_code, json.loads(answer.stdout)


def change(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def test_correct_files_are_0_and_all_of_them_are_read(shop):
    code, found = check(shop / "settings.yaml")
    assert (code, found["warnings"], found["errors"]) == (0, [], [])
    assert len(found["checked"]) == 4


@pytest.mark.parametrize("name", ["policy.yaml", "guardrails.yaml", "runbooks", "runbooks/pool.md"])
def test_each_kind_of_file_can_be_checked_alone(shop, name):
    assert check(shop / name)[0] == 0


def test_every_mistake_is_named_with_file_line_and_key(shop):
    change(shop / "policy.yaml", "max: 100", "max: many")
    change(shop / "policy.yaml", "mode: act", "mode: always")
    change(shop / "guardrails.yaml", "min: 5", "minimum: 5")
    change(shop / "runbooks/pool.md", "name: pool-exhausted", "name: Pool Exhausted")
    code, found = check(shop / "settings.yaml")
    reasons = [item["reason"] for item in found["errors"]]
    assert code == 2
    for place in ("policy.yaml:2: mode", "policy.yaml:11: ", "guardrails.yaml:4: ", "pool.md:2: "):
        assert any(place in reason for reason in reasons), place
    assert all(reason.count(".yaml:") <= 1 for reason in reasons)


def test_unknown_settings_keys_are_errors(shop):
    change(shop / "settings.yaml", "services:", "servces:")
    code, found = check(shop / "settings.yaml")
    assert code == 2
    assert "settings.yaml:4: servces" in found["errors"][0]["reason"]


def test_what_would_always_be_refused_is_a_warning(shop):
    change(shop / "settings.yaml", "[api-server]", "[postgres]")
    change(shop / "guardrails.yaml", "DB_POOL_SIZE", "OTHER")
    code, found = check(shop / "settings.yaml")
    assert code == 1
    assert sum("always refused" in warning for warning in found["warnings"]) == 2


def test_settings_without_a_policy_are_a_warning(shop):
    change(shop / "settings.yaml", "policy: policy.yaml\n", "")
    code, found = check(shop / "settings.yaml")
    assert code == 1
    assert "nothing is ever changed" in found["warnings"][0]


def test_two_runbooks_of_one_name_are_an_error(shop):
    (shop / "runbooks/other.md").write_text(RUNBOOK)
    code, found = check(shop / "runbooks")
    assert code == 2
    assert "is taken by" in found["errors"][0]["reason"]


@pytest.mark.parametrize("text", ["", "what: 1\n", "- a\n", "a: &x [1]\nb: *x\n", "{{"])
def test_files_of_no_kind_are_errors_not_tracebacks(tmp_path, text):
    (tmp_path / "odd.yaml").write_text(text)
    assert check(tmp_path / "odd.yaml", tmp_path / "missing.yaml")[0] == 2


def test_text_output_says_where_and_what_next(shop):
    change(shop / "policy.yaml", "mode: act", "mode: always")
    answer = CliRunner().invoke(app, ["check", str(shop / "policy.yaml")])
    assert answer.exit_code == 2
    assert f"error: {shop}/policy.yaml:2: mode" in answer.stderr
    assert "docs/policy.md" in answer.stderr
    assert "\x1b" not in answer.output
