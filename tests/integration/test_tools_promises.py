"""Promises about the tools that need a real Prometheus with the shop's metrics in it."""

import asyncio
import re

from mcp_tools.registry import TOOLS, registered
from mcp_tools.settings import ToolSettings
from mcp_tools.spec import Phase
from mcp_tools.tools.commands import COMMAND
from mcp_tools.tools.metrics import QUERY
from tests.support.tool_server import connected, prometheus, text, tree

RULES = """groups:
- name: shop
  rules:
  - {record: db_connections_active, expr: vector(1), labels: {service: api-server}}
  - {record: db_pool_size, expr: vector(1), labels: {service: api-server}}
  - {record: http_requests_total, expr: vector(time() * 100), labels: {service: api-server, status: '500'}}
  - {record: http_requests_total, expr: vector(time() * 300), labels: {service: api-server, status: '200'}}
  - {record: http_request_duration_milliseconds_bucket, expr: vector(time() * 5), labels: {service: api-server, le: '100'}}
  - {record: http_request_duration_milliseconds_bucket, expr: vector(time() * 9), labels: {service: api-server, le: '2000'}}
  - {record: http_request_duration_milliseconds_bucket, expr: vector(time() * 9), labels: {service: api-server, le: '+Inf'}}
  - {record: uptime_seconds, expr: vector(1)}
"""


def test_the_tools_come_in_the_promised_groups():
    groups = {
        "prometheus": {"query_metrics", "list_metrics", "get_service_health"},
        "infrastructure": {
            *("read_config_file", "edit_config_file", "run_shell_command", "get_container_logs"),
        },
        "diagnostics": {
            *("get_logs", "get_alerts", "get_recent_deployments", "execute_runbook"),
        },
        "documentation": {"write_postmortem"},
    }
    assert [len(names) for names in groups.values()] == [3, 4, 4, 1]
    assert set().union(*groups.values()) == set(registered(Phase.REMEDIATE, ToolSettings()))
    assert len(TOOLS) == 12


def test_the_difference_of_restart_and_redeploy_is_explained():
    words = " ".join(COMMAND.description.split())
    assert "a restart does NOT read changed environment files; use up -d after an edit" in words


async def test_health_ratio_and_names_come_from_the_metrics_themselves(tmp_path):
    folder = tmp_path / "prometheus"
    folder.mkdir()
    with prometheus(folder, RULES) as url:
        async with connected(tree(tmp_path / "t", prometheus={"url": url})) as client:
            async with asyncio.timeout(40):
                while True:
                    health = (await client.call_tool("get_service_health", {})).structured_content
                    shop = [item for item in health["services"] if item["service"] == "api-server"]
                    checks = {check["name"]: check for item in shop for check in item["checks"]}
                    known = checks.get("latency_p99", {}).get("value") is not None
                    every = [check for item in health["services"] for check in item["checks"]]
                    up = any(check["name"] == "up" and check["value"] == 1 for check in every)
                    if known and up and checks.get("error_rate", {}).get("status") == "critical":
                        break
            # A pool of one with one connection in use is full, not one of a hundred.
            assert (checks["db_pool_usage"]["value"], checks["db_pool_usage"]["status"]) == (
                100,
                "critical",
            )
            assert checks["error_rate"]["status"] == "critical"
            assert checks["latency_p99"]["status"] == "critical"
            assert checks["latency_p50"]["value"] < 500
            ratio = re.search(r"error ratio by service: (.*)\n", QUERY.description)[1]
            result = await client.call_tool("query_metrics", {"promql": ratio})
            (series,) = result.structured_content["series"]
            assert series["labels"] == {"service": "api-server"}
            assert 0.2 < series["value"] < 0.3, text(result)
            names, offset = [], 0
            while offset is not None:
                page = (
                    await client.call_tool("list_metrics", {"offset": offset})
                ).structured_content
                names += [item["name"] for group in page["groups"].values() for item in group]
                offset = page["next_offset"]
            assert {"up", "uptime_seconds", "db_pool_size", "go_goroutines"} <= set(names)
            assert len(set(names)) == len(names) == page["total"]
