"""Other people's MCP servers: what is not classified does not exist, and writes ask the gate."""

import asyncio
import json
import sys
from pathlib import Path

import pytest

from mcp_tools.clients.attached import fingerprint
from sre_daemon.agent.claude.profile import ALLOWED
from sre_daemon.toolclient import ToolServer
from tests.support import npm
from tests.support.claude_runs import run_claude
from tests.support.messages_api import use
from tests.support.tool_server import (
    ALLOW,
    REPOSITORY,
    answering,
    connected,
    gate,
    http_server,
    text,
    tree,
)

INCONCLUSIVE = {
    "conclusive": False,
    "root_cause": "",
    "confidence": 0.1,
    "evidence": [],
    "contributing_factors": [],
    "affected_services": [],
    "ruled_out": [],
    "missing": ["more"],
    "proposed": [],
}
KINDS = {
    **dict.fromkeys(("add", "environment", "leak", "long", "slow", "fails", "dies"), "read"),
    "write": "write",
    "gone": "read",
}


def attach(tmp_path, tools=None, **more):
    """A tool server's settings with the foreign server attached."""
    server = {
        "command": [sys.executable, "-m", "tests.support.foreign_server", str(tmp_path)],
        "cwd": str(REPOSITORY),
        "tools": KINDS if tools is None else tools,
        "timeout_seconds": 5,
    }
    return tree(tmp_path / "t", tools={"other": server | more})


async def listed(client):
    return {tool.name: tool for tool in (await client.list_tools()).tools if "__" in tool.name}


async def test_only_what_is_classified_as_reading_is_seen_by_an_investigation(tmp_path):
    async with connected(attach(tmp_path, KINDS | {"unnamed": "off"})) as client:
        tools = await listed(client)
        assert set(tools) == {f"other__{name}" for name in KINDS} - {"other__write"}
        add = tools["other__add"]
        assert add.annotations.read_only_hint is True
        assert add.input_schema["properties"]["a"]["type"] == "integer"
        assert add.description.startswith("[tool of the attached server other; reads] Add two")
        assert "<U+202E>" in add.description
        assert "has no tool gone" in tools["other__gone"].description
        for name in ("other__write", "other__unnamed", "other__nothing", "other__", "__add"):
            refused = await client.call_tool(name, {"name": "x", "text": "y"})
            assert refused.is_error
            assert "Unknown tool" in text(refused)
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "unnamed").exists()


async def test_results_are_numbered_masked_cleaned_and_bounded(tmp_path):
    async with connected(attach(tmp_path)) as client:
        result = await client.call_tool("other__add", {"a": 1, "b": 2})
        assert result.structured_content["call"] == "c1"
        assert result.structured_content["data"] == {"result": 3}
        leak = await client.call_tool("other__leak", {})
        whole = text(leak) + json.dumps(leak.structured_content)
        assert "hunter2" not in whole
        assert "AKIA" not in whole
        assert "<U+200B>" in whole
        long = await client.call_tool("other__long", {})
        assert long.structured_content["truncated"] is True
        assert len(json.dumps(long.structured_content)) < 39_000


