"""The drill against a front door and a stand-in for Alertmanager, which keeps what it is sent."""

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime

import pytest
from aiohttp import web

from sre_daemon.domain.lifecycle import Event, State
from sre_daemon.domain.verdict import Reason
from sre_daemon.pipeline.stage import Next, move
from tests.integration.test_cli_commands import command
from tests.support.correlation import fixed
from tests.support.factories import incident
from tests.support.front import front_door


@asynccontextmanager
async def alertmanager(on_alert, status=200):
    """Its address; `on_alert` is told of each alert."""
    told = []

    async def take(request):
        (alert,) = await request.json()
        told.append(alert)
        await on_alert(alert, len(told))
        return web.json_response({"message": "no"} if status >= 400 else {}, status=status)

    app = web.Application()
    app.router.add_post("/api/v2/alerts", take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", told
    finally:
        await runner.cleanup()


def daemon_of(door, *, ends=True):
    """What a daemon would do: an incident that a person gets, and that ends with its alert."""

    async def on_alert(alert, number):
        if number == 1:
            one = incident(State.ESCALATED, labels=alert["labels"], title="Drill")
            await door.store.accept([], fixed(opened=[one]))
            outcome = Next(Event.GAVE_UP, Reason.INCONCLUSIVE, "no cause found")
            await door.store.note([move(replace(one, state=State.INVESTIGATING), one, outcome)])
        elif ends:
            one = (await door.store.incidents())[0]
            after = one.moved(Event.CLEARED, one.updated_at)
            outcome = Next(Event.CLEARED, Reason.CLEARED, "its alerts stopped")
            await door.store.transition(after, [move(one, after, outcome)])

    return on_alert


async def test_the_alert_is_followed_to_its_end(tmp_path):
    async with front_door(tmp_path) as door, alertmanager(daemon_of(door)) as (address, told):
        code, text = await command(
            door,
            *("drill", "DiskFull", "--label", "service=api", "--label", "severity=critical"),
            *("--alertmanager", address),
        )
    assert code == 0, text
    assert "investigating -> escalated: no cause found" in text
    assert text.index("the alert stops now") < text.index("escalated -> resolved")
    first, last = told
    assert first["labels"] == last["labels"]
    assert {k: v for k, v in first["labels"].items() if k != "drill"} == {
        "alertname": "DiskFull",
        "service": "api",
        "severity": "critical",
    }
    assert datetime.fromisoformat(first["endsAt"]) > datetime.fromisoformat(last["endsAt"])


async def test_settings_say_where_alertmanager_is(tmp_path):
    async with front_door(tmp_path) as door, alertmanager(daemon_of(door)) as (address, told):
        settings = tmp_path / "settings.yaml"
        settings.write_text(
            f"data_dir: data\nprometheus: {{url: 'http://127.0.0.1:1'}}\nalertmanagers: ['{address}']\n"
        )
        code, text = await command(door, "drill", "DiskFull", "--config", str(settings))
    assert (code, len(told)) == (0, 2), text


async def test_an_alert_that_never_arrives_is_a_finding_and_stops(tmp_path):
    async def lose(_alert, _number):
        pass

    async with front_door(tmp_path) as door, alertmanager(lose) as (address, told):
        code, text = await command(
            door, "drill", "DiskFull", "--timeout", "5", "--alertmanager", address
        )
    assert (code, len(told)) == (1, 2)
    assert "did not come" in text


async def test_an_incident_that_does_not_end_is_a_finding(tmp_path):
    async with (
        front_door(tmp_path) as door,
        alertmanager(daemon_of(door, ends=False)) as (address, _),
    ):
        code, text = await command(
            door, "drill", "DiskFull", "--timeout", "5", "--alertmanager", address
        )
    assert (code, "is still escalated" in text) == (1, True)


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ((), 2, "where is Alertmanager"),
        (("--alertmanager", "http://127.0.0.1:1"), 3, "no answer from Alertmanager"),
        (("--alertmanager", "http://127.0.0.1:1", "--label", "x"), 2, "name=value"),
    ],
)
async def test_what_cannot_begin_says_why(tmp_path, arguments, code, says):
    async with front_door(tmp_path) as door:
        answer = await command(door, "drill", "DiskFull", *arguments)
    assert (answer[0], says in answer[1]) == (code, True), answer


async def test_an_alert_that_is_not_taken_is_a_no(tmp_path):
    async def refuse(_alert, _number):
        pass

    async with front_door(tmp_path) as door, alertmanager(refuse, 400) as (address, _):
        code, text = await command(door, "drill", "DiskFull", "--alertmanager", address)
    assert (code, "does not take the alert" in text) == (1, True)
