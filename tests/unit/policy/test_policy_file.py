"""Loading a policy file, and its warnings."""

import hashlib

import pytest

from sre_daemon.errors import PolicyFileError
from sre_daemon.policy.file import load

SET = "{effect: config.set, path: config/a.env, key: K, value: {type: boolean}}"
RESTART = "{effect: service.restart, service: api}"
REDEPLOY = "{effect: service.redeploy, service: api}"


def text(*rules, mode="act"):
    """Rules are (name, matchers, allow)."""
    lines = ["version: 1", f"mode: {mode}", "policies:" if rules else "policies: []"]
    for name, matchers, allow in rules:
        lines += [f"  - name: {name}", f"    matchers: {matchers!r}", f"    allow: [{allow}]"]
    return "\n".join(lines) + "\n"


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
