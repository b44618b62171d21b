"""The official MCP conformance suite and the inspector's command line, against a real server."""

import json
import sys

from tests.support import npm
from tests.support.tool_server import http_server, tree


async def test_the_conformance_suite_passes_but_for_what_needs_its_own_server(tmp_path):
    with http_server(tree(tmp_path)) as url:
        baseline = str(npm.FOLDER / "expected-failures.yaml")
        code, output, errors = await npm.run(
            "conformance", "server", "--url", url, "--expected-failures", baseline
        )
    assert code == 0, output + errors
    for scenario in (
        *("server-initialize", "ping", "tools-list", "tools-call-simple-text"),
        *("tools-call-error", "completion-complete", "server-sse-multiple-streams"),
        *("resources-list", "prompts-list", "dns-rebinding-protection"),
    ):
        assert f"✓ {scenario}:" in output


async def inspect(tmp_path, *arguments):
    """The inspector's answer over stdio, as data."""
    config = tree(tmp_path) if not (tmp_path / "tools.json").exists() else tmp_path / "tools.json"
    root = str(config.parent)
    code, output, errors = await npm.run(
        "inspector",
        *("--cli", "-e", f"CONFIG_ROOT={root}", "-e", "PYTHONWARNINGS=error"),
        *(sys.executable, "-m", "mcp_tools", *arguments),
    )
    assert code == 0, output + errors
    return json.loads(output), errors


async def test_the_inspector_lists_and_calls_over_stdio(tmp_path):
    listed, complaints = await inspect(tmp_path, "--method", "tools/list", "--strict")
    assert len(listed["tools"]) == 9
    assert "portab" not in complaints.lower()
    called, _ = await inspect(
        tmp_path,
        *("--method", "tools/call", "--tool-name", "read_config_file"),
        *("--tool-arg", "path=config/api-server.env"),
    )
    assert called["structuredContent"]["keys"]["DB_POOL_SIZE"] == "1"
    prompts, _ = await inspect(tmp_path, "--method", "prompts/list")
    assert [item["name"] for item in prompts["prompts"]] == ["investigate", "postmortem"]


async def test_the_inspector_calls_over_http_with_a_token(tmp_path):
    token = "0123456789abcdef"
    with http_server(tree(tmp_path), token=token) as url:
        code, output, errors = await npm.run(
            "inspector",
            *("--cli", url, "--header", f"Authorization: Bearer {token}"),
            *("--method", "tools/list"),
        )
        assert code == 0, output + errors
        assert len(json.loads(output)["tools"]) == 9
        code, output, _ = await npm.run("inspector", "--cli", url, "--method", "tools/list")
        assert code != 0