async def test_an_attached_server_sees_no_variable_that_is_not_named_for_it(tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("s3cret\n")
    more = {"env": {"PLAIN": "1"}, "env_files": {"API_TOKEN": str(secret)}}
    async with connected(attach(tmp_path, **more)) as client:
        result = await client.call_tool("other__environment", {})
    names = set(result.structured_content["text"].split())
    assert {"PLAIN", "API_TOKEN"} <= names
    assert not {"MCP_TOOLS_GATE_TOKEN", "ANTHROPIC_API_KEY"} & names
    assert names <= {
        *("PLAIN", "API_TOKEN", "HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER"),
        *("LC_CTYPE", "PWD", "SHLVL", "OPENBLAS_CORETYPE"),
    }


async def test_a_writing_call_is_one_effect_that_the_gate_judges(tmp_path):
    arguments = {"text": "new \N{SNOWMAN}", "name": "x"}
    async with (
        gate(tmp_path, ALLOW) as (socket, questions),
        connected(attach(tmp_path), "remediate", socket) as client,
    ):
        tools = await listed(client)
        assert tools["other__write"].annotations.destructive_hint is True
        result = await client.call_tool("other__write", arguments)
        assert not result.is_error, text(result)
        assert not (await client.call_tool("other__add", {"a": 1, "b": 2})).is_error
        missing = await client.call_tool("other__gone", {})
        assert missing.is_error
    assert (tmp_path / "x").read_text() == "new \N{SNOWMAN}"
    (question,) = questions
    assert question["tool"] == "other__write"
    assert question["effects"] == [
        {
            "effect": "mcp.call",
            "server": "other",
            "tool": "write",
            "arguments": '{"name":"x","text":"new \N{SNOWMAN}"}',
        }
    ]


@pytest.mark.parametrize("answer", [{"allow": False, "reason": "x", "message": "no"}, {}, b"\n"])
async def test_without_an_allow_nothing_is_written(tmp_path, answer):
    arguments = {"name": "x", "text": "y"}
    async with (
        gate(tmp_path, answering(answer)) as (socket, _),
        connected(attach(tmp_path), "remediate", socket) as client,
    ):
        result = await client.call_tool("other__write", arguments)
        assert result.is_error
        assert "Refused" in text(result)
    async with connected(attach(tmp_path / "2"), "remediate") as client:
        assert "no gate to ask" in text(await client.call_tool("other__write", arguments))
    assert not (tmp_path / "x").exists()
    assert not (tmp_path / "2" / "x").exists()


async def test_failures_are_told_and_the_server_comes_back(tmp_path):
    async with connected(attach(tmp_path, timeout_seconds=2)) as client:
        for name, said in [
            ("fails", "other says: Error executing tool fails"),
            ("slow", "did not answer within 2 s"),
            ("dies", "connection was lost"),
        ]:
            result = await client.call_tool(f"other__{name}", {})
            assert result.is_error
            assert said in text(result), name
        wrong = await client.call_tool("other__add", {"a": "x", "b": None})
        assert wrong.is_error
        async with asyncio.timeout(30):
            while (result := await client.call_tool("other__add", {"a": 2, "b": 2})).is_error:
                assert "not available" in text(result)
        assert result.structured_content["data"] == {"result": 4}
        path = {"path": "config/api-server.env"}
        assert not (await client.call_tool("read_config_file", path)).is_error


@pytest.mark.parametrize(
    "server",
    [
        {"command": ["/nonexistent/program"]},
        {"command": ["no-such-program-anywhere"]},
        {"command": [sys.executable, "-c", "print('no MCP')"]},
        {"command": [sys.executable, "-c", "import time; time.sleep(60)"], "start_seconds": 1},
        {"url": "http://127.0.0.1:9/mcp", "start_seconds": 2},
        {"command": ["cat"], "start_seconds": 1, "env_files": {"A": "/nonexistent"}},
    ],
)
async def test_a_server_that_does_not_start_hides_no_other_tool(tmp_path, server):
    config = tree(tmp_path, tools={"other": server | {"tools": {"add": "read"}}})
    async with connected(config) as client:
        tools = (await client.list_tools()).tools
        assert len(tools) == 10
        assert "not available" in tools[-1].description
        result = await client.call_tool("other__add", {})
        assert result.is_error
        assert "not available" in text(result)
        path = {"path": "config/api-server.env"}
        assert not (await client.call_tool("read_config_file", path)).is_error


async def test_a_server_whose_tools_changed_is_not_used(tmp_path):
    tools = {"add": "read", "write": "write"}
    async with connected(attach(tmp_path, tools, fingerprint="0" * 64)) as client:
        refused = await client.call_tool("other__add", {"a": 1, "b": 2})
        assert "not those that were pinned" in text(refused)
        right = text(refused).split("but ")[1][:64]
    async with connected(attach(tmp_path / "2", tools, fingerprint=right)) as client:
        assert not (await client.call_tool("other__add", {"a": 1, "b": 2})).is_error
    assert fingerprint(["add"], {}) != right


async def test_a_server_over_http_gets_its_headers_from_files(tmp_path):
    token = tmp_path / "header"
    token.write_text("Bearer 0123456789abcdef")
    inner = tree(tmp_path / "inner")
    with http_server(inner, token="0123456789abcdef") as url:
        server = {
            "url": url,
            "header_files": {"Authorization": str(token)},
            "tools": {"read_config_file": "read"},
        }
        async with connected(tree(tmp_path / "outer", tools={"far": server})) as client:
            path = {"path": "config/api-server.env"}
            result = await client.call_tool("far__read_config_file", path)
            assert result.structured_content["data"]["keys"]["DB_POOL_SIZE"] == "1"


async def test_the_filesystem_server_of_the_mcp_project_is_attached(tmp_path):
    shop = tmp_path / "shop"
    shop.mkdir()
    (shop / "notes.txt").write_text("the pool was 20 last week")
    server = {
        "command": [npm.program("node"), npm.program("mcp-server-filesystem"), str(shop)],
        "start_seconds": 20,
        "tools": {"read_text_file": "read", "list_directory": "read", "write_file": "write"},
    }
    config = tree(tmp_path / "t", tools={"files": server})
    notes = {"path": str(shop / "notes.txt")}
    async with connected(config) as client:
        tools = await listed(client)
        assert set(tools) == {"files__read_text_file", "files__list_directory"}
        assert "path" in tools["files__read_text_file"].input_schema["properties"]
        read = await client.call_tool("files__read_text_file", notes)
        assert "20 last week" in text(read)
        outside = await client.call_tool("files__read_text_file", {"path": "/etc/passwd"})
        assert outside.is_error
        for name in ("files__write_file", "files__move_file", "files__edit_file"):
            refused = await client.call_tool(name, notes | {"content": "x"})
            assert "Unknown tool" in text(refused)
    async with (
        gate(tmp_path, ALLOW) as (socket, questions),
        connected(config, "remediate", socket) as client,
    ):
        written = await client.call_tool("files__write_file", notes | {"content": "x"})
        assert not written.is_error, text(written)
    assert (shop / "notes.txt").read_text() == "x"
    assert json.loads(questions[0]["effects"][0]["arguments"]) == notes | {"content": "x"}


@pytest.mark.parametrize(
    "server",
    [
        {},
        {"command": ["a"], "url": "http://127.0.0.1/"},
        {"command": ["a"], "tools": {"x": "maybe"}},
        {"command": ["a"], "tools": {"../x": "read"}},
        {"command": ["a"], "unknown": 1},
    ],
)
def test_settings_that_leave_something_open_are_refused(tmp_path, server):
    from mcp_tools import settings
    from mcp_tools.errors import SettingsError

    file = Path(tree(tmp_path, tools={"other": server}))
    with pytest.raises(SettingsError, match="tools"):
        settings.load(file)
    file.write_text(json.dumps({"tools": {"a__b": {"command": ["a"]}}}))
    with pytest.raises(SettingsError, match="tools"):
        settings.load(file)


async def test_the_agent_reads_with_an_attached_tool_and_is_offered_no_other(tmp_path):
    def model(body):
        if len(body["messages"]) == 1:
            return [use("mcp__sre__other__add", a=2, b=3)]
        return [use("StructuredOutput", **INCONCLUSIVE)]

    config = attach(tmp_path, {"add": "read", "write": "write"})
    server = ToolServer(
        (sys.executable, "-m", "mcp_tools", "--phase", "investigate", "--config", str(config))
    )
    run = await run_claude(tmp_path, model, server=server, attached=("other__add",))
    assert run.failure is None
    assert [(call.tool, call.is_error) for call in run.recorder.calls] == [("other__add", False)]
    assert "5" in run.recorder.calls[0].output
    offered = {tool["name"] for tool in run.requests[0]["tools"]}
    assert offered == {"StructuredOutput", *ALLOWED, "mcp__sre__other__add"}
