"""The demo's shop as its promises say it: on a good day, while it is broken, and after the repair.

While the daemon is paused the shop stays broken, so that there is time to look at it. Prometheus, the
tools that an agent has, and the files are looked at, never the daemon's word.
"""

import re
import time

import pytest
import pytest_asyncio

from mcp_tools.registry import TOOLS
from tests.support.shop import running_shop

pytestmark = [
    pytest.mark.timeout(300),
    pytest.mark.asyncio(loop_scope="module"),
]
SERVICES = {"user-svc", "payment-svc", "auth-svc"}
ERRORS = 'sum by (service) (rate(http_requests_total{status=~"5.."}[10s]))'
ALL = "sum by (service) (rate(http_requests_total[10s]))"
RUNBOOKS = (
    *("api-db-pool-exhausted", "api-db-refused", "api-db-slow"),
    *("api-high-error-rate", "api-high-latency", "api-down", "api-disk-filling", "api-log-flood"),
)
P99 = "histogram_quantile(0.99, sum by (service, le) (rate(http_request_duration_milliseconds_bucket[10s])))"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    folder.chmod(0o755)
    async with running_shop(folder / "shop") as running:
        yield running


async def result(client, tool, **arguments):
    """What the tool returned; it must have worked."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    return answer.structured_content


async def alerts(client):
    """The names of alerts that the tool shows, besides the heartbeat."""
    return {a["name"] for a in (await result(client, "get_alerts"))["alerts"]} - {"Watchdog"}


async def test_on_a_good_day_traffic_errors_and_latency_are_as_promised(shop):
    # The traffic has just begun; rates look back ten seconds.
    rates = await shop.until(lambda: shop.values(ALL), lambda rates: sum(rates.values()) > 40)
    assert set(rates) == SERVICES
    assert sum(rates.values()) < 65
    for endpoint in ("/api/users", "/api/orders", "/api/stats"):
        rate = await shop.value(f'sum(rate(http_requests_total{{endpoint="{endpoint}"}}[10s]))')
        assert 8 < rate < 26, endpoint
    assert all(rate < 1 for rate in (await shop.values(ERRORS)).values())
    latency = await shop.values(P99)
    assert 200 <= latency["user-svc"] < 1000
    assert all(latency[name] < 200 for name in SERVICES - {"user-svc"})


async def test_prometheus_looks_every_five_seconds_or_oftener(shop):
    for job in ("api-server", "prometheus", "sre-daemon"):
        assert await shop.value(f'count_over_time(up{{job="{job}"}}[10s])') >= 2
    # What a service that is well gives to compare with.
    for metric in ("up", "process_resident_memory_bytes", "rate(process_cpu_seconds_total[10s])"):
        assert set(await shop.values(metric)) >= {"api-server", "prometheus"}, metric


async def test_api_server_exposes_requests_latency_and_pool(shop):
    text = (await shop.http.get(f"{shop.stack.api}/metrics")).text
    labels = r'\{endpoint="/api/users",method="GET",service="user-svc",status="200"\}'
    assert re.search(rf"^http_requests_total{labels} \d", text, re.MULTILINE)
    assert 'http_request_duration_milliseconds_bucket{endpoint="/api/users",le="1000.0"' in text
    for gauge in ("size", "active", "waiting", "max"):
        name = "db_pool_size" if gauge == "size" else f"db_connections_{gauge}"
        assert re.search(rf'^{name}{{service="api-server"}} \d', text, re.MULTILINE), name


async def test_a_copy_of_the_good_configuration_is_kept(shop):
    copy = shop.stack.config_file.with_name("api-server.env.backup")
    assert copy.read_bytes() == shop.file()
    assert b"DB_POOL_SIZE=20\n" in shop.file()


async def test_on_a_good_day_the_tools_say_that_all_is_well(shop):
    async with shop.tools() as client:
        assert await alerts(client) == set()
        health = await result(client, "get_service_health")
        assert health["verdict"] == "healthy", health
        checks = {s["service"]: {c["name"] for c in s["checks"]} for s in health["services"]}
        assert checks["api-server"] >= {"up", "db_pool_usage", "waiting_for_connection"}
        for name in SERVICES:
            assert checks[name] >= {"error_rate", "latency_p50", "latency_p95", "latency_p99"}
        for name in ("api-server", "payment-svc", "auth-svc", "postgres"):
            found = await result(client, "get_logs", service=name)
            assert found["lines"], name
            assert ("of api-server" in found["note"]) is name.endswith("-svc")
        description = next(t.spec.description for t in TOOLS if t.spec.name == "query_metrics")
        ratio = re.search(r"error ratio by service: (.*)", description)[1]
        found = await result(client, "query_metrics", promql=ratio)
        for series in found["series"]:
            assert 0 <= series["value"] < 0.1, series


async def test_every_step_of_every_runbook_works_here(shop):
    async with shop.tools() as client:
        for name in RUNBOOKS:
            page = await result(client, "execute_runbook", runbook=name, phase="investigate")
            assert page["steps"], name
            assert {"Meaning", "Impact", "Diagnosis"} <= set(page["sections"])
            assert "Thresholds: " in page["sections"]["Diagnosis"]
            for step in page["steps"]:
                assert await result(client, step["tool"], **step["arguments"]), step
            repair = await result(client, "execute_runbook", runbook=name, phase="remediate")
            assert {"Mitigation", "Risks", "Escalation"} <= set(repair["sections"])
            assert "team: #" in repair["sections"]["Escalation"]
            effects = [e for proposal in repair["proposals"] for e in proposal["effects"]]
            assert {e["effect"] for e in effects} == {"config.set", "service.redeploy"}, name


async def test_while_it_is_broken_every_sign_points_to_the_pool(shop):
    await shop.post("/pause", {"reason": "look at the fault"})
    begun = time.monotonic()
    await shop.stack.inject("pool-size")
    name = await shop.incident()
    assert time.monotonic() - begun < 30
    await shop.becomes('db_pool_size{service="api-server"}', 1)
    await shop.reaches(name, "escalated")
    # The rates look back ten seconds.
    failing = f"sum({ERRORS}) / sum({ALL})"
    await shop.until(lambda: shop.value(failing), lambda ratio: (ratio or 0) >= 0.2)
    assert (await shop.values(P99))["user-svc"] > 1000
    full = "max_over_time(db_connections_active[5s]) >= on (service) db_pool_size"
    assert await shop.values(full) == {"api-server": 1}
    assert await shop.value("max_over_time(db_connections_waiting[5s])") > 0
    spike = 'sum by (endpoint) (rate(http_requests_total{status="500"}[1m]))'
    url = f"{shop.stack.prometheus}/api/v1/query"
    found = (await shop.http.get(url, params={"query": spike})).json()["data"]["result"]
    rates = {item["metric"]["endpoint"]: float(item["value"][1]) for item in found}
    assert rates["/api/users"] > 5 * max(r for e, r in rates.items() if e != "/api/users")
    ratio = await shop.values(f"({ERRORS}) / ({ALL})")
    assert all(ratio.get(name, 0) < 0.1 for name in SERVICES - {"user-svc"}), ratio
    async with shop.tools() as client:
        assert "ApiDbPoolExhausted" in await alerts(client)
        health = await result(client, "get_service_health")
        assert health["verdict"] == "critical"
        # One connection of one is all of them; against a constant it would be next to nothing.
        assert any("db_pool_usage is 100" in issue for issue in health["issues"]), health
        logs = await result(client, "get_logs", service="api-server", level="error", lines=100)
        assert sum("onnection pool exhausted" in line for line in logs["lines"]) > 20

    await shop.post("/resume", {"reason": "seen enough"})
    await shop.hand_back(name)
    incident = await shop.reaches(name, "closed", "escalated")
    assert incident["resolution"] == "proven", await shop.story(name)
    await shop.quiet()


async def test_after_the_repair_rates_and_alerts_are_as_before(shop):
    async with shop.tools() as client:
        assert await alerts(client) == set()
    # The rates look back ten seconds.
    await shop.until(lambda: shop.values(ERRORS), lambda rates: sum(rates.values()) < 2)
    await shop.until(lambda: shop.values(P99), lambda latency: latency["user-svc"] < 1000)
