"""Runbooks, deployments and logs as the tools give them."""

import json

import pytest

from mcp_tools.tools import records, runbooks
from tests.support.tool_server import connected, text, tree

RUNBOOK = """---
name: pool
description: The pool is too small.
matchers: ['alertname="Pool"']
investigate:
  - {id: size, tool: query_metrics, arguments: {promql: 'db_pool_size{service="api-server"}'}}
findings:
  - id: too-small
    when: [{step: size, value: '< 5', claim: small}]
    root_cause: too small
    propose:
      - {effect: config.set, path: config/api-server.env, key: DB_POOL_SIZE, before: '1', after: '20'}
---
# The pool is full
## Meaning
No connection is free.
## Diagnosis
Look.
## Mitigation
Set DB_POOL_SIZE.
## Escalation
#dba-oncall
"""


@pytest.fixture
def pages(tmp_path):
    folder = tmp_path / "runbooks"
    folder.mkdir()
    (folder / "pool.md").write_text(RUNBOOK)
    (folder / "broken.md").write_text("---\nname: [\n---\n")
    (folder / "plain.md").write_text("# no front matter\n")
    return tree(tmp_path / "root", runbooks=[str(folder)])


async def test_remediate_is_refused_before_investigate(pages):
    async with connected(pages) as client:
        early = await client.call_tool("execute_runbook", {"runbook": "pool", "phase": "remediate"})
        assert early.is_error
        assert "Refused (investigate_first)" in text(early)
        first = await client.call_tool(
            "execute_runbook", {"runbook": "pool", "phase": "investigate"}
        )
        page = first.structured_content
        assert page["title"] == "The pool is full"
        assert list(page["sections"]) == ["Meaning", "Diagnosis"]
        assert page["steps"][0]["tool"] == "query_metrics"
        assert page["proposals"] == []
        later = await client.call_tool("execute_runbook", {"runbook": "pool", "phase": "remediate"})
        page = later.structured_content
        assert page["sections"] == {"Mitigation": "Set DB_POOL_SIZE.", "Escalation": "#dba-oncall"}
        assert page["proposals"][0]["effects"][0]["after"] == "20"
        assert page["steps"] == []


async def test_unknown_runbook_lists_the_names(pages):
    async with connected(pages) as client:
        result = await client.call_tool("execute_runbook", {"runbook": "../pool"})
        assert result.is_error
        assert "Runbooks: pool." in text(result)
        assert "broken.md" in text(result)
        wrong = await client.call_tool("execute_runbook", {"runbook": "pool", "phase": "now"})
        assert "Wrong arguments" in text(wrong)


async def test_steps_of_a_runbook_run_as_they_are(pages):
    async with connected(pages) as client:
        page = (await client.call_tool("execute_runbook", {"runbook": "pool"})).structured_content
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        for step in page["steps"]:
            assert set(step["arguments"]) <= set(tools[step["tool"]].input_schema["properties"])


def test_missing_folders_have_no_runbooks(tmp_path):
    assert runbooks.load((tmp_path / "none",)) == ({}, [])


def record(service, minute, **more):
    return (
        {"time": f"2026-01-01T10:{minute:02}:00+00:00", "service": service, "author": "alice"}
        | {
            "message": "tune",
            "revision": "r1",
            "config": {},
            "changes": [],
        }
        | more
    )


async def test_deployments_come_newest_first_and_filtered(tmp_path):
    config = tree(tmp_path, services=["api-server", "postgres"])
    change = {
        "path": "config/api-server.env",
        "key": "DB_PASSWORD",
        "before": "hunter1",
        "after": "hunter2",
    }
    lines = [
        json.dumps(record("api-server", 1)),
        json.dumps(record("postgres", 2)),
        "not json",
        json.dumps(record("api-server", 3, changes=[change], message="\u202eevil", extra=1)),
        '{"time": "torn',
    ]
    (tmp_path / "deployments.jsonl").write_text("\n".join(lines))
    async with connected(config) as client:
        everything = (await client.call_tool("get_recent_deployments", {})).structured_content
        assert [item["time"][14:16] for item in everything["deployments"]] == ["03", "02", "01"]
        assert everything["deployments"][0]["message"] == "<U+202E>evil"
        assert "hunter" not in json.dumps(everything)
        one = (
            await client.call_tool("get_recent_deployments", {"service": "postgres"})
        ).structured_content
        assert [item["service"] for item in one["deployments"]] == ["postgres"]
        none = await client.call_tool("get_recent_deployments", {"service": "other"})
        assert none.is_error
        assert "Known services: api-server, postgres." in text(none)


def test_record_after_a_torn_line_starts_a_new_one(tmp_path):
    path = tmp_path / "d.jsonl"
    path.write_text('{"time": "torn')
    config = {"config/a.env": {"A": "1"}}
    records.record(path, "2026-01-01T10:00:00+00:00", "a", "redeploy", config)
    records.record(
        path, "2026-01-01T11:00:00+00:00", "a", "redeploy", {"config/a.env": {"A": "2", "B": "x"}}
    )
    newest, first = records.read_records(path)
    assert first.changes == []
    assert [(c.key, c.before, c.after) for c in newest.changes] == [("A", "1", "2"), ("B", "", "x")]
    assert newest.revision != first.revision


async def test_endless_deployments_file_costs_only_its_end(tmp_path):
    config = tree(tmp_path)
    line = json.dumps(record("api-server", 1, message="x" * 1000)) + "\n"
    (tmp_path / "deployments.jsonl").write_text(line * 5000)
    async with connected(config) as client:
        result = await client.call_tool("get_recent_deployments", {})
    assert not result.is_error
    assert len(json.dumps(result.structured_content)) < 40_000
