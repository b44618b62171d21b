"""Results that are too long for one answer: every page of them can be had, none twice."""

import json

import pytest
from aiohttp import web

from tests.support.tool_server import connected, text, tree

SERIES = 230
NAMES = [f"metric_{n:05}" for n in range(3000)]


def vector(_request):
    result = [
        {"metric": {"__name__": "up", "pod": f"pod-{n}", "x": "y" * 60}, "value": [1, str(n)]}
        for n in range(SERIES)
    ]
    return {"resultType": "vector", "result": result}


def alerts(_request):
    labels = [{"alertname": f"A{n:03}", "summary": "z" * 300} for n in range(SERIES)]
    return {
        "alerts": [
            {"labels": item, "state": "firing", "activeAt": "2026-01-01T00:00:00Z", "value": "1"}
            for item in labels
        ]
    }


ANSWERS = {
    "/api/v1/query": vector,
    "/api/v1/alerts": alerts,
    "/api/v1/rules": lambda _: {"groups": []},
    "/api/v1/label/__name__/values": lambda _: NAMES,
    "/api/v1/metadata": lambda _: {},
    "/api/v1/status/tsdb": lambda _: {"seriesCountByMetricName": [{"name": NAMES[0], "value": 7}]},
}


@pytest.fixture
async def config(tmp_path):
    """A tool server whose Prometheus has too much of everything."""

    async def answer(request):
        return web.json_response({"status": "success", "data": ANSWERS[request.path](request)})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield tree(tmp_path, prometheus={"url": f"http://127.0.0.1:{runner.addresses[0][1]}"})
    await runner.cleanup()


async def pages(config, tool, arguments, items):
    """All items of all pages."""
    seen, offset = [], 0
    async with connected(config) as client:
        while offset is not None:
            result = await client.call_tool(tool, arguments | {"offset": offset})
            assert not result.is_error, text(result)
            assert len(json.dumps(result.structured_content)) < 39_000
            seen += items(result.structured_content)
            offset = result.structured_content["next_offset"]
            if offset is not None:
                assert f"offset={offset}" in text(result)
    return seen


async def test_series_come_page_by_page(config):
    seen = await pages(
        config,
        "query_metrics",
        {"promql": "up"},
        lambda content: [item["labels"]["pod"] for item in content["series"]],
    )
    assert seen == [f"pod-{n}" for n in range(SERIES)]


async def test_metrics_come_page_by_page_with_their_number_of_series(config):
    seen = await pages(
        config,
        "list_metrics",
        {},
        lambda content: [item for group in content["groups"].values() for item in group],
    )
    assert [item["name"] for item in seen] == NAMES
    assert [item["series"] for item in seen[:2]] == [7, None]


async def test_alerts_come_page_by_page(config):
    seen = await pages(
        config, "get_alerts", {}, lambda content: [item["name"] for item in content["alerts"]]
    )
    assert sorted(seen) == [f"A{n:03}" for n in range(SERIES)]
