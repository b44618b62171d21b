"""What /metrics promises, read from /metrics alone: sums that agree, and few series whatever comes in."""

import asyncio
import json

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as families

from tests.integration.test_app_start import post, running

OPENMETRICS = {"Accept": "application/openmetrics-text; version=1.0.0"}


async def scrape(http):
    """All samples by name and labels."""
    async with http.get("/metrics") as answer:
        text = await answer.text()
    return {
        (sample.name, *sorted(sample.labels.items())): sample.value
        for family in families(text)
        for sample in family.samples
    }


def total(samples, name, **labels):
    wanted = set(labels.items())
    return sum(v for (n, *pairs), v in samples.items() if n == name and wanted <= set(pairs))


def body(number, status="firing"):
    ends = {"endsAt": "2026-03-14T03:00:00Z"} if status == "resolved" else {}
    labels = {"alertname": f"Alert{number}", "instance": f"host-{number}", "severity": "critical"}
    alert = {"status": status, "labels": labels, "startsAt": "2026-03-14T02:00:00Z", **ends}
    return json.dumps({"groupKey": f"group-{number}", "alerts": [alert]}).encode()


async def until(http, condition, within=40):
    """The first scrape for which the condition holds."""
    async with asyncio.timeout(within):
        while True:
            samples = await scrape(http)
            check_sums(samples)
            if condition(samples):
                return samples
            await asyncio.sleep(0.05)


async def send(http, content):
    """As Alertmanager does: again, until it is stored."""
    async with asyncio.timeout(40):
        while True:
            if await post(http, content) == 200:
                return
            await asyncio.sleep(0.1)


def check_sums(samples):
    """Whenever anybody looks."""
    accepted = total(samples, "sre_daemon_accepted_total")
    settled = total(samples, "sre_daemon_settled_total")
    by_state = total(samples, "sre_daemon_incidents")
    closed = total(samples, "sre_daemon_incidents", state="closed")
    assert accepted == settled + by_state - closed
    outcomes = total(samples, "sre_daemon_notifications_total")
    assert outcomes == total(samples, "sre_daemon_notification_seconds_count")
    runs = total(samples, "sre_daemon_agent_runs_total")
    assert runs == total(samples, "sre_daemon_agent_run_seconds_count")


async def test_accepted_is_settled_plus_open_from_start_to_end(tmp_path):
    quick = "correlation: {linger: 100ms, debounce: 0s}\n"
    async with running(tmp_path, quick) as (_, http):
        check_sums(await scrape(http))
        for number in range(5):
            await send(http, body(number))
        await until(http, lambda now: total(now, "sre_daemon_incidents", state="escalated") == 5)
        for number in range(3):
            await send(http, body(number, "resolved"))
        now = await until(http, lambda now: total(now, "sre_daemon_settled_total") == 3)
        assert total(now, "sre_daemon_accepted_total") == 5


async def test_no_alert_adds_a_series(tmp_path):
    async with running(tmp_path, "correlation: {storm: 1000}\n") as (_, http):
        await send(http, body("first"))
        await until(http, lambda now: total(now, "sre_daemon_incidents", state="escalated") == 1)
        before = set(await scrape(http))
        for number in range(15):
            await send(http, body(number))
        now = await until(
            http, lambda now: total(now, "sre_daemon_incidents", state="escalated") == 16, 60
        )
        assert set(now) == before


async def test_numbers_name_an_incident_as_their_example(tmp_path):
    async with running(tmp_path) as (_, http):
        await send(http, body(1))
        await until(http, lambda now: total(now, "sre_daemon_incidents", state="escalated") == 1)
        async with http.get("/api/v1/incidents") as answer:
            (incident,) = (await answer.json())["incidents"]
        async with http.get("/metrics", headers=OPENMETRICS) as answer:
            assert answer.content_type == "application/openmetrics-text"
            text = await answer.text()
    examples = {
        family.name: sample.exemplar.labels["incident"]
        for family in openmetrics(text)
        for sample in family.samples
        if sample.exemplar is not None
    }
    assert set(examples.values()) == {incident["id"]}
    assert {
        "sre_daemon_queue_wait_seconds",
        "sre_daemon_agent_run_seconds",
        "sre_daemon_incident_transitions",
    } <= set(examples)
