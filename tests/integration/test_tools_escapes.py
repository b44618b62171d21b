"""The escape suite: every way out is refused, nothing is touched, nothing of the host is told."""

import json
import os

import pytest

from mcp_tools.spec import Phase
from tests.support.decoy import SECRET, Decoy
from tests.support.escapes import COMMANDS, EDITS, PATHS
from tests.support.tool_server import text

RULES = {
    *("path_not_allowed", "edit_not_allowed", "command_not_allowed", "guardrail"),
}


@pytest.fixture
def decoy(tmp_path, monkeypatch):
    """The tree, and programs called docker that leave a trace when anything runs them."""
    trap = tmp_path / "bin"
    trap.mkdir()
    for name in ("docker", "docker-compose", "sh", "id"):
        (trap / name).write_text(f"#!/bin/bash\n/usr/bin/touch {tmp_path}/ran-{name}\n")
        (trap / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{trap}:{os.environ['PATH']}")
    return Decoy(tmp_path)


async def refused(decoy, client, tool, arguments):
    """The call is refused by a rule, before the gate is asked, and leaves everything as it was."""
    result = await client.call_tool(tool, arguments)
    said = text(result)
    assert result.is_error, said
    assert f"Refused ({rule(said)})" in said
    assert rule(said) in RULES
    assert SECRET not in said + json.dumps(result.structured_content)
    assert "root:x:0" not in said
    assert decoy.gate.asked == []
    assert decoy.engine.touched == []
    assert decoy.snapshot() == decoy.before


def rule(said):
    return said.partition("Refused (")[2].partition(")")[0]


def test_the_suite_has_more_than_its_share_of_cases():
    groups = [PATHS, [json.dumps(edit, sort_keys=True) for edit in EDITS], COMMANDS]
    assert all(len(set(group)) == len(group) for group in groups)
    assert sum(map(len, groups)) >= 280


@pytest.mark.parametrize("path", PATHS)
async def test_a_path_out_is_refused(decoy, path):
    async with decoy.client() as client:
        await refused(decoy, client, "read_config_file", {"path": path})
        edit = {"path": path, "old_value": "1", "new_value": "2"}
        await refused(decoy, client, "edit_config_file", edit)


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: json.dumps(edit)[:80])
async def test_an_edit_that_does_more_is_refused(decoy, edit):
    async with decoy.client() as client:
        await refused(decoy, client, "edit_config_file", edit)


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_command_out_is_refused(decoy, command):
    async with decoy.client() as client:
        await refused(decoy, client, "run_shell_command", {"command": command})


async def test_the_tree_is_not_refusing_everything(decoy):
    edit = {
        "path": "config/api-server.env",
        "key": "DB_POOL_SIZE",
        "old_value": "1",
        "new_value": "20",
    }
    async with decoy.client() as client:
        assert not (await client.call_tool("edit_config_file", edit)).is_error
        for command in ("docker compose up -d api-server", "docker restart api-server"):
            result = await client.call_tool("run_shell_command", {"command": command})
            assert not result.is_error, text(result)
    assert decoy.engine.touched == ["redeploy api-server", "restart api-server"]
    assert [effect.kind for effect in decoy.gate.asked] == [
        "config.set",
        "service.redeploy",
        "service.restart",
    ]


async def test_an_investigation_has_no_tool_that_writes(decoy):
    async with decoy.client(Phase.INVESTIGATE) as client:
        names = {tool.name for tool in (await client.list_tools()).tools}
        assert not names & {"edit_config_file", "run_shell_command", "write_postmortem"}
        for tool in ("edit_config_file", "run_shell_command", "write_postmortem"):
            result = await client.call_tool(tool, {"command": "docker compose up -d api-server"})
            assert "Unknown tool" in text(result)
    assert decoy.snapshot() == decoy.before
