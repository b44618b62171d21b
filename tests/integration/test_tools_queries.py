"""The query tools against a real Prometheus, a false one, and none."""

import asyncio
import json
from contextlib import asynccontextmanager

import pytest

from tests.support.tool_server import connected, prometheus, text, tree, wait_for

RULES = """groups:
- name: test
  rules:
  - {alert: AlwaysFiring, expr: 'vector(1) > 0', labels: {severity: critical}, annotations: {summary: it fires}}
  - {alert: AlwaysPending, expr: 'vector(2) > 0', for: 1h, labels: {severity: warning}}
"""


@pytest.fixture(scope="module")
def url(tmp_path_factory):
    import httpx

    def data(address, query):
        return httpx.get(f"{address}/api/v1/query", params={"query": query}).json()["data"][
            "result"
        ]

    with prometheus(tmp_path_factory.mktemp("prometheus"), RULES) as address:
        wait_for(lambda: bool(data(address, "rate(prometheus_http_requests_total[5s])")), "samples")
        wait_for(lambda: len(data(address, "ALERTS")) == 2, "alerts")
        yield address


def settings(tmp_path, url, **more):
    return tree(tmp_path / "root", prometheus={"url": url, "timeout_seconds": 3}, **more)


async def test_every_kind_of_result_is_read(tmp_path, url):
    async with connected(settings(tmp_path, url)) as client:

        async def query(promql, **more):
            result = await client.call_tool("query_metrics", {"promql": promql, **more})
            assert not result.is_error, text(result)
            return result.structured_content

        vector = await query('up{job="prometheus"}')
        assert vector["kind"] == "vector"
        assert vector["series"][0]["labels"]["__name__"] == "up"
        assert vector["series"][0]["value"] == 1
        scalar = await query("scalar(vector(42))")
        assert (scalar["kind"], scalar["series"][0]["value"]) == ("scalar", 42)
        string = await query('"hello"')
        assert (string["kind"], string["series"][0]["labels"]) == ("string", {"string": "hello"})
        matrix = await query("up[10s]")
        assert matrix["kind"] == "matrix"
        assert matrix["series"][0]["values"][-1][1] == 1
        ranged = await query("up", start="now-10s", step="1s")
        assert ranged["kind"] == "matrix"
        assert (await query("vector(0)/0"))["series"][0]["value"] is None


async def test_empty_is_not_failed(tmp_path, url):
    async with connected(settings(tmp_path, url)) as client:
        result = await client.call_tool("query_metrics", {"promql": "no_such_metric"})
        assert not result.is_error
        assert result.structured_content["empty"] is True
        assert result.structured_content["count"] == 0
        assert "No data" in text(result)


async def test_bad_promql_returns_prometheus_own_words(tmp_path, url):
    async with connected(settings(tmp_path, url)) as client:
        result = await client.call_tool("query_metrics", {"promql": "sum(rate("})
        assert result.is_error
        assert "parse error" in text(result)


async def test_many_series_are_cut_and_said_so(tmp_path, url):
    async with connected(settings(tmp_path, url)) as client:
        result = await client.call_tool("query_metrics", {"promql": '{job="prometheus"}'})
        structure = result.structured_content
        assert structure["truncated"] is True
        assert structure["count"] > 50 >= len(structure["series"])
        assert len(json.dumps(structure)) < 40_000
        long = await client.call_tool(
            "query_metrics", {"promql": '{job="prometheus"}', "start": "now-1h", "step": "1s"}
        )
        assert len(long.model_dump_json()) < 80_000


async def test_expensive_query_never_reaches_prometheus(tmp_path, url):
    async with connected(settings(tmp_path, url)) as client:
        bomb = 'count_over_time({__name__=~".+"}[1y:1s])'
        result = await client.call_tool("query_metrics", {"promql": bomb})
        assert result.is_error
        assert "longer than 6 hours" in text(result)


async def test_metric_names_come_grouped_with_their_type(tmp_path, url):
    async with connected(settings(tmp_path, url)) as client:
        everything = (await client.call_tool("list_metrics", {})).structured_content
        assert everything["total"] > 100
        assert {"Process", "Monitoring"} <= set(everything["groups"])
        found = (await client.call_tool("list_metrics", {"match": "up"})).structured_content
        names = {item["name"] for group in found["groups"].values() for item in group}
        assert "up" in names
        typed = (
            await client.call_tool("list_metrics", {"match": "process_cpu"})
        ).structured_content
        assert typed["groups"]["Process"][0]["type"] == "counter"


