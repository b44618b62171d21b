"""The demo believes nobody: whatever the daemon says, the shop itself is looked at."""

from types import SimpleNamespace

import httpx
import pytest

from stack.demo import check
from stack.files import GOOD

WELL = {
    'db_pool_size{service="api-server"}': "20",
    'sum(rate(http_requests_total{status=~"5.."}[10s]))': "0.4",
}


async def problems(*, said=("closed", True), configured="20", values=WELL, firing=(), other=None):
    def answer(request):
        if request.url.path == "/api/v1/alerts":
            alerts = [{"labels": {"alertname": name}, "state": state} for name, state in firing]
            return httpx.Response(200, json={"data": {"alerts": alerts}})
        value = values.get(request.url.params["query"])
        result = [] if value is None else [{"value": [0, value]}]
        return httpx.Response(200, json={"data": {"result": result}})

    stack = SimpleNamespace(
        prometheus="http://prometheus",
        config_file="api-server.env",
        config=lambda: GOOD | {"DB_POOL_SIZE": configured} | (other or {}),
    )
    story = SimpleNamespace(state=said[0], proven=said[1])
    async with httpx.AsyncClient(transport=httpx.MockTransport(answer)) as http:
        return await check(http, stack, story)


async def test_a_shop_that_is_well_has_no_problems():
    assert await problems(firing=[("Watchdog", "firing"), ("ApiDown", "pending")]) == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"said": ("escalated", False)}, "ended 'escalated'"),
        ({"said": ("closed", False)}, "not resolved by a proof"),
        ({"said": ("", False)}, "ended 'nowhere'"),
        ({"configured": "1", "values": WELL | {next(iter(WELL)): "1"}}, "not 5 to 100"),
        ({"configured": "500", "values": WELL | {next(iter(WELL)): "500"}}, "not 5 to 100"),
        ({"configured": "twenty"}, "not 5 to 100"),
        ({"values": WELL | {next(iter(WELL)): "1"}}, "running pool has 1.0 connections"),
        ({"values": {}}, "running pool has None"),
        ({"values": dict([next(iter(WELL.items()))])}, "None errors per second"),
        ({"values": dict.fromkeys(WELL, "20")}, "20.0 errors per second"),
        ({"other": {"LOG_LEVEL": "debug"}}, "LOG_LEVEL in api-server.env is 'debug', not 'info'"),
        ({"other": {"SPOOL_KEEP_FILES": "20000"}}, "SPOOL_KEEP_FILES in api-server.env is '20000'"),
        ({"firing": [("ApiLogFlood", "firing")]}, "still firing: ApiLogFlood"),
        ({"firing": [("ApiHighErrorRate", "firing")]}, "still firing: ApiHighErrorRate"),
    ],
)
async def test_anything_wrong_is_a_problem_whatever_the_daemon_says(wrong, says):
    assert any(says in problem for problem in await problems(**wrong))
