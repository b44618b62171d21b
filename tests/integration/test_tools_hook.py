"""The PreToolUse hook as the agent's command line starts it: only exit code 2 blocks."""

import json
import os
import subprocess
import sys

import pytest

from tests.support.decoy import Decoy
from tests.support.escapes import COMMANDS, EDITS
from tests.support.tool_server import REPOSITORY, tree

GOOD = {"path": "config/api-server.env", "key": "DB_POOL_SIZE", "old_value": "1", "new_value": "20"}


def hook(config, event, *arguments):
    """Exit code and what it said."""
    given = event if isinstance(event, bytes) else json.dumps(event).encode()
    done = subprocess.run(
        [sys.executable, "-m", "mcp_tools.hook", "--config", str(config), *arguments],
        input=given,
        capture_output=True,
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        timeout=30,
        check=False,
    )
    return done.returncode, done.stderr.decode()


def call(tool, arguments):
    return {"hook_event_name": "PreToolUse", "tool_name": tool, "tool_input": arguments}


EDIT, COMMAND = "mcp__sre__edit_config_file", "mcp__sre__run_shell_command"


@pytest.mark.parametrize("value", ["5", "20", "100"])
def test_a_value_within_the_guardrails_passes(tmp_path, value):
    assert hook(tree(tmp_path), call(EDIT, GOOD | {"new_value": value})) == (0, "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"new_value": "4"}, "outside 5"),
        ({"new_value": "101"}, "outside 5"),
        ({"key": None, "old_value": "DB_POOL_SIZE=1", "new_value": "DB_POOL_SIZE=1_0"}, "plain"),
        ({"new_value": "20\nDB_POOL_SIZE=1"}, "edit_not_allowed"),
        ({"path": "config/../guardrails.yaml"}, "path_not_allowed"),
        ({"new_value": 20}, "cannot be read"),
        ({"old_value": None}, "cannot be read"),
    ],
)
def test_an_edit_out_of_bounds_is_blocked_with_the_reason(tmp_path, change, said):
    code, words = hook(tree(tmp_path), call(EDIT, GOOD | change))
    assert code == 2
    assert said in words


@pytest.mark.parametrize(
    ("command", "size", "code"),
    [
        ("docker compose up -d api-server", "20", 0),
        ("docker compose ps", "1", 0),
        ("docker compose up -d api-server", "1", 2),
        ("docker restart api-server", "1", 2),
        ("docker compose up -d", "20", 2),
        ('docker compose up -d api"-"server', "1", 2),
        ("docker compose exec api-server sh", "20", 2),
    ],
)
def test_a_deploy_is_blocked_while_the_file_is_out_of_range(tmp_path, command, size, code):
    config = tree(tmp_path)
    env = tmp_path / "config" / "api-server.env"
    env.write_text(env.read_text().replace("SIZE=1", f"SIZE={size}"))
    assert hook(config, call(COMMAND, {"command": command}))[0] == code


@pytest.mark.parametrize(
    "event",
    [
        *(b"", b"not json", b"[]", b"null", b"5", b"{}", b"\xff\xfe", b"[" * 100_000),
        {"tool_name": EDIT},
        {"tool_name": EDIT, "tool_input": []},
        {"tool_name": 5, "tool_input": {}},
        {"tool_name": EDIT, "input": GOOD},
        call(EDIT, {}),
    ],
)
def test_what_cannot_be_read_is_blocked(tmp_path, event):
    code, words = hook(tree(tmp_path), event)
    assert code == 2
    assert words
    assert "Traceback" not in words


@pytest.mark.parametrize("break_it", ["guardrails", "config", "usage", "file"])
def test_a_hook_that_cannot_work_blocks(tmp_path, break_it):
    config, more = tree(tmp_path), ()
    if break_it == "guardrails":
        (tmp_path / "guardrails.yaml").write_text("version: 2\n")
    elif break_it == "config":
        config.write_text('{"unknown": 1}')
    elif break_it == "usage":
        more = ("--nonsense",)
    else:
        (tmp_path / "config" / "api-server.env").unlink()
    assert hook(config, call(EDIT, GOOD), *more)[0] == 2


def test_the_agent_s_own_tools_do_not_go_around_it(tmp_path):
    config = tree(tmp_path)
    inside = str(tmp_path / "x" / ".." / "config" / "api-server.env")
    for tool in ("Edit", "Write", "MultiEdit"):
        assert hook(config, call(tool, {"file_path": inside}))[0] == 2
        assert hook(config, call(tool, {"file_path": str(tmp_path / "notes.md")}))[0] == 0
        assert hook(config, call(tool, {}))[0] == 2
    assert hook(config, call("Bash", {"command": "docker restart api-server"}))[0] == 2
    assert hook(config, call("Bash", {"command": "ls"}))[0] == 0
    assert hook(config, call("mcp__other__anything", {"a": 1}))[0] == 0


def test_the_whole_escape_suite_is_blocked_here_too(tmp_path):
    from mcp_tools.hook import complaint

    decoy = Decoy(tmp_path)
    for edit in EDITS:
        assert complaint(call(EDIT, edit), decoy.settings), edit
    for command in COMMANDS:
        assert complaint(call(COMMAND, {"command": command}), decoy.settings), command
    assert decoy.snapshot() == decoy.before
