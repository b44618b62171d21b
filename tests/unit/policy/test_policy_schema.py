"""The schemas for editors: they accept what the models accept, and refuse what they can see."""

import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML
from typer.testing import CliRunner

from sre_daemon.cli.main import app
from sre_daemon.errors import PolicyFileError
from sre_daemon.policy.file import parse
from sre_daemon.policy.schema import cases_schema, policy_schema

STACK = Path(__file__).parents[3] / "stack"
POLICY = (STACK / "policy.yaml").read_text(encoding="utf-8")


def data(text):
    return YAML(typ="safe", pure=True).load(text)


def accepted(schema, text):
    return Draft202012Validator(schema).is_valid(data(text))


@pytest.mark.parametrize("schema", [policy_schema(), cases_schema()])
def test_each_is_a_schema_and_has_a_word_for_every_key(schema):
    Draft202012Validator.check_schema(schema)
    for name, part in {"": schema, **schema["$defs"]}.items():
        for key, about in part.get("properties", {}).items():
            # What refers to another part is told by that part.
            told = about.get("description") or "$ref" in about
            assert told or key == "effect", (name, key)


def test_the_demo_s_policy_is_accepted():
    assert accepted(policy_schema(), POLICY)


def test_the_demo_s_cases_are_accepted():
    text = (STACK / "policy-test.yaml").read_text(encoding="utf-8")
    assert accepted(cases_schema(), text.replace("at: 2026-05-01T12:00:00Z", "at: '2026-05-01'"))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("mode: act", "mode: acts"),
        ("mode: act", "mod: act"),
        ("version: 1", "version: 2"),
        ("autonomy: auto", "autonomy: always"),
        ("hold: 5s", "hold: PT5S"),
        ("hold: 5s", "hold: 5 minutes"),
        ("hold: 5s", "hold: 5"),
        ("per_hour: 10", "per_hour: 0"),
        ("name: restore-db-pool", "name: Restore the pool"),
        ("effect: service.redeploy", "effect: service.stop"),
        ("key: DB_POOL_SIZE", "key: DB_*"),
    ],
)
def test_what_the_schema_refuses_the_daemon_refuses_too(old, new):
    assert old in POLICY
    text = POLICY.replace(old, new, 1)
    assert not accepted(policy_schema(), text)
    with pytest.raises(PolicyFileError):
        parse(text)


def test_defaults_are_written_as_in_a_file():
    found = policy_schema()["$defs"]["Verify"]["properties"]
    assert (found["hold"]["default"], found["within"]["default"]) == ("30s", "300s")
    assert policy_schema()["$defs"]["Rule"]["properties"]["verify"]["default"]["hold"] == "30s"


@pytest.mark.parametrize(("more", "schema"), [([], policy_schema), (["--cases"], cases_schema)])
def test_the_command_prints_it(more, schema):
    answer = CliRunner().invoke(app, ["policy", "schema", *more])
    assert answer.exit_code == 0
    assert json.loads(answer.stdout) == schema()
