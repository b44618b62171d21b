"""Silences on a real Alertmanager: one alert, all its labels, a bounded time, once."""

import json
from dataclasses import asdict
from datetime import datetime, timedelta

import httpx
import pytest
from aiohttp import ClientSession, web

from mcp_tools.effects import SilenceCreate
from mcp_tools.tools.silences import key_of
from sre_daemon.domain import outward as daemons
from sre_daemon.domain.remediation import EffectState
from sre_daemon.executor import outward
from sre_daemon.executor.base import Result
from tests.support.alertmanager import Peer, tell
from tests.support.endpoint import serving
from tests.support.faults import Faults
from tests.support.inside import Asked, inside
from tests.support.tool_server import free_port, text

LABELS = {"alertname": "Disk", "service": "Disk", "severity": "critical"}
WANTED = {"labels": LABELS, "minutes": 60, "comment": "ann replaces the disk"}


@pytest.fixture
async def peer(tmp_path):
    peer = Peer(tmp_path / "am", "http://127.0.0.1:1", "t")
    await peer.start()
    await tell([peer], ["Disk", "Other"])
    yield peer
    await peer.kill()


@pytest.fixture
def guard():
    return Asked()


def silences(peer):
    return httpx.get(f"{peer.url}/api/v2/silences").json()


def muted(peer):
    alerts = httpx.get(f"{peer.url}/api/v2/alerts").json()
    return {item["labels"]["alertname"] for item in alerts if item["status"]["silencedBy"]}


async def test_one_alert_is_silenced_once_for_the_time_that_was_asked_for(peer, guard):
    # The first member is gone: the second one is told.
    gone = f"http://127.0.0.1:{free_port()}"
    async with inside({"alertmanagers": [gone, peer.url]}, guard) as client:
        first = await client.call_tool("create_silence", WANTED)
        assert not first.is_error, text(first)
        assert first.structured_content["created"] is True
        again = await client.call_tool("create_silence", WANTED)
        assert again.structured_content["created"] is False
        assert again.structured_content["id"] == first.structured_content["id"]

        async def call(name, arguments):
            result = await client.call_tool(name, arguments)
            return Result(result.structured_content, text(result), bool(result.is_error))

        hands = type("Hands", (), {"call": staticmethod(call)})
        effect = daemons.SilenceCreate(**asdict(guard.effects[0]))
        assert (await outward.measure(hands, effect, None))[0] is EffectState.APPLIED
        other = daemons.SilenceCreate(effect.matchers, "61", effect.comment)
        assert (await outward.measure(hands, other, None))[0] is EffectState.NOT_APPLIED
        assert outward.call(effect) == ("create_silence", WANTED)
    (made,) = silences(peer)
    assert muted(peer) == {"Disk"}
    lasts = datetime.fromisoformat(made["endsAt"]) - datetime.fromisoformat(made["startsAt"])
    assert abs(lasts - timedelta(minutes=60)) < timedelta(seconds=5)
    assert made["createdBy"] == "sre-daemon"
    assert made["comment"].startswith("ann replaces the disk (sre-")
    assert guard.effects[0] == SilenceCreate(
        json.dumps(LABELS, separators=(",", ":")), "60", WANTED["comment"]
    )
    assert key_of(guard.effects[0]) == effect.key


@pytest.mark.parametrize(
    "wrong",
    [
        {"labels": {"alertname": "Disk"}},
        {"labels": LABELS | {"service": "nothing"}},
        {"labels": LABELS | {"more": "1"}},
        {"labels": {name: value for name, value in LABELS.items() if name != "alertname"}},
        {"labels": LABELS | {"alertname": ".*"}},
        {"labels": {}},
        {"minutes": 1},
        {"minutes": 1441},
        {"comment": ""},
        {"comment": "a\nb"},
    ],
)
async def test_nothing_wider_or_longer_is_silenced(peer, guard, wrong):
    async with inside({"alertmanagers": [peer.url]}, guard) as client:
        assert (await client.call_tool("create_silence", WANTED | wrong)).is_error
    assert guard.effects == []
    assert silences(peer) == []


async def test_nothing_is_silenced_without_the_gates_yes(peer):
    async with inside({"alertmanagers": [peer.url]}, Asked(allow=False)) as client:
        assert "Refused (denied)" in text(await client.call_tool("create_silence", WANTED))
    assert silences(peer) == []


async def test_a_lost_answer_makes_no_second_silence(peer, guard):
    faults = Faults()

    async def passed_on(request):
        async with (
            ClientSession() as http,
            http.request(
                request.method,
                peer.url + request.path,
                data=await request.read(),
                headers={"Content-Type": "application/json"},
            ) as answer,
        ):
            return web.Response(
                status=answer.status, body=await answer.read(), content_type="application/json"
            )

    app = web.Application(middlewares=[faults.middleware])
    app.router.add_route("*", "/{rest:.*}", passed_on)
    async with serving(app) as url, inside({"alertmanagers": [url]}, guard) as client:
        faults.next = [("GET", (200, {}, json.dumps([{"labels": LABELS}]))), ("POST", "lost")]
        result = await client.call_tool("create_silence", WANTED)
        assert not result.is_error, text(result)
        assert len(silences(peer)) == 1
        faults.next = [("GET", (200, {}, json.dumps([{"labels": LABELS}]))), ("POST", "cut")]
        lost = await client.call_tool("create_silence", WANTED | {"minutes": 61})
        assert lost.is_error
        assert "look before you ask" in text(lost)
        assert len(silences(peer)) == 1
