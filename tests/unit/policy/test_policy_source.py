"""The policy in force, and what becomes of it when the file changes."""

import hashlib

import pytest

from sre_daemon.errors import PolicyFileError
from sre_daemon.policy.source import PolicyFile

GOOD = """\
version: 1
mode: act
policies:
  - name: one
    matchers: ['alertname="A"']
    autonomy: ask
    allow: [{effect: service.restart, service: api}]
"""
BROKEN = [b"", b"mode: [", b"version: 1\nunknown: 1\n", b"\xff", b"#" * ((1 << 20) + 1)]


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(GOOD)
    return path


def reload(source):
    source.put(source.read())


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_no_configured_file_is_no_policy():
    source = PolicyFile(None)
    reload(source)
    assert source.current() is None
    assert (source.standing().digest, source.standing().differs) == ("", False)


def test_the_first_question_puts_the_file_in_force(file):
    assert PolicyFile(file).current().digest == digest(file)


def test_an_edit_counts_when_it_is_reloaded(file):
    source = PolicyFile(file)
    before = source.current()
    file.write_text(GOOD.replace("one", "two"))
    assert source.current() is before
    assert (source.standing().digest, source.standing().differs) == (before.digest, True)
    reload(source)
    assert [rule.name for rule in source.current().policies] == ["two"]
    assert (source.standing().digest, source.standing().differs) == (digest(file), False)


def test_a_file_that_is_half_written_allows_nothing_new(file):
    """Cut before its last words it is a valid policy that would act alone."""
    whole = GOOD.replace("autonomy: ask", "autonomy: auto") + "    guards: ['up == 1']\n"
    source = PolicyFile(file)
    source.current()
    for length in range(len(whole)):
        file.write_text(whole[:length])
        (rule,) = source.current().policies
        assert rule.autonomy == "ask"


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_broken_file_leaves_the_policy_before_it_in_force(file, content):
    source = PolicyFile(file)
    before = source.current()
    file.write_bytes(content)
    for _ in range(2):
        with pytest.raises(PolicyFileError):
            reload(source)
        assert source.current() is before
    assert source.standing().failure.startswith(str(file))
    assert (source.standing().digest, source.standing().differs) == (before.digest, True)
    file.write_text(GOOD)
    reload(source)
    assert source.current() == before
    assert source.standing().failure == ""


@pytest.mark.parametrize("content", BROKEN, ids=range(len(BROKEN)))
def test_a_file_that_was_never_good_is_a_no_until_it_is_reloaded(file, content):
    file.write_bytes(content)
    source = PolicyFile(file)
    for _ in range(2):
        with pytest.raises(PolicyFileError):
            source.current()
    assert source.standing().digest == ""
    file.write_text(GOOD)
    with pytest.raises(PolicyFileError):
        source.current()
    reload(source)
    assert source.current().digest == digest(file)


def test_a_file_that_is_taken_away_is_a_no_at_once(file):
    source = PolicyFile(file)
    before = source.current()
    file.unlink()
    for _ in range(2):
        with pytest.raises(PolicyFileError, match="cannot be read: No such file"):
            source.current()
    with pytest.raises(PolicyFileError):
        reload(source)
    assert source.standing().differs
    file.mkdir()
    with pytest.raises(PolicyFileError, match="cannot be read"):
        source.current()
    file.rmdir()
    file.write_text(GOOD)
    assert source.current() is before


def test_what_was_read_is_not_in_force_before_it_is_put_there(file):
    source = PolicyFile(file)
    before = source.current()
    file.write_text(GOOD.replace("one", "two"))
    read = source.read()
    assert source.current() is before
    source.put(read)
    assert source.current() is read