async def test_alerts_have_state_age_and_expression(tmp_path, url):
    async with connected(settings(tmp_path, url)) as client:
        result = (await client.call_tool("get_alerts", {})).structured_content
    firing, pending = result["alerts"]
    assert (firing["name"], firing["state"], firing["expr"]) == (
        "AlwaysFiring",
        "firing",
        "vector(1) > 0",
    )
    assert (pending["name"], pending["state"]) == ("AlwaysPending", "pending")
    assert firing["duration_seconds"] >= 0
    assert firing["labels"]["severity"] == "critical"
    assert result["sources"] == {"prometheus": "ok", "alertmanager": "not configured"}


async def test_dead_alertmanager_is_named_and_hides_nothing(tmp_path, url):
    config = settings(tmp_path, url, alertmanagers=["http://127.0.0.1:1"])
    async with connected(config) as client:
        result = (await client.call_tool("get_alerts", {})).structured_content
    assert "127.0.0.1:1" in result["sources"]["alertmanager"]
    assert len(result["alerts"]) == 2


async def test_health_file_sets_the_queries(tmp_path, url):
    health = tmp_path / "health.yaml"
    health.write_text(
        "services:\n- name: prometheus\n  checks:\n"
        "  - {name: up, promql: 'up{job=\"prometheus\"}', critical: 1, below: true}\n"
        "  - {name: load, promql: 'vector(7)', unit: q/s, warning: 5, critical: 10}\n"
    )
    async with connected(settings(tmp_path, url, health=str(health))) as client:
        result = (await client.call_tool("get_service_health", {})).structured_content
    assert result["verdict"] == "degraded"
    (service,) = result["services"]
    assert [(c["name"], c["value"], c["status"]) for c in service["checks"]] == [
        ("up", 1, "ok"),
        ("load", 7, "warning"),
    ]


async def test_built_in_health_is_unknown_where_its_metrics_are_missing(tmp_path, url):
    async with connected(settings(tmp_path, url)) as client:
        result = (await client.call_tool("get_service_health", {})).structured_content
    assert result["verdict"] == "unknown"
    assert any("no data" in issue for issue in result["issues"])


async def test_prometheus_down_names_the_endpoint_and_is_never_healthy(tmp_path):
    config = settings(tmp_path, "http://127.0.0.1:1")
    async with connected(config) as client:
        for tool, arguments in [
            ("query_metrics", {"promql": "up"}),
            ("list_metrics", {}),
            ("get_alerts", {}),
        ]:
            result = await client.call_tool(tool, arguments)
            assert result.is_error
            assert "http://127.0.0.1:1" in text(result)
        health = (await client.call_tool("get_service_health", {})).structured_content
        assert health["verdict"] == "unknown"
        assert "http://127.0.0.1:1" in health["issues"][0]


@asynccontextmanager
async def false_prometheus(response):
    """Answers every request with these bytes, for ever repeated when a generator is given."""

    async def serve(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        try:
            for chunk in response():
                writer.write(chunk)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def endless():
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n"
    while True:
        yield b" " * 65_536


ANSWERS = {
    "endless": (endless, "larger than"),
    "html": (lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>"], "no JSON"),
    "error page": (lambda: [b"HTTP/1.1 502 Bad\r\nContent-Length: 3\r\n\r\nbad"], "status 502"),
    "list": (lambda: [b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"], "no JSON object"),
    "no result": (
        lambda: [b'HTTP/1.1 200 OK\r\nContent-Length: 20\r\n\r\n{"status":"success"}'],
        "no query result",
    ),
    "redirect": (
        lambda: [b"HTTP/1.1 302 F\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n"],
        "status 302",
    ),
    "hang up": (list, "not available"),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_strange_answers_are_errors_not_crashes(tmp_path, name):
    response, why = ANSWERS[name]
    async with (
        false_prometheus(response) as address,
        connected(settings(tmp_path, address)) as client,
    ):
        result = await client.call_tool("query_metrics", {"promql": "up"})
        assert result.is_error
        assert why in text(result)
        assert (await client.call_tool("get_service_health", {})).structured_content[
            "verdict"
        ] == "unknown"
