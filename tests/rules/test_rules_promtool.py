"""Every rule is checked by promtool, tested, and has a page for whoever is woken by it."""

import shutil
import subprocess
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "rules").glob("*.rules.yml"))
TESTS = sorted((ROOT / "rules" / "tests").glob("*.test.yml"))
PAGES = (ROOT / "stack" / "runbooks", ROOT / "docs" / "runbooks")
SECTIONS = ("## Meaning", "## Impact", "## Diagnosis", "## Mitigation")


def load(file):
    return YAML(typ="safe").load(file.read_text())


def alerts():
    """Every alerting rule of the product."""
    return [
        pytest.param(rule, id=rule["alert"])
        for file in FILES
        for group in load(file)["groups"]
        for rule in group["rules"]
        if "alert" in rule
    ]


def promtool(*words):
    path = shutil.which("promtool")
    assert path, "promtool is not installed: run `make setup`"
    done = subprocess.run([path, *map(str, words)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_rules_are_valid(file):
    promtool("check", "rules", file)


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name)
def test_rules_fire_as_their_tests_say(file):
    promtool("test", "rules", file)


@pytest.mark.parametrize("rule", alerts())
def test_every_alert_is_tested_labelled_and_explained(rule):
    tested = {
        case["alertname"]
        for file in TESTS
        for test in load(file)["tests"]
        for case in test.get("alert_rule_test", ())
    }
    assert rule["alert"] in tested
    assert rule["labels"]["severity"] in {"critical", "warning", "info", "none"}
    assert rule["annotations"]["summary"].endswith(".")
    if rule["labels"]["severity"] == "none":
        return  # the Watchdog is no problem
    name = f"{rule['annotations']['runbook']}.md"
    (page,) = (folder / name for folder in PAGES if (folder / name).exists())
    assert all(section in page.read_text() for section in SECTIONS)
