"""JSON over HTTP with patience: what passes is waited for, within bounds; what does not is told."""

import asyncio
import time

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st

from mcp_tools.clients.rest import Failed, Lost, Patience, RestClient, part
from mcp_tools.errors import TargetUnavailable, ToolError
from tests.support.endpoint import serving
from tests.support.faults import Faults
from tests.support.tool_server import free_port

HASTE = Patience(timeout=0.3, tries=3, first_wait=0.01, total=2)


@pytest.fixture
async def service():
    """Answers what it was asked; yields its faults and a client."""
    faults = Faults()

    async def answer(request):
        return web.json_response({"path": request.raw_path})

    async def drip(request):
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b" ")
            await asyncio.sleep(0.1)

    app = web.Application(middlewares=[faults.middleware])
    app.router.add_get("/drip", drip)
    app.router.add_route("*", "/{rest:.*}", answer)
    async with serving(app) as url:
        client = RestClient("Example", url, {}, HASTE)
        yield faults, client
        await client.aclose()


async def test_a_named_time_is_waited_for_and_not_less(service):
    faults, client = service
    faults.next = [("GET", (429, {"Retry-After": "1"}, ""))]
    began = time.monotonic()
    assert await client.request("GET", "/a") == {"path": "/a"}
    assert time.monotonic() - began >= 1


async def test_a_date_is_a_time_too(service):
    faults, client = service
    dates = {
        "Date": "Wed, 21 Oct 2026 07:28:00 GMT",
        "Retry-After": "Wed, 21 Oct 2026 07:28:01 GMT",
    }
    faults.next = [("GET", (503, dates, ""))]
    began = time.monotonic()
    await client.request("GET", "/a")
    assert time.monotonic() - began >= 1


@pytest.mark.parametrize("asked", ["3600", "99999999999999999999", "Wed, 21 Oct 2099 07:28:00 GMT"])
async def test_who_asks_for_more_patience_than_there_is_is_not_asked_again(service, asked):
    faults, client = service
    faults.next = [("GET", (429, {"Retry-After": asked}, ""))]
    with pytest.raises(Failed, match="Example says 429"):
        await client.request("GET", "/a")
    assert faults.requests("GET") == 1


@pytest.mark.parametrize("asked", ["soon", "-1", "", "²", "1.5"])
async def test_a_time_that_is_none_is_not_waited_for(service, asked):
    faults, client = service
    faults.next = [("GET", (503, {"Retry-After": asked}, ""))]
    began = time.monotonic()
    await client.request("GET", "/a")
    assert time.monotonic() - began < 1


@pytest.mark.parametrize("fault", ["slow", "cut", "lost", (500, {}, "")])
async def test_what_may_not_be_sent_twice_is_not(service, fault):
    faults, client = service
    faults.next = [("POST", fault)]
    with pytest.raises((Lost, Failed)):
        await client.request("POST", "/a", body={}, repeatable=False)
    assert faults.requests("POST") == 1


async def test_what_surely_was_not_taken_is_sent_again(service):
    faults, client = service
    faults.next = [("POST", (429, {}, ""))]
    await client.request("POST", "/a", body={}, repeatable=False)
    assert faults.requests("POST") == 2


async def test_a_service_that_never_answers_costs_a_bounded_time(service):
    faults, client = service
    faults.next = [("GET", "slow")] * 3
    with pytest.raises(Lost, match="look before you ask"):
        async with asyncio.timeout(5):
            await client.request("GET", "/a")
    assert faults.requests("GET") == 3


async def test_an_answer_that_drips_for_ever_is_given_up(service):
    _, client = service
    with pytest.raises(Lost, match="no whole answer"):
        async with asyncio.timeout(8):
            await client.request("GET", "/drip")


async def test_nobody_there_is_told_as_nothing_done():
    client = RestClient("Example", f"http://127.0.0.1:{free_port()}", {}, HASTE)
    with pytest.raises(TargetUnavailable, match="cannot be reached") as failure:
        await client.request("POST", "/a", body={}, repeatable=False)
    assert "Nothing was changed" in failure.value.hint
    await client.aclose()


async def test_too_large_an_answer_is_refused(service):
    faults, client = service
    faults.next = [("GET", (200, {}, '{"a": "' + "x" * (5 << 20) + '"}'))]
    with pytest.raises(ToolError, match="larger than"):
        await client.request("GET", "/a")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_an_identifier_stays_one_part_of_a_path(identifier):
    encoded = part(identifier)
    assert "/" not in encoded
    assert encoded not in {".", ".."}
    assert encoded.isascii()
