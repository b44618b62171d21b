"""A whole daemon tells a collector about an incident; a collector that is gone holds nothing up."""

import asyncio

from structlog.contextvars import merge_contextvars
from structlog.testing import capture_logs

from sre_daemon.traces.spans import span_id, trace_id
from tests.integration.test_app_start import get, post, running
from tests.support.collector import attributes, collecting


async def ended(http):
    """The incident, once a person has it."""
    async with asyncio.timeout(20):
        while True:
            _, answer = await get(http, "/api/v1/incidents")
            if answer["incidents"] and answer["incidents"][0]["state"] == "escalated":
                return answer["incidents"][0]
            await asyncio.sleep(0.05)


async def test_incident_is_one_trace_from_the_alert_to_the_person(tmp_path):
    async with collecting() as collector:
        async with running(tmp_path, f"traces: {{endpoint: '{collector.url}'}}\n") as (_, http):
            assert await post(http) == 200
            incident = await ended(http)
        spans = collector.spans
    wanted = trace_id(incident["id"]).to_bytes(16, "big")
    assert {span.trace_id for span in spans} == {wanted}
    root = span_id(incident["id"]).to_bytes(8, "big")
    names = {span.name for span in spans}
    assert {"stage triggered", "stage investigating", "invoke_agent investigate"} <= names
    assert all(span.parent_span_id == root for span in spans if span.name.startswith("stage "))
    (run,) = collector.named("invoke_agent investigate")
    assert attributes(run)["gen_ai.operation.name"] == "invoke_agent"
    assert collector.resource["service.name"] == "sre-daemon"
    (last,) = collector.named("stage investigating")
    assert attributes(last)["error.type"] == "escalated"


async def test_collector_that_fails_costs_spans_and_no_incident(tmp_path):
    async with collecting() as collector:
        collector.failing = True
        async with running(tmp_path, f"traces: {{endpoint: '{collector.url}'}}\n") as (_, http):
            assert await post(http) == 200
            assert (await ended(http))["state"] == "escalated"
            assert (await get(http, "/healthz"))[0] == 200
        assert collector.spans == []


async def test_logs_name_incident_and_trace(tmp_path):
    with capture_logs(processors=[merge_contextvars]) as lines:
        async with running(tmp_path) as (_, http):
            assert await post(http) == 200
            incident = await ended(http)
    told = [line for line in lines if line["event"] == "a person is needed"]
    assert told[0]["incident"] == incident["id"]
    assert told[0]["trace_id"] == f"{trace_id(incident['id']):032x}"
